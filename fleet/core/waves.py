"""Which targets may be in flight together: what a drained set would cut, and the waves that never do.

A drained router carries nothing. Externals (upstreams, customers) are never drained and never transit: two routers are
not connected because the internet joins them.
"""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from fleet.core.model import Finding, KeepConnected, Reason, Severity, Strategy, Topology


@dataclass(frozen=True)
class Network:
    """A topology prepared for many questions: neighbours with capacity, and the promises about each component.

    A component is a set of routers of which one being drained may matter to another; externals belong to none.
    """

    capacity: Mapping[str, Mapping[str, int]]  # node -> neighbour -> Mb/s (parallel links summed)
    externals: frozenset[str]
    component_of: Mapping[str, int]
    promises: Mapping[int, tuple[KeepConnected, ...]]


def prepare(topology: Topology) -> Network:
    """Index a topology. Cost: one walk over links, one over promises."""
    capacity: dict[str, dict[str, int]] = defaultdict(dict)
    for name in (*topology.domain_of, *topology.externals):
        capacity[name] = {}
    for link in topology.links:
        capacity[link.a][link.b] = capacity[link.a].get(link.b, 0) + link.capacity_mbps
        capacity[link.b][link.a] = capacity[link.b].get(link.a, 0) + link.capacity_mbps
    component_of: dict[str, int] = {}
    for name in capacity:
        if name not in component_of and name not in topology.externals:
            number = len(component_of)
            near = _reachable(capacity, topology.externals, name) - topology.externals
            component_of.update(dict.fromkeys(near, number))
    promises: dict[int, list[KeepConnected]] = defaultdict(list)
    merged: dict[int, int] = {}
    for promise in topology.keep_connected:
        numbers = sorted({_find(merged, n) for n in _concerned(promise, capacity, topology.externals, component_of)})
        merged.update(dict.fromkeys(numbers[1:], numbers[0]) if numbers else {})
        # What concerns nobody (it is broken, and no drain changes that) is kept apart: only whole looks see it.
        promises[numbers[0] if numbers else -1].append(promise)
    grouped: dict[int, tuple[KeepConnected, ...]] = defaultdict(tuple)
    for number, group in promises.items():
        grouped[_find(merged, number)] += tuple(group)
    of = {name: _find(merged, number) for name, number in component_of.items()}
    return Network(capacity, topology.externals, of, dict(grouped))


def _concerned(
    promise: KeepConnected,
    capacity: Mapping[str, Mapping[str, int]],
    externals: frozenset[str],
    component_of: Mapping[str, int],
) -> set[int]:
    """Components whose drains may matter to a promise: of its routers, and those that join two of its externals."""
    numbers = {component_of[n] for n in promise.names if n in component_of}
    beside = Counter(
        number
        for name in promise.names & externals
        for number in {component_of[m] for m in capacity.get(name, {}) if m in component_of}
    )
    return numbers | {number for number, joined in beside.items() if joined > 1}


def _find(merged: Mapping[int, int], number: int) -> int:
    while number in merged:
        number = merged[number]
    return number


def _reachable(
    capacity: Mapping[str, Mapping[str, int]],
    externals: frozenset[str],
    start: str,
    *,
    down: frozenset[str] = frozenset(),
    floor_mbps: int = 0,
) -> set[str]:
    """Every node that can be reached over links of at least the floor without passing through externals or `down`."""
    seen, queue = {start}, deque([start])
    while queue:
        node = queue.popleft()
        if node in externals and node != start:
            continue
        for other, mbps in capacity.get(node, {}).items():
            if other not in seen and other not in down and mbps >= floor_mbps:
                seen.add(other)
                queue.append(other)
    return seen


def broken_promises(network: Network, drained: Collection[str], about: str | None = None) -> tuple[Reason, ...]:
    """What draining this set, or any part of it, would cut, as reasons; empty = nothing.

    `about`: look only at promises in that device's component (the others cannot have been changed by it).
    """
    down = frozenset(drained)
    if about is not None:
        wanted: Iterable[KeepConnected] = network.promises.get(network.component_of.get(about, -1), ())
    else:
        wanted = (promise for group in network.promises.values() for promise in group)
    return tuple(reason for promise in wanted for reason in _broken(network, promise, down))


def _broken(network: Network, promise: KeepConnected, down: frozenset[str]) -> Iterable[Reason]:
    """Why a promise does not hold with this set drained, nor with any part of it: whoever comes back first must find
    the others. (A ring of four with three of them drained is whole; undrain the wrong one first, and it is not.)"""
    floor = max(promise.floor_mbps, 1)
    up, routers = sorted(promise.names - down), promise.names - network.externals
    if routers and routers <= down:  # kept by nobody: nothing is left to be connected
        yield _reason(down, floor, f"nobody of {', '.join(sorted(routers))} left")
        return
    gone = sorted(promise.names & down) if len(down) > 1 else []
    # Through a router everything passes, so whoever reaches one router reaches all who reach it: one root is enough.
    # Externals are not transit: where a promise is between externals only, each pair counts.
    roots = sorted(routers - down)[:1] or up
    for number, root in enumerate(roots):
        others = [n for n in (up if len(roots) == 1 else up[number + 1 :]) if n != root]
        if not others and not gone:
            continue
        # A path whose every link has the floor is enough and cheap to find; only when there is none are several paths
        # together considered (maximum flow).
        joined = _reachable(network.capacity, network.externals, root, down=down, floor_mbps=floor)
        carrying = (joined - network.externals) | {root}
        flows = {n: _flow(network, n, root, down) for n in others if n not in joined}
        if short := [n for n, mbps in flows.items() if mbps < floor]:
            worst = max(flows[n] for n in short)
            yield _reason(down, floor, f"{', '.join(short)} left with {worst} Mb/s to {root}")
        for name in gone:
            if any(mbps >= floor and other in carrying for other, mbps in network.capacity.get(name, {}).items()):
                continue
            if (mbps := _flow(network, name, root, down - {name})) < floor:
                yield _reason(down, floor, f"{name}, if it comes back first, with {mbps} Mb/s to {root}")


def _reason(down: frozenset[str], floor: int, found: str) -> Reason:
    return Reason(
        subject=f"draining {', '.join(sorted(down)) or 'nothing'}",
        found=found,
        wanted=f"at least {floor} Mb/s between them (keep_connected)",
        remedy="Drain fewer of these at once, wait until the others carry traffic again, or add capacity.",
    )


def _flow(network: Network, source: str, sink: str, down: frozenset[str]) -> int:
    """Maximum flow between two nodes in Mb/s (shortest augmenting paths), other externals left out."""
    near = _reachable(network.capacity, network.externals, sink, down=down, floor_mbps=1)
    if source not in near:
        return 0
    nodes = (near - network.externals) | {source, sink}
    rest: dict[str, dict[str, int]] = {
        n: {m: mbps for m, mbps in network.capacity[n].items() if m in nodes} for n in sorted(nodes)
    }
    total = 0
    while (path := _augmenting(rest, source, sink)) is not None:
        width = min(rest[a][b] for a, b in path)
        for a, b in path:
            rest[a][b] -= width
            rest[b][a] = rest[b].get(a, 0) + width
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
