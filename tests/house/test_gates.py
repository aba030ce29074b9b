"""Every gate has been seen red: the real tool, with the project's own configuration, on a small wrong thing."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house import rules

ROOT = rules.ROOT
BIN = Path(sys.executable).parent
ROOMS = ("fleet", "inventory", "custom_napalm", "playbooks", "lab")


def run(*argv: object, cwd: Path = ROOT, stdin: str = "") -> tuple[int, str]:
    """Exit status and everything that was said."""
    done = subprocess.run([str(a) for a in argv], cwd=cwd, input=stdin, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the source tree that may be spoilt."""
    for room in (*ROOMS, "templates", "docs"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "manage.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


# --- ruff ----------------------------------------------------------------------------------------------------------

NOW = "from datetime import UTC, datetime\n\n\ndef f() -> datetime:\n    return datetime.now(UTC)\n"
BAD_LINES = {
    "an unused import": ("playbooks/bad.py", "import json\n", "F401"),
    "a clock read in core": ("fleet/core/bad.py", NOW, "TID251"),
    "a clock read in a playbook": ("playbooks/bad.py", NOW, "TID251"),
    "Django's clock": ("fleet/changes/bad.py", "from django.utils import timezone\n\nt = timezone.now()\n", "TID251"),
    "the wall clock": ("playbooks/bad.py", "import time\n\nt = time.time()\n", "TID251"),
    "today": ("inventory/bad.py", "from datetime import date\n\nt = date.today()\n", "TID251"),
    "a positional boolean": ("fleet/core/bad.py", "def f(x: bool) -> bool:\n    return x\n", "FBT001"),
    "a shell": ("playbooks/bad.py", "import subprocess\n\nsubprocess.run('ls *', shell=True, check=True)\n", "S60"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_ruff_is_red_on(case: str) -> None:
    path, source, code = BAD_LINES[case]
    status, said = run(BIN / "ruff", "check", "--no-cache", "--stdin-filename", path, "-", stdin=source)
    assert status == 1
    assert code in said


def test_ruff_lets_one_file_read_the_clock() -> None:
    assert run(BIN / "ruff", "check", "--no-cache", "--stdin-filename", "fleet/clock.py", "-", stdin=NOW)[0] == 0


def test_ruff_format_is_red() -> None:
    argv = (BIN / "ruff", "format", "--check", "--no-cache", "--stdin-filename", "fleet/core/bad.py", "-")
    assert run(*argv, stdin="x = {  'a':1 }\n")[0] == 1
    assert run(*argv, stdin='x = {"a": 1}\n')[0] == 0


# --- mypy ----------------------------------------------------------------------------------------------------------


def test_mypy_is_red_and_strict(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def f(x) -> int:\n    return 'one'\n")
    argv = ("--config-file", ROOT / "pyproject.toml", "--cache-dir", tmp_path / "cache", bad)
    status, said = run(BIN / "mypy", *argv)
    assert status == 1
    assert "[no-untyped-def]" in said
    assert "[return-value]" in said


# --- import-linter -------------------------------------------------------------------------------------------------


def contracts() -> list[dict[str, object]]:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return configuration["tool"]["importlinter"]["contracts"]


def kinds() -> list[str]:
    """The folders of playbooks/ that have a driver."""
    return sorted(p.parent.name for p in (ROOT / "playbooks").glob("*/driver.py"))


def test_import_contracts_are_red_each_naming_the_import(copy: Path) -> None:
    one, other = kinds()[:2]
    wrong = {
        "inventory/bad.py": ("import fleet.changes.models", "inventory.bad -> fleet.changes.models"),
        "fleet/core/bad_third.py": ("import pydantic", "fleet.core.bad_third -> pydantic"),
        "fleet/core/bad_os.py": ("import os", "fleet.core.bad_os -> os"),
        "fleet/core/bad_process.py": ("import subprocess", "fleet.core.bad_process -> subprocess"),
        "fleet/core/bad_clock.py": ("import fleet.clock", "fleet.core.bad_clock -> fleet.clock"),
        "playbooks/bad.py": ("import django.db", "playbooks.bad -> django"),
        "fleet/changes/views/bad.py": ("import playbooks.transport", "fleet.changes.views.bad -> playbooks.transport"),
        f"playbooks/{one}/bad.py": (f"import playbooks.{other}.driver", f"{one}.bad -> playbooks.{other}.driver"),
    }
    for path, (line, _) in wrong.items():
        (copy / path).write_text(f'"""Wrong on purpose."""\n\n{line}\n')
    status, said = run(BIN / "lint-imports", "--no-cache", cwd=copy)
    assert status == 1
    flat = re.sub(r"\s+", " ", said)
    for path, (_, chain) in wrong.items():
        assert chain in flat, f"{path} was not found out:\n{said}"
    for contract in contracts():
        assert f"{contract['name']} BROKEN" in flat


def test_import_contracts_are_green_on_the_tree_as_it_is(copy: Path) -> None:
    status, said = run(BIN / "lint-imports", "--no-cache", cwd=copy)
    assert status == 0, said


def test_no_kind_is_forgotten_in_the_contract() -> None:
    independent = next(c for c in contracts() if c["type"] == "independence")
    assert sorted(independent["modules"]) == [f"playbooks.{kind}" for kind in kinds()]


# --- migrations ----------------------------------------------------------------------------------------------------


def test_a_model_without_its_migration_is_red(copy: Path) -> None:
    argv = (sys.executable, "manage.py", "makemigrations", "--check", "--dry-run")
    assert run(*argv, cwd=copy)[0] == 0
    with (copy / "inventory" / "models" / "places.py").open("a") as file:
        file.write('\n\nSite.add_to_class("forgotten", models.IntegerField(default=0))\n')
    status, said = run(*argv, cwd=copy)
    assert status == 1
    assert "Add field forgotten to site" in said


# --- rules of our own ----------------------------------------------------------------------------------------------

STATE_BAD = [
    "row.state = 'done'",
    "row.a, row.state = 1, 'done'",
    "row.state += 'x'",
    "row.state: str = 'done'",
    "class A:\n    def f(self):\n        self.state = 'done'",
    "setattr(row, 'state', 'done')",
    "rows.filter(pk=1).update(state='done')",
    "rows.update(**{'state': 'done'})",
    "rows.update(**values)",
    "rows.update_or_create(pk=1, defaults={'state': 'done'})",
    "rows.bulk_update(many, ['state'])",
    "rows.bulk_update(many, fields=['state'])",
    "row.save(update_fields=['state'])",
    "cursor.execute('UPDATE changes_change SET state = 1')",
    "for row.state in 'ab':\n    pass",
]
STATE_GOOD = [
    "class Change:\n    state = models.CharField(max_length=12)",
    "row = StepRun(state='ready')",
    "state = row.state",
    "if row.state == 'done': pass",
    "rows.filter(state='done').update(due_at=None)",
    "words.update({'a': 1})",
]


@pytest.mark.parametrize("source", STATE_BAD)
def test_a_state_assigned_elsewhere_is_red(source: str) -> None:
    assert rules.state_assignments(source)


@pytest.mark.parametrize("source", STATE_GOOD)
def test_what_is_no_assignment_of_a_state_is_green(source: str) -> None:
    assert rules.state_assignments(source) == []


def _over(check: object, *folders: str, but: Path | None = None) -> list[str]:
    paths = [p for p in rules.sources(*folders) if p.parent != but]
    return [f"{p.relative_to(ROOT)}:{words}" for p in paths for words in check(p.read_text())]


def test_only_transitions_assigns_a_state() -> None:
    assert _over(rules.state_assignments, "fleet", "inventory", but=rules.STATE_OWNER) == []
    seen = {p.name for p in rules.STATE_OWNER.glob("*.py") if rules.state_assignments(p.read_text())}
    assert seen == {"rows.py", "runs.py", "steps.py", "targets.py"}, "the gate does not see what is there"


def test_no_model_reads_the_clock_by_itself() -> None:
    assert rules.hidden_clocks("x = models.DateTimeField(auto_now_add=True)") == [
        "1: auto_now_add=True reads the clock"
    ]
    assert _over(rules.hidden_clocks, "fleet", "inventory") == []


def test_core_calls_nothing_that_reaches_the_world() -> None:
    assert rules.impure_calls("open('x')\nprint(1)") == ["1: open()", "2: print()"]
    assert _over(rules.impure_calls, "fleet/core") == []
