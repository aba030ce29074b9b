"""What grows in an hour: slopes by Theil and Sen for what processes hold, rows for each change. Pure.

A process that was started again is another piece of its series; what it loads in its first minutes is left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Any

from fleet.core import soak
from fleet.core.soak import Sample, Trend

# What a process loads while it does everything for the first time: it is looked at from then on.
WARM_S = 300.0
# Two-sided 99.9 %: some 40 series are looked at, once.
Z = 3.3
# Growth of so much an hour is not called growth: an interpreter's heap has holes, and a set of connections its use.
STEADY = 0.05
# Rows for each change in the second half of the time, beside the first.
ALIKE = 1.5
FEW_ROWS = 20

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Series:
    """One figure of one thing over time. `trend` None: too few samples of one and the same process."""

    name: str
    first: float
    last: float
    most: float
    trend: Trend | None

    @property
    def verdict(self) -> str:
        """grows: the whole interval lies above nothing and the slope is more than what is tolerated."""
        if self.trend is None:
            return "too few"
        if self.trend.low > 0 and self.trend.slope > STEADY:
            return "grows"
        return "flat" if self.trend.slope <= STEADY and isfinite(self.trend.high) else "unclear"


def series(name: str, values: Sequence[tuple[float, float, str]]) -> Series:
    """From (seconds, value, boot)."""
    warm = list(_warm(values))
    some = [value for _, value, _ in warm] or [value for _, value, _ in values]
    samples = [Sample(at, value, boot) for at, value, boot in warm]
    edge = max(1, len(some) // 8)
    return Series(name, median(some[:edge]), median(some[-edge:]), max(some), soak.trend(samples, z=Z))


def _warm(values: Sequence[tuple[float, float, str]]) -> Iterable[tuple[float, float, str]]:
    began: dict[str, float] = {}
    for at, value, boot in values:
        if at - began.setdefault(boot, at) >= WARM_S:
            yield at, value, boot


def of_processes(lines: Sequence[Line], what: str) -> dict[str, Series]:
    """Service -> its memory (MB), or file descriptors, sockets, threads."""
    names = dict.fromkeys(name for line in lines for name in line["processes"])
    made = {}
    for name in names:
        held = [(line["at"], line["processes"][name]) for line in lines if name in line["processes"]]
        made[name] = series(name, [(at, float(one[what]), one["boot"]) for at, one in held if one["fds"]])
    return made


def of_server(lines: Sequence[Line], server: str, what: str) -> Series:
    """One figure that a server says of itself."""
    said = [(line["at"], line[server]) for line in lines if line[server] is not None]
    return series(f"{server} {what}", [(at, float(one[what]), str(one.get("boot", ""))) for at, one in said])


@dataclass(frozen=True)
class Table:
    """Rows of a table: at first, at last, and for each change in each half of the time."""

    name: str
    first: int
    last: int
    early: float
    late: float

    @property
    def grows(self) -> bool:
        return self.last - self.first > FEW_ROWS

    @property
    def explained(self) -> bool:
        """No more for each change late than early: it grows with what is done and not by itself."""
        return not self.grows or self.late <= max(self.early, 1.0) * ALIKE


def tables(lines: Sequence[Line], per: str = "targets") -> list[Table]:
    """Every table, those that grew most first; rows for each of what was done (`per`)."""
    seen = [(line[per], line["postgresql"]["rows"]) for line in lines if (line["postgresql"] or {}).get("rows")]
    if len(seen) < 3:
        return []
    (n0, first), (n2, last) = seen[0], seen[-1]
    n1, middle = min(seen, key=lambda pair: abs(pair[0] - (n0 + n2) / 2))
    made = [
        Table(
            name,
            first.get(name, 0),
            rows,
            (middle.get(name, 0) - first.get(name, 0)) / max(n1 - n0, 1),
            (rows - middle.get(name, 0)) / max(n2 - n1, 1),
        )
        for name, rows in last.items()
    ]
    return sorted(made, key=lambda t: t.first - t.last)


def cpu_share(lines: Sequence[Line], names: Iterable[str]) -> float:
    """Of one core, over the whole time; what a process that was killed had used counts until it was last seen."""
    used = 0.0
    for name in names:
        before: tuple[str, float] = ("", 0.0)
        for line in lines:
            if (one := line["processes"].get(name)) is None:
                continue
            grown = one["cpu_s"] - before[1] if one["boot"] == before[0] else 0.0
            used += max(grown, 0.0)
            before = (one["boot"], one["cpu_s"])
    return used / max(lines[-1]["at"] - lines[0]["at"], 1.0)
