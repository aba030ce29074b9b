"""Tells customers of a change: from where the change stands to the notice that should stand, and the rows for it."""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery

from fleet.changes import calendar
from fleet.changes.models import Change, Revision, Run, Schedule
from fleet.core import link_impact
from fleet.core import plan as planning
from fleet.core.model import Impact, Plan
from fleet.core.states import CHANGE_ENDED, CHANGE_LIVE, ChangeState
from fleet.core.waves import prepare
from fleet.core.windows import Place, Terms
from fleet.core.windows_door import door
from fleet.notices.maintnote import ENDED, Note, Status
from fleet.notices.models import Announced, MaintenanceNotice
from inventory.models import Customer, CustomerCircuit, LinkEnd
from inventory.topology import load as load_topology

log = logging.getLogger(__name__)
_S = ChangeState
# Changes that are looked at in one round; the rest follow in the next, a few seconds later.
AT_ONCE = 50
# Windows and freezes move without the change: what is planned is looked at again after this.
LOOK_AGAIN = timedelta(minutes=10)
# Without a window the end is the sum of worst cases; nobody announces more than this in one go.
LONGEST = timedelta(days=7)
_MEANT = frozenset({_S.SUBMITTED, _S.APPROVED, _S.SCHEDULED}) | CHANGE_LIVE


@dataclass(frozen=True)
class Standing:
    """What should stand towards customers now."""

    status: Status
    start: datetime
    end: datetime


def sync(now: datetime) -> int:
    """Make the notices that are missing; returns how many. One query when nobody is to be told.

    Two at once are harmless: the sequence number of a UID is unique.
    """
    if not settings.SLIPWAY_PROVIDER or not CustomerCircuit.objects.exists():
        return 0
    made = 0
    for change in _moved(now):
        try:
            with transaction.atomic():
                made += _announce(change, now)
        except IntegrityError:
            log.info("notices of change %s are being made by another worker", change.pk)
    return made


def _moved(now: datetime) -> Iterator[Change]:
    """Changes of which something moved since customers were told."""
    newest = Revision.objects.filter(change=OuterRef("pk")).order_by("-number")
    schedule = Schedule.objects.filter(revision__change=OuterRef("pk"), set_aside=False).order_by("-pk")
    ended = Run.objects.filter(revision__change=OuterRef("pk")).order_by("-pk")
    rows: QuerySet[Change] = (
        Change.objects.filter(Q(state__in=sorted(_MEANT)) | Q(announced__open=True))
        .select_related("announced", "author")
        .annotate(
            newest=Subquery(newest.values("pk")[:1]),
            scheduled_at=Subquery(schedule.values("at")[:1]),
            run_ended=Subquery(ended.values("ended_at")[:1]),
        )
        .order_by("pk")
    )
    found = 0
    for change in rows.iterator(chunk_size=500):
        told: Announced | None = getattr(change, "announced", None)
        waits = change.state in {_S.SUBMITTED, _S.APPROVED, _S.SCHEDULED}
        if told is not None and told.basis == basis(change) and not (waits and now - told.at >= LOOK_AGAIN):
            continue
        yield change
        found += 1
        if found >= AT_ONCE:
            return


def basis(change: Change) -> str:
    """What a look depends on; of a change as `_moved` reads it."""
    seen = (change.state, change.generation, *(getattr(change, n) for n in ("newest", "scheduled_at", "run_ended")))
    return " ".join(str(part) for part in seen)


def _announce(change: Change, now: datetime) -> int:
    revision = change.revision
    last = _newest(change)
    standing = stands(change, revision, now) if revision is not None else None
    affected = affected_by(revision.read_plan()) if revision is not None and standing is not None else {}
    made = 0
    for customer, objects in affected.items():
        assert standing is not None
        said = sorted([name, impact.value] for name, impact in objects.items())
        made += _add(change, customer, last.pop(customer, None), standing, said, now)
    for customer, row in last.items():  # told of before, and no longer affected, or nothing is planned just now
        planned_again = standing is None and change.state not in CHANGE_ENDED
        made += _add(change, customer, row, _withdrawn(row, now, planned_again=planned_again), row.objects_told, now)
    still_open = any(Status(row.status) not in ENDED for row in _newest(change).values())
    Announced.objects.update_or_create(change=change, defaults={"basis": basis(change), "open": still_open, "at": now})
    return made


def _newest(change: Change) -> dict[Customer, MaintenanceNotice]:
    """Customer -> the newest notice to them."""
    rows = MaintenanceNotice.objects.filter(change=change).select_related("customer").order_by("pk")
    return {row.customer: row for row in rows}


def _add(
    change: Change,
    customer: Customer,
    last: MaintenanceNotice | None,
    standing: Standing,
    said: list[list[str]],
    now: datetime,
) -> int:
    """One more notice, if it says anything else than the last one. What was cancelled comes again by a new UID."""
    ended = last is not None and Status(last.status) in ENDED
    if standing.status in ENDED and (last is None or ended):
        return 0
    if last is not None and not ended and _same(last, standing, said):
        return 0
    if last is None or ended:
        turn = MaintenanceNotice.objects.filter(change=change, customer=customer).values("uid").distinct().count()
        uid, sequence = uid_of(change, customer, turn), 0
    else:
        uid, sequence = last.uid, last.sequence + 1
    MaintenanceNotice.objects.create(
        change=change,
        customer=customer,
        uid=uid,
        sequence=sequence,
        status=standing.status,
        start_at=standing.start,
        end_at=standing.end,
        summary=_summary(change),
        objects_told=said,
        at=now,
        due_at=now if customer.email else None,
    )
    return 1


def _same(last: MaintenanceNotice, standing: Standing, said: list[list[str]]) -> bool:
    """Times that moved by less than a minute are no news: an estimate is taken anew at each look."""
    near = timedelta(minutes=1)
    moved = abs(last.start_at - standing.start) >= near or abs(last.end_at - standing.end) >= near
    if standing.status is Status.IN_PROCESS and last.status == Status.IN_PROCESS:
        moved = standing.end - last.end_at >= near  # it takes longer than was said
    return last.status == standing.status and not moved and last.objects_told == said


def _withdrawn(row: MaintenanceNotice, now: datetime, *, planned_again: bool) -> Standing:
    """A notice of which nothing is true just now: what had begun is completed; what goes back to its author may come
    again (tentative, times as told); the rest is cancelled."""
    if row.status == Status.IN_PROCESS:
        return Standing(Status.COMPLETED, row.start_at, max(now, row.start_at + timedelta(minutes=1)))
    status = Status.TENTATIVE if planned_again and row.status not in ENDED else Status.CANCELLED
    return Standing(status, row.start_at, row.end_at)


def _summary(change: Change) -> str:
    return f"Maintenance {change.pk} by {settings.SLIPWAY_PROVIDER}"[:200]


def uid_of(change: Change, customer: Customer, turn: int = 0) -> str:
    """The UID of all notices to this customer about this change; another one after it was cancelled (`turn`)."""
    again = f"-{turn}" if turn else ""
    return f"change-{change.pk}-{customer.pk}{again}@{settings.SLIPWAY_PROVIDER}"


# --- where a change stands, for customers ----------------------------------------------------------------------------


def stands(change: Change, revision: Revision, now: datetime) -> Standing | None:
    """What customers should know now; None: nothing, or that it is off."""
    state = ChangeState(change.state)
    run = Run.objects.filter(revision__change=change).order_by("-pk").first()
    if run is not None and (state in CHANGE_LIVE or state in CHANGE_ENDED):
        if run.ended_at is None:
            end = run.window_end or run.started_at + _length(revision.read_plan())
            return Standing(Status.IN_PROCESS, run.started_at, max(end, now + timedelta(minutes=1)))
        return Standing(Status.COMPLETED, run.started_at, max(run.ended_at, run.started_at + timedelta(minutes=1)))
    if state not in {_S.SUBMITTED, _S.APPROVED, _S.SCHEDULED}:
        return None
    planned = _opening(revision, now, scheduled=state is _S.SCHEDULED)
    if planned is None:
        return None
    return Standing(Status.CONFIRMED if state is _S.SCHEDULED else Status.TENTATIVE, *planned)


def _opening(revision: Revision, now: datetime, *, scheduled: bool) -> tuple[datetime, datetime] | None:
    """The opening of windows in which it will begin, as far as can be told. None: no window covers it."""
    book = calendar.load()
    if scheduled:
        terms = calendar.terms(revision)
    elif not book.calendar.windows:
        return None
    else:
        terms = Terms(windowed=True)
    plan = revision.read_plan()
    canaries = calendar.first_wave(revision)
    where = calendar.places([name for name, _ in canaries], revision.recipe)
    first = calendar.beginners(canaries, where, book.calendar, terms, now)
    starts = [_first_opening(b.name, b.worst_case_s, where, book, terms, now) for b in first]
    found = [s for s in starts if s is not None]
    if not found:
        return None
    start, until = min(found, key=lambda pair: pair[0])
    return start, until or start + _length(plan)


def _first_opening(
    name: str, need_s: float, where: Mapping[str, Place], book: calendar.Book, terms: Terms, now: datetime
) -> tuple[datetime, datetime | None] | None:
    need = timedelta(seconds=need_s)
    found = door(book.calendar, where[name], terms, now, need)
    if not found.closed and (found.until is None or found.until - now >= need):
        return now, found.until
    return next(((s.start, s.end) for s in found.later if s.length >= need), None)


def _length(plan: Plan) -> timedelta:
    """The longest that the whole plan may take: wave by wave, as many at once as the budget lets."""
    at_once = max(1, plan.strategy.budget.total)
    seconds = sum(
        math.ceil(len(wave) / at_once) * max((planning.worst_case_s(t.steps) for t in wave), default=0.0)
        for wave in plan.waves()
    )
    return min(max(timedelta(seconds=seconds), timedelta(minutes=1)), LONGEST)


# --- whom it concerns ------------------------------------------------------------------------------------------------


def affected_by(plan: Plan) -> dict[Customer, dict[str, Impact]]:
    """Customer -> circuit -> what the plan does to it. Those that nothing happens to are left out. Eight queries."""
    names = {t.name for t in plan.targets}
    circuits = (
        CustomerCircuit.objects.filter(link__ends__router__name__in=names)
        .select_related("customer")
        .order_by("customer__name", "circuit_id")
        .distinct()
    )
    rows = list(circuits)
    if not rows:
        return {}
    ends = _ends({row.link_id for row in rows})
    network, disturbed = prepare(load_topology()), link_impact.of_plan(plan)
    found: dict[Customer, dict[str, Impact]] = {}
    for row in rows:
        both = ends.get(row.link_id, ())
        if len(both) != 2:
            continue
        impact = link_impact.on_link(both[0], both[1], disturbed, network)
        if impact is not None:
            found.setdefault(row.customer, {})[row.circuit_id] = impact
    return found


def _ends(links: Iterable[int]) -> Mapping[int, list[str]]:
    ends: dict[int, list[str]] = {}
    rows = LinkEnd.objects.filter(link_id__in=list(links)).order_by("link_id", "side")
    for link, router, external in rows.values_list("link_id", "router__name", "external__name"):
        ends.setdefault(link, []).append(router or external or "")
    return ends


def note(row: MaintenanceNotice) -> Note:
    """The row as the value that is written as a calendar."""
    return Note(
        uid=row.uid,
        sequence=row.sequence,
        status=Status(row.status),
        provider=settings.SLIPWAY_PROVIDER,
        account=row.customer.account,
        maintenance_id=f"slipway-{row.change_id}",
        organizer=settings.DEFAULT_FROM_EMAIL,
        start=row.start_at,
        end=row.end_at,
        stamp=row.at,
        summary=row.summary,
        objects=tuple((name, Impact(impact)) for name, impact in row.objects_told),
    )
