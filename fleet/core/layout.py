"""Where the devices of a topology stand on a drawing: close to whom they are linked with, the same each time. Pure."""

import math
from collections.abc import Mapping, Sequence

# Stress majorization: after 60 rounds a ring of 40 moves less than 1 % of its size a round. 60 devices are the most
# that a page draws one by one (0.1 s); more are drawn by failure domain.
ROUNDS = 60
MOST = 60
Point = tuple[float, float]


def place(names: Sequence[str], links: Sequence[tuple[str, str]]) -> dict[str, Point]:
    """Name -> (x, y), each between 0 and 1. Links to names that are not given are left out; at most MOST names.

    Deterministic: the same names in the same order and the same links give the same drawing. Parts that are not linked
    with each other stand side by side.
    """
    if len(names) > MOST:
        raise ValueError(f"names: found {len(names)}, wanted at most {MOST}")
    near: dict[str, list[str]] = {name: [] for name in names}
    for a, b in links:
        if a in near and b in near and a != b:
            near[a].append(b)
            near[b].append(a)
    parts = _parts(near)
    total = sum(math.sqrt(len(part)) for part in parts)
    placed: dict[str, Point] = {}
    left = 0.0
    for part in parts:
        width = math.sqrt(len(part)) / total
        for name, (x, y) in _one(part, near).items():
            inside = x if len(parts) == 1 else 0.1 + 0.8 * x  # parts do not touch each other
            placed[name] = (round(left + inside * width, 4), round(y, 4))
        left += width
    return placed


def _parts(near: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The connected parts, the largest first."""
    seen: set[str] = set()
    parts = []
    for name in near:
        if name not in seen:
            part = list(_distances(name, near))
            seen.update(part)
            parts.append([n for n in near if n in set(part)])
    return sorted(parts, key=lambda part: -len(part))


def _distances(start: str, near: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Hops from one name to every name that it reaches."""
    hops = {start: 0}
    queue = [start]
    for name in queue:
        for other in near[name]:
            if other not in hops:
                hops[other] = hops[name] + 1
                queue.append(other)
    return hops


def _one(part: Sequence[str], near: Mapping[str, Sequence[str]]) -> dict[str, Point]:
    """A connected part: from a circle in the order of a walk to where the distances drawn are the distances in hops."""
    walk = list(_walk(part, near))
    at = {
        name: (math.cos(2 * math.pi * n / len(walk)), math.sin(2 * math.pi * n / len(walk)))
        for n, name in enumerate(walk)
    }
    hops = {name: _distances(name, near) for name in walk}
    for _ in range(ROUNDS if len(walk) > 2 else 0):
        at = {name: _better(name, at, hops[name]) for name in walk}
    return _fit(at)


def _walk(part: Sequence[str], near: Mapping[str, Sequence[str]]) -> list[str]:
    """Depth first, from a name with the fewest links: a ring comes out in its order."""
    start = min(part, key=lambda name: (len(set(near[name])), part.index(name)))
    seen: dict[str, None] = {}
    stack = [start]
    while stack:
        name = stack.pop()
        if name not in seen:
            seen[name] = None
            stack += [other for other in reversed(near[name]) if other not in seen]
    return list(seen)


def _better(name: str, at: Mapping[str, Point], hops: Mapping[str, int]) -> Point:
    """Where every other name would have it, weighted by nearness."""
    x, y = at[name]
    weights = sum_x = sum_y = 0.0
    for other, wanted in hops.items():
        if other == name:
            continue
        ox, oy = at[other]
        weight = 1.0 / (wanted * wanted)
        drawn = math.hypot(x - ox, y - oy) or 1e-6
        sum_x += weight * (ox + wanted * (x - ox) / drawn)
        sum_y += weight * (oy + wanted * (y - oy) / drawn)
        weights += weight
    return sum_x / weights, sum_y / weights


def _fit(at: Mapping[str, Point]) -> dict[str, Point]:
    """Into the unit square, in its middle, keeping the shape."""
    xs, ys = [p[0] for p in at.values()], [p[1] for p in at.values()]
    width, height = max(xs) - min(xs), max(ys) - min(ys)
    size = max(width, height) or 1.0
    return {
        name: ((x - min(xs)) / size + (1 - width / size) / 2, (y - min(ys)) / size + (1 - height / size) / 2)
        for name, (x, y) in at.items()
    }
