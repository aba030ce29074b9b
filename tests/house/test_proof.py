"""docs/proof.md has a section for each claim, each claim its command, and a run replaces its own section only."""

import re
from pathlib import Path

from proof import report
from proof.report import Row
from tests.house import rules

MAKEFILE = (rules.ROOT / "Makefile").read_text()


def test_every_command_has_its_section_and_every_section_its_command() -> None:
    targets = set(re.findall(r"^(proof-\w+):", MAKEFILE, re.MULTILINE))
    assert {f"make {target}" for target in targets} == {command for _, command, _ in report.CLAIMS.values()}
    page = report.PAGE.read_text()
    assert re.findall(r"^<!-- (\w+) -->$", page, re.MULTILINE) == list(report.CLAIMS)
    for title, command, _ in report.CLAIMS.values():
        assert f"## {title}\n\n`{command}`" in page


def test_the_readme_leads_from_every_promise_to_what_was_found() -> None:
    readme = (rules.ROOT / "README.md").read_text()
    for title, command, _ in report.CLAIMS.values():
        assert f"[`{command}`](docs/proof.md#{title.lower().replace(' ', '-')})" in readme


def test_a_run_replaces_its_own_section_and_no_other(tmp_path: Path) -> None:
    page = tmp_path / "proof.md"
    report.write("scale", [Row("targets per minute", "812")], page=page)
    report.write("faults", [Row("runs | judged", "2,000", "2,000", holds=True)], seed=7, words="All of it.", page=page)
    text = page.read_text()
    assert "| targets per minute | 812 |  |  |" in text
    assert "| runs \\| judged | 2,000 | 2,000 | holds |" in text
    assert "seed 7" in text and "All of it." in text
    assert text.count("Not run yet.") == len(report.CLAIMS) - 2
    report.write("faults", [Row("runs", "3", "2,000", holds=False)], page=page)
    text = page.read_text()
    assert "**falls short**" in text and "All of it." not in text
    assert "| targets per minute | 812 |  |  |" in text


def test_the_table_of_threats_names_tests_that_there_are() -> None:
    page = (rules.ROOT / "docs" / "security.md").read_text()
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", page))
    assert len(named) > 12
    assert not [name for name in named if not (rules.ROOT / name).exists()]
