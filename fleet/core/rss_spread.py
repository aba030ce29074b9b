"""How evenly packets spread over queues, and how evenly they could. Pure."""

import heapq
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from fleet.core.rss import Flow, Rss, hashed

# Beyond this many different inputs the best spread is even but for the heaviest: no need to place each one.
_PLACED = 4096


@dataclass(frozen=True)
class Spread:
    """Packets per queue. `effective`: (sum)^2 / sum of squares; 1 = all on one queue, N = perfectly even over N."""

    packets: Mapping[int, float]

    @property
    def total(self) -> float:
        return sum(self.packets.values())

    @property
    def effective(self) -> float:
        squares = sum(n * n for n in self.packets.values())
        return self.total**2 / squares if squares else 0.0

    @property
    def worst(self) -> float:
        """The busiest queue's share of all packets, 0 to 1."""
        return max(self.packets.values(), default=0.0) / self.total if self.total else 0.0

    @property
    def busiest(self) -> int | None:
        return max(self.packets, key=lambda q: (self.packets[q], -q)) if self.total else None

    def share(self, queue: int) -> float:
        return self.packets.get(queue, 0.0) / self.total if self.total else 0.0

    def used(self, least: float = 0.01) -> tuple[int, ...]:
        """Queues with at least this share of the packets."""
        return tuple(sorted(q for q in self.packets if self.share(q) >= least))


@dataclass(frozen=True)
class Entropy:
    """What a card can tell apart in these flows: different inputs of the hash, and the packets of each, most first.

    `sources`, `destinations`: different addresses; `packets`: all of them.
    """

    weights: tuple[int, ...]
    sources: int
    destinations: int
    pairs: int
    packets: int
    flows: int

    @property
    def heaviest(self) -> float:
        """Share of the packets that one input has: no card can spread these."""
        return self.weights[0] / self.packets if self.weights and self.packets else 0.0


def entropy(flows: Mapping[Flow, int], fields: str | None = None, rss: Rss | None = None) -> Entropy:
    """What can be told apart in flows with their packets.

    By the fields that the card hashes (`rss`), or by these letters for every flow; where neither says, by addresses and
    ports: the most that any card can do.
    """
    weights: dict[bytes, int] = {}
    for flow, packets in flows.items():
        data = rss.input_of(flow) if rss is not None and fields is None else hashed(flow, fields or "sdfn")
        key = data if data is not None else hashed(flow, "sdfn") or b""
        weights[key] = weights.get(key, 0) + packets
    return Entropy(
        weights=tuple(sorted(weights.values(), reverse=True)),
        sources=len({f.source for f in flows}),
        destinations=len({f.destination for f in flows}),
        pairs=len({(f.source, f.destination) for f in flows}),
        packets=sum(flows.values()),
        flows=len(flows),
    )


def best(weights: Iterable[int], queues: int) -> Spread:
    """The most even spread of these indivisible weights over so many queues: the heaviest first, each to the emptiest.

    Within 4/3 of the best (Graham 1969), and exact for equal weights.
    """
    heaviest = sorted(weights, reverse=True)
    heap = [(0, queue) for queue in range(max(1, queues))]
    for weight in heaviest[:_PLACED]:
        load, queue = heap[0]
        heapq.heapreplace(heap, (load + weight, queue))
    rest = sum(heaviest[_PLACED:])
    return Spread(_poured({queue: float(load) for load, queue in heap}, rest))


def _poured(loads: dict[int, float], rest: float) -> dict[int, float]:
    """Pour what is divisible onto the emptiest queues until they are level."""
    order = sorted(loads, key=lambda q: loads[q])
    filled = dict(loads)
    for n in range(1, len(order) + 1):
        level = (sum(loads[q] for q in order[:n]) + rest) / n
        if n == len(order) or level <= loads[order[n]]:
            filled.update(dict.fromkeys(order[:n], level))
            break
    return dict(sorted(filled.items()))


def expected_effective(weights: Collection[int], queues: int) -> float:
    """Effective queues that hashing gives on average: each input falls on a queue by chance.

    E[sum of squares] = sum w^2 + (W^2 - sum w^2) / Q for independent uniform places; its reciprocal, a little low.
    """
    total, squares = sum(weights), sum(w * w for w in weights)
    return total**2 / (squares + (total**2 - squares) / max(1, queues)) if total else 0.0


def table_spread(table: tuple[int, ...], queues: int) -> Spread:
    """How evenly an indirection table spreads over so many queues: buckets per queue; queues without any count."""
    counts: dict[int, float] = dict.fromkeys(range(queues), 0.0)
    for queue in table:
        counts[queue] = counts.get(queue, 0.0) + 1
    return Spread(counts)
