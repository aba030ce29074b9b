"""One file of rows and advisories: from text to values, with every problem by its line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fleet.core.compat import Advisory, Condition, Confidence, Row, Says, Side, Status, Told, Trigger
from fleet.core.model import Reason
from fleet.core.versions import Range, Version
from inventory.compat.fields import ADVISORY, ROW, WITHDRAWAL, Field, take
from inventory.importers.problems import Problem, did_you_mean, shown
from inventory.importers.yaml_tree import Tree, parse

# The longest file shipped has 20,000 characters; a file of a user's is read at every start of a plan.
MAX_CHARACTERS = 1_000_000
_TOP = ("defaults", "rows", "advisories", "withdraw")


@dataclass(frozen=True)
class Withdrawal:
    """A user's file takes back a row or an advisory of another."""

    id: str
    because: str
    withdrawn: str
    place: str


@dataclass(frozen=True)
class Sheet:
    """What one file says. An entry with a problem is left out, the others stay."""

    rows: tuple[Row, ...] = ()
    advisories: tuple[Advisory, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
    problems: tuple[Problem, ...] = ()


def read(text: str, file: str) -> Sheet:
    """Read a file. Never raises: what is wrong is among the problems, by line."""
    if len(text) > MAX_CHARACTERS:
        found, wanted = f"{len(text)} characters", f"at most {MAX_CHARACTERS}"
        return Sheet(problems=(Problem(0, "file", found, wanted, "Split it."),))
    tree, problems = parse(text)
    if tree is None:
        return Sheet(problems=tuple(problems))
    if tree.keys is None:
        wanted = f"a mapping with {', '.join(_TOP)}"
        return Sheet(problems=(Problem(tree.line, "file", tree.kind, wanted, "See docs/compat.md."),))
    for key in tree.keys:
        if key not in _TOP:
            remedy = did_you_mean(key, _TOP).strip()
            problems.append(Problem(tree.key_lines[key], key, shown(key), f"one of {', '.join(_TOP)}", remedy))
    defaults = tree.keys["defaults"].keys or {} if "defaults" in tree.keys else {}
    known = {*ROW, *ADVISORY} - {"id"}
    problems += [
        Problem(value.line, key, f"a default {shown(key)}", f"one of {', '.join(sorted(known))}", "")
        for key, value in defaults.items()
        if key not in known
    ]
    rows = _entries(tree, "rows", ROW, defaults, problems)
    advisories = _entries(tree, "advisories", ADVISORY, defaults, problems)
    withdrawals = _entries(tree, "withdraw", WITHDRAWAL, {}, problems)
    return Sheet(
        tuple(_row(values, f"{file}:{line}") for line, values in rows),
        tuple(_advisory(values, f"{file}:{line}") for line, values in advisories),
        tuple(Withdrawal(v["id"], v["because"], v.get("withdrawn", ""), f"{file}:{line}") for line, v in withdrawals),
        tuple(sorted(problems)),
    )


def _entries(
    tree: Tree, key: str, fields: Mapping[str, Field], defaults: Mapping[str, Tree], problems: list[Problem]
) -> list[tuple[int, dict[str, Any]]]:
    found = (tree.keys or {}).get(key)
    if found is None:
        return []
    if found.items is None:
        problems.append(Problem(found.line, key, found.kind, "a list", "Begin each entry with a dash."))
        return []
    made = []
    for item in found.items:
        values, wrong = take(item, fields, defaults)
        problems += wrong
        if not wrong:
            made.append((item.line, values))
    return made


def _condition(values: Mapping[str, Any]) -> Condition:
    return Condition(
        family=values.get("family", ""),
        models=values.get("models", frozenset()),
        flavour=values.get("flavour", ""),
        driver=values.get("driver"),
        kernel=values.get("kernel"),
        nvm=values.get("nvm"),
        api=values.get("api"),
        cpu_vendor=values.get("cpu_vendor", ""),
        features=values.get("features", frozenset()),
    )


def _told(values: Mapping[str, Any], place: str) -> Told:
    return Told(
        source=values["source"],
        confidence=Confidence(values["confidence"]),
        status=Status(values.get("status", Status.PUBLISHED)),
        reference=values.get("reference", ()),
        since=values.get("since", ""),
        until=values.get("until", ""),
        withdrawn=values.get("withdrawn", ""),
        because=values.get("because", ""),
        place=place,
    )


def _row(values: Mapping[str, Any], place: str) -> Row:
    return Row(
        id=values["id"],
        when=_condition(values),
        told=_told(values, place),
        says=Says(values.get("says", Says.WORKS)),
        last_known_good=values.get("last_known_good", ""),
        note=values.get("note", ""),
    )


def _advisory(values: Mapping[str, Any], place: str) -> Advisory:
    # The flavour of a driver's advisory is asked with its version, on the very adapter; elsewhere of any adapter.
    of_driver = values["component"].startswith("driver.")
    condition = {k: v for k, v in values.items() if not (of_driver and k == "flavour")}
    return Advisory(
        id=values["id"],
        title=values["title"],
        component=values["component"],
        versions=_versions(values),
        symptom=values["symptom"],
        workaround=values["workaround"],
        weight=values["weight"],
        told=_told(values, place),
        flavour=values.get("flavour", "") if of_driver else "",
        when=_condition(condition),
        looks_at=values.get("looks_at", frozenset({Side.DEVICE})),
        trigger=values.get("trigger", Trigger.RUNNING),
        limits=values.get("limits", {}),
        trace=frozenset(values.get("trace", ())),
    )


def _versions(values: Mapping[str, Any]) -> Range:
    """Firmware is compared as the NVM writes it: ">= 8.4" is 8.40."""
    found: Range = values["versions"]
    if not values["component"].startswith("firmware."):
        return found
    again = Range.parse(str(found), Version.nvm) if found.bounds else found
    return found if isinstance(again, Reason) else again
