"""The fields of rows and advisories: what each means and how it is read. docs/compat.md lists them from here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fleet.core.compat import Confidence, Says, Side, Status, Trigger, Weight
from fleet.core.compat_components import FEATURES, KINDS
from fleet.core.model import Reason
from fleet.core.versions import Range, Version
from inventory.importers.problems import Problem, did_you_mean, shown
from inventory.importers.yaml_tree import Tree

LONGEST_TEXT = 600


class BadValue(Exception):
    """A value that a field does not take: what was found, what was wanted."""

    def __init__(self, found: str, wanted: str, remedy: str = "") -> None:
        super().__init__(found)
        self.found, self.wanted, self.remedy = found, wanted, remedy


def text(tree: Tree) -> str:
    if tree.text is None or not tree.text.strip() or len(tree.text) > LONGEST_TEXT:
        raise BadValue(tree.kind if not tree.text else shown(tree.text), f"text of at most {LONGEST_TEXT} characters")
    return " ".join(tree.text.split())


def texts(tree: Tree) -> tuple[str, ...]:
    """A list of texts, or one text."""
    return tuple(text(item) for item in tree.items) if tree.items is not None else (text(tree),)


def name(tree: Tree) -> str:
    found = text(tree)
    if len(found) > 63 or not all(c.isascii() and (c.isalnum() or c in "._-") for c in found):
        raise BadValue(shown(found), "letters, digits, '.', '_', '-', at most 63")
    return found


def names(tree: Tree) -> frozenset[str]:
    return frozenset(texts(tree))


def one_of(*known: str) -> Callable[[Tree], str]:
    def read(tree: Tree) -> str:
        found = text(tree)
        if found not in known:
            raise BadValue(shown(found), f"one of {', '.join(known)}", did_you_mean(found, known))
        return found

    return read


def member(enum: type[StrEnum]) -> Callable[[Tree], StrEnum]:
    choose = one_of(*enum)
    return lambda tree: enum(choose(tree))


def some_of(known: Mapping[str, Any]) -> Callable[[Tree], frozenset[Any]]:
    choose = one_of(*known)

    def read(tree: Tree) -> frozenset[Any]:
        items = tree.items if tree.items is not None else [tree]
        return frozenset(known[choose(item)] for item in items)

    return read


def versions(tree: Tree) -> Range:
    return _range(tree, Version.parse)


def nvm_versions(tree: Tree) -> Range:
    return _range(tree, Version.nvm)


def _range(tree: Tree, read: Callable[[str], Version | Reason]) -> Range:
    found = Range.parse(text(tree), read)
    if isinstance(found, Reason):
        raise BadValue(found.found, found.wanted)
    return found


def component(tree: Tree) -> str:
    found = text(tree)
    kind, _, rest = found.partition(".")
    if kind not in KINDS or bool(rest) is (found == "kernel"):
        raise BadValue(shown(found), "kernel, or KIND.NAME with a kind of " + ", ".join(sorted(KINDS - {"kernel"})))
    return found


def limits(tree: Tree) -> Mapping[str, int]:
    if tree.keys is None:
        raise BadValue(tree.kind, "a mapping such as {rx_queues: 8}")
    made = {}
    for key, value in tree.keys.items():
        if value.text is None or not (value.text.isascii() and value.text.isdigit()) or len(value.text) > 9:
            raise BadValue(f"{key}: {shown(value.text or value.kind)}", "a whole number")
        made[key] = int(value.text)
    return made


@dataclass(frozen=True)
class Field:
    """One field: how its value is read, what it means, whether it must be there."""

    read: Callable[[Tree], Any]
    meaning: str
    required: bool = False


_ID = Field(name, "its name, unique among all files; findings and withdrawals name it", required=True)
_CONDITION: Mapping[str, Field] = {
    "models": Field(
        names, "models of adapter, as printed on the card: X710, XL710, X722, E810, 82599 ... Not named: all"
    ),
    "flavour": Field(one_of("in-tree", "vendor"), "whose driver: the kernel's own, or the vendor's"),
    "kernel": Field(versions, "range of kernel versions"),
    "nvm": Field(nvm_versions, "range of firmware (NVM) versions; two digits after the point: 8.4 is 8.40"),
    "api": Field(versions, "range of versions of the firmware's API"),
    "cpu_vendor": Field(one_of("intel", "amd"), "only on processors of this vendor"),
}
_TOLD: Mapping[str, Field] = {
    "source": Field(text, "who says so", required=True),
    "confidence": Field(member(Confidence), "how well the source supports it: high, medium or low", required=True),
    "status": Field(member(Status), "published (default), own, or withdrawn"),
    "reference": Field(texts, "issues, commits, pages: where it can be read"),
    "since": Field(text, "date or edition that first said so"),
    "until": Field(text, "date or edition that last said so; not named: still does"),
    "withdrawn": Field(text, "date of the withdrawal"),
    "because": Field(text, "why it was withdrawn"),
}
ROW: Mapping[str, Field] = {
    "id": _ID,
    "family": Field(
        name, "family of adapter: the name of its driver in the kernel (i40e, ice, ixgbe, enic)", required=True
    ),
    **_CONDITION,
    "driver": Field(versions, "range of driver versions"),
    "says": Field(member(Says), "works (default), or avoid"),
    "last_known_good": Field(text, "what to take instead"),
    "note": Field(text, "anything else that a reader should know"),
    **_TOLD,
}
ADVISORY: Mapping[str, Field] = {
    "id": _ID,
    "title": Field(text, "the fault in one line", required=True),
    "component": Field(
        component, "what has the fault: kernel, driver.i40e, firmware.ice, routing.frr, dataplane.vpp", required=True
    ),
    "versions": Field(versions, 'range of its versions; "*" for all (of firmware: as `nvm`)', required=True),
    **_CONDITION,
    "family": Field(name, "only with an adapter of this family"),
    "features": Field(some_of({f: f for f in FEATURES}), f"only where all of these are found: {', '.join(FEATURES)}"),
    "looks_at": Field(
        some_of({s.value: s for s in Side}), "[device] (default), [neighbour] or both: whose facts are asked"
    ),
    "trigger": Field(
        member(Trigger),
        "when it bites: running (default), from when it runs; topology, when the topology changes around it; changed, "
        "when the component is changed",
    ),
    "weight": Field(
        member(Weight), "stop: FATAL when a change would newly make it true; warn: it is shown", required=True
    ),
    "symptom": Field(text, "what is seen", required=True),
    "workaround": Field(text, "what to do", required=True),
    "limits": Field(limits, "numbers that are not exceeded: {rx_queues: 8}"),
    "trace": Field(names, "functions and modules that stand in the panic that it causes"),
    **_TOLD,
}
WITHDRAWAL: Mapping[str, Field] = {
    "id": Field(name, "the row or advisory that is withdrawn", required=True),
    "because": Field(text, "why", required=True),
    "withdrawn": Field(text, "date of the withdrawal"),
}


def take(tree: Tree, fields: Mapping[str, Field], defaults: Mapping[str, Tree]) -> tuple[dict[str, Any], list[Problem]]:
    """The values of one mapping, with the file's defaults, and everything that is wrong with it."""
    if tree.keys is None:
        return {}, [Problem(tree.line, "entry", tree.kind, "a mapping of fields", "See docs/compat.md.")]
    problems = [
        Problem(tree.key_lines.get(key, tree.line), key, f"a field {shown(key)}", f"one of {', '.join(fields)}",
                did_you_mean(key, fields).strip())
        for key in tree.keys
        if key not in fields
    ]  # fmt: skip
    values: dict[str, Any] = {}
    given = {**{k: v for k, v in defaults.items() if k in fields}, **tree.keys}
    for key, field in fields.items():
        value = given.get(key)
        if value is None:
            if field.required:
                problems.append(Problem(tree.line, key, "nothing", f"`{key}:`", f"It means: {field.meaning}."))
            continue
        try:
            values[key] = field.read(value)
        except BadValue as bad:
            problems.append(Problem(value.line, key, bad.found, bad.wanted, bad.remedy.strip()))
    return values, problems
