"""A line that a provider works on is gone for that time: the router that carries the other leg is not drained then.

Pure. What is asked: would draining this device, while these lines are down, cut what is still joined?
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fleet.core.model import Finding, Reason, Severity
from fleet.core.reach import reachable
from fleet.core.waves import Network, broken_promises


@dataclass(frozen=True)
class Outage:
    """One link that a provider has announced work on. `who`: "Example Telecom WO-1, CONFIRMED"."""

    a: str
    b: str
    mbps: int
    start: datetime
    end: datetime
    who: str


@dataclass(frozen=True)
class Providers:
    """What providers announced, and the ways out: (router, external) of every link that a provider's circuit makes."""

    outages: tuple[Outage, ...] = ()
    ways_out: tuple[tuple[str, str], ...] = ()


NOTHING = Providers()


def other_leg(
    name: str, worst_case_s: float, now: datetime, network: Network, providers: Providers, down: Collection[str] = ()
) -> tuple[Reason, ...]:
    """Why this device must not be drained from `now` on, for as long as its worst case takes. `down`: who is already.

    Every line that is announced to be down at some time in between counts as down all the time.
    """
    until = now + timedelta(seconds=worst_case_s)
    here = [o for o in providers.outages if o.start < until and now < o.end]
    return _reasons(name, here, network, providers, frozenset(down) - {name})


def find(names: Iterable[str], now: datetime, network: Network, providers: Providers) -> tuple[Finding, ...]:
    """WARN findings for an approver: which device must not be drained when. One for each device and announcement."""
    ahead = [o for o in providers.outages if o.end > now]
    by_who: dict[str, list[Outage]] = {}
    for outage in ahead:
        by_who.setdefault(outage.who, []).append(outage)
    found = []
    for name in names:
        for some in by_who.values():
            for reason in _reasons(name, some, network, providers, frozenset())[:1]:
                told = replace(reason, remedy="Run it before or after; it is held at its start until then.")
                found.append(Finding("other-leg", Severity.WARN, told))
    return tuple(found)


def _reasons(
    name: str, here: Sequence[Outage], network: Network, providers: Providers, down: frozenset[str]
) -> tuple[Reason, ...]:
    number = network.component_of.get(name)
    near = [o for o in here if number is not None and number in (network.component_of.get(o.a), _of(network, o.b))]
    if not near:
        return ()
    cut = without(network, near)
    lost = dict.fromkeys([*_ends(name, near, cut, down), *_promised(name, cut, network, down)])
    if not lost and _last_way_out(name, cut, network, providers, down):
        lost = {f"{name} has the last way out to a provider": None}
    end = max(o.end for o in near)
    who = "; ".join(f"{o.who}, {o.a} - {o.b} until {o.end:%Y-%m-%d %H:%M} UTC" for o in near[:3])
    more = f" and {len(near) - 3} more" if len(near) > 3 else ""
    remedy = f"It goes on when the provider is done, {end:%Y-%m-%d %H:%M} UTC, or says so earlier."
    return tuple(
        Reason(f"draining {name}", f"{words} while a provider works ({who}{more})", "the other leg to stay", remedy)
        for words in lost
    )


def _of(network: Network, name: str) -> int | None:
    return network.component_of.get(name)


def without(network: Network, outages: Iterable[Outage]) -> Network:
    """The network with these links taken out; what runs parallel to them stays."""
    capacity: dict[str, dict[str, int]] = {}
    gone: dict[frozenset[str], int] = {}
    for outage in outages:
        pair = frozenset((outage.a, outage.b))
        gone[pair] = gone.get(pair, 0) + outage.mbps
    touched = {name for pair in gone for name in pair}
    for name in touched & set(network.capacity):
        left = {other: mbps - gone.get(frozenset((name, other)), 0) for other, mbps in network.capacity[name].items()}
        capacity[name] = {other: mbps for other, mbps in left.items() if mbps > 0}
    merged: Mapping[str, Mapping[str, int]] = {**network.capacity, **capacity}
    return replace(network, capacity=merged)


def _ends(name: str, here: Iterable[Outage], cut: Network, down: frozenset[str]) -> Iterator[str]:
    """Both ends of a line that is down still reach each other another way: not when that way is drained."""
    for outage in here:
        if name in (outage.a, outage.b) or {outage.a, outage.b} & down:
            continue
        if _joined(cut, outage.a, outage.b, down) and not _joined(cut, outage.a, outage.b, down | {name}):
            yield f"{outage.a} and {outage.b} left without a way to each other"


def _joined(network: Network, a: str, b: str, down: frozenset[str]) -> bool:
    return b in reachable(network, a, down)


def _promised(name: str, cut: Network, network: Network, down: frozenset[str]) -> Iterator[str]:
    """What redundancy promises (keep_connected), broken by both together, and by neither alone."""
    number = cut.component_of.get(name)
    near = [n for n in down if cut.component_of.get(n) == number]
    for promise in cut.promises.get(number if number is not None else -1, ()):
        alone = {number if number is not None else -1: (promise,)}
        both = broken_promises(replace(cut, promises=alone), [*near, name], about=name)
        if not both or broken_promises(replace(cut, promises=alone), near, about=name):
            continue
        if not broken_promises(replace(network, promises=alone), [*near, name], about=name):
            yield both[0].found


def _last_way_out(name: str, cut: Network, network: Network, providers: Providers, down: frozenset[str]) -> bool:
    """Would this drain leave the routers around without any line of a provider, which it alone would not?"""

    def left(on: Network, drained: frozenset[str]) -> bool:
        return any(r not in drained and on.capacity.get(r, {}).get(e, 0) > 0 and r in around for r, e in ways)

    around = reachable(cut, name, down) - cut.externals
    ways, others = providers.ways_out, around - {name}
    return bool(others) and left(cut, down) and not left(cut, down | {name}) and left(network, down | {name})
