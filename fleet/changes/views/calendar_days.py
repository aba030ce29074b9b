"""The calendar as days of one zone: which days a page shows, and which piece of each entry lies on each day. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import pairwise

from fleet.changes.calendar import Entry, Kind
from fleet.changes.views.marks import Mark, Tone
from fleet.core.windows import instant

TRACK = 1400.0  # units of the drawing of a week, stretched to the width of the page
NARROWEST = 4.0  # a change of a minute is still to be seen on a week
LINE = "%H:%M"


class View(StrEnum):
    """How much of the calendar is on a page."""

    MONTH = "month"
    WEEK = "week"
    DAY = "day"


MARKS: Mapping[Kind, Mark] = {
    Kind.RUNNING: Mark("play", "running", Tone.MOVING),
    Kind.SCHEDULED: Mark("hourglass", "scheduled", Tone.MOVING),
    Kind.BLOCKED: Mark("blocked", "blocked", Tone.ALARM),
    Kind.FREEZE: Mark("freeze", "freeze", Tone.CARE),
    Kind.WINDOW: Mark("window", "window", Tone.GOOD),
}
_ORDER = {kind: n for n, kind in enumerate(MARKS)}


@dataclass(frozen=True)
class Piece:
    """What of an entry lies on one day. `begins`, `ends`: local clock; empty where it goes on beyond the day."""

    entry: Entry
    begins: str
    ends: str

    @property
    def mark(self) -> Mark:
        return MARKS[self.entry.kind]

    @property
    def when(self) -> str:
        """ "01:00-04:00", "until 04:00", "from 23:00", "all day"."""
        if self.entry.kind is Kind.RUNNING and self.begins:
            return f"since {self.begins}"  # its end is now, which moves
        match bool(self.begins), bool(self.ends):
            case True, True:
                return self.begins if self.begins == self.ends else f"{self.begins}–{self.ends}"
            case True, False:
                return f"from {self.begins}"
            case False, True:
                return f"until {self.ends}"
            case _:
                return "all day"


@dataclass(frozen=True)
class Day:
    """One day with the pieces of entries that lie on it, changes first."""

    date: date
    pieces: tuple[Piece, ...]
    today: bool
    outside: bool = False  # belongs to another month than the one that is shown


@dataclass(frozen=True)
class Bar:
    """A piece of a track: where it begins and how wide it is, and when that is, in words."""

    x: float
    width: float
    words: str


@dataclass(frozen=True)
class Track:
    """One window, freeze or change over a whole week."""

    entry: Entry
    bars: tuple[Bar, ...]

    @property
    def mark(self) -> Mark:
        return MARKS[self.entry.kind]


def days_of(view: View, day: date) -> list[date]:
    """The days that a page shows: one, Monday to Sunday, or the whole weeks around a month."""
    match view:
        case View.DAY:
            return [day]
        case View.WEEK:
            first, last = day - timedelta(days=day.weekday()), day - timedelta(days=day.weekday() - 6)
        case View.MONTH:
            first = day.replace(day=1)
            last = _next_month(first) - timedelta(days=1)
            first, last = first - timedelta(days=first.weekday()), last + timedelta(days=6 - last.weekday())
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def around(view: View, day: date) -> tuple[date, date]:
    """A day of the page before, and one of the page after."""
    match view:
        case View.DAY:
            return day - timedelta(days=1), day + timedelta(days=1)
        case View.WEEK:
            return day - timedelta(days=7), day + timedelta(days=7)
        case View.MONTH:
            first = day.replace(day=1)
            return (first - timedelta(days=1)).replace(day=1), _next_month(first)


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def midnight(day: date, zone: tzinfo) -> datetime:
    """When a day begins there, in UTC."""
    return instant(datetime.combine(day, time()), zone)


def by_day(entries: Sequence[Entry], days: Sequence[date], zone: tzinfo, today: date, *, month: int = 0) -> list[Day]:
    """Every day with its pieces; `month`: days of another one are marked (0: none is)."""
    edges = [midnight(d, zone) for d in (*days, days[-1] + timedelta(days=1))]
    made = []
    for number, day in enumerate(days):
        start, end = edges[number], edges[number + 1]
        here = [e for e in entries if e.start < end and (e.end > start or e.start == e.end >= start)]
        pieces = sorted(
            (_piece(e, start, end, zone) for e in here), key=lambda p: (_ORDER[p.entry.kind], p.entry.start)
        )
        made.append(Day(day, tuple(pieces), day == today, bool(month) and day.month != month))
    return made


def _piece(entry: Entry, start: datetime, end: datetime, zone: tzinfo) -> Piece:
    if entry.start <= start and entry.end >= end:
        return Piece(entry, "", "")
    begins = entry.start.astimezone(zone).strftime(LINE) if entry.start >= start else ""
    ends = entry.end.astimezone(zone).strftime(LINE) if entry.end < end else "24:00" if entry.end == end else ""
    return Piece(entry, begins, ends)


def tracks(entries: Sequence[Entry], days: Sequence[date], zone: tzinfo) -> list[Track]:
    """One track for each window, freeze and change: where it lies in the week. Every day is equally wide."""
    edges = [midnight(d, zone) for d in (*days, days[-1] + timedelta(days=1))]
    grouped: dict[tuple[Kind, str, int | None], list[Entry]] = {}
    for entry in entries:
        grouped.setdefault((entry.kind, entry.title, entry.change), []).append(entry)
    found = [Track(some[0], tuple(_bar(e, edges, zone) for e in some)) for some in grouped.values()]
    return sorted(found, key=lambda t: (_ORDER[t.entry.kind], t.entry.start, t.entry.title))


def _bar(entry: Entry, edges: Sequence[datetime], zone: tzinfo) -> Bar:
    left, right = place(entry.start, edges), place(entry.end, edges)
    left = min(left, TRACK - NARROWEST)
    width = max(right - left, NARROWEST)
    begins, ends = entry.start.astimezone(zone), entry.end.astimezone(zone)
    same = begins.date() == ends.date()
    return Bar(
        round(left, 1), round(width, 1), f"{begins:%a %d %b %H:%M} – {ends:{'%H:%M' if same else '%a %d %b %H:%M'}}"
    )


def place(at: datetime, edges: Sequence[datetime]) -> float:
    """Where an instant lies on a track over these days, from 0 to TRACK."""
    each = TRACK / (len(edges) - 1)
    for number, (start, end) in enumerate(pairwise(edges)):
        if at < end:
            return each * (number + max(0.0, (at - start) / (end - start)))
    return TRACK


def now_at(now: datetime, days: Sequence[date], zone: tzinfo) -> float | None:
    """Where now lies on the tracks; None when it is not on this page."""
    edges = [midnight(d, zone) for d in (*days, days[-1] + timedelta(days=1))]
    return place(now, edges) if edges[0] <= now.astimezone(UTC) < edges[-1] else None
