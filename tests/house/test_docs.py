"""The pages that speak about the code agree with it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from docs import generate
from tests.house import rules

ROOT = rules.ROOT
PAGE = (ROOT / "docs" / "settings.md").read_text()
ENVIRONMENT = re.compile(r"environ(?:\.get\(|\.setdefault\(|\[)\s*\"(\w+)\"(?:,\s*(?:f?\"([^\"]*)\"|([^)]*)))?")


def read_in(*paths: Path) -> dict[str, str]:
    """Variables that these files read, with their default as written."""
    return {m[1]: m[2] or m[3] or "" for p in paths for m in ENVIRONMENT.finditer(p.read_text())}


def documented() -> dict[str, str]:
    return {m[1]: m[2].strip() for m in re.finditer(r"^\| `(\w+)` \| (.*?) \|", PAGE, re.MULTILINE)}


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    in_code = {v for v in read_in(*rules.sources("fleet", "inventory", "playbooks", "lab")) if v.startswith("SLIPWAY_")}
    assert {v for v in documented() if v.startswith("SLIPWAY_")} == in_code


def test_plain_defaults_are_those_of_the_code() -> None:
    code = read_in(ROOT / "fleet" / "settings.py")
    plain = {v: d.strip("`") for v, d in documented().items() if re.fullmatch(r"`[^`]+`", d) and v in code}
    assert len(plain) >= 9
    for variable, default in plain.items():
        if variable != "SLIPWAY_VAR":  # its default is a path beside the code
            assert code[variable] == default, variable


def test_generated_pages_are_up_to_date() -> None:
    for name, text in generate.pages().items():
        assert (ROOT / "docs" / name).read_text() == text, "run make docs"


def test_a_stale_page_is_red(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copytree(ROOT / "fleet" / "core", tmp_path / "fleet" / "core")
    (tmp_path / "playbooks").mkdir()
    shutil.copy(ROOT / "playbooks" / "way_in.py", tmp_path / "playbooks" / "way_in.py")
    table = tmp_path / "fleet" / "core" / "states.py"
    table.write_text(table.read_text().replace("_C.PAUSED: frozenset({_C.RUNNING,", "_C.PAUSED: frozenset({"))
    argv = [sys.executable, "-m", "docs.generate", "--check"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert "docs/states.md: out of date" in done.stderr


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_readme_names_every_target_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z-]+):(?=.*## )", (ROOT / "Makefile").read_text(), re.MULTILINE)
    later = ["test-vm", "test-vpp", "proof-faults", "proof-scale", "proof-peers", "proof-security"]
    readme = (ROOT / "README.md").read_text()
    assert [t for t in [*targets, *later] if f"`make {t}" not in readme and t != "help"] == []


def test_the_example_environment_names_only_settings_that_exist() -> None:
    named = re.findall(r"^#?\s?(SLIPWAY_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert named
    assert set(named) <= set(documented())
