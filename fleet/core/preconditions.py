"""Which facts a plan was computed from, and which of them have moved since. Pure.

A fact is named by a path with dots: "kernel", "routing.version", "queues.eth0.combined".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fleet.core.model import Json, PlannedStep, Reason

# What says that a device is another one than the plan was made for. Counters, neighbours and uptime move by
# themselves: the baseline is measured anew for them, and the checks judge them.
_ALWAYS = ("kernel", "routing.suite", "routing.version")
# Queues of an interface are steps' business; what the card could do at most ("max") does not move.
_PER_INTERFACE = "queues"
FACTS = "facts"  # key under which the facts stand in `PlannedStep.expected`, of a baseline and of steps that set facts
WANTED = "wanted"  # the same paths, with what the step makes of them


def expected_of(facts: Mapping[str, Any]) -> dict[str, Json]:
    """The facts that a plan depends on, as path -> value, sorted; what is unknown is left out."""
    found = {path: value for path in _ALWAYS if (value := at(facts, path)) is not None}
    queues = queues_of(facts)
    if isinstance(queues, Mapping):
        for name, amounts in queues.items():
            if isinstance(amounts, Mapping):
                found |= {f"{_PER_INTERFACE}.{name}.{k}": v for k, v in amounts.items() if k != "max"}
    return dict(sorted(found.items()))


def queues_of(facts: Mapping[str, Any]) -> Json:
    """Interface > queues: a measurement has them so, an observation has them among what it says of each interface."""
    interfaces = facts.get("interfaces")
    if _PER_INTERFACE in facts or not isinstance(interfaces, Mapping):
        return facts.get(_PER_INTERFACE)
    channels = {name: about.get("channels") for name, about in interfaces.items() if isinstance(about, Mapping)}
    return {name: amounts for name, amounts in channels.items() if isinstance(amounts, Mapping)}


def at(facts: Mapping[str, Any], path: str) -> Json:
    """The fact with this path; None when it is unknown. Interface names may have dots: each prefix is tried."""
    value: Any = facts
    rest = path
    while rest:
        if not isinstance(value, Mapping):
            return None
        key = next((p for p in _prefixes(rest) if p in value), None)
        if key is None:
            return None
        value, rest = value[key], rest[len(key) + 1 :]
    return value


def _prefixes(path: str) -> Iterator[str]:
    """ "a.b.c", "a.b", "a"."""
    parts = path.split(".")
    for count in range(len(parts), 0, -1):
        yield ".".join(parts[:count])


def of_step(pairs: Mapping[str, tuple[Json, Json]]) -> dict[str, Json]:
    """`PlannedStep.expected` of a step that sets facts. `pairs`: path -> (what it is, what it will be); what is unknown
    (None) is not expected."""
    known = {path: now for path, (now, _) in sorted(pairs.items()) if now is not None}
    wanted = {path: will for path, (_, will) in sorted(pairs.items())}
    return {FACTS: known, WANTED: wanted} if known else {}


def in_turn(steps: Sequence[PlannedStep]) -> list[PlannedStep]:
    """The steps of one device, each expecting only what no step before it sets."""
    made, set_before = [], set[str]()
    for step in steps:
        if known := step.expected.get(FACTS):
            left = {path: value for path, value in known.items() if path not in set_before}
            step = replace(step, expected={**step.expected, FACTS: left})
        set_before |= set(step.expected.get(WANTED, ()))
        made.append(step)
    return made


def already(steps: Iterable[Mapping[str, Any]], facts: Mapping[str, Any]) -> frozenset[str]:
    """The paths that these steps (their `expected`) set, if every one of them is already as it will be; else none.

    A device on which everything is as wanted needs nothing: that it came to be so voids no approval.
    """
    wanted = {path: value for expected in steps for path, value in expected.get(WANTED, {}).items()}
    facts = {**facts, _PER_INTERFACE: queues_of(facts)}
    return frozenset(wanted) if all(at(facts, path) == value for path, value in wanted.items()) else frozenset()


def drifted(device: str, expected: Mapping[str, Any], found: Mapping[str, Json]) -> tuple[Reason, ...]:
    """What a step finds on the device just before it acts, by path: neither as it was approved, nor as it will be."""
    known, wanted = expected.get(FACTS, {}), expected.get(WANTED, {})
    off = {p: v for p, v in known.items() if found.get(p) not in {v, wanted.get(p)}}
    return moved(device, off, {p: found.get(p) for p in off}, since="on the device now")


def moved(device: str, expected: Mapping[str, Json], facts: Mapping[str, Any], *, since: str) -> tuple[Reason, ...]:
    """Every fact that is not as the plan expects it, or cannot be told any more (rule 5).

    `since`: where the new facts are from, in words ("observed 2026-01-05 05:00 UTC", "on the device now").
    """
    reasons = []
    facts = {**facts, _PER_INTERFACE: queues_of(facts)}
    for path, wanted in sorted(expected.items()):
        found = at(facts, path)
        if found != wanted:
            words = "unknown" if found is None else str(found)[:80]
            reasons.append(
                Reason(
                    f"{device}, {path}",
                    f"{words} ({since})",
                    f"{str(wanted)[:80]} as it was approved",
                    "Plan a new revision on what is true now, and have it approved.",
                )
            )
    return tuple(reasons)
