"""The states of a change, what people ask of its run, and the end of a run."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from fleet.changes.models import Change, Run, TargetRun
from fleet.changes.transitions.rows import Lost, Note, event
from fleet.core.states import CHANGE_MOVES, ChangeState, Control


def move_change(change: Change, to: ChangeState, what: Note, now: datetime) -> bool:
    """Move a change from the state it was read in. Raises AssertionError for a move the table does not have."""
    origin = ChangeState(change.state)
    assert to in CHANGE_MOVES[origin], f"{origin} > {to} is not a legal move of a change"
    with transaction.atomic():
        rows = Change.objects.filter(pk=change.pk, state=origin, generation=change.generation)
        if rows.update(state=to, generation=F("generation") + 1) != 1:
            return False
        event(change.pk, f"change {to}", what, now).save(force_insert=True)
    change.state, change.generation = to, change.generation + 1
    return True


def ask(run: Run, control: Control, what: Note, now: datetime, *, tolerated: int | None = None) -> bool:
    """Write what a person asks of a live run; workers see it at their next claim, the tick at its next round."""
    values: dict[str, Any] = {"control": control, "control_by": what.actor, "control_reason": what.text}
    if tolerated is not None:
        values["tolerated"] = tolerated
    with transaction.atomic():
        if Run.objects.filter(pk=run.pk, control=run.control, ended_at__isnull=True).update(**values) != 1:
            return False
        verb = "resume" if control is Control.NONE else control.value
        event(run.revision.change_id, f"run {verb}", what, now).save(force_insert=True)
    run.control = control
    return True


def end_run(run: Run, change: Change, state: ChangeState, what: Note, now: datetime) -> bool:
    """Close a run and move its change to how it ended. Refused when something is in flight again, or was asked for."""
    flying = TargetRun.objects.in_flight().filter(run=OuterRef("pk"))
    if state not in CHANGE_MOVES[ChangeState(change.state)]:
        return False  # the change could not be moved on just before (it is still paused)
    try:
        with transaction.atomic():
            ended = Run.objects.filter(
                ~Exists(flying), pk=run.pk, ended_at__isnull=True, control=run.control, tolerated=run.tolerated
            )
            if ended.update(ended_at=now, outcome=what.text[:200], holds=[]) != 1:
                raise Lost
            if not move_change(change, state, what, now):
                raise Lost
    except Lost:
        return False
    return True
