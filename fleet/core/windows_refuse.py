"""What is wrong with a window or freeze, said before it is kept: everything at once."""

from datetime import timedelta

from fleet.core import rrule
from fleet.core.model import Reason
from fleet.core.windows import Period, Span, days_of, past, span_of

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=366)
FIRST_YEAR, LAST_YEAR = 2000, 2199  # before: no change of ours; after: nobody knows any zone's rules


def refuse(period: Period, *, rule_text: str = "") -> tuple[Reason, ...]:
    """Everything that is wrong with a period, before it is kept."""
    reasons = []
    if not FIRST_YEAR <= period.starts.year <= LAST_YEAR:
        found, wanted = f"{period.starts:%Y-%m-%d}", f"a year from {FIRST_YEAR} to {LAST_YEAR}"
        reasons.append(Reason("start", found, wanted, "Correct the year."))
    if period.length <= timedelta():
        reasons.append(
            Reason("end", f"{-period.length} before its start" if period.length else "its start", "after its start",
                   "Correct the end or the length.")
        )  # fmt: skip
    elif not SHORTEST <= period.length <= LONGEST:
        remedy = "Correct it, or make several."
        reasons.append(Reason("length", str(period.length), f"{SHORTEST} to {LONGEST.days} days", remedy))
    if reasons:
        return tuple(reasons)
    return _never(period, rule_text)


def _never(period: Period, rule_text: str) -> tuple[Reason, ...]:
    first = period.starts.date()
    said = rule_text or str(period.rule)
    if period.rule is not None:
        met = rrule.next_day(period.rule, first, first)
        if met is None:
            remedy = "Look at BYMONTH and BYMONTHDAY: does that day exist?"
            return (Reason(f"recurrence {said}", "no day in 50 years", "a day that comes", remedy),)
        if met != first:
            found = f"{first:%a %Y-%m-%d}, which the recurrence does not mean"
            remedy = f"Begin on {met:%a %Y-%m-%d}."
            return (Reason("start", found, f"a day of {said}", remedy),)
    if _first(period) is None:
        remedy = "Correct UNTIL, or leave fewer days out."
        return (Reason(f"recurrence {said}", "every day left out or after its end", "a day that comes", remedy),)
    return ()


def _first(period: Period) -> Span | None:
    """The first occurrence that is not left out."""
    for number, day in enumerate(days_of(period, period.starts.date())):
        span = span_of(period, day)
        if past(period, span) or number > len(period.without):
            return None
        if day not in period.without:
            return span
    return None
