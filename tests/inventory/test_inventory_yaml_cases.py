"""Every file in yaml/ says in its head which errors it has: exactly these are found, all at once, at their lines."""

from pathlib import Path

import pytest

from inventory.importers.references import read_checked

CASES = sorted((Path(__file__).parent / "yaml").glob("*.yaml"))
MARK = "# error: "


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_file_has_the_errors_that_its_head_names(path: Path) -> None:
    text = path.read_text()
    expected = [line.removeprefix(MARK) for line in text.splitlines() if line.startswith(MARK)]
    _, problems = read_checked(text)
    assert [str(problem) for problem in problems] == expected


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_error_has_all_its_parts(path: Path) -> None:
    for problem in read_checked(path.read_text())[1]:
        assert problem.field and problem.found and problem.wanted and problem.remedy


def test_there_are_cases_with_and_without_errors() -> None:
    with_errors = [path for path in CASES if MARK in path.read_text()]
    assert len(CASES) >= 25 and 2 <= len(CASES) - len(with_errors) < 5


def test_no_secret_of_a_file_is_in_its_errors() -> None:
    text = (Path(__file__).parent / "yaml" / "secrets.yaml").read_text()
    body = "\n".join(line for line in text.splitlines() if not line.startswith(MARK))
    assert "hunter2" in body
    assert not any("hunter2" in str(problem) for problem in read_checked(body)[1])
