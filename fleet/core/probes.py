"""Probes: what was sent, lost, and how long it took, as mtr counts; after against before of equal size. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, lgamma, sqrt
from statistics import fmean, median

from fleet.core.model import Json, Reason, Verdict
from fleet.core.soak import Sample
from fleet.core.soak_compare import LEAST_EACH, compare

# Fewer than this say nothing: with 20 sent and none lost, a loss of 14 % is still possible (95 %).
LEAST_SENT = 20
# What is kept of the times of one pair; the test of core/soak_compare takes no more of each side.
KEPT = 200
# Beyond chance: one in a hundred, as everything else that is compared (soak_compare.COMPARED_Z).
CHANCE = 0.01
# Slower by less than this is no finding, whatever the share: two measurements of a busy machine differ by it.
SLOWER_MS = 1.0


@dataclass(frozen=True, order=True)
class Pair:
    """From a vantage point to an address of another, in one family ("ipv4", "ipv6")."""

    source: str
    target: str
    family: str
    address: str

    def __str__(self) -> str:
        return f"{self.source} to {self.target}, {self.family}"


@dataclass(frozen=True)
class Times:
    """Probes of one pair: how many were sent and lost, times in ms; None where nothing came back.

    `rtts`: at most KEPT of the times, evenly chosen, in the order of sending.
    """

    sent: int
    lost: int
    best: float | None
    avg: float | None
    worst: float | None
    stdev: float | None
    rtts: tuple[float, ...] = ()

    @property
    def loss(self) -> float:
        """Share that was lost, 0 to 1."""
        return self.lost / self.sent if self.sent else 1.0


def counted(sent: int, rtts: Sequence[float]) -> Times:
    """The numbers that mtr prints, from the times of those that came back (ms, in the order of sending)."""
    came = [r for r in rtts if isfinite(r) and r >= 0][:sent]
    if not came:
        return Times(sent, sent, None, None, None, None)
    mean = fmean(came)
    stdev = sqrt(sum((r - mean) ** 2 for r in came) / (len(came) - 1)) if len(came) > 1 else 0.0
    step = len(came) / min(KEPT, len(came))
    kept = tuple(came[int(n * step)] for n in range(min(KEPT, len(came))))
    return Times(sent, sent - len(came), min(came), mean, max(came), stdev, kept)


@dataclass(frozen=True)
class Probed:
    """What was measured of a pair. `there`, `back`: routers on the way, both ends included; empty: not told.

    `doubts`: why it proves nothing (asymmetric, not by the device under test ...). None are needed for a verdict.
    """

    pair: Pair
    times: Times | None
    there: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    doubts: tuple[Reason, ...] = ()

    @property
    def usable(self) -> bool:
        return self.times is not None and not self.doubts


@dataclass(frozen=True)
class Tolerated:
    """What is let pass after a change: `loss` as a share of what was sent, `slower` as a share of the time before."""

    loss: float = 0.0
    slower: float = 0.2


@dataclass(frozen=True)
class Compared:
    """The verdict on one pair, in words and with reasons for everything but PASS."""

    pair: Pair
    verdict: Verdict
    words: str
    reasons: tuple[Reason, ...] = ()


def judge(before: Probed, after: Probed | None, tolerated: Tolerated) -> Compared:
    """After against before, of one pair. Both must be of equal size, and neither in doubt.

    FAIL: more lost, or slower, than tolerated and beyond chance. ERROR: not of equal size. INCONCLUSIVE: in doubt, too
    few, or more lost than before by what may be chance.
    """
    pair = before.pair
    if after is None or after.times is None or before.times is None:
        found = "no probes that came to an end"
        why = (Reason(str(pair), found, "the same probes as before"), *(after.doubts if after else ()), *before.doubts)
        return Compared(pair, Verdict.INCONCLUSIVE, f"{found}.", why)
    was, now = before.times, after.times
    if was.sent != now.sent:
        why = (Reason(str(pair), f"{now.sent} probes after, {was.sent} before", "as many as before"),)
        return Compared(pair, Verdict.ERROR, "not of equal size.", why)
    if doubts := (*before.doubts, *after.doubts):
        return Compared(pair, Verdict.INCONCLUSIVE, doubts[0].found, tuple(dict.fromkeys(doubts)))
    if now.sent < LEAST_SENT:
        why = (Reason(str(pair), f"{now.sent} probes", f"at least {LEAST_SENT}", "Ask for a higher count."),)
        return Compared(pair, Verdict.INCONCLUSIVE, f"{now.sent} probes say nothing.", why)
    parts = (_lost(pair, was, now, tolerated.loss), _slower(pair, was, now, tolerated.slower))
    worst = next((v for v in (Verdict.FAIL, Verdict.INCONCLUSIVE) if any(p[0] is v for p in parts)), Verdict.PASS)
    words = ", ".join(p[1] for p in parts if p[1])
    return Compared(pair, worst, words, tuple(r for p in parts for r in p[2]))


_Part = tuple[Verdict, str, tuple[Reason, ...]]


def _lost(pair: Pair, was: Times, now: Times, tolerated: float) -> _Part:
    words = f"{now.lost} of {now.sent} lost ({now.loss:.1%}), {was.lost} before"
    if now.loss <= max(tolerated, was.loss):
        return Verdict.PASS, words, ()
    p = more_lost(was.lost, was.sent, now.lost, now.sent)
    wanted = f"at most {max(tolerated, was.loss):.1%} lost"
    if p < CHANCE:
        return Verdict.FAIL, words, (Reason(str(pair), words, wanted, "More is lost than before the change."),)
    remedy = f"By chance in {p:.0%} of such measurements: it is measured again."
    return Verdict.INCONCLUSIVE, words, (Reason(str(pair), words, wanted, remedy),)


def _slower(pair: Pair, was: Times, now: Times, tolerated: float) -> _Part:
    """By the rank test of soak_compare, and by at least SLOWER_MS."""
    if min(len(was.rtts), len(now.rtts)) < LEAST_EACH:
        return Verdict.PASS, "", ()  # what was lost has been judged
    found = compare(_samples(was.rtts), _samples(now.rtts))
    by = median(now.rtts) - median(was.rtts)
    words = f"{now.avg:.1f} ms, {was.avg:.1f} before"
    if found is None or by <= SLOWER_MS or found.ratio <= 1 + tolerated:
        return Verdict.PASS, words, ()
    wanted = f"at most {tolerated:.0%} slower"
    if found.low > 1 + tolerated:
        why = Reason(str(pair), f"{words}: {found.in_words}", wanted, "The way is another, or a queue stands on it.")
        return Verdict.FAIL, words, (why,)
    why = Reason(str(pair), f"{words}: {found.in_words}", wanted, "Too few to tell: it is measured again.")
    return Verdict.INCONCLUSIVE, words, (why,)


def _samples(rtts: Sequence[float]) -> list[Sample]:
    return [Sample(float(n), max(r, 1e-3)) for n, r in enumerate(rtts)]


def more_lost(lost_before: int, sent_before: int, lost_after: int, sent_after: int) -> float:
    """How likely at least `lost_after` are lost after by chance, when nothing changed (Fisher's exact test)."""
    total, lost = sent_before + sent_after, lost_before + lost_after
    most = min(lost, sent_after)
    whole = _ways(total, lost)
    return min(
        1.0,
        sum(
            exp(_ways(sent_after, k) + _ways(sent_before, lost - k) - whole)
            for k in range(lost_after, most + 1)
            if lost - k <= sent_before
        ),
    )


def _ways(n: int, k: int) -> float:
    """Logarithm of the number of ways to take k of n."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


# -- as JSON: what a step keeps


def to_row(one: Probed) -> dict[str, Json]:
    """JSON of a measured pair; times in ms, rounded to microseconds."""
    pair, t = one.pair, one.times
    row: dict[str, Json] = {"from": pair.source, "to": pair.target, "family": pair.family, "address": pair.address}
    if t is not None:
        figures = {"best": t.best, "avg": t.avg, "worst": t.worst, "stdev": t.stdev}
        row |= {"sent": t.sent, "lost": t.lost, **{k: None if v is None else round(v, 3) for k, v in figures.items()}}
        row["rtts"] = [round(r, 3) for r in t.rtts]
    row |= {"there": list(one.there), "back": list(one.back)}
    doubts = [{"subject": r.subject, "found": r.found, "wanted": r.wanted, "remedy": r.remedy} for r in one.doubts]
    return {**row, "doubts": doubts}


def from_row(row: Mapping[str, Json]) -> Probed:
    """The same back. Raises KeyError, TypeError, ValueError for what `to_row` has not made."""
    pair = Pair(str(row["from"]), str(row["to"]), str(row["family"]), str(row["address"]))
    times = None
    if "sent" in row:
        best, avg, worst, stdev = (None if row[k] is None else float(row[k]) for k in ("best", "avg", "worst", "stdev"))
        rtts = tuple(float(r) for r in row["rtts"])
        times = Times(int(row["sent"]), int(row["lost"]), best, avg, worst, stdev, rtts)
    doubts = tuple(Reason(**{k: str(d[k]) for k in ("subject", "found", "wanted", "remedy")}) for d in row["doubts"])
    return Probed(pair, times, tuple(map(str, row["there"])), tuple(map(str, row["back"])), doubts)
