"""The tick: read each live run, decide (pure), carry out with guarded moves, hand due targets to workers.

Two ticks at once, a tick twice, no tick for an hour: all harmless. The same function is called by the in-process loop
and by Celery's beat.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from django.db import transaction

from fleet import logs
from fleet.changes import approvals, calendar, dispatch, scheduled, seals, snapshots, standing, transitions, way_back
from fleet.changes.models import Overrun, Run, StepRun, TargetRun
from fleet.core import decide, explain
from fleet.core.states import STEP_FAILED, STEP_OPEN, ChangeState, Control
from fleet.core.target import can_roll_back

log = logging.getLogger(__name__)
ENGINE = "engine"


def tick(now: datetime) -> int:
    """One round over all live runs. Returns how many targets were handed to workers."""
    there = standing.beat(now)
    book = calendar.load() if there.calendar else calendar.NOTHING
    if there.running_out:
        approvals.expire(now)
    if there.scheduled:
        scheduled.start_due(book, now)
    sent = 0
    live = Run.objects.live().select_related(
        "revision__change", "revision__schedule__window", "revision__window_override"
    )
    for run in live.defer("revision__plan"):
        try:
            with logs.about(change=run.revision.change_id):
                sent += tick_run(run, now, book)
        except Exception:
            # One run that cannot be worked on must not hold up the others; it is logged and tried again next tick.
            log.exception("tick of %s", run)
    seals.seal_all()
    return sent


def tick_run(run: Run, now: datetime, book: calendar.Book | None = None) -> int:
    """Decide and carry out one run. Returns how many of its targets were handed to workers."""
    snapshot = snapshots.load(run, now, book)
    decision = decide.next_actions(snapshot.run, snapshot.fleet, now)
    admitted = [a.target.id for a in decision.actions if isinstance(a, decide.Admit)]
    kicked = [a.target.id for a in decision.actions if isinstance(a, decide.Kick)]
    admission = snapshot.admission
    if admitted and _admit(admitted, admission, now):
        kicked += admitted
        admission += 1
    for action in decision.actions:
        if isinstance(action, decide.RollBack):
            if _roll_back(action, admission, now):
                kicked.append(action.target.id)
                admission += action.target.carries
        else:
            _carry_out(run, action, now)
    _remember_holds(run, explain.sentences(decision.holds), now)
    if kicked:
        kick(kicked, now)
    return len(kicked)


def _carry_out(run: Run, action: decide.Action, now: datetime) -> None:
    """Carry out one decision about the run, or one release."""
    change = run.revision.change
    match action:
        case decide.Admit() | decide.Kick() | decide.RollBack():
            pass  # done by the caller, for all targets together
        case decide.Pause(reason):
            if run.control == Control.NONE:
                transitions.ask(run, Control.PAUSE, transitions.Note(ENGINE, str(reason)), now)
            if change.state != ChangeState.PAUSED:
                transitions.move_change(change, ChangeState.PAUSED, transitions.Note(ENGINE, f"paused: {reason}"), now)
        case decide.Resume():
            if change.state == ChangeState.PAUSED:
                transitions.move_change(change, ChangeState.RUNNING, transitions.Note(ENGINE, "goes on"), now)
        case decide.Release(target, reason):
            _release(target, str(reason), now)
        case decide.Again(target, reason):
            _again(target, str(reason), now)
        case decide.Strand(target, reason):
            _strand(target, str(reason), now)
        case decide.End(state, text):
            words = f"{state.replace('_', ' ')}: {text}"
            if transitions.end_run(run, change, state, transitions.Note(ENGINE, words), now):
                seals.seal(change.pk)
                dispatch.doorbell.set()  # whoever waits for this end need not wait for the next tick
        case _:
            assert_never(action)


def _admit(ids: Sequence[int], generation: int, now: datetime) -> bool:
    targets = list(TargetRun.objects.filter(pk__in=ids).select_related("run__revision").defer("run__revision__plan"))
    return transitions.admit(targets, generation, transitions.Note(ENGINE, "begins"), now)


def _read(seen: decide.TargetView) -> TargetRun | None:
    """The row as it is now; None when it moved since it was decided on: the next tick decides again."""
    rows = TargetRun.objects.select_related("run__revision").defer("run__revision__plan").with_steps()
    return rows.filter(pk=seen.id, state=seen.state).first()


def _roll_back(action: decide.RollBack, admission: int, now: datetime) -> bool:
    """Turn a target round. What carries traffic is drained again, so that counts as a start (`admission`)."""
    target = _read(action.target)
    if target is None:
        return False
    steps = list(target.steps.all())
    failed = [r for s in steps if s.state in STEP_FAILED and not s.back for r in s.reasons]
    why = " ".join(failed) if action.target.failed and failed else str(action.reason)
    views = [way_back.view(s) for s in steps]
    if not can_roll_back(views):
        return False  # since it was decided on, something was sent that has no way back: the next tick sees it
    guard = admission if action.target.carries else None
    back = way_back.rows(target, steps, views, now)
    with transaction.atomic():
        note = transitions.Note(ENGINE, why)
        turned = transitions.roll_back(target, _open(steps), back, note, now, admission=guard)
        if turned and action.overrun:
            Overrun.objects.create(target=target, at=now)
    return turned


def _open(steps: Sequence[StepRun]) -> StepRun | None:
    return next((s for s in steps if s.state in STEP_OPEN and s.due_at is not None), None)


def _strand(seen: decide.TargetView, why: str, now: datetime) -> None:
    if (target := _read(seen)) is not None:
        transitions.strand(target, _open(list(target.steps.all())), transitions.Note(ENGINE, why), now)


def _release(seen: decide.TargetView, why: str, now: datetime) -> None:
    """Nothing of this target was touched: back to pending, its baseline to be taken anew when it is started again."""
    if (target := _read(seen)) is not None:
        transitions.back_to_pending(target, transitions.Note(ENGINE, why), now)


def _again(seen: decide.TargetView, why: str, now: datetime) -> None:
    """It was put back at the end of its window: back to pending, all its steps to be done again in the next."""
    if (target := _read(seen)) is not None:
        transitions.again(target, transitions.Note(ENGINE, why), now)


def _remember_holds(run: Run, holds: Sequence[str], now: datetime) -> None:
    """Keep on the run why nothing more is happening; an event is written when the reasons change."""
    if list(holds) == run.holds:
        return
    with transaction.atomic():
        if Run.objects.filter(pk=run.pk, ended_at__isnull=True).update(holds=list(holds)) and holds:
            text = "holds: " + " ".join(holds)
            transitions.note(run.revision.change_id, "run holds", transitions.Note(ENGINE, text), now)


def kick(target_ids: Sequence[int], now: datetime) -> None:
    """Hand due targets to workers in shards; what a lost message costs is SLIPWAY_REKICK_SECONDS."""
    size = dispatch.shard_size()
    with transaction.atomic():
        TargetRun.objects.filter(pk__in=target_ids).update(kicked_at=now)
        for start in range(0, len(target_ids), size):
            dispatch.send(list(target_ids[start : start + size]))


def open_steps(run: Run) -> int:
    """How many steps of a run are still open and reached."""
    return StepRun.objects.filter(target__run=run, state__in=STEP_OPEN, due_at__isnull=False).count()
