"""Windows and freezes as values, and when work may start: local wall time plus zone is kept, UTC instants decide.

A window is its start plus its length, and belongs to its start day: what opens on Thursday at 23:00 for five hours is
Thursday's until Friday 04:00. Freezes win over windows.

Clock changes. A start that the clocks skip lies as much later as they jump; one that they show twice is the first of
the two (both as RFC 5545 3.3.5 reads a time). The length of a window is time that really passes, so two hours are two
hours whatever the clocks do; a freeze ends when the clock on the wall says so, and where that is ambiguous it is as
long as it can be. The zone is a `tzinfo` of the caller: core reads no time zone database.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo

from fleet.core import rrule
from fleet.core.model import OnOverrun as OnOverrun
from fleet.core.model import Reason
from fleet.core.rrule import Rule


@dataclass(frozen=True)
class Place:
    """What a window or freeze may be about: a device's site and role, and the recipe that is carried out on it."""

    site: str = ""
    role: str = ""
    recipe: str = ""

    def __str__(self) -> str:
        named = {"recipe": self.recipe, "site": self.site, "role": self.role}
        return ", ".join(f"{what} {name}" for what, name in named.items() if name) or "everything"


@dataclass(frozen=True)
class Scope:
    """Sites, roles and recipes; what is empty stands for all."""

    sites: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    recipes: frozenset[str] = frozenset()

    def covers(self, place: Place) -> bool:
        return (
            (not self.sites or place.site in self.sites)
            and (not self.roles or place.role in self.roles)
            and (not self.recipes or place.recipe in self.recipes)
        )


@dataclass(frozen=True)
class Period:
    """A time on the wall clock of a zone, once or again and again. `starts` is naive: what the clock there shows.

    `by_clock`: the length is what the wall clock there counts, not what really passes. `without`: start days left out.
    """

    starts: datetime
    length: timedelta
    zone: tzinfo
    rule: Rule | None = None
    without: frozenset[date] = frozenset()
    by_clock: bool = False


@dataclass(frozen=True)
class Window:
    """When work may start. `required`: what it covers may be changed in windows only, also without being scheduled."""

    name: str
    period: Period
    scope: Scope = Scope()
    required: bool = False


@dataclass(frozen=True)
class Freeze:
    """When no work may start, whatever the windows."""

    name: str
    period: Period
    scope: Scope = Scope()
    why: str = ""


@dataclass(frozen=True)
class Unreadable:
    """A window or freeze that cannot be read any more. Of a freeze nobody can tell when it is, so it holds."""

    scope: Scope
    reason: Reason
    freeze: bool = False


@dataclass(frozen=True)
class Calendar:
    """All windows and freezes that count."""

    windows: tuple[Window, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True, order=True)
class Span:
    """From `start` to just before `end`, in UTC. `day`: the local start day that owns it, where one does."""

    start: datetime
    end: datetime
    day: date | None = field(default=None, compare=False)

    @property
    def length(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True)
class Terms:
    """How a change relates to windows: bound to them (`windowed`), to one of them (`window`), or put above them."""

    windowed: bool = False
    window: str | None = None
    override: bool = False


# --- from the wall clock to instants -------------------------------------------------------------------------------


def instant(local: datetime, zone: tzinfo) -> datetime:
    """The UTC instant at which the clock of the zone shows this (naive) time; see the head of this file."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _widest(start: datetime, end: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    first, last = ([local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)] for local in (start, end))
    return min(first), max(last)


def span_of(period: Period, day: date) -> Span:
    """The occurrence that begins on this local day."""
    local = datetime.combine(day, period.starts.time())
    if period.by_clock:
        return Span(*_widest(local, local + period.length, period.zone), day)
    start = instant(local, period.zone)
    return Span(start, start + period.length, day)


def occurrences(period: Period, after: datetime, before: datetime) -> Iterator[Span]:
    """Every occurrence that lies in part between two instants, in the order of their start days."""
    # A day more than the length: the local day of an instant is known only to a day, and clocks change by up to one.
    earliest = (after - period.length - timedelta(days=2)).date()
    for day in days_of(period, earliest):
        span = span_of(period, day)
        if span.start >= before + timedelta(days=1) or past(period, span):
            return
        if day not in period.without and span.end > after and span.start < before:
            yield span


def days_of(period: Period, earliest: date) -> Iterable[date]:
    """Its start days from about `earliest` on, also those left out and those after its `until`."""
    first = period.starts.date()
    return (first,) if period.rule is None else rrule.days(period.rule, first, max(earliest, first))


def past(period: Period, span: Span) -> bool:
    """Does this occurrence begin after the rule's UNTIL?"""
    until = period.rule.until if period.rule else None
    match until:
        case None:
            return False
        case datetime() if until.tzinfo is not None:
            return span.start > until
        case datetime():
            return datetime.combine(span.day or date.min, period.starts.time()) > until
        case _:
            return (span.day or date.min) > until


# --- openings ------------------------------------------------------------------------------------------------------


def union(spans: Iterable[Span]) -> list[Span]:
    """The same time without overlaps; what touches is one. An owner stays where one span gave all of the time."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start <= merged[-1].end:
            last = merged[-1]
            grown = span.end > last.end
            merged[-1] = Span(last.start, max(last.end, span.end), None if grown else last.day)
        else:
            merged.append(span)
    return merged


def minus(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What is left of these spans outside of those."""
    left = union(spans)
    for hole in taken:
        rest = []
        for span in left:
            if hole.end <= span.start or hole.start >= span.end:
                rest.append(span)
                continue
            if span.start < hole.start:
                rest.append(Span(span.start, hole.start, span.day))
            if hole.end < span.end:
                rest.append(Span(hole.end, span.end, span.day))
        left = rest
    return left


def both(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    """The time that lies in both; each argument without overlaps."""
    shared = [Span(max(a.start, b.start), min(a.end, b.end), a.day or b.day) for a in one for b in other]
    return sorted(s for s in shared if s.start < s.end)


def windows_for(calendar: Calendar, place: Place, terms: Terms) -> tuple[Window, ...] | None:
    """The windows that let work on this place start; None when it needs none."""
    about = tuple(w for w in calendar.windows if w.scope.covers(place))
    if not terms.windowed and not any(w.required for w in about):
        return None
    return about if terms.window is None else tuple(w for w in about if w.name == terms.window)


def openings(calendar: Calendar, place: Place, terms: Terms, after: datetime, before: datetime) -> list[Span]:
    """When work on this place may start between two instants: its windows, or all the time, less the freezes."""
    whole = Span(after, before)
    if terms.override:
        return [whole]
    if any(u.freeze and u.scope.covers(place) for u in calendar.unreadable):
        return []
    wanted = windows_for(calendar, place, terms)
    spans = [whole] if wanted is None else [s for w in wanted for s in occurrences(w.period, after, before)]
    frozen = (f for f in calendar.freezes if f.scope.covers(place))
    left = minus(spans, [s for f in frozen for s in occurrences(f.period, after, before)])
    # Where an opening began counts (its owner); what lies beyond `before` was not looked at.
    return [replace(s, end=min(s.end, before)) for s in left if s.end > after and s.start < before]


@dataclass(frozen=True)
class Slot:
    """A free slot: work may start from `start` up to `latest`; then its worst case ends by `end`."""

    start: datetime
    latest: datetime
    end: datetime


def fits(
    worst_case: timedelta,
    windows: Sequence[Window],
    freezes: Sequence[Freeze],
    horizon: Span,
    places: Sequence[Place] = (Place(),),
) -> tuple[Slot, ...]:
    """The slots of the horizon in which work of this worst case may start on all these places at once, in order."""
    calendar = Calendar(tuple(windows), tuple(freezes))
    open_for_all = [horizon]
    for place in dict.fromkeys(places):
        mine = openings(calendar, place, Terms(windowed=True), horizon.start, horizon.end)
        open_for_all = both(open_for_all, mine)
    return tuple(Slot(s.start, s.end - worst_case, s.end) for s in union(open_for_all) if s.end - s.start >= worst_case)
