"""Windows against two references that share nothing with them: python-dateutil, and a clock read minute by minute.

The clock walks through every UTC minute of a few days and looks at the wall: a window begins in the first minute in
which the wall shows its start (where the clocks skip it: as the old clock, going on, would show it), and then counts.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr
from hypothesis import given
from hypothesis import strategies as st

from fleet.core import rrule, windows
from fleet.core.rrule import DAYS
from fleet.core.windows import Calendar, Freeze, Period, Place, Span, Terms, Window

MINUTE = timedelta(minutes=1)
# Days around which the clocks of some zone change: north, south, half an hour, at midnight, a whole day left out.
CHANGES = (
    ("Europe/London", date(2026, 3, 29)),
    ("Europe/London", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Sydney", date(2026, 4, 5)),
    ("Australia/Sydney", date(2026, 10, 4)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Santiago", date(2026, 9, 6)),
    ("America/Santiago", date(2026, 4, 4)),
    ("Asia/Kathmandu", date(2026, 2, 28)),
    ("UTC", date(2028, 2, 28)),
)


@cache
def wall(zone: str, around: date) -> tuple[tuple[datetime, tuple[datetime, ...]], ...]:
    """Each UTC minute of five days, and what the wall shows in it; a skipped minute where it would have come."""
    begin = datetime(around.year, around.month, around.day, tzinfo=UTC) - timedelta(days=2)
    seen: set[datetime] = set()
    shown: list[tuple[datetime, tuple[datetime, ...]]] = []
    previous, skipped = None, {}
    for n in range(5 * 24 * 60):
        minute = begin + n * MINUTE
        local = minute.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if previous is not None and local > previous + MINUTE:
            jump = (local - previous) // MINUTE - 1
            skipped = {minute + k * MINUTE: previous + (k + 1) * MINUTE for k in range(jump)}
        now = [] if local in seen else [local]
        now += [skipped[minute]] if minute in skipped else []
        seen.add(local)
        shown.append((minute, tuple(now)))
        previous = local
    return tuple(shown)


def open_minutes(period: Period, zone: str, around: date, days: frozenset[date]) -> set[datetime]:
    starts = {
        minute
        for minute, shows in wall(zone, around)
        for local in shows
        if local.time() == period.starts.time() and local.date() in days
    }
    return {start + n * MINUTE for start in starts for n in range(period.length // MINUTE)}


@st.composite
def periods(draw: st.DrawFn, zone: str, around: date) -> tuple[Period, frozenset[date]]:
    """A window that begins on some of the days around, and which those are."""
    first = around - timedelta(days=draw(st.integers(0, 1)))
    starts = datetime.combine(first, time()) + MINUTE * draw(st.integers(0, 24 * 60 - 1))
    if draw(st.booleans()):  # where clocks change
        starts = starts.replace(hour=draw(st.integers(0, 3)))
    length = MINUTE * draw(st.integers(1, 30 * 60))
    rule = rrule.Rule(rrule.Freq.DAILY, interval=draw(st.integers(1, 2)))
    recurs = draw(st.booleans())
    without = frozenset({first + timedelta(days=1)} if draw(st.booleans()) else ())
    days = {first + timedelta(days=n * rule.interval) for n in range(4 if recurs else 1)} - without
    return Period(starts, length, ZoneInfo(zone), rule if recurs else None, without), frozenset(days)


@given(st.data(), st.sampled_from(CHANGES))
def test_open_in_exactly_the_minutes_that_the_clock_says(data: st.DataObject, change: tuple[str, date]) -> None:
    zone, around = change
    drawn = [data.draw(periods(zone, around)) for _ in range(data.draw(st.integers(1, 2)))]
    frozen = [data.draw(periods(zone, around)) for _ in range(data.draw(st.integers(0, 2)))]
    begin, end = wall(zone, around)[0][0] + timedelta(days=1), wall(zone, around)[-1][0] - timedelta(days=1)
    calendar = Calendar(
        tuple(Window(f"w{n}", period) for n, (period, _) in enumerate(drawn)),
        tuple(Freeze(f"f{n}", period) for n, (period, _) in enumerate(frozen)),
    )
    got = windows.openings(calendar, Place(), Terms(windowed=True), begin, end)
    assert all(a.end < b.start for a, b in pairwise(got)), "what touches is one"
    wanted = set().union(*(open_minutes(p, zone, around, days) for p, days in drawn))
    wanted -= set().union(*(open_minutes(p, zone, around, days) for p, days in frozen))
    minutes = (begin + n * MINUTE for n in range((end - begin) // MINUTE))
    assert {m for m in minutes if any(s.start <= m < s.end for s in got)} == {m for m in wanted if begin <= m < end}


@st.composite
def rules(draw: st.DrawFn) -> str:
    freq = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={freq}", f"INTERVAL={draw(st.integers(1, 5))}"]

    def some(items: list[str], most: int) -> str:
        return ",".join(draw(st.lists(st.sampled_from(items), min_size=1, max_size=most, unique=True)))

    by = draw(st.sets(st.sampled_from(["BYMONTH", "BYMONTHDAY", "BYDAY"])))
    if "BYMONTH" in by:
        parts.append(f"BYMONTH={some([str(n) for n in range(1, 13)], 4)}")
    if "BYMONTHDAY" in by and freq != "WEEKLY":
        parts.append(f"BYMONTHDAY={some([str(n) for n in range(-31, 32) if n], 4)}")
    if "BYDAY" in by:
        # Not both kinds at once: dateutil then wants a day to be of each; in RFC 5545 one of the list will do.
        nth = draw(st.sampled_from([[""], ["1", "2", "5", "-1", "-2"]])) if freq in {"MONTHLY", "YEARLY"} else [""]
        parts.append(f"BYDAY={some([f'{n}{d}' for n in nth for d in DAYS], 3)}")
    # dateutil counts the places of a week from the first day on, not from the beginning of that week (RFC 5545 does)
    if len(parts) > 2 and freq != "WEEKLY" and draw(st.booleans()):
        parts.append(f"BYSETPOS={some(['1', '2', '-1', '-2'], 2)}")
    if freq == "WEEKLY":
        parts.append(f"WKST={draw(st.sampled_from(DAYS))}")
    return ";".join(parts)


@given(rules(), st.dates(date(2019, 12, 20), date(2024, 3, 5)), st.integers(0, 700), st.integers(1, 40))
def test_the_days_of_a_rule_are_those_of_dateutil(text: str, first: date, later: int, count: int) -> None:
    rule = rrule.parse(text)
    assert isinstance(rule, rrule.Rule), rule
    assert rrule.parse(str(rule)) == rule
    begin, end = datetime.combine(first, time()), first + timedelta(days=800)
    reference = [
        d.date() for d in rrulestr(text, dtstart=begin).between(begin, datetime.combine(end, time()) - MINUTE, inc=True)
    ]
    met = rrule.next_day(rule, first, first)
    if met is None or met >= end:
        assert reference == []
        return
    assert list(takewhile(lambda d: d < end, rrule.days(rule, first))) == reference
    after = first + timedelta(days=later)
    assert list(takewhile(lambda d: d < end, rrule.days(rule, first, after))) == [d for d in reference if d >= after]
    if len(reference) > count:
        counted = rrule.parse(f"{text};COUNT={count}")
        assert isinstance(counted, rrule.Rule)
        assert list(rrule.days(counted, first)) == reference[:count]


@given(st.text(alphabet="FREQ=DAILYWKNTHMO;,-+0123456789Z:", max_size=60))
def test_reading_a_rule_never_crashes(text: str) -> None:
    made = rrule.parse(text)
    assert isinstance(made, rrule.Rule) or made


BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SPANS = st.builds(
    lambda start, length: Span(BEGIN + start * MINUTE, BEGIN + (start + length) * MINUTE),
    st.integers(0, 200),
    st.integers(1, 60),
)


def minutes_of(spans: list[Span]) -> set[int]:
    return {n for s in spans for n in range((s.start - BEGIN) // MINUTE, (s.end - BEGIN) // MINUTE)}


@given(st.lists(SPANS, max_size=6), st.lists(SPANS, max_size=6))
def test_union_minus_and_both_are_those_of_sets(some: list[Span], others: list[Span]) -> None:
    one, other = windows.union(some), windows.union(others)
    assert minutes_of(one) == minutes_of(some)
    assert minutes_of(windows.minus(some, others)) == minutes_of(some) - minutes_of(others)
    assert minutes_of(windows.both(one, other)) == minutes_of(some) & minutes_of(others)
