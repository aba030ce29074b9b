"""Before against after, and the canary against those not yet changed: rank test and ratio with its interval. Pure.

Mann and Whitney (1947) with ties, Hodges and Lehmann (1963) for the ratio: neither minds a few wild values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import erfc, exp, isfinite, log, sqrt
from statistics import correlation, median

from fleet.core.soak import Sample

# Below eight on each side not even complete separation is beyond chance at this confidence.
LEAST_EACH = 8
COMPARED_Z = 2.576  # 99 %, two-sided
_MOST_EACH = 200  # 40,000 pairs: some milliseconds
HOURS_OF_DAY, DAY = 24, 86_400.0


@dataclass(frozen=True)
class Change:
    """After divided by before (0.42: 58 % less), with its interval; `p`: of no difference. `n`: samples of each."""

    ratio: float
    low: float
    high: float
    p: float
    before: int
    after: int
    left_over: float = 0.0

    @property
    def in_words(self) -> str:
        """ "58 % less (54 % to 61 %)"."""
        more = self.ratio > 1
        ends = sorted(abs(e - 1) for e in (self.low, self.high))
        if (self.low - 1) * (self.high - 1) <= 0:
            return f"no difference that can be told ({self.low - 1:+.0%} to {self.high - 1:+.0%})"
        return f"{abs(self.ratio - 1):.0%} {'more' if more else 'less'} ({ends[0]:.0%} to {ends[1]:.0%})"


def compare(before: Sequence[Sample], after: Sequence[Sample], *, z: float = COMPARED_Z) -> Change | None:
    """Compare two sets of values that are all above 0, such as CPU per Gb/s. None: fewer than eight on a side."""
    first, second = _logs(before), _logs(after)
    if min(len(first), len(second)) < LEAST_EACH:
        return None
    return _compared(first, second, z=z)


def against_others(
    canary: Sequence[Sample], others: Sequence[Sequence[Sample]], *, changed_at: float, bin_s: float = 3600.0
) -> Change | None:
    """The canary's change beyond that of the others, which were not changed, at the same hours.

    In each bin of time the canary is divided by the middle of the others; then before is compared with after, hour of
    the day with the same hour where both are there. None: too few bins that all were seen in.
    """
    bins = _bins(canary, bin_s)
    rest = [_bins(series, bin_s) for series in others]
    relative: dict[int, float] = {}
    for number, values in bins.items():
        there = [median(one[number]) for one in rest if number in one]
        if there and median(there) > 0 and median(values) > 0:
            relative[number] = log(median(values) / median(there))
    before = {n: v for n, v in relative.items() if (n + 1) * bin_s <= changed_at}
    after = {n: v for n, v in relative.items() if n * bin_s >= changed_at}
    first, second = _same_hours(before, after, bin_s)
    if min(len(first), len(second)) < LEAST_EACH:
        return None
    return _compared(first, second, z=COMPARED_Z)


def _bins(series: Sequence[Sample], bin_s: float) -> dict[int, list[float]]:
    made: dict[int, list[float]] = {}
    for s in series:
        if isfinite(s.value):
            made.setdefault(int(s.at // bin_s), []).append(s.value)
    return made


def _same_hours(
    before: Mapping[int, float], after: Mapping[int, float], bin_s: float
) -> tuple[list[float], list[float]]:
    """Only bins whose hour of the day is on both sides; all of them where there are none such (a soak of minutes)."""

    def hour(number: int) -> int:
        return int(number * bin_s % DAY // (DAY / HOURS_OF_DAY))

    both = {hour(n) for n in before} & {hour(n) for n in after}
    first = [v for n, v in sorted(before.items()) if hour(n) in both]
    second = [v for n, v in sorted(after.items()) if hour(n) in both]
    if min(len(first), len(second)) >= LEAST_EACH:
        return first, second
    return [v for _, v in sorted(before.items())], [v for _, v in sorted(after.items())]


def _logs(samples: Sequence[Sample]) -> list[float]:
    values = [log(s.value) for s in sorted(samples, key=lambda s: s.at) if isfinite(s.value) and s.value > 0]
    step = max(1, -(-len(values) // _MOST_EACH))
    return [median(values[n : n + step]) for n in range(0, len(values), step)]


def _compared(first: Sequence[float], second: Sequence[float], *, z: float) -> Change:
    n, m = len(first), len(second)
    left = max(_left_over(first), _left_over(second))
    # Values that say partly the same count as fewer: the interval gets wider by this much.
    wider = sqrt((1 + left) / (1 - left))
    differences = sorted(b - a for a in first for b in second)
    above = sum(d > 0 for d in differences) + sum(d == 0 for d in differences) / 2
    deviation = sqrt(_variance(first, second)) * wider
    p = erfc(abs(above - n * m / 2) / deviation / sqrt(2)) if deviation > 0 else 1.0
    reach = z * deviation
    low, high = int((n * m / 2) - reach), int((n * m / 2) + reach) + 1
    told = low >= 0 and high < n * m
    ends = (differences[low], differences[high]) if told else (float("-inf"), float("inf"))
    return Change(exp(median(differences)), _exp(ends[0]), _exp(ends[1]), p, n, m, left)


def _exp(value: float) -> float:
    return exp(value) if value < 700 else float("inf")


def _variance(first: Sequence[float], second: Sequence[float]) -> float:
    """Of Mann and Whitney's U, with ties."""
    n, m = len(first), len(second)
    counts: dict[float, int] = {}
    for value in (*first, *second):
        counts[value] = counts.get(value, 0) + 1
    ties = sum(t**3 - t for t in counts.values())
    total = n + m
    return n * m / 12 * (total + 1 - ties / (total * (total - 1)))


def _left_over(values: Sequence[float]) -> float:
    """How much of one value is in the next, 0 to 0.9."""
    if len(values) < 8 or len(set(values[1:])) < 2 or len(set(values[:-1])) < 2:
        return 0.0
    return max(0.0, min(0.9, correlation(values[:-1], values[1:])))
