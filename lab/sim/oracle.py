"""What a journal proves about a run: nothing done twice, nobody forgotten drained, the budget kept. Pure.

It knows nothing of Slipway: it sees only what reached the routers. `entries` is what `SimFleet.journal()` returns.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Entry = Mapping[str, Any]
_WHOLE = frozenset({"bgp", "igp4", "igp6"})


class Kind(StrEnum):
    """What a change on a router was about."""

    REBOOT = "reboot"
    DAEMONS = "daemons"
    DRAIN = "drain"
    UNDRAIN = "undrain"
    NIC = "nic"
    SYSCTL = "sysctl"
    TIMER = "timer"
    FILE = "file"
    SERVICE = "service"
    CONFIG = "config"


# May only happen to a router that is drained. A file or a timer moves no packet, a sysctl neither.
DISRUPTIVE = frozenset({Kind.REBOOT, Kind.DAEMONS, Kind.NIC})
_DRAIN_LINES = (
    "bgp graceful-shutdown",
    "max-metric router-lsa",
    "ospf6 cost 65535",
    "SLIPWAY_DRAIN_",
    "SLIPWAY_EXTRA_",
)
_UNDRAINED_CONSTANTS = ("SLIPWAY_DRAIN_BGP = false", "SLIPWAY_EXTRA_COST = 0;")


@dataclass(frozen=True)
class Mutation:
    """One change that was carried out on one router."""

    router: str
    seq: int
    mono: float
    kind: Kind
    change: str


@dataclass(frozen=True)
class Interval:
    """From when to when (CLOCK_MONOTONIC); `end` None: still so when the journal ends."""

    router: str
    begin: float
    end: float | None


def kind_of(change: str) -> Kind:
    """What one change of a journal entry was about."""
    words = change.split()
    if change.startswith(("+ ", "- ")):
        if not any(line in change for line in _DRAIN_LINES):
            return Kind.CONFIG
        off = any(constant in change for constant in _UNDRAINED_CONSTANTS)
        return Kind.DRAIN if change.startswith("+ ") != off else Kind.UNDRAIN
    by_word = {"reboot": Kind.REBOOT, "channels": Kind.NIC, "rings": Kind.NIC, "link": Kind.NIC, "file": Kind.FILE}
    by_word |= {"grubenv": Kind.FILE, "grub.cfg": Kind.FILE}  # what the next boot is: no packet sees it
    by_word |= {"sysctl": Kind.SYSCTL, "timer": Kind.TIMER, "enabled": Kind.SERVICE, "disabled": Kind.SERVICE}
    return by_word.get(words[0], Kind.DAEMONS)


def mutations(entries: Iterable[Entry]) -> list[Mutation]:
    """Everything that was changed, in order; by commands, timers and undo alike."""
    return [
        Mutation(entry["router"], entry["seq"], entry["mono"], kind_of(change), change)
        for entry in entries
        for change in entry.get("changes", ())
        if not entry.get("lie")
    ]


def count(entries: Iterable[Entry]) -> Counter[tuple[str, Kind]]:
    """How many commands changed something, by router and kind (one command may carry many lines)."""
    seen = {(m.router, m.kind, m.seq) for m in mutations(entries)}
    return Counter((router, kind) for router, kind, _ in seen)


def reboots(entries: Iterable[Entry]) -> Counter[str]:
    """How often each router really went down."""
    return Counter(entry["router"] for entry in entries if entry["event"] == "halt")


def repeated(entries: Iterable[Entry]) -> dict[tuple[str, str], int]:
    """Changes carried out more than once on a router with nothing in between that undid them.

    A command sent again that changed nothing is not in here: that is what a harmless repetition looks like.
    """
    standing: Counter[tuple[str, str]] = Counter()
    worst: dict[tuple[str, str], int] = {}
    for mutation in mutations(entries):
        if mutation.kind in (Kind.FILE, Kind.TIMER, Kind.SERVICE):
            continue
        key = (mutation.router, mutation.change)
        standing[key] += 1
        standing[(mutation.router, _inverse(mutation.change))] = 0
        if standing[key] > 1:
            worst[key] = standing[key]
    return worst


def _inverse(change: str) -> str:
    if change.startswith(("+ ", "- ")):
        return ("- " if change[0] == "+" else "+ ") + change[2:]
    if " -> " in change:
        head, _, new = change.rpartition(" -> ")
        what, _, old = head.rpartition(" ")
        return f"{what} {new} -> {old}"
    for word, other in (("stopped", "started"), ("started", "stopped")):
        if change.endswith(f" {word}"):
            return f"{change.removesuffix(word)}{other}"
    return ""


def drained(entries: Iterable[Entry], *, wholly: bool = False) -> list[Interval]:
    """When each router was drained: by any flag, or only while all of them were set (`wholly`)."""
    return _intervals(entries, wholly=wholly, down_counts=False)


def out_of_service(entries: Iterable[Entry]) -> list[Interval]:
    """When each router was drained in any way or down."""
    return _intervals(entries, wholly=False, down_counts=True)


def _intervals(entries: Iterable[Entry], *, wholly: bool, down_counts: bool) -> list[Interval]:
    began: dict[str, float] = {}
    down: set[str] = set()
    done: list[Interval] = []
    for entry in entries:
        router = entry.get("router")
        if router is None:
            continue
        down = down | {router} if entry["event"] == "halt" else down - {router} if entry["event"] == "boot" else down
        flags = frozenset(entry["drained"])
        out = (flags == _WHOLE if wholly else bool(flags)) or (down_counts and router in down)
        if out and router not in began:
            began[router] = entry["mono"]
        elif not out and router in began:
            done.append(Interval(router, began.pop(router), entry["mono"]))
    done += [Interval(router, begin, None) for router, begin in began.items()]
    return sorted(done, key=lambda i: i.begin)


def most_at_once(intervals: Iterable[Interval], *, among: Mapping[str, str] | None = None) -> int:
    """The greatest number of intervals that overlap. `among`: count within each group (router -> failure domain)."""
    points = []
    for interval in intervals:
        group = among.get(interval.router, "") if among is not None else ""
        end = float("inf") if interval.end is None else interval.end
        points += [(interval.begin, 1, group), (end, -1, group)]
    running: Counter[str] = Counter()
    most = 0
    for _, step, group in sorted(points, key=lambda p: (p[0], p[1])):
        running[group] += step
        most = max(most, running[group])
    return most


def max_drained_at_once(entries: Sequence[Entry], *, per_domain: bool = False) -> int:
    """Most routers drained or down at one moment, in all or within one failure domain."""
    return most_at_once(out_of_service(entries), among=domains(entries) if per_domain else None)


def domains(entries: Iterable[Entry]) -> Mapping[str, str]:
    """Router -> failure domain, from the start of the journal."""
    return next((entry["routers"] for entry in entries if entry["event"] == "start"), {})


def forgotten_drained(entries: Iterable[Entry]) -> list[str]:
    """Routers that are still drained when the journal ends."""
    return [interval.router for interval in drained(entries) if interval.end is None]


def disrupted_undrained(entries: Iterable[Entry]) -> list[Mutation]:
    """Disruptive changes that reached a router while it was not wholly drained."""
    bad = []
    for entry in entries:
        if entry.get("lie") or frozenset(entry.get("drained", ())) == _WHOLE:
            continue
        bad += [m for m in mutations([entry]) if m.kind in DISRUPTIVE]
    return bad


def undrained_unverified(entries: Iterable[Entry]) -> list[tuple[str, int]]:
    """Where traffic was put back after a disruption before anybody had seen the router converged: router, seq."""
    owed: set[str] = set()
    bad = []
    for entry in entries:
        router = entry.get("router", "")
        kinds = {m.kind for m in mutations([entry])}
        if kinds & DISRUPTIVE or entry["event"] == "halt":
            owed.add(router)
        elif _looks(entry) and entry.get("converged"):
            owed.discard(router)
        if Kind.UNDRAIN in kinds and router in owed:
            bad.append((router, entry["seq"]))
    return bad


def _looks(entry: Entry) -> bool:
    argv = entry.get("argv", ())
    return "show bgp summary json" in argv or list(argv[:3]) == ["birdc", "show", "protocols"]


def unknown_commands(entries: Iterable[Entry]) -> list[tuple[str, Sequence[str]]]:
    """Commands that no router understood, or that were not quoted as a shell needs it."""
    return [
        (entry["router"], entry["argv"]) for entry in entries if entry.get("unknown") or entry.get("canonical") is False
    ]
