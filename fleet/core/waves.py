"""Which targets may be in flight together: what a drained set would cut, and the waves that never do.

A drained router carries nothing. Externals (upstreams, customers) are never drained and never transit: two routers are
not connected because the internet joins them.
"""

import math
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fleet.core.model import Finding, KeepConnected, Reason, Severity, Strategy, Topology


@dataclass(frozen=True)
class Network:
    """A topology prepared for many questions: neighbours with capacity, and the promises about each component."""

    capacity: Mapping[str, Mapping[str, int]]  # node -> neighbour -> Mb/s (parallel links summed)
    externals: frozenset[str]
    component_of: Mapping[str, int]
    promises: Mapping[int, tuple[KeepConnected, ...]]


def prepare(topology: Topology) -> Network:
    """Index a topology. Cost: one walk over links."""
    capacity: dict[str, dict[str, int]] = defaultdict(dict)
    for name in (*topology.domain_of, *topology.externals):
        capacity[name] = {}
    for link in topology.links:
        capacity[link.a][link.b] = capacity[link.a].get(link.b, 0) + link.capacity_mbps
        capacity[link.b][link.a] = capacity[link.b].get(link.a, 0) + link.capacity_mbps
    component_of: dict[str, int] = {}
    for name in capacity:
        if name not in component_of:
            number = len(component_of)
            component_of.update(dict.fromkeys(_reachable(capacity, frozenset(), {name}, 0), number))
    promises: dict[int, list[KeepConnected]] = defaultdict(list)
    for promise in topology.keep_connected:
        for number in {component_of[n] for n in promise.names if n in component_of}:
            promises[number].append(promise)
    return Network(capacity, topology.externals, component_of, {n: tuple(p) for n, p in promises.items()})


def _reachable(
    capacity: Mapping[str, Mapping[str, int]], no_transit: frozenset[str], start: set[str], floor: int
) -> set[str]:
    """Every node that can be reached over edges of at least `floor` without passing through `no_transit`."""
    seen, queue = set(start), deque(start)
    while queue:
        node = queue.popleft()
        if node in no_transit and node not in start:
            continue
        for other, mbps in capacity.get(node, {}).items():
            if other not in seen and mbps >= floor:
                seen.add(other)
                queue.append(other)
    return seen


def broken_promises(network: Network, drained: Collection[str], about: str | None = None) -> tuple[Reason, ...]:
    """What draining this set would cut, as reasons; empty = nothing.

    `about`: look only at promises in that device's component (the others cannot have been changed by it).
    """
    down = frozenset(drained)
    if about is not None:
        wanted: Iterable[KeepConnected] = network.promises.get(network.component_of.get(about, -1), ())
    else:
        wanted = {id(p): p for group in network.promises.values() for p in group}.values()
    return tuple(reason for promise in wanted for reason in _broken(network, promise, down))


def _broken(network: Network, promise: KeepConnected, down: frozenset[str]) -> Iterable[Reason]:
    up = sorted(n for n in promise.names if n not in down)
    routers = [n for n in up if n not in network.externals]
    if len(up) < 2:
        return
    if not routers:  # only externals are left: nobody carries anything between them
        yield _reason(down, up[0], up[1:], 0, promise.floor_mbps)
        return
    root = routers[0]
    left = (
        {n: {m: c for m, c in edges.items() if m not in down} for n, edges in network.capacity.items()}
        if len(network.capacity) <= 64
        else _around(network, root, down)
    )
    # A path whose every link has the floor is enough and cheap to find; only when there is none are several paths
    # together considered (maximum flow).
    joined = _reachable(left, network.externals, {root}, promise.floor_mbps)
    apart = [n for n in up if n not in joined]
    short = [
        n for n in apart if (flow := _flow(left, network.externals, n, root)) < max(promise.floor_mbps, 1) or flow == 0
    ]
    if short:
        best = max(_flow(left, network.externals, n, root) for n in short)
        yield _reason(down, root, short, best, promise.floor_mbps)


def _around(network: Network, root: str, down: frozenset[str]) -> dict[str, dict[str, int]]:
    """The part of the network that belongs to the root's component, without what is down."""
    number = network.component_of[root]
    return {
        n: {m: c for m, c in edges.items() if m not in down}
        for n, edges in network.capacity.items()
        if n not in down and network.component_of[n] == number
    }


def _reason(down: frozenset[str], a: str, others: Sequence[str], found_mbps: int, floor_mbps: int) -> Reason:
    return Reason(
        subject=f"draining {', '.join(sorted(down)) or 'nothing'}",
        found=f"{', '.join(others)} left with {found_mbps} Mb/s to {a}",
        wanted=f"at least {max(floor_mbps, 1)} Mb/s between them (keep_connected)",
        remedy="Drain fewer of these at once, wait until the others carry traffic again, or add capacity.",
    )


def _flow(capacity: Mapping[str, Mapping[str, int]], externals: frozenset[str], source: str, sink: str) -> int:
    """Maximum flow between two nodes in Mb/s (shortest augmenting paths), other externals left out."""
    rest: dict[str, dict[str, int]] = {
        n: {m: c for m, c in edges.items() if m not in externals or m in {source, sink}}
        for n, edges in capacity.items()
        if n not in externals or n in {source, sink}
    }
    total = 0
    while (path := _augmenting(rest, source, sink)) is not None:
        width = min(rest[a][b] for a, b in path)
        for a, b in path:
            rest[a][b] -= width
            rest.setdefault(b, {})[a] = rest.get(b, {}).get(a, 0) + width
        total += width
    return total


def _augmenting(rest: Mapping[str, Mapping[str, int]], source: str, sink: str) -> list[tuple[str, str]] | None:
    came: dict[str, str] = {source: source}
    queue = deque([source])
    while queue:
        node = queue.popleft()
        if node == sink:
            path = []
            while node != source:
                path.append((came[node], node))
                node = came[node]
            return path[::-1]
        for other, mbps in rest.get(node, {}).items():
            if mbps > 0 and other not in came:
                came[other] = node
                queue.append(other)
    return None


def sizes(waves: Sequence[int | str | tuple[str, ...]], count: int) -> tuple[int, ...]:
    """Cumulative sizes of the stages for `count` targets: "25%" rounds up, nothing shrinks, the last takes all."""
    ends: list[int] = []
    for wave in waves:
        match wave:
            case int():
                end = wave
            case str():
                end = math.ceil(count * float(wave.rstrip("%")) / 100)
            case _:
                end = (ends[-1] if ends else 0) + len(wave)
        ends.append(min(count, max(end, ends[-1] if ends else 0)))
    if not ends or ends[-1] < count:
        ends.append(count)
    return tuple(dict.fromkeys(e for e in ends if e > 0))


def build(names: Sequence[str], strategy: Strategy, topology: Topology) -> tuple[dict[str, int], tuple[Finding, ...]]:
    """The wave of every target (0 = canary), and findings where that cannot be done without cutting something.

    Stages given as sizes are split until no wave cuts anything; stages given as names are taken as written and a
    FATAL finding says what they would cut.
    """
    network = prepare(topology)
    findings = [
        Finding("target-cuts", Severity.FATAL, reason)
        for name in names
        for reason in broken_promises(network, [name], about=name)
    ]
    if any(isinstance(w, tuple) for w in strategy.waves):
        return _explicit(names, strategy, network, findings)
    wave_of: dict[str, int] = {}
    start, first = 0, 0
    for end in sizes(strategy.waves, len(names)):
        parts = _split(names[start:end], network)
        for offset, part in enumerate(parts):
            wave_of.update(dict.fromkeys(part, first + offset))
        start, first = end, first + len(parts)
    return wave_of, tuple(findings)


def _split(names: Sequence[str], network: Network) -> list[list[str]]:
    """First fit: each name goes into the first part in which nothing is cut. Keeps the order of the names."""
    parts: list[list[str]] = []
    local: list[dict[int, list[str]]] = []  # the same parts by component: only that component can be affected
    for name in names:
        number = network.component_of.get(name, -1)
        for part, near in zip(parts, local, strict=True):
            if not broken_promises(network, [*near.get(number, ()), name], about=name):
                part.append(name)
                near.setdefault(number, []).append(name)
                break
        else:
            parts.append([name])
            local.append({number: [name]})
    return parts


def _explicit(
    names: Sequence[str], strategy: Strategy, network: Network, findings: list[Finding]
) -> tuple[dict[str, int], tuple[Finding, ...]]:
    wave_of: dict[str, int] = {}
    for number, wave in enumerate(strategy.waves):
        members = (wave,) if isinstance(wave, str) else wave if isinstance(wave, tuple) else ()
        for member in members:
            if member not in names or member in wave_of:
                found = "named twice" if member in wave_of else "not a target"
                reason = Reason(
                    f"wave {number}",
                    f"{member} {found}",
                    "each target in exactly one wave",
                    "Correct strategy.waves in the recipe.",
                )
                findings.append(Finding("wave-names", Severity.FATAL, reason))
            wave_of.setdefault(member, number)
        if len(members) > 1:
            for reason in broken_promises(network, members):
                findings.append(Finding("wave-cuts", Severity.FATAL, reason))
    for name in names:
        if name not in wave_of:
            reason = Reason(name, "in no wave", "each target in exactly one wave", "Add it to strategy.waves.")
            findings.append(Finding("wave-names", Severity.FATAL, reason))
            wave_of[name] = len(strategy.waves)
    return {n: wave_of[n] for n in names}, tuple(findings)
