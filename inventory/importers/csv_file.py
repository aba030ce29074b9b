"""Devices, links or profiles from a CSV file: a part of the inventory, added to what the database has.

The header says which: a column `a` for links, `site` or `address` for devices, else profiles, where every setting has
a column. A column that is not there, and an empty cell, leave a row as it is; of a new row they mean the default.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from fleet.core import intent
from fleet.core.model import Json
from inventory.importers import apply as applying
from inventory.importers import kinds, rows
from inventory.importers import preview as previews
from inventory.importers.document import Document, Entry, missing
from inventory.importers.fields import SECTIONS, Section
from inventory.importers.preview import Preview
from inventory.importers.problems import Problem, did_you_mean, shown
from inventory.importers.references import check
from inventory.importers.yaml_tree import Tree, parse

_ANYTHING = "a value"
_EXAMPLE = "docs/inventory.md shows one of each."


def preview(text: str, *, accept_new_host_keys: bool = False, skip_wrong_rows: bool = False) -> Preview:
    """What importing this text would do, or everything that is wrong with it. Writes nothing."""
    before = rows.as_document(rows.stored(SECTIONS))
    document, problems = read(text, before)
    # What is wrong with the database already is not the fault of this file.
    return previews.of_entries(
        document, problems, accept_new_host_keys=accept_new_host_keys, skip_wrong_rows=skip_wrong_rows,
        ignore=check(before),
    )  # fmt: skip


def apply(preview: Preview, *, now: datetime) -> None:
    """Write a preview, all or nothing. Raises `apply.NotApplied` when it has errors or the database moved on."""
    applying.write(preview, now=now)


def read(text: str, before: Document) -> tuple[Document, list[Problem]]:
    """`before` with the rows of the text in it, and what is wrong with single cells. Pure."""
    problems: list[Problem] = []
    table = list(_lines(text, problems))
    if not table:
        problems.append(Problem(1, "file", "nothing", "a line with the names of columns", _EXAMPLE))
        return before, problems
    (line, header), *body = table
    section = _section(header)
    columns = [name for name in header if name]
    known = [f.name for f in section.fields]
    for name in columns:
        if name not in known and not _is_setting(section, name):
            remedy = did_you_mean(name, known) + "Remove it or correct its name."
            found = f"the unknown column {shown(name)}"
            problems.append(Problem(line, "file", found, "one of " + ", ".join(known), remedy))
        if columns.count(name) > 1:
            problems.append(Problem(line, "file", f"the column {shown(name)} twice", "it once", "Remove one."))
    if problems:
        return before, sorted(set(problems))
    had = {_identity(section, e.values): e for e in before.entries(section.name)}
    made = [entry for at, cells in body if (entry := _entry(section, header, cells, at, had, problems))]
    mine = {_identity(section, entry.values) for entry in made}
    kept = [entry for key, entry in had.items() if key not in mine]
    return Document({**before.sections, section.name: (*kept, *made)}, partial=True), problems


def _lines(text: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of every row that is not empty. Semicolons part cells where the header has more of them."""
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield line, [cell.strip() for cell in cells]
            line = reader.line_num + 1
    except csv.Error as error:
        problems.append(Problem(line, "file", str(error)[:80], "CSV (RFC 4180)", "Correct the quotes of this line."))


def _section(header: Sequence[str]) -> Section:
    if "a" in header or "b" in header:
        return SECTIONS["links"]
    return SECTIONS["routers" if {"site", "address", "credential", "role"} & set(header) else "profiles"]


def _is_setting(section: Section, name: str) -> bool:
    return section.name == "profiles" and intent.setting_of(intent.split(name)[0]) is not None


def _identity(section: Section, values: Mapping[str, Json]) -> Json:
    if section.name != "links":
        return values.get("name")
    return frozenset(values[key] for key in ("a", "b") if key in values)


def _entry(
    section: Section,
    header: Sequence[str],
    cells: Sequence[str],
    line: int,
    had: Mapping[Json, Entry],
    problems: list[Problem],
) -> Entry | None:
    where = f"{section.name}.{line}"
    if len(cells) > len(header):
        found, wanted = f"{len(cells)} cells", f"at most {len(header)}, as in the header"
        problems.append(Problem(line, where, found, wanted, "Put cells with the delimiter in quotes.", line))
        return None
    filled = {name: cell for name, cell in zip(header, cells, strict=False) if name and cell}
    where = f"{section.name}.{filled.get('name', line)}"
    values: dict[str, Json] = {}
    settings: dict[str, Json] = {}
    wrong: set[str] = set()
    for name, cell in filled.items():
        spec = next((f for f in section.fields if f.name == name), None)
        value = _cell(spec.kind if spec else kinds.Kind(_ANYTHING, lambda tree, _: kinds.as_json(tree)), cell, line)
        if isinstance(value, kinds.Wrong):
            remedy = value.remedy or f"Correct it: {spec.about if spec else 'docs/intent.md shows each setting'}."
            problems.append(Problem(line, f"{where}.{name}", value.found, value.wanted, remedy, line))
            wrong.add(name)
        elif spec is None:
            settings[name] = value
        else:
            values[name] = value
    before = had.get(_identity(section, values))
    if section.name == "profiles":
        was = before.values["settings"] if before else {}
        values["settings"] = {**was, **values.get("settings", {}), **settings}
    for spec in section.fields:
        if spec.name in values or spec.name in wrong:
            continue
        if before is not None:
            values[spec.name] = before.values[spec.name]
        elif spec.required:
            problems.append(missing(spec, line, where))
        else:
            values[spec.name] = spec.default
    label = values.get("name") or str(line)
    return Entry(section.name, str(label), line, values, {}, before)


def _cell(kind: kinds.Kind, cell: str, line: int) -> Json | kinds.Wrong:
    """The text of the cell as such, or as YAML reads it: numbers, truth values, [lists] and {mappings}."""
    value = kind(Tree(line, "text", cell))
    tree, _ = parse(cell)
    other = tree is not None and tree.kind not in {"text", "a date"}
    if kind.form == _ANYTHING:
        other = other and _plain_number(tree)
    elif not isinstance(value, kinds.Wrong):
        return value
    if other and tree is not None:
        value = kind(tree)
    if isinstance(value, kinds.Wrong) and "quotes" in value.remedy:  # advice for YAML
        return kinds.Wrong(value.found, value.wanted)
    return value


def _plain_number(tree: Tree | None) -> bool:
    """Of settings: 6.1 in a cell is the version that was typed, not a number."""
    return tree is None or tree.text is None or tree.kind != "a number" or tree.text.isdigit()
