"""docs/inventory.md against the code: its tables are the importer's, its example is a right file."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.core.intent import PRECEDENCE
from fleet.core.intent_settings import SETTINGS
from inventory.importers import csv_file
from inventory.importers import rows as rows_of
from inventory.importers.fields import SECTIONS, Section
from inventory.importers.references import read_checked

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "inventory.md").read_text()


def rendered(section: Section) -> str:
    """The rows of a section's table as the page must have them."""
    lines = ["| key | left out | written as | meaning |", "|---|---|---|---|"]
    for field in section.fields:
        default = "not allowed" if field.required else f"`{field.default}`" if field.default else "nothing"
        lines.append(f"| `{field.name}` | {default} | {field.kind.form} | {field.about} |")
    return "\n".join(lines)


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_every_section_is_described_as_it_is_read(section: Section) -> None:
    needed = "" if section.required else " (may be left out)"
    _, found, body = PAGE.partition(f"### {section.name}{needed}\n\n{section.about}")
    assert found, f"### {section.name}{needed} and its purpose are missing"
    body = body.partition("\n### ")[0]
    tables = re.findall(r"(?:^\|.*\n)+", body, re.MULTILINE)
    assert [table.strip() for table in tables] == ([rendered(section)] if section.fields else [])


def test_no_other_section_is_described() -> None:
    reading = PAGE.partition("## Sections")[2].partition("\n## ")[0]
    assert [name.split()[0] for name in re.findall(r"^### (.+)$", reading, re.MULTILINE)] == list(SECTIONS)


def test_the_example_is_right_and_whole() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    document, problems = read_checked(example)
    assert not problems
    assert set(document.sections) == set(SECTIONS)


def test_the_error_that_the_page_shows_is_the_one_that_is_printed() -> None:
    text = (Path(__file__).parent / "yaml" / "link_to_nowhere.yaml").read_text()
    errors = re.findall(r"^# error: (.*)$", text, re.MULTILINE)
    assert any(error in PAGE for error in errors)


def test_every_setting_is_described_as_it_is_read() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "intent.md").read_text()
    rows = [f"| `{s.pattern}` | {s.kind} | `{s.form}` | {s.about} |" for s in SETTINGS]
    table = page.partition("## Settings\n\n")[2].partition("\n\n")[0].splitlines()
    assert table[2:] == rows
    order = re.findall(r"\*\*(fleet < .*?)\*\*", page)[0].replace("NIC model", "nic_model").split(" < ")
    assert order == [level.value for level in PRECEDENCE]


def test_the_tables_of_the_page_are_read_as_csv(fleet: Callable[[int], None]) -> None:
    fleet(2)
    tables = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    known = rows_of.as_document(rows_of.stored(SECTIONS))
    assert [csv_file.read(table, known)[1] for table in tables] == [[], [], []]
