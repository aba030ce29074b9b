"""From drift to the requests that would repair it, and why what no recipe can repair is left."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fleet.core.intent_settings import split
from fleet.core.model import Json, Reason

_QUEUES, _SYSCTL, _CMDLINE = "nic.queues", "kernel.sysctl.", "kernel.cmdline."


@dataclass(frozen=True)
class Drifted:
    """One setting of one device that is not as wanted."""

    device: str
    setting: str
    wanted: Json
    found: Json


@dataclass(frozen=True)
class Repair:
    """A request that repairs: which recipe with which inputs on which devices, and what it puts right."""

    recipe: str
    inputs: Mapping[str, Json]
    targets: tuple[str, ...]
    repairs: tuple[Drifted, ...]


@dataclass(frozen=True)
class Repairs:
    """The requests that repair together all that can be repaired, and why the rest cannot."""

    requests: tuple[Repair, ...] = ()
    left: tuple[Reason, ...] = ()


@dataclass
class _Sorted:
    """What drifted, by the recipe that repairs it."""

    queues: dict[str, dict[int, list[Drifted]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    sysctl: dict[str, list[Drifted]] = field(default_factory=lambda: defaultdict(list))
    cmdline: dict[str, list[Drifted]] = field(default_factory=lambda: defaultdict(list))
    left: list[Reason] = field(default_factory=list)


def repairs(drifted: Iterable[Drifted]) -> Repairs:
    """As few requests as the recipes allow: devices that need the same are targets of one. Order does not matter."""
    found = _Sorted()
    for one in sorted(drifted, key=lambda d: (d.device, d.setting)):
        path, interface = split(one.setting)
        if path == _QUEUES and interface and isinstance(one.wanted, int):
            found.queues[one.device][one.wanted].append(one)
        elif path.startswith(_SYSCTL) and isinstance(one.wanted, str | int) and "\n" not in str(one.wanted):
            found.sysctl[one.device].append(one)
        elif path.startswith(_CMDLINE) and isinstance(one.wanted, str | bool) and not _is_spaced(one.wanted):
            found.cmdline[one.device].append(one)
        else:
            found.left.append(_no_recipe(one))
    return Repairs((*_queues(found.queues), *_sysctls(found.sysctl), *_cmdlines(found.cmdline)), tuple(found.left))


def _no_recipe(one: Drifted) -> Reason:
    remedy = f"No recipe repairs {split(one.setting)[0]} yet: put it right by hand, or change the profile."
    return Reason(f"{one.device}, {one.setting}", _shown(one.found), _shown(one.wanted), remedy)


def _shown(value: Json) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _queues(by_device: Mapping[str, Mapping[int, Sequence[Drifted]]]) -> list[Repair]:
    """One request per number of queues and pattern of interfaces: a device is drained once for all that fit one."""
    made: dict[tuple[int, str], list[Drifted]] = defaultdict(list)
    for wishes in by_device.values():
        for queues, rows in wishes.items():
            names = {split(row.setting)[1]: row for row in rows}
            for pattern, chosen in patterns(names):
                made[queues, pattern] += [names[name] for name in chosen]
    return [
        Repair("nic-queues", {"queues": queues, "interface": pattern}, _devices(rows), tuple(rows))
        for (queues, pattern), rows in sorted(made.items())
    ]


def _sysctls(by_device: Mapping[str, Sequence[Drifted]]) -> list[Repair]:
    made: dict[str, list[Drifted]] = defaultdict(list)
    for rows in by_device.values():
        lines = sorted(f"{row.setting.removeprefix(_SYSCTL)} = {row.wanted}" for row in rows)
        made["\n".join(lines)] += rows
    return [Repair("sysctl", {"settings": text}, _devices(rows), tuple(rows)) for text, rows in sorted(made.items())]


def _is_spaced(wanted: Json) -> bool:
    """No word of a command line: it would be read as several."""
    return isinstance(wanted, str) and wanted.split() != [wanted]


def _cmdlines(by_device: Mapping[str, Sequence[Drifted]]) -> list[Repair]:
    """One boot for all parameters of a device; devices that want the same are targets of one request."""
    made: dict[str, list[Drifted]] = defaultdict(list)
    for rows in by_device.values():
        made[" ".join(sorted(_word(row.setting.removeprefix(_CMDLINE), row.wanted) for row in rows))] += rows
    return [
        Repair("kernel-cmdline", {"cmdline": text}, _devices(rows), tuple(rows)) for text, rows in sorted(made.items())
    ]


def _word(name: str, wanted: Json) -> str:
    """As the recipe reads it: NAME=VALUE, NAME, or -NAME for none."""
    return f"{name}={wanted}" if isinstance(wanted, str) else name if wanted else f"-{name}"


def _devices(rows: Iterable[Drifted]) -> tuple[str, ...]:
    return tuple(sorted({row.device for row in rows}))


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
