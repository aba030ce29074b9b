"""What a soak says of one metric: four verdicts with their reason, from a trend, a comparison, or a count. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf

from fleet.core.model import Reason, Verdict
from fleet.core.soak import HOUR, LEAST_SAMPLES, LEAST_SECONDS, Sample, Trend, rates, ratio, trend
from fleet.core.soak_compare import LEAST_EACH, Change, against_others, compare
from fleet.core.soak_power import Noise, hours_to_find

# Growth an hour that is let pass. S0-12 lost 9 % an hour; caches that fill after a restart end within some hours, and
# what follows the load by minutes looks like 0.2 % an hour at the steepest (tests/bench/bench_soak.py).
LEAK_TOLERATED = 0.003
# Where nobody measured the load: a swing of half up and down over a day is at most this steep. After a whole day the
# swing is over.
SWING_TOLERATED, WHOLE_DAY_S = 0.04, 86_400.0
# CPU per Gb/s that is let pass: below this, one measurement differs from the next.
COST_TOLERATED = 0.10
# Lost packets that are let pass: 1 in 100,000; and rates differ by chance below eight intervals.
LOSS_TOLERATED = 1e-5


@dataclass(frozen=True)
class Soaked:
    """The verdict on one metric. `decides`: False for a dry-run check, which measures and never stops anything."""

    metric: str
    verdict: Verdict
    words: str
    reasons: tuple[Reason, ...] = ()
    trend: Trend | None = None
    change: Change | None = None
    decides: bool = True

    @property
    def is_alarm(self) -> bool:
        return self.decides and self.verdict in (Verdict.FAIL, Verdict.ERROR)


def growth(
    metric: str,
    samples: Sequence[Sample],
    load: Sequence[Sample] = (),
    *,
    tolerated: float = LEAK_TOLERATED,
    decides: bool = True,
) -> Soaked:
    """Does a level (slab, memory in use) grow? `load`: packets or bits per second at the same times.

    FAIL: the whole interval of its trend lies above what is tolerated. PASS: below. INCONCLUSIVE: neither yet.
    """
    found = trend(samples, load)
    if found is None:
        reason = _too_few(metric, samples)
        return Soaked(metric, Verdict.INCONCLUSIVE, f"{reason.found}.", (reason,), decides=decides)
    allowed, about = tolerated, ""
    if not found.by_load and found.seconds < WHOLE_DAY_S:
        allowed = max(tolerated, SWING_TOLERATED)
        about = "; its load was not measured, so a daily swing is allowed for"
    rate = f"{found.slope:+.2%} an hour ({_end(found.low)} to {_end(found.high)}) over {found.seconds / HOUR:.1f} h"
    wanted = f"at most {allowed:.2%} an hour"
    if found.low > allowed:
        reason = Reason(metric, f"{rate}{about}", wanted, "It grows with time, not with the load: a leak.")
        return Soaked(metric, Verdict.FAIL, f"grows {rate}", (reason,), found, decides=decides)
    if found.high < allowed and (found.by_load or found.seconds >= WHOLE_DAY_S):
        return Soaked(metric, Verdict.PASS, f"does not grow: {rate}", (), found, decides=decides)
    reason = Reason(metric, f"{rate}{about}", wanted, _more_hours(found, samples, tolerated))
    return Soaked(metric, Verdict.INCONCLUSIVE, f"cannot be told yet: {rate}", (reason,), found, decides=decides)


def _end(value: float) -> str:
    return "unbounded" if isinf(value) else f"{value:+.2%}"


def _too_few(metric: str, samples: Sequence[Sample]) -> Reason:
    over = max((s.at for s in samples), default=0.0) - min((s.at for s in samples), default=0.0)
    found = f"{len(samples)} samples over {over / 60:.0f} min"
    return Reason(metric, found, f"at least {LEAST_SAMPLES} over {LEAST_SECONDS / 60:.0f} min", "The soak goes on.")


def _more_hours(found: Trend, samples: Sequence[Sample], tolerated: float) -> str:
    """When a leak of 1 % an hour would have been found, by the noise that was seen."""
    every = found.seconds / max(1, found.samples - 1)
    per_sample = found.left_over ** (1 / max(1.0, found.samples / 64))
    noise = Noise(found.noise, min(0.95, per_sample), every)
    hours = hours_to_find(0.01, noise, tolerated=tolerated)
    return f"A leak of 1 % an hour is found after {hours:.0f} h with this noise." if hours else "Too noisy to tell."


def cost(
    metric: str,
    before: Sequence[Sample],
    after: Sequence[Sample],
    *,
    tolerated: float = COST_TOLERATED,
    others: Sequence[Sequence[Sample]] = (),
    changed_at: float = 0.0,
    decides: bool = True,
) -> Soaked:
    """Does the same work cost more than before (CPU per Gb/s, per packet)? Both sides have been divided by the load.

    `others`: the same of devices that were not changed; the canary is then judged by what it moved beyond them.
    """
    found: Change | None = None
    beside = ""
    if others:
        found = against_others((*before, *after), others, changed_at=changed_at, bin_s=_bin_of(before, after))
        beside = f", beyond {len(others)} that were not changed" if found else ""
    found = found or compare(before, after)
    if found is None:
        seen = f"{len(before)} samples before, {len(after)} after"
        reason = Reason(metric, seen, f"at least {LEAST_EACH} of each", "The soak goes on.")
        return Soaked(metric, Verdict.INCONCLUSIVE, f"{seen}.", (reason,), decides=decides)
    words = f"{found.in_words}{beside}"
    wanted = f"at most {tolerated:.0%} more"
    if found.low > 1 + tolerated:
        reason = Reason(metric, words, wanted, "The same traffic costs more than before.")
        return Soaked(metric, Verdict.FAIL, words, (reason,), change=found, decides=decides)
    if found.high <= 1 + tolerated:
        return Soaked(metric, Verdict.PASS, words, (), change=found, decides=decides)
    reason = Reason(metric, words, wanted, "More samples make the interval narrower.")
    return Soaked(metric, Verdict.INCONCLUSIVE, words, (reason,), change=found, decides=decides)


def _bin_of(before: Sequence[Sample], after: Sequence[Sample]) -> float:
    """Hours for soaks of days; for shorter ones a sixteenth of the shorter side, at least a minute."""
    spans = [max(s.at for s in side) - min(s.at for s in side) for side in (before, after) if side]
    return max(60.0, min(HOUR, min(spans, default=HOUR) / 16))


def losses(
    metric: str,
    before: Sequence[Sample],
    after: Sequence[Sample],
    packets_before: Sequence[Sample],
    packets_after: Sequence[Sample],
    *,
    tolerated: float = LOSS_TOLERATED,
    decides: bool = True,
) -> Soaked:
    """Are more packets lost than before, for the packets that were carried? All four are counters.

    FAIL: more than `tolerated` of the packets, and more in an interval than before beyond chance.
    """
    # Shares of the packets, interval by interval: the daily swing is in neither side.
    was = ratio(rates(before), rates(packets_before))
    now = ratio(rates(after), rates(packets_after))
    carried = sum(_grown(packets_after))
    lost = sum(_grown(after))
    if len(now) < LEAST_EACH or carried <= 0:
        found = f"{len(now)} intervals, {carried:.0f} packets"
        reason = Reason(metric, found, f"at least {LEAST_EACH} intervals with traffic", "The soak goes on.")
        return Soaked(metric, Verdict.INCONCLUSIVE, f"{found}.", (reason,), decides=decides)
    share = lost / carried
    words = f"{lost:.0f} of {carried:.0f} packets ({share:.4%})"
    if share <= tolerated:
        return Soaked(metric, Verdict.PASS, words, decides=decides)
    before_carried = sum(_grown(packets_before))
    before_share = sum(_grown(before)) / before_carried if before_carried > 0 else 0.0
    chance = _more_than(was, now) if len(was) >= LEAST_EACH else None
    wanted = f"at most {max(tolerated, before_share):.4%}"
    if share <= before_share or (chance is not None and not chance):
        return Soaked(metric, Verdict.PASS, f"{words}, as before ({before_share:.4%})", decides=decides)
    reason = Reason(metric, words, wanted, f"Before the change it was {before_share:.4%}.")
    return Soaked(metric, Verdict.FAIL, words, (reason,), decides=decides)


def _grown(counter: Sequence[Sample]) -> list[float]:
    ordered = sorted(counter, key=lambda s: s.at)
    return [r.value * (r.at - b.at) for r, b in zip(rates(ordered), ordered, strict=False)]


def _more_than(was: Sequence[Sample], now: Sequence[Sample]) -> bool:
    """Are the rates higher than before beyond chance (99 %, by rank)? Zeros count as they are."""
    least = min((s.value for s in (*was, *now) if s.value > 0), default=1.0) / 2
    lifted = [[Sample(s.at, s.value + least, s.boot) for s in side] for side in (was, now)]
    found = compare(lifted[0], lifted[1])
    return found is not None and found.ratio >= 1 and found.p < 0.01
