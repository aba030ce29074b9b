"""From the rows of windows, freezes and changes to values: what the tick decides on, and what a calendar shows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from django.db.models import QuerySet

from fleet.changes.models import Freeze, OverrunPolicy, Revision, Run, Schedule, Window
from fleet.core.model import Reason
from fleet.core.states import CHANGE_LIVE, ChangeState
from fleet.core.windows import Calendar, OnOverrun, Place, Span, Terms, Unreadable, occurrences
from fleet.core.windows_door import Beginner, Door, Outlook, door, outlook
from inventory.models import Router


@dataclass(frozen=True)
class Book:
    """All windows and freezes as they stand, and what happens to each kind of change when its window closes."""

    calendar: Calendar
    overrun: Mapping[str, OnOverrun] = field(default_factory=dict)

    def on_overrun(self, recipe: str) -> OnOverrun:
        return self.overrun.get(recipe, OnOverrun.FINISH)


NOTHING = Book(Calendar())  # where there is no window, no freeze, and no policy


def load() -> Book:
    """Read it. Three queries, however much there is."""
    windows, freezes, unreadable = [], [], []
    for row in Window.objects.standing():
        value = row.value()
        if isinstance(value, tuple):
            unreadable += [Unreadable(row.scope(), _unreadable("window", row.name, r)) for r in value]
        else:
            windows.append(value)
    for kept in Freeze.objects.standing():
        freeze = kept.value()
        if isinstance(freeze, tuple):
            # Cannot tell means hold: nobody knows whether it is on.
            unreadable += [Unreadable(kept.scope(), _unreadable("freeze", kept.name, r), freeze=True) for r in freeze]
        else:
            freezes.append(freeze)
    overrun = {row.recipe: OnOverrun(row.policy) for row in OverrunPolicy.objects.all()}
    return Book(Calendar(tuple(windows), tuple(freezes), tuple(unreadable)), overrun)


def _unreadable(kind: str, name: str, why: Reason) -> Reason:
    remedy = f"Withdraw it and add it again. {why.remedy}".strip()
    return Reason(f"{kind} {name}, {why.subject}", f"cannot be read: {why.found}", why.wanted, remedy)


def terms(revision: Revision, *, now_asked_for: bool = False) -> Terms:
    """How this revision relates to windows. No query when schedule, its window and the override were selected.

    `now_asked_for`: somebody wants it at once, whatever it is scheduled into.
    """
    override = getattr(revision, "window_override", None) is not None
    schedule: Schedule | None = getattr(revision, "schedule", None)
    if schedule is None or schedule.set_aside or now_asked_for:
        return Terms(override=override)
    return Terms(windowed=True, window=schedule.window.name if schedule.window else None, override=override)


def places(names: Iterable[str], recipe: str) -> dict[str, Place]:
    """Where these devices are, for this kind of change. One query."""
    rows = Router.objects.filter(name__in=list(names)).values_list("name", "site__name", "role")
    return {name: Place(site, role, recipe) for name, site, role in rows}


Kept = dict[tuple[Place, Terms, float], Door]


def doors(
    calendar: Calendar, needs: Mapping[Place, float], on: Terms, now: datetime, kept: Kept | None = None
) -> dict[Place, Door]:
    """The door to each place. `needs`: the longest worst case there, in s; each place is looked at once. `kept`: doors
    that were looked at before, for who asks for many changes at one instant."""
    kept = {} if kept is None else kept
    for place, need in needs.items():
        if (place, on, need) not in kept:
            kept[place, on, need] = door(calendar, place, on, now, timedelta(seconds=need))
    return {place: kept[place, on, need] for place, need in needs.items()}


def beginners(
    canaries: Sequence[tuple[str, float]],
    where: Mapping[str, Place],
    calendar: Calendar,
    on: Terms,
    now: datetime,
    *,
    kept: Kept | None = None,
) -> list[Beginner]:
    """The devices of the first wave with their doors; who is not in the inventory is left out."""
    known = [(name, float(worst), where[name]) for name, worst in canaries if name in where]
    needs: dict[Place, float] = {}
    for _, worst, place in known:
        needs[place] = max(worst, needs.get(place, 0.0))
    to = doors(calendar, needs, on, now, kept)
    return [Beginner(name, worst, to[place]) for name, worst, place in known]


def first_wave(revision: Revision) -> list[tuple[str, float]]:
    """Name and worst case in s of the targets of wave 0. Reads the plan."""
    from fleet.core import plan as planning

    return [(t.name, planning.worst_case_s(t.steps)) for t in revision.read_plan().targets if t.wave == 0]


def when(revision: Revision, book: Book, now: datetime, *, at_once: bool = False) -> Outlook:
    """When windows and freezes let this revision start, and why not now. One query (two, unscheduled: the plan)."""
    schedule: Schedule | None = getattr(revision, "schedule", None)
    canaries = [(n, w) for n, w in schedule.canaries] if schedule else first_wave(revision)
    where = places([n for n, _ in canaries], revision.recipe)
    on = terms(revision, now_asked_for=at_once)
    return outlook(beginners(canaries, where, book.calendar, on, now), now)


# --- what a calendar shows -----------------------------------------------------------------------------------------


class Kind(StrEnum):
    """What an entry is."""

    WINDOW = "window"
    FREEZE = "freeze"
    RUNNING = "running"
    SCHEDULED = "scheduled"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Entry:
    """One thing on the calendar, in UTC. `day`: the local start day that owns it. `end` of a change is what its worst
    case says at least; `holds`: why a blocked change does not go on."""

    kind: Kind
    title: str
    start: datetime
    end: datetime
    day: date | None = None
    change: int | None = None
    zone: str = ""
    scope: str = ""
    holds: tuple[str, ...] = ()


# A window that is open every minute would still be few entries; this many are enough for a month of everything.
MOST_ENTRIES = 5_000
CHANGES_SHOWN = 500


def entries(start: datetime, end: datetime, now: datetime) -> list[Entry]:
    """Everything that lies in part between two instants, in order. Six queries, whatever the size."""
    book = load()
    found = [*_openings(book.calendar, Span(start, end)), *_live(start, end, now), *_waiting(book, start, end, now)]
    return sorted(found, key=lambda e: (e.start, e.kind, e.title))[:MOST_ENTRIES]


def _openings(calendar: Calendar, whole: Span) -> list[Entry]:
    found = []
    for kind, some in ((Kind.WINDOW, calendar.windows), (Kind.FREEZE, calendar.freezes)):
        for one in some:
            zone, scope = str(one.period.zone), in_words(one.scope.sites, one.scope.roles, one.scope.recipes)
            found += [
                Entry(kind, one.name, s.start, s.end, s.day, zone=zone, scope=scope)
                for s in occurrences(one.period, whole.start, whole.end)
            ]
    return found


def in_words(sites: Iterable[str], roles: Iterable[str], recipes: Iterable[str]) -> str:
    """A scope for people: "site ma1; role edge, core"."""
    parts = {"site": sites, "role": roles, "recipe": recipes}
    said = (f"{what} {', '.join(sorted(names))}" for what, names in parts.items() if names)
    return "; ".join(said) or "everything"


def _live(start: datetime, end: datetime, now: datetime) -> list[Entry]:
    runs = (
        Run.objects.filter(ended_at__isnull=True, revision__change__state__in=CHANGE_LIVE, started_at__lt=end)
        .select_related("revision__change")
        .defer("revision__plan", "revision__recipe_text")
        .order_by("-id")[:CHANGES_SHOWN]
    )
    made = []
    for run in runs:
        blocked = bool(run.holds) or run.change.state == ChangeState.PAUSED
        last = max(now, run.started_at)
        if last >= start:
            kind = Kind.BLOCKED if blocked else Kind.RUNNING
            made.append(
                Entry(kind, run.change.title, run.started_at, last, change=run.change.pk, holds=tuple(run.holds))
            )
    return made


def _waiting(book: Book, start: datetime, end: datetime, now: datetime) -> list[Entry]:
    """Scheduled changes where they will start; those that will start nowhere in sight are blocked, from now on."""
    rows = list(waiting()[:CHANGES_SHOWN])
    where = places({name for s in rows for name, _ in s.canaries}, "")
    made = []
    kept: Kept = {}
    for row in rows:
        canaries = [(n, w) for n, w in row.canaries]
        mine = {n: Place(where[n].site, where[n].role, row.revision.recipe) for n, _ in canaries if n in where}
        ahead = outlook(beginners(canaries, mine, book.calendar, terms(row.revision), now, kept=kept), now)
        worst = timedelta(seconds=max((w for _, w in canaries), default=0.0))
        begins = ahead.at or now
        kind = Kind.BLOCKED if ahead.at is None or (not ahead.holds and row.holds) else Kind.SCHEDULED
        if begins < end and begins + worst > start:
            change = row.revision.change
            holds = tuple(row.holds) or tuple(str(r) for r in ahead.holds)
            made.append(Entry(kind, change.title, begins, begins + worst, change=change.pk, holds=holds))
    return made


def waiting() -> "QuerySet[Schedule]":
    """Schedules of changes that have not started, with what deciding about them needs. One query."""
    return (
        Schedule.objects.filter(set_aside=False, revision__change__state=ChangeState.SCHEDULED, revision__run=None)
        .select_related("revision__change", "revision__window_override", "window", "by")
        .defer("revision__plan", "revision__recipe_text")
        .order_by("id")
    )
