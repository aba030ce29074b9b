"""Drift of network cards into requests: one drain for everything that is wrong with the same interfaces."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from fleet.core.intent_settings import cpus, split
from fleet.core.model import Json
from fleet.core.repair_values import Drifted, Repair

# Settings that are one input of the recipe nic-settings, and those of which an input holds a line for each name.
_ONE: Mapping[str, str] = {
    "nic.queues": "queues", "nic.rings.rx": "rings_rx", "nic.rings.tx": "rings_tx", "nic.rss.key": "rss_key",
    "nic.rss.indir": "equal", "nic.affinity": "interrupts", "nic.rps": "rps", "nic.xps": "xps",
}  # fmt: skip
_LINES: Mapping[str, str] = {
    "nic.flow_hash.": "flow_hash", "nic.coalesce.": "coalesce", "nic.offload.": "offloads", "nic.priv_flags.": "flags",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9 _().-]{0,59}")
_LETTERS = re.compile(r"[mvtsdfnr]{1,8}")


def input_of(one: Drifted) -> tuple[str, Json] | None:
    """Input and value that put this right; a line `NAME = VALUE` for those of many names; None: no recipe does."""
    path, interface = split(one.setting)
    if not interface:
        return None
    if path in _ONE:
        value = _value(path, one.wanted)
        return None if value is None else (_ONE[path], value)
    for before, name in _LINES.items():
        if path.startswith(before):
            line = _line(path.removeprefix(before), one.wanted, letters=name == "flow_hash")
            return None if line is None else (name, line)
    return None


def _value(path: str, wanted: Json) -> Json:
    match path:
        case "nic.rss.key":
            return wanted.lower() if isinstance(wanted, str) else None
        case "nic.rss.indir":  # a table bucket by bucket is no input; most cards lose it with the next change of queues
            return wanted["equal"] if isinstance(wanted, Mapping) and isinstance(wanted.get("equal"), int) else None
        case "nic.affinity" | "nic.rps" | "nic.xps":  # of single queues or vectors, and "none": by hand
            listed = cpus(wanted) if not isinstance(wanted, Mapping) else None
            return ",".join(map(str, sorted(listed))) if listed else None
        case _:
            return wanted if isinstance(wanted, int) and not isinstance(wanted, bool) else None


def _line(name: str, wanted: Json, *, letters: bool) -> str | None:
    if not _NAME.fullmatch(name):
        return None
    if letters:
        return f"{name} = {wanted}" if isinstance(wanted, str) and _LETTERS.fullmatch(wanted) else None
    if isinstance(wanted, bool):
        return f"{name} = {'on' if wanted else 'off'}"
    return f"{name} = {wanted}" if isinstance(wanted, int) else None


def requests(rows: Iterable[Drifted]) -> list[Repair]:
    """One request per set of inputs and pattern of interfaces: a device is drained once for all that fit one."""
    wishes: dict[tuple[str, str], list[Drifted]] = defaultdict(list)
    for row in rows:
        wishes[row.device, split(row.setting)[1]].append(row)
    alike: dict[str, dict[_Inputs, dict[str, list[Drifted]]]] = defaultdict(lambda: defaultdict(dict))
    for (device, interface), mine in wishes.items():
        alike[device][_inputs(mine)][interface] = mine
    made: dict[tuple[_Inputs, str], list[Drifted]] = defaultdict(list)
    for of_device in alike.values():
        for inputs, by_name in of_device.items():
            for pattern, chosen in patterns(by_name):
                made[inputs, pattern] += [row for name in chosen for row in by_name[name]]
    return [_request(inputs, pattern, rows) for (inputs, pattern), rows in sorted(made.items(), key=_order)]


_Inputs = tuple[tuple[str, Json], ...]


def _inputs(rows: Sequence[Drifted]) -> _Inputs:
    found: dict[str, Json] = {}
    for one in sorted(rows, key=lambda row: row.setting):
        said = input_of(one)
        assert said is not None
        name, value = said
        lines = name in _LINES.values() and name in found
        found[name] = f"{found[name]}\n{value}" if lines else value
    return tuple(sorted(found.items()))


def _order(item: tuple[tuple[_Inputs, str], Sequence[Drifted]]) -> tuple[str, str]:
    (inputs, pattern), _ = item
    return (" ".join(f"{name} {value:>9}" for name, value in inputs), pattern)


def _request(inputs: _Inputs, pattern: str, rows: Sequence[Drifted]) -> Repair:
    recipe = "nic-queues" if [name for name, _ in inputs] == ["queues"] else "nic-settings"
    targets = tuple(sorted({row.device for row in rows}))
    return Repair(recipe, {**dict(inputs), "interface": pattern}, targets, tuple(rows))


def patterns(names: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Shell patterns that together match exactly these interface names, as few as is simple, each with its names.

    Names of one length that differ in one place become one pattern: eth1, eth2, eth7 > eth[127]. A pattern never
    matches a name that was not given: another interface may be wanted otherwise.
    """
    left = sorted(set(names))
    found: list[tuple[str, tuple[str, ...]]] = []
    while left:
        best = max((_alike(left[0], place, left) for place in range(len(left[0]))), key=len, default=(left[0],))
        found.append((_pattern(best), best))
        left = [name for name in left if name not in best]
    return found


def _alike(first: str, place: int, names: Sequence[str]) -> tuple[str, ...]:
    """Those that differ from `first` at most in this place; only letters and digits may stand there."""

    def fits(name: str) -> bool:
        return name[:place] + name[place + 1 :] == first[:place] + first[place + 1 :] and name[place].isalnum()

    same = [name for name in names if len(name) == len(first) and fits(name)]
    return tuple(same) if first in same else (first,)


def _pattern(names: Sequence[str]) -> str:
    first = names[0]
    if len(names) == 1:
        return first
    place = next(i for i in range(len(first)) if len({name[i] for name in names}) > 1)
    letters = "".join(sorted({name[place] for name in names}))
    return f"{first[:place]}[{letters}]{first[place + 1 :]}"
