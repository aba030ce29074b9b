"""What a drained set of routers would cut: the network with its promises, and which of them it breaks.

A drained router carries nothing. Externals (upstreams, customers) are never drained and never transit: two routers are
not connected because the internet joins them.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from fleet.core.model import KeepConnected, Reason, Topology

# So many names stand in a reason; of the others it says how many they are.
NAMES = 8


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


def reachable(
    network: Network, start: str, *, down: frozenset[str] = frozenset(), floor_mbps: int = 0
) -> frozenset[str]:
    """Every node that can be reached over links of at least the floor without passing through externals or `down`."""
    return frozenset(_reachable(network.capacity, network.externals, start, down=down, floor_mbps=floor_mbps))


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

    `about`: look only at promises in that device's component (the others cannot have been changed by it). One walk over
    the network for each promise; who asks about many sets asks `redundancy.Redundancy`.
    """
    return tuple(cuts(network, drained, about))


def cuts(network: Network, drained: Collection[str], about: str | None = None) -> Iterator[Reason]:
    """The same, one by one: the first is found without looking for the others."""
    if about is not None:
        wanted: Iterable[KeepConnected] = network.promises.get(network.component_of.get(about, -1), ())
    else:
        wanted = (promise for group in network.promises.values() for promise in group)
    down = frozenset(drained)
    return (reason for promise in wanted for reason in broken(network, promise, down))


def broken(network: Network, promise: KeepConnected, down: frozenset[str]) -> Iterator[Reason]:
    """Why a promise does not hold with this set drained, nor with any part of it: whoever comes back first must find
    the others. (A ring of four with three of them drained is whole; undrain the wrong one first, and it is not.)"""
    floor = max(promise.floor_mbps, 1)
    up, routers = sorted(promise.names - down), promise.names - network.externals
    if routers and routers <= down:  # kept by nobody: nothing is left to be connected
        yield _reason(down, floor, f"nobody of {_listed(sorted(routers))} left")
        return
    gone = sorted(promise.names & down) if len(down) > 1 else []
    # Through a router everything passes, so whoever reaches one router reaches all who reach it: one root is enough.
    # Externals are not transit: where a promise is between externals only, each pair counts.
    roots = sorted(routers - down)[:1] or up
    for number, root in enumerate(roots):
        others = [n for n in (up if len(roots) == 1 else up[number + 1 :]) if n != root]
        if not others and not gone:
            continue
        joined, short = _joined(network, root, others, down, floor)
        if short:
            yield _reason(down, floor, f"{_listed(list(short))} left with {max(short.values())} Mb/s to {root}")
        carrying = (joined - network.externals) | {root}
        for name in gone:
            if sum(mbps for n, mbps in network.capacity.get(name, {}).items() if n in carrying) >= floor:
                continue
            if (mbps := _flow(network, name, root, down - {name}, enough=floor)) < floor:
                yield _reason(down, floor, f"{name}, if it comes back first, with {mbps} Mb/s to {root}")


def _joined(
    network: Network, root: str, others: Iterable[str], down: frozenset[str], floor: int
) -> tuple[set[str], dict[str, int]]:
    """Who has the floor to the root, and of these others who has not, with what they have.

    Whoever has the floor to some who have it among each other, over all his links together, has it to each of them: a
    cut between him and one of them parts them too, or parts him from all. So the flow (maximum flow, dear) is asked
    only where that does not tell, and whoever it finds joined brings others along.
    """
    joined, support = {root}, Counter[str]()
    _grow(network, root, joined, support, down, floor)
    short: dict[str, int] = {}
    for name in others:
        if name in joined:
            continue
        if (mbps := _flow(network, name, root, down, enough=floor)) < floor:
            short[name] = mbps
            continue
        joined.add(name)
        if name not in network.externals:
            _grow(network, name, joined, support, down, floor)
    return joined, short


def _grow(
    network: Network, start: str, joined: set[str], support: "Counter[str]", down: frozenset[str], floor: int
) -> None:
    queue = deque([start])
    while queue:
        for other, mbps in network.capacity.get(queue.popleft(), {}).items():
            if other in joined or other in down:
                continue
            support[other] += mbps
            if support[other] >= floor:
                joined.add(other)
                if other not in network.externals:
                    queue.append(other)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:NAMES]) + (f" and {len(names) - NAMES} more" if len(names) > NAMES else "")


def _reason(down: frozenset[str], floor: int, found: str) -> Reason:
    return Reason(
        subject=f"draining {_listed(sorted(down)) or 'nothing'}",
        found=found,
        wanted=f"at least {floor} Mb/s between them (keep_connected)",
        remedy="Drain fewer of these at once, wait until the others carry traffic again, or add capacity.",
    )


def _flow(network: Network, source: str, sink: str, down: frozenset[str], *, enough: int) -> int:
    """Maximum flow between two nodes in Mb/s (shortest augmenting paths), other externals left out; no further than
    `enough`."""
    near = _reachable(network.capacity, network.externals, sink, down=down, floor_mbps=1)
    if source not in near:
        return 0
    nodes = (near - network.externals) | {source, sink}
    rest: dict[str, dict[str, int]] = {
        n: {m: mbps for m, mbps in network.capacity[n].items() if m in nodes} for n in sorted(nodes)
    }
    total = 0
    while total < enough and (path := _augmenting(rest, source, sink)) is not None:
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
