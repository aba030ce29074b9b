"""The tick: read each live run, decide (pure), carry out with guarded moves, hand due targets to workers.

Two ticks at once, a tick twice, no tick for an hour: all harmless. The same function is called by the in-process loop
and by Celery's beat.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from django.conf import settings
from django.db import transaction

from fleet.changes import dispatch, seals, snapshots, transitions, way_back
from fleet.changes.models import Pulse, Run, StepRun, TargetRun
from fleet.core import decide, explain
from fleet.core.states import STEP_OPEN, ChangeState, Control

log = logging.getLogger(__name__)
ENGINE = "engine"


def tick(now: datetime) -> int:
    """One round over all live runs. Returns how many targets were handed to workers."""
    Pulse.objects.update_or_create(name="tick", defaults={"at": now})
    sent = 0
    for run in Run.objects.live().select_related("revision__change", "revision").defer("revision__plan"):
        try:
            sent += tick_run(run, now)
        except Exception:
            # One run that cannot be worked on must not hold up the others; it is logged and tried again next tick.
            log.exception("tick of %s", run)
    seals.seal_all()
    return sent


def tick_run(run: Run, now: datetime) -> int:
    """Decide and carry out one run. Returns how many of its targets were handed to workers."""
    snapshot = snapshots.load(run, now)
    decision = decide.next_actions(snapshot.run, snapshot.fleet, now)
    admitted = [a.target.id for a in decision.actions if isinstance(a, decide.Admit)]
    kicked = [a.target.id for a in decision.actions if isinstance(a, decide.Kick)]
    if admitted and _admit(admitted, snapshot.admission, now):
        kicked += admitted
    for action in decision.actions:
        kicked += _carry_out(run, action, now)
    _remember_holds(run, explain.sentences(decision.holds), now)
    if kicked:
        kick(kicked, now)
    return len(kicked)


def _carry_out(run: Run, action: decide.Action, now: datetime) -> list[int]:
    """Carry out one decision; returns the targets that became due by it."""
    change = run.revision.change
    match action:
        case decide.Admit() | decide.Kick():
            return []  # done together for all targets
        case decide.Pause(reason):
            if run.control == Control.NONE:
                transitions.ask(run, Control.PAUSE, transitions.Note(ENGINE, str(reason)), now)
            transitions.move_change(change, ChangeState.PAUSED, transitions.Note(ENGINE, f"paused: {reason}"), now)
        case decide.Resume():
            if change.state == ChangeState.PAUSED:
                transitions.move_change(change, ChangeState.RUNNING, transitions.Note(ENGINE, "goes on"), now)
        case decide.RollBack(target, reason):
            return [target.id] if _roll_back(target.id, str(reason), now) else []
        case decide.Release(target, reason):
            _release(target.id, str(reason), now)
        case decide.End(state, text):
            words = f"{state.replace('_', ' ')}: {text}"
            if transitions.end_run(run, change, state, transitions.Note(ENGINE, words), now):
                seals.seal(change.pk)
        case _:
            assert_never(action)
    return []


def _admit(ids: Sequence[int], generation: int, now: datetime) -> bool:
    targets = list(TargetRun.objects.filter(pk__in=ids).select_related("run__revision").defer("run__revision__plan"))
    return transitions.admit(targets, generation, transitions.Note(ENGINE, "begins"), now)


def _read(target_id: int) -> TargetRun:
    rows = TargetRun.objects.select_related("run__revision").defer("run__revision__plan").with_steps()
    return rows.get(pk=target_id)


def _roll_back(target_id: int, why: str, now: datetime) -> bool:
    target = _read(target_id)
    steps = list(target.steps.all())
    open_step = next((s for s in steps if s.state in STEP_OPEN and s.due_at is not None), None)
    back = way_back.rows(target, steps, [way_back.view(s) for s in steps], now)
    return transitions.roll_back(target, open_step, back, transitions.Note(ENGINE, why), now)


def _release(target_id: int, why: str, now: datetime) -> None:
    """Nothing of this target was touched: back to pending, its baseline to be taken anew when it is started again."""
    transitions.back_to_pending(_read(target_id), transitions.Note(ENGINE, why), now)


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
    size = settings.SLIPWAY_SHARD_SIZE
    with transaction.atomic():
        TargetRun.objects.filter(pk__in=target_ids).update(kicked_at=now)
        for start in range(0, len(target_ids), size):
            dispatch.send(list(target_ids[start : start + size]))


def open_steps(run: Run) -> int:
    """How many steps of a run are still open and reached."""
    return StepRun.objects.filter(target__run=run, state__in=STEP_OPEN, due_at__isnull=False).count()
