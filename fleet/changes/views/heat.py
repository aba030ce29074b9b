"""The pictures of the RSS doctor: queues by CPUs, and queues over time, as squares to be drawn by a template."""

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.core.model import Json
from fleet.core.rss_report import HeatMap, over_time

CELL, LEFT, TOP = 22, 64, 26
MOST_CPUS, MOST_QUEUES = 128, 64


@dataclass(frozen=True)
class Square:
    x: int
    y: int
    strength: float  # 0 to 1
    words: str


@dataclass(frozen=True)
class Label:
    x: int
    y: int
    text: str


@dataclass(frozen=True)
class Drawn:
    """A picture: squares with what each says, labels of its rows and columns, and its size. `words`: for who hears."""

    width: int
    height: int
    squares: tuple[Square, ...]
    rows: tuple[Label, ...]
    columns: tuple[Label, ...]
    words: str
    cell: int = CELL - 2


def drawn(heat: HeatMap | None) -> Drawn | None:
    """Interrupts of each receive queue (rows) on each CPU (columns). Only CPUs that took some, where there are many."""
    if heat is None or not heat.queues:
        return None
    busy = [c for c in heat.cpus if any(heat.counts.get((q, c), 0) for q in heat.queues)]
    cpus = (list(heat.cpus) if len(heat.cpus) <= 32 else busy)[:MOST_CPUS]
    queues = heat.queues[:MOST_QUEUES]
    squares = tuple(
        Square(
            LEFT + CELL * n, TOP + CELL * m, round(heat.shares.get((q, c), 0.0), 3),
            f"queue {q} on CPU {c}: {heat.counts.get((q, c), 0)} interrupts",
        )
        for m, q in enumerate(queues)
        for n, c in enumerate(cpus)
    )  # fmt: skip
    return Drawn(
        LEFT + CELL * max(len(cpus), 1) + 8,
        TOP + CELL * len(queues) + 6,
        squares,
        tuple(Label(LEFT - 8, TOP + CELL * m + 15, f"rx {q}") for m, q in enumerate(queues)),
        tuple(Label(LEFT + CELL * n + 10, TOP - 8, str(c)) for n, c in enumerate(cpus)),
        f"Interrupts of {len(queues)} receive queues on {len(busy)} CPUs that took some",
    )


def strip(looks: Sequence[tuple[Json, Json]], name: str) -> Drawn | None:
    """The share of each queue (rows) in each look (columns, oldest first); None for fewer than two looks."""
    shares = over_time(looks, name)
    most = max((len(column) for column in shares), default=0)
    if sum(bool(column) for column in shares) < 2:
        return None
    queues = min(most, MOST_QUEUES)
    squares = tuple(
        Square(LEFT + CELL * n, TOP + CELL * q, round(share, 3), f"queue {q}, look {n + 1}: {share:.1%}")
        for n, column in enumerate(shares)
        for q, share in enumerate(column[:queues])
    )
    return Drawn(
        LEFT + CELL * len(shares) + 8,
        TOP + CELL * queues + 6,
        squares,
        tuple(Label(LEFT - 8, TOP + CELL * q + 15, f"rx {q}") for q in range(queues)),
        tuple(Label(LEFT + CELL * n + 10, TOP - 8, str(n + 1)) for n in range(len(shares))),
        f"Share of each of {queues} queues in {len(shares)} looks",
    )
