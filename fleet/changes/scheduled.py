"""Changes that start by themselves: scheduled by a person, begun by the tick when windows, freezes, others let them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from fleet.changes import calendar, lifecycle, outside, snapshots, transitions
from fleet.changes.models import Change, Schedule
from fleet.core import explain, gates
from fleet.core.gates import Engaged
from fleet.core.model import Reason
from fleet.core.other_leg import other_leg
from fleet.core.states import ChangeState
from fleet.core.waves import Network, prepare
from fleet.core.windows import Place
from fleet.core.windows_door import Outlook, outlook
from inventory.models import Router
from inventory.providers import load as load_providers
from inventory.topology import beside
from inventory.topology import load as load_topology

log = logging.getLogger(__name__)
ENGINE = "engine"


def start_due(book: calendar.Book, now: datetime) -> int:
    """Start every scheduled change that may begin now, and keep on the others why not. Returns how many began.

    One query when nothing is scheduled; otherwise a constant number, and those of each start. Two ticks at once are
    harmless: the start is a guarded move.
    """
    rows = list(calendar.waiting())
    if not rows:
        return 0
    around = _Around(rows, now)
    began = 0
    for row in rows:
        try:
            began += _start_or_hold(row, book, around, now)
        except Exception:
            # One change that cannot be looked at must not hold up the others; it is logged and tried again next tick.
            log.exception("schedule of %s", row)
    return began


class _Around:
    """What surrounds all waiting changes; the topology is read when the first of them finds its window open."""

    def __init__(self, rows: Sequence[Schedule], now: datetime) -> None:
        names = {name for row in rows for name, _ in row.canaries}
        found = Router.objects.filter(name__in=names).values_list(
            "name", "site__name", "role", "site__failure_domain__name"
        )
        self.place: dict[str, tuple[str, str]] = {}
        self.domain: dict[str, str] = {}
        for name, site, role, domain in found:
            self.place[name], self.domain[name] = (site, role), domain
        self.engaged: Mapping[str, Engaged] = snapshots.engaged_elsewhere(None)
        self.providers = load_providers(now)
        self.outside = outside.reasons([row.revision for row in rows], now)
        self._network: Network | None = None

    @property
    def network(self) -> Network:
        """Who is at the other ends of their links; all of it where a provider works on lines (which ways are left)."""
        if self._network is None:
            self._network = prepare(load_topology() if self.providers.outages else beside(list(self.place)))
        return self._network


def _start_or_hold(row: Schedule, book: calendar.Book, around: _Around, now: datetime) -> bool:
    ahead = _outlook(row, book, around, now)
    change = row.revision.change
    if not ahead.holds:
        reasons = lifecycle.start(change, row.by, now, by_schedule=True)
        if not reasons:
            return True
        ahead = Outlook(reasons, None)
    _remember_holds(row, change, explain.sentences(ahead.holds), now)
    return False


def _outlook(row: Schedule, book: calendar.Book, around: _Around, now: datetime) -> Outlook:
    """All reasons at once: window, freeze, and for those devices that could start, who is in the way."""
    recipe = row.revision.recipe
    where = {n: Place(site, role, recipe) for n, (site, role) in around.place.items()}
    canaries = [(n, w) for n, w in row.canaries]
    first = calendar.beginners(canaries, where, book.calendar, calendar.terms(row.revision), now)
    ahead = outlook(first, now)
    ahead = replace(ahead, holds=(*around.outside.get(row.revision_id, ()), *ahead.holds))
    if not first:
        gone = ", ".join(n for n, _ in canaries[:5])
        return Outlook(
            (Reason(gone, "not in the inventory", "every target of the plan", "Plan a new revision."),), None
        )
    in_the_way: dict[Reason, None] = {}
    for one in first:
        mine = gates.device_free(one.name, around.engaged)
        if around.engaged:
            mine += gates.no_conflict(one.name, around.domain[one.name], around.network, around.engaged)
        if around.providers.outages:
            drained = [n for n, e in around.engaged.items() if e.drained]
            mine += other_leg(one.name, one.worst_case_s, now, around.network, around.providers, drained)
        if not mine and not ahead.holds:
            return ahead
        in_the_way.update(dict.fromkeys(mine))
    return Outlook((*ahead.holds, *in_the_way), ahead.at)


def _remember_holds(row: Schedule, change: Change, holds: Sequence[str], now: datetime) -> None:
    """Keep why it has not started; an event is written when the reasons change."""
    if list(holds) == row.holds:
        return
    with transaction.atomic():
        if Schedule.objects.filter(pk=row.pk, revision__change__state=ChangeState.SCHEDULED).update(holds=list(holds)):
            text = "holds: " + " ".join(holds)
            transitions.note(change.pk, "change holds", transitions.Note(ENGINE, text), now)


@dataclass(frozen=True)
class Ahead:
    """When a change can start, for people. `holds`: why not now; `at`: when windows and freezes let it (None: within
    400 days they do not); `scheduled`: it starts by itself then."""

    holds: tuple[str, ...]
    at: datetime | None
    scheduled: bool = False


def ahead(change: Change, now: datetime) -> Ahead:
    """When can it start, and why not now? All reasons at once, in a constant number of queries."""
    revision = change.revision
    if revision is None:
        return Ahead(explain.sentences((Reason("plan", "none", "a plan", "Plan the change first."),)), None)
    state = ChangeState(change.state)
    if state not in explain.BEFORE_START:
        return Ahead((), None)
    holds: list[Reason] = []
    if state not in {ChangeState.APPROVED, ChangeState.SCHEDULED}:
        holds.append(Reason("change", str(state), "approved", explain.CHANGE_WORDS[state]))
    schedule = Schedule.objects.filter(revision=revision, set_aside=False).select_related("window", "by").first()
    if schedule is None:
        row = Schedule(revision=revision, canaries=[list(c) for c in calendar.first_wave(revision)], set_aside=True)
    else:
        row = schedule
    revision.change = change
    found = _outlook(row, calendar.load(), _Around([row], now), now)
    return Ahead(explain.sentences((*holds, *found.holds)), found.at, schedule is not None)
