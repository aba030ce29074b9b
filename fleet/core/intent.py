"""What is wanted of a device, setting by setting, and how what was seen stands to it. Pure; the order is fixed here.

A profile holds settings and has a parent; it is assigned to the fleet, a role, a site, a NIC model or one device.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from fleet.core import intent_equal, intent_found, intent_vpp
from fleet.core.intent_found import NotApplicable, Unknown, Value
from fleet.core.intent_settings import Kind, join, refuse, setting_of, split
from fleet.core.model import Json, Reason

__all__ = [
    "PRECEDENCE", "Assigned", "Kind", "Level", "Line", "LineState", "Overridden", "ProfileValue", "Subject", "Wanted",
    "chain", "compare", "cycles", "join", "look_at", "refuse", "resolve", "setting_of", "split",
]  # fmt: skip


class Level(StrEnum):
    """To what a profile is assigned."""

    FLEET = "fleet"
    ROLE = "role"
    SITE = "site"
    NIC_MODEL = "nic_model"
    DEVICE = "device"


# Lowest to highest. Within one level the higher weight wins, with equal weights the later name.
PRECEDENCE: Sequence[Level] = (Level.FLEET, Level.ROLE, Level.SITE, Level.NIC_MODEL, Level.DEVICE)


@dataclass(frozen=True)
class ProfileValue:
    """A profile: its own settings, and the name of the profile whose settings it has as well."""

    profile: str
    kind: str
    settings: Mapping[str, Json] = field(default_factory=dict)
    parent: str | None = None
    weight: int = 0


@dataclass(frozen=True)
class Assigned:
    """A profile at a level. `target`: the role, site, NIC model or device; "" for the whole fleet."""

    profile: str
    level: Level
    target: str = ""


@dataclass(frozen=True)
class Subject:
    """The device that is asked about. `cards`: interface -> names of its NIC model, in lower case."""

    name: str
    role: str = ""
    site: str = ""
    cards: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Overridden:
    """A wish that lost, and who said it."""

    value: Json
    profile: str
    level: Level


@dataclass(frozen=True)
class Wanted:
    """A wish that counts. `profile` said it (it may be a parent of the one assigned, `via`). None: left alone."""

    value: Json
    profile: str
    level: Level
    via: str = ""
    overridden: tuple[Overridden, ...] = ()  # the strongest first


class LineState(StrEnum):
    """How what was seen stands to what is wanted. Unknown is never the same, and never drift."""

    SAME = "same"
    DIFFERENT = "different"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Line:
    """One setting of one device: wanted beside found."""

    setting: str  # "nic.queues[eth1]"
    wanted: Json
    found: Json
    state: LineState
    why: str = ""
    profile: str = ""


def chain(name: str, profiles: Mapping[str, ProfileValue]) -> tuple[ProfileValue, ...]:
    """A profile and its parents, nearest first. Ends where a parent is missing or comes a second time."""
    found: list[ProfileValue] = []
    here: str | None = name
    while here is not None and here in profiles and all(one.profile != here for one in found):
        found.append(profiles[here])
        here = profiles[here].parent
    return tuple(found)


def cycles(profiles: Mapping[str, ProfileValue]) -> tuple[Reason, ...]:
    """Every cycle of parents, once, named from its first profile in the order of names."""
    reasons: dict[frozenset[str], Reason] = {}
    for name in sorted(profiles):
        line = chain(name, profiles)
        if line and line[-1].parent == name:
            names = [one.profile for one in line]
            found = "a cycle of parents: " + " > ".join([*names, name])
            remedy = f"Take the parent away from one of {', '.join(sorted(names))}."
            key = frozenset(names)
            reasons.setdefault(key, Reason(f"profile {name}", found, "a chain of parents that ends", remedy))
    return tuple(reasons.values())


def look_at(profiles: Mapping[str, ProfileValue]) -> tuple[Reason, ...]:
    """Everything that is wrong with a set of profiles: settings, parents, cycles."""
    reasons = list(cycles(profiles))
    for name, one in sorted(profiles.items()):
        for key, value in sorted(one.settings.items()):
            if reason := refuse(one.kind, key, value):
                reasons.append(Reason(f"profile {name}, {reason.subject}", reason.found, reason.wanted, reason.remedy))
        if one.parent is None:
            continue
        above = profiles.get(one.parent)
        if above is None:
            remedy = "Add it or correct the name."
            reasons.append(Reason(f"profile {name}, parent", f"{one.parent}, no such profile", "a profile", remedy))
        elif above.kind != one.kind:
            found = f"{above.profile}, a {above.kind} profile"
            remedy = "Settings of another kind are assigned by a profile of that kind."
            reasons.append(Reason(f"profile {name}, parent", found, f"a {one.kind} profile", remedy))
    return tuple(reasons)


# Level, weight, name of the assigned profile, minus the distance to the parent that says it, names the interface.
_Rank = tuple[int, int, str, int, bool]


@dataclass(frozen=True)
class _Wish:
    value: Json
    profile: str
    level: Level
    via: str


def resolve(
    assigned: Iterable[Assigned], profiles: Mapping[str, ProfileValue], subject: Subject
) -> Mapping[str, Wanted]:
    """Setting -> what is wanted of this device, with all that it overrides; settings in the order of their names.

    The order of `assigned` does not matter. A setting of network cards comes once per interface that has one,
    as "nic.queues[eth1]"; without a bracket where no interface of the device is known yet.
    """
    wishes: dict[str, dict[_Rank, _Wish]] = {}
    for one in assigned:
        cards = _reached(one, subject)
        if cards is None:
            continue
        for depth, profile in enumerate(chain(one.profile, profiles)):
            for key, value in profile.settings.items():
                for setting, named in _keys(key, cards, subject, narrow=one.level is Level.NIC_MODEL):
                    weight = profiles[one.profile].weight
                    rank = (PRECEDENCE.index(one.level), weight, one.profile, -depth, named)
                    wishes.setdefault(setting, {})[rank] = _Wish(value, profile.profile, one.level, one.profile)
    return {setting: _winner(wishes[setting]) for setting in sorted(wishes)}


def _winner(wishes: Mapping[_Rank, _Wish]) -> Wanted:
    first, *rest = (wishes[rank] for rank in sorted(wishes, reverse=True))
    lost = tuple(Overridden(one.value, one.profile, one.level) for one in rest)
    return Wanted(first.value, first.profile, first.level, first.via, lost)


def _reached(one: Assigned, subject: Subject) -> tuple[str, ...] | None:
    """The interfaces that an assignment reaches; None: it does not speak of this device."""
    everything = tuple(subject.cards)
    match one.level:
        case Level.FLEET:
            return everything
        case Level.ROLE:
            return everything if one.target == subject.role else None
        case Level.SITE:
            return everything if one.target == subject.site else None
        case Level.DEVICE:
            return everything if one.target == subject.name else None
        case Level.NIC_MODEL:
            mine = tuple(name for name, names in subject.cards.items() if one.target.lower() in names)
            return mine or None


def _keys(key: str, cards: Sequence[str], subject: Subject, *, narrow: bool) -> Iterable[tuple[str, bool]]:
    """The settings that a key of a profile stands for on this device, each with: does the key name the interface?"""
    path, interface = split(key)
    found = setting_of(path)
    if found is None or not found[0].per_interface:
        return [(key, False)]
    if interface:
        return [(key, True)] if not narrow or interface in cards else []
    return [(join(path, card), False) for card in cards] if subject.cards else [(path, False)]


def compare(wanted: Mapping[str, Wanted], facts: Json) -> tuple[Line, ...]:
    """One line per setting, in the order of `wanted`. `facts`: of the newest observation, or None. Never raises."""
    return tuple(_line(key, one, facts) for key, one in wanted.items())


def _line(key: str, wanted: Wanted, facts: Json) -> Line:
    path, interface = split(key)
    known = setting_of(path)
    if known is None:
        found: intent_found.Found = Unknown("no such setting; docs/intent.md has all")
    else:
        found = intent_found.look_up(known[0], known[1], interface, facts)
    value = found.value if isinstance(found, Value) else None
    state, why = _state(known[0].pattern if known else "", wanted.value, found)
    if path == "dataplane.config":
        value = intent_vpp.part_of(value, wanted.value)
    return Line(key, wanted.value, value, state, why, wanted.profile)


def _state(pattern: str, wanted: Json, found: intent_found.Found) -> tuple[LineState, str]:
    if wanted is None:
        return LineState.NOT_APPLICABLE, "left alone on purpose"
    match found:
        case NotApplicable(why=why):
            return LineState.NOT_APPLICABLE, why
        case Unknown(why=why):
            return LineState.UNKNOWN, why
        case Value(value=value):
            answer = intent_equal.equal(pattern, wanted, value)
            if isinstance(answer, str):
                return LineState.UNKNOWN, answer
            return (LineState.SAME if answer else LineState.DIFFERENT), ""
