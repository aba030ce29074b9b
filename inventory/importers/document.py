"""An inventory file as checked entries, each with its lines: shape and single values. Pure; no database."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleet.core.model import Json
from inventory.importers import kinds
from inventory.importers.fields import SECTIONS, Field, Section
from inventory.importers.problems import Problem, did_you_mean, shown
from inventory.importers.yaml_tree import Tree, parse


@dataclass(frozen=True)
class Entry:
    """One entry of a section. A key whose value was refused is not in `values`, so that checks can pass over it."""

    section: str
    label: str  # its name, or its number in the section counted from 1
    line: int
    values: Mapping[str, Json]
    lines: Mapping[str, int]
    instead_of: "Entry | None" = None  # what the database has, where the file says only a part

    def line_of(self, key: str) -> int:
        return self.lines.get(key, self.line)

    def problem(self, key: str, found: str, wanted: str, remedy: str) -> Problem:
        return Problem(self.line_of(key), f"{self.section}.{self.label}.{key}", found, wanted, remedy, self.line)


@dataclass(frozen=True)
class Document:
    """Section -> entries in the order of the file. Plain names are entries with the single value `name`."""

    sections: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    partial: bool = False  # entries of line 0 are those of the database; what is not mentioned is not missing

    def entries(self, section: str) -> tuple[Entry, ...]:
        return self.sections.get(section, ())

    def without(self, lines: frozenset[int]) -> "Document":
        """The same without the entries that begin at these lines; what they stood instead of is as it was."""
        kept = {
            name: tuple(one for e in entries if (one := e.instead_of if e.line in lines else e) is not None)
            for name, entries in self.sections.items()
        }
        return Document(kept, self.partial)

    def given(self) -> "Document":
        """Only what the file itself says."""
        return self.without(frozenset({0}))

    def names(self, section: str) -> dict[str, Entry]:
        """Name -> its first entry."""
        found: dict[str, Entry] = {}
        for entry in self.entries(section):
            if "name" in entry.values:
                found.setdefault(entry.values["name"], entry)
        return found


def read(text: str) -> tuple[Document, list[Problem]]:
    """The entries of a text and everything that is wrong with single values and keys."""
    tree, problems = parse(text)
    if tree is None:
        return Document(), problems
    if tree.keys is None:
        wanted = "a mapping with the keys " + ", ".join(SECTIONS)
        return Document(), [*problems, Problem(tree.line, "file", tree.kind, wanted, "docs/inventory.md shows one.")]
    problems += _unknown_keys(tree, "file", list(SECTIONS), row=0)
    sections: dict[str, tuple[Entry, ...]] = {}
    for section in SECTIONS.values():
        body = tree.keys.get(section.name)
        if body is None or body.kind == "nothing":
            if section.required:
                line = tree.key_lines.get(section.name, 0)
                wanted, remedy = f"at least one entry ({section.about})", f"Add {section.name}: to the file."
                problems.append(Problem(line, section.name, "nothing", wanted, remedy))
            continue
        sections[section.name] = tuple(_entries(section, body, problems))
    return Document(sections), problems


def _unknown_keys(tree: Tree, where: str, known: list[str], *, row: int) -> list[Problem]:
    found: list[Problem] = []
    for key in tree.keys or {}:
        if key not in known:
            remedy = did_you_mean(key, known) + "Remove it or correct its name."
            wanted = "one of " + ", ".join(known)
            found.append(Problem(tree.key_lines[key], where, f"the unknown key {shown(key)}", wanted, remedy, row))
    return found


def _entries(section: Section, body: Tree, problems: list[Problem]) -> list[Entry]:
    if body.items is None:
        problems.append(Problem(body.line, section.name, body.kind, "a list", 'Begin each entry with "- ".'))
        return []
    if section.required and not body.items:
        remedy = "Add what is there."
        problems.append(Problem(body.line, section.name, "an empty list", "at least one entry", remedy))
    read_one = _entry if section.fields else _plain_name
    found = (read_one(section, number, item, problems) for number, item in enumerate(body.items, 1))
    return [entry for entry in found if entry is not None]


def _plain_name(section: Section, number: int, item: Tree, problems: list[Problem]) -> Entry | None:
    name = kinds.NAME(item)
    if isinstance(name, kinds.Wrong):
        where = f"{section.name}.{number}"
        remedy = name.remedy or "Correct the name."
        problems.append(Problem(item.line, where, name.found, name.wanted, remedy, item.line))
        return None
    return Entry(section.name, name, item.line, {"name": name}, {"name": item.line})


def _entry(section: Section, number: int, item: Tree, problems: list[Problem]) -> Entry | None:
    if item.keys is None:
        wanted = "a mapping with " + ", ".join(f.name for f in section.fields)
        remedy = "Write {KEY: VALUE, ...}."
        problems.append(Problem(item.line, f"{section.name}.{number}", item.kind, wanted, remedy, item.line))
        return None
    named = kinds.NAME(item.keys["name"]) if "name" in item.keys else None
    label = named if isinstance(named, str) else str(number)
    where = f"{section.name}.{label}"
    known = [f.name for f in section.fields]
    problems += _unknown_keys(item, where, known, row=item.line)
    # "adress" is one mistake, not an unknown key and a missing one.
    misspelt = " ".join(did_you_mean(key, known) for key in item.keys if key not in known)
    values: dict[str, Json] = {}
    for spec in section.fields:
        if spec.name not in item.keys and f" {spec.name}?" in misspelt:
            continue
        value = _value(spec, item, where)
        if isinstance(value, Problem):
            problems.append(value)
        else:
            values[spec.name] = value
    return Entry(section.name, label, item.line, values, item.key_lines)


def missing(spec: Field, line: int, where: str) -> Problem:
    """A key that may not be left out."""
    remedy = f"Add {spec.name}: {spec.about}."
    return Problem(line, f"{where}.{spec.name}", "nothing", spec.kind.form, remedy, line)


def _value(spec: Field, item: Tree, where: str) -> Json | Problem:
    tree = (item.keys or {}).get(spec.name)
    if tree is None:
        if not spec.required:
            return spec.default
        return missing(spec, item.line, where)
    value = spec.kind(tree)
    if isinstance(value, kinds.Wrong):
        remedy = value.remedy or f"Correct it: {spec.about}."
        return Problem(tree.line, f"{where}.{spec.name}", value.found, value.wanted, remedy, item.line)
    return value
