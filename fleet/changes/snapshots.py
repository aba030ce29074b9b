"""What the tick and the pages read: whole runs as values, in a constant number of queries."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, TextField
from django.db.models.functions import Cast

from fleet.changes import calendar
from fleet.changes.models import Admission, DrainedOutside, Overrun, Run, StepRun, TargetRun, failed_in_traffic
from fleet.core import plan as planning
from fleet.core.decide import FleetView, RunView, TargetView, is_failing
from fleet.core.gates import Engaged
from fleet.core.model import Topology
from fleet.core.states import STEP_OPEN, TARGET_ENDED, TARGET_IN_FLIGHT, ChangeState, Control, StepState, TargetState
from fleet.core.target import ONE_WAY
from fleet.core.waves import prepare
from fleet.core.windows import OnOverrun, Place
from fleet.core.windows_door import ALWAYS_OPEN
from inventory.providers import load as load_providers
from inventory.topology import load as load_topology

_STATES = {state.value: state for state in TargetState}
EMPTY_NETWORK = prepare(Topology({}))


@dataclass(frozen=True)
class Snapshot:
    """One live run, the fleet around it, and the admission generation that was true before both were read."""

    run: RunView
    fleet: FleetView
    admission: int


def admission_generation() -> int:
    """The generation that every start of a target bumps."""
    return Admission.objects.get_or_create(pk=1)[0].generation


def load(run: Run, now: datetime, book: calendar.Book | None = None) -> Snapshot:
    """Read a run. Six queries, seven while targets are turned round, those of topology and providers when something
    could start, and those of windows and freezes unless the caller has read them (`book`); however many targets."""
    book = calendar.load() if book is None else book
    admission = admission_generation()  # first: whatever starts after this makes our starts refuse
    claimed, due = _steps(run, now)
    rows = (
        TargetRun.objects.filter(run=run)
        .annotate(
            said=Cast("reasons", TextField()),  # whether there are any: taking ten thousand lists apart is 20 ms
            failed=failed_in_traffic(),
            overran=Exists(Overrun.objects.filter(target=OuterRef("pk"), resumed_at=None)),
        )
        .order_by("wave", "name")
        .values_list(*_COLUMNS)
    )
    targets = _targets(run, list(rows), claimed, due, book, now)
    change = run.revision.change
    view = RunView(
        run.pk,
        ChangeState(change.state),
        Control(run.control),
        planning.strategy_from_json(run.strategy),
        targets,
        run.window_end,
        run.tolerated,
        _on_overrun(run, book),
    )
    if _turns_round(view):
        one_way = _one_way(run)
        view = replace(view, targets=tuple(replace(t, one_way=t.id in one_way) for t in targets))
    return Snapshot(view, _fleet(view, engaged_elsewhere(run), now), admission)


def _on_overrun(run: Run, book: calendar.Book) -> OnOverrun:
    """What was approved; for plans from before it was part of the digest, what is wanted of this kind of change now."""
    approved = run.strategy.get("on_overrun")
    return OnOverrun(approved) if approved else book.on_overrun(run.revision.recipe)


_COLUMNS = ("id", "name", "wave", "failure_domain", "state", "changed", "drained", "worst_case_s", "said", "failed",
            "overran", "router__site__name", "router__role")  # fmt: skip
_NO_REASONS = frozenset({"[]", "null", "", None})


def _targets(
    run: Run,
    rows: Sequence[tuple[Any, ...]],
    claimed: Collection[int],
    due: Collection[int],
    book: calendar.Book,
    now: datetime,
) -> tuple[TargetView, ...]:
    """The rows as values, each with the door to its place; a place is looked at once, for the longest worst case."""
    recipe = run.revision.recipe
    needs: dict[tuple[Any, Any], float] = {}  # by site and role
    for _, _, _, _, state, _, _, worst_case_s, _, _, _, site, role in rows:
        if state not in TARGET_ENDED:
            needs[site, role] = max(worst_case_s, needs.get((site, role), 0.0))
    place = {(site, role): Place(site, role, recipe) for site, role in needs}
    longest = {place[where]: need for where, need in needs.items()}
    doors = calendar.doors(book.calendar, longest, calendar.terms(run.revision), now)
    door = {where: doors.get(at, ALWAYS_OPEN) for where, at in place.items()}
    return tuple(
        TargetView(
            id=pk,
            name=name,
            wave=wave,
            domain=domain,
            state=_STATES[state],
            changed=changed,
            drained=drained,
            failed=failed,
            claimed=pk in claimed,
            due=pk in due,
            worst_case_s=worst_case_s,
            door=door.get((site, role), ALWAYS_OPEN),
            overran=overran,
            carried=said not in _NO_REASONS,
        )
        for pk, name, wave, domain, state, changed, drained, worst_case_s, said, failed, overran, site, role in rows
    )


def _turns_round(view: RunView) -> bool:
    """Is this run taking something back, or about to?"""
    return view.control in {Control.ABORT, Control.ROLLBACK} or any(is_failing(t) for t in view.targets)


def _one_way(run: Run) -> Collection[int]:
    """Targets to which something was sent that has no way back by itself; the same as `target.can_roll_back`."""
    sent = StepRun.objects.filter(target__run=run, back=False, sent_at__isnull=False)
    ways = [way.value for way in ONE_WAY]
    return set(sent.filter(planned__reversibility__in=ways).values_list("target_id", flat=True))


def _fleet(view: RunView, engaged: Mapping[str, Engaged], now: datetime) -> FleetView:
    """The topology and what providers announced, only when something may have to be drained: a run that is full, or
    merely soaks, asks for none."""
    flying = sum(t.state in TARGET_IN_FLIGHT and t.state is not TargetState.SOAKING for t in view.targets)
    room = flying < view.strategy.budget.total
    waiting = room and any(t.state is TargetState.PENDING for t in view.targets)
    if (waiting and view.control is Control.NONE) or _turns_round(view):
        return FleetView(prepare(load_topology()), {**drained_by_others(), **engaged}, load_providers(now))
    return FleetView(EMPTY_NETWORK, engaged)


def drained_by_others() -> dict[str, Engaged]:
    """Devices that somebody drained outside of Slipway: they count against every budget. One query."""
    return {
        row.router.name: Engaged(
            row.router.site.failure_domain.name,
            drained=True,
            by=f"drained by others (seen {row.seen_at:%Y-%m-%d %H:%M} UTC)",
            outside=True,
        )
        for row in DrainedOutside.objects.standing()
    }


def _steps(run: Run, now: datetime) -> tuple[Collection[int], Collection[int]]:
    """Targets with a live claim, and targets with a due step that no message is on its way for."""
    claimed: set[int] = set()
    due: set[int] = set()
    again = now - timedelta(seconds=settings.SLIPWAY_REKICK_SECONDS)
    # What waits (ten thousand soaking targets) is neither, and not read.
    rows = StepRun.objects.filter(
        Q(due_at__lte=now) | Q(state=StepState.CLAIMED, due_at__isnull=False), target__run=run, state__in=STEP_OPEN
    )
    for target, state, due_at, kicked in rows.values_list("target_id", "state", "due_at", "target__kicked_at"):
        assert due_at is not None  # filtered above
        if due_at > now:
            if state == StepState.CLAIMED:
                claimed.add(target)
        elif kicked is None or kicked < due_at or kicked < again:
            due.add(target)
    return claimed, due


def engaged_elsewhere(run: Run | None) -> dict[str, Engaged]:
    """Devices that other runs (None: any) hold, with what those were promised, and those that stayed behind stuck."""
    mine = run.pk if run is not None else 0  # no row has the number 0
    live = Run.objects.filter(ended_at__isnull=True).exclude(pk=mine)
    budgets = {pk: planning.strategy_from_json(strategy).budget for pk, strategy in live.values_list("pk", "strategy")}
    rows = (
        TargetRun.objects.engaged()
        .exclude(run=mine)
        .values_list("name", "failure_domain", "state", "drained", "run_id", "run__revision__change_id")
    )
    down_unless = {TargetState.SOAKING, TargetState.STUCK}
    return {
        name: Engaged(domain, drained or state not in down_unless, f"change {change}", budgets.get(other))
        for name, domain, state, drained, other, change in rows
    }
