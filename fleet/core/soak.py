"""Trends under load: does something grow that should not? Robust slope with its interval. Pure.

Theil (1950), Sen (1968): median of the slopes of all pairs, interval by Kendall's S. The daily swing is taken out by
the load that was measured beside it (Frisch and Waugh, 1933); what is left of one sample in the next (autocorrelation)
widens the interval (Yue and Wang, 2004).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import correlation, median

# Two-sided 99.994 %. A soak is looked at over and over, and a false alarm drains a router: with 12 looks a day none in
# 1,000 leak-free days was wanted and seen (tests/bench/bench_soak.py).
CONFIDENCE_Z = 4.0
LEAST_SAMPLES, LEAST_SECONDS = 20, 1800.0
# Pairs cost time: 64 bins are 2,016 of them, 4 ms. A bin's median loses nothing that a leak would show.
BINS = 64
# Of one sample in the next: more than this is a curve that is no noise, and the interval would know no bound.
MOST_LEFT = 0.95
# Without a load, what is left is mostly the daily swing, which `soak_judge` allows for by a higher bound; noise alone
# leaves no more than this of one bin in the next.
_MOST_LEFT_WITHOUT_LOAD = 0.6
# Level, slope and load were fitted to the same few values, which hides what one has of the last: by about 4/n, and the
# estimate itself strays. With 2 here, one leak-free day in 1,000 was called a leak after its first two hours.
HIDDEN = 10.0
# Counters have 64 bits; a share of a nanosecond is the least that is measured.
LEAST_FIGURE, MOST_FIGURE = 1e-12, 2.0**65
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric at one time (seconds since any beginning). `boot`: of the machine; empty: not known."""

    at: float
    value: float
    boot: str = ""


@dataclass(frozen=True)
class Trend:
    """Growth per hour, as a share of the level at its beginning (0.01 = 1 % an hour), with its interval.

    `low`, `high`: infinite where these samples say nothing about it. `left_over`: autocorrelation of what the trend and
    the load do not explain; `noise`: its middle deviation, as a share of that level.
    """

    slope: float
    low: float
    high: float
    samples: int
    seconds: float
    level: float
    by_load: bool = False
    left_over: float = 0.0
    noise: float = 0.0
    boots: int = 1


def rates(counter: Iterable[Sample]) -> tuple[Sample, ...]:
    """A counter's growth per second from sample to sample; it survives resets and reboots.

    Where it went backwards, or the boot changed, it had begun again at 0: what it shows has grown since. That is too
    little at most, never too much.
    """
    made: list[Sample] = []
    before: Sample | None = None
    for now in _ordered(counter):
        if before is not None and now.at > before.at:
            again = now.value < before.value or now.boot != before.boot
            made.append(
                Sample(now.at, (now.value if again else now.value - before.value) / (now.at - before.at), now.boot)
            )
        before = now
    return tuple(made)


def ratio(of: Sequence[Sample], to: Sequence[Sample], *, least: float = 0.0) -> tuple[Sample, ...]:
    """One metric divided by another at the same times, where the other is more than `least` (CPU per Gb/s)."""
    divisor = {s.at: s.value for s in to}
    return tuple(
        Sample(s.at, s.value / divisor[s.at], s.boot)
        for s in of
        if divisor.get(s.at, 0.0) > least and isfinite(s.value)
    )


def _ordered(samples: Iterable[Sample]) -> list[Sample]:
    return sorted((s for s in samples if _is_figure(s.value) and isfinite(s.at)), key=lambda s: s.at)


def _is_figure(value: float) -> bool:
    """Something that a counter can show: what is larger or smaller has no square, and is no figure of a machine."""
    return value == 0 or LEAST_FIGURE < abs(value) < MOST_FIGURE


def trend(samples: Sequence[Sample], load: Sequence[Sample] = (), *, z: float = CONFIDENCE_Z) -> Trend | None:
    """The trend of a metric; `load`: what was carried at the same times. None: too few samples, or they begin at 0.

    Every boot is its own piece: a reboot begins anew, and what lies before it is not compared with what lies after.
    """
    ordered = _ordered(samples)
    if len(ordered) < LEAST_SAMPLES or ordered[-1].at - ordered[0].at < LEAST_SECONDS:
        return None
    level = median(s.value for s in ordered[: max(3, len(ordered) // 8)])
    if level == 0:
        return None
    loads = {s.at: s.value for s in load if _is_figure(s.value)}
    by_load = len(loads) >= len(ordered) * 0.8
    rows = _binned([s for s in ordered if not by_load or s.at in loads], loads if by_load else {})
    pieces = _pieces(rows)
    flat = [row for piece in pieces for row in piece]
    if len(flat) < LEAST_SAMPLES // 2:
        return None
    times, values = _without_load(flat)
    bounds = [n for n, piece in enumerate(pieces) for _ in piece]
    most = MOST_LEFT if by_load else _MOST_LEFT_WITHOUT_LOAD
    return _sen(times, values, bounds, scale=level / HOUR, z=z, most_left=most).of(
        len(ordered), ordered[-1].at - ordered[0].at, level, by_load=by_load, boots=len(pieces)
    )


@dataclass(frozen=True)
class _Row:
    at: float
    value: float
    load: float
    boot: str


def _binned(samples: Sequence[Sample], loads: Mapping[float, float]) -> list[_Row]:
    """At most 64 rows of medians, equal in time; a bin never spans two boots."""
    first, last = samples[0].at, samples[-1].at
    width = max((last - first) / BINS, 1e-9)
    bins: dict[tuple[int, str], list[Sample]] = {}
    for s in samples:
        bins.setdefault((min(int((s.at - first) / width), BINS - 1), s.boot), []).append(s)
    return [
        _Row(
            median(s.at for s in group),
            median(s.value for s in group),
            median(loads.get(s.at, 0.0) for s in group),
            boot,
        )
        for (_, boot), group in bins.items()
    ]


def _pieces(rows: Sequence[_Row]) -> list[list[_Row]]:
    """The rows of each boot, its means taken away (a level of its own); boots of a single row say nothing."""
    by_boot: dict[str, list[_Row]] = {}
    for row in rows:
        by_boot.setdefault(row.boot, []).append(row)
    made = []
    for group in by_boot.values():
        if len(group) > 1:
            at, value, load = (sum(getattr(r, name) for r in group) / len(group) for name in ("at", "value", "load"))
            made.append([_Row(r.at - at, r.value - value, r.load - load, r.boot) for r in group])
    return made


def _without_load(rows: Sequence[_Row]) -> tuple[list[float], list[float]]:
    """Times and values without what the load explains of both: their slope is that of time beside load."""
    square = sum(r.load * r.load for r in rows)
    if square <= 0:
        return [r.at for r in rows], [r.value for r in rows]
    of_time = sum(r.at * r.load for r in rows) / square
    of_value = sum(r.value * r.load for r in rows) / square
    return [r.at - of_time * r.load for r in rows], [r.value - of_value * r.load for r in rows]


@dataclass(frozen=True)
class _Fit:
    slope: float
    low: float
    high: float
    left_over: float
    noise: float

    def of(self, samples: int, seconds: float, level: float, *, by_load: bool, boots: int) -> Trend:
        noise = self.noise / abs(level)
        return Trend(self.slope, self.low, self.high, samples, seconds, level, by_load, self.left_over, noise, boots)


def _sen(
    times: Sequence[float], values: Sequence[float], piece: Sequence[int], *, scale: float, z: float, most_left: float
) -> _Fit:
    """Slope and interval in shares per hour. Only pairs of one piece are compared."""
    slopes, count = [], len(times)
    for i in range(count):
        for j in range(i + 1, count):
            if piece[i] == piece[j] and times[i] != times[j]:
                slopes.append((values[j] - values[i]) / (times[j] - times[i]))
    slopes.sort()
    total = len(slopes)
    slope = median(slopes) if slopes else 0.0
    left = [v - slope * t for t, v in zip(times, values, strict=True)]
    left_over = min(most_left, _autocorrelation(left, piece))
    deviation = median(abs(v - median(left)) for v in left) * 1.4826
    sizes = [piece.count(n) for n in set(piece)]
    variance = sum(n * (n - 1) * (2 * n + 5) / 18 for n in sizes)
    wide = z * sqrt(variance * (1 + left_over) / (1 - left_over))
    low, high = int((total - wide) // 2), int((total + wide) // 2) + 1
    ends = (slopes[low], slopes[high]) if low >= 0 and high < total else (float("-inf"), float("inf"))
    one, other = sorted(end / scale for end in ends)
    return _Fit(slope / scale, one, other, left_over, deviation)


def _autocorrelation(left: Sequence[float], piece: Sequence[int]) -> float:
    """Of one bin in the next, 0 to 0.95; corrected for the trend that was fitted (few values hide it)."""
    pairs = [(a, b) for a, b, m, n in zip(left, left[1:], piece, piece[1:], strict=False) if m == n]
    if len(pairs) < 4 or len({a for a, _ in pairs}) < 2 or len({b for _, b in pairs}) < 2:
        return 0.0
    found = correlation([a for a, _ in pairs], [b for _, b in pairs])
    corrected = (found * len(pairs) + HIDDEN) / (len(pairs) - 4) if len(pairs) > 8 else MOST_LEFT
    return max(0.0, min(MOST_LEFT, corrected))
