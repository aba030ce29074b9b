"""Who can be reached from where, over links with anything left, when some devices are down."""

from collections import deque

from fleet.core.waves import Network


def reachable(network: Network, start: str, down: frozenset[str] = frozenset()) -> frozenset[str]:
    """Every name that `start` reaches, itself among them. Externals are reached, never passed through."""
    seen, queue = {start}, deque([start])
    while queue:
        node = queue.popleft()
        if node != start and node in network.externals:
            continue
        near = {other for other, mbps in network.capacity.get(node, {}).items() if mbps > 0} - seen - down
        seen |= near
        queue.extend(near)
    return frozenset(seen)
