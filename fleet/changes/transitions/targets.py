"""What the tick and people do with targets: begin them, turn them round, leave them, let go of them."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef

from fleet.changes.models import Admission, Event, Overrun, Run, StepRun, TargetRun
from fleet.changes.transitions.rows import Lost, Note, event, guarded_move, note, remember
from fleet.core.states import STEP_OPEN, Control, StepState, TargetState


def move_target(target: TargetRun, to: TargetState, what: Note, now: datetime, *, reasons: Sequence[str] = ()) -> bool:
    """Move a target from the state and generation it was read in."""
    try:
        with transaction.atomic():
            guarded_move(target, to, now, reasons=reasons)
            event(target.run.revision.change_id, f"target {to}", what, now, target_id=target.pk).save(force_insert=True)
    except Lost:
        return False
    remember(target, to)
    return True


def _take_admission(generation: int) -> None:
    """Start something that takes traffic off, if nobody else did since this generation was read."""
    if Admission.objects.filter(pk=1, generation=generation).update(generation=generation + 1) != 1:
        raise Lost


def admit(targets: Sequence[TargetRun], generation: int, what: Note, now: datetime) -> bool:
    """Begin targets: pending > baselining, all or none, and only if nobody else began any since `generation` was read.

    That generation is what keeps the budget across all changes: a snapshot that is older than the newest start
    cannot start anything.
    """
    ids = [t.pk for t in targets]
    try:
        with transaction.atomic():
            _take_admission(generation)
            going = Run.objects.filter(pk=OuterRef("run_id"), control=Control.NONE)
            rows = TargetRun.objects.filter(Exists(going), pk__in=ids, state=TargetState.PENDING, engaged=False)
            values = {"state": TargetState.BASELINING, "generation": F("generation") + 1, "engaged": True}
            if rows.update(**values, began_at=now, kicked_at=None, reasons=[]) != len(ids):
                raise Lost
            StepRun.objects.filter(target__in=ids, index=0).update(due_at=now)
            Event.objects.bulk_create(
                event(
                    t.run.revision.change_id,
                    "target baselining",
                    Note(what.actor, f"{t.name}: {what.text}"),
                    now,
                    target_id=t.pk,
                )
                for t in targets
            )
    except (Lost, IntegrityError):
        return False
    return True


def _take_out_of_reach(open_step: StepRun | None, now: datetime) -> None:
    """Nobody claims this step any more; refused (Lost) while a worker holds it."""
    if open_step is None:
        return
    rows = StepRun.objects.filter(pk=open_step.pk, generation=open_step.generation, state__in=STEP_OPEN)
    if open_step.state == StepState.CLAIMED:
        rows = rows.filter(due_at__lte=now)
    if rows.update(due_at=None, generation=F("generation") + 1) != 1:
        raise Lost


def strand(target: TargetRun, open_step: StepRun | None, what: Note, now: datetime) -> bool:
    """Leave a target as it is, for a person; refused while a worker holds its step."""
    try:
        with transaction.atomic():
            _take_out_of_reach(open_step, now)
            guarded_move(target, TargetState.STUCK, now, reasons=[what.text])
            said = Note(what.actor, f"{target.name}: stuck: {what.text}")
            event(target.run.revision.change_id, "target stuck", said, now, target_id=target.pk).save(force_insert=True)
    except Lost:
        return False
    remember(target, TargetState.STUCK)
    return True


def roll_back(
    target: TargetRun,
    open_step: StepRun | None,
    back: Sequence[StepRun],
    what: Note,
    now: datetime,
    *,
    admission: int | None = None,
) -> bool:
    """Turn a target round: its open step is taken out of reach, the steps of the way back are added, the first is due.

    `admission`: the generation that must still hold, for what carries traffic and is drained again by it (see `admit`).
    Refused while a worker holds the step: both this and a claim update that very row, so exactly one of them wins.
    """
    change_id = target.run.revision.change_id
    try:
        with transaction.atomic():
            if admission is not None:
                _take_admission(admission)
            _take_out_of_reach(open_step, now)
            guarded_move(target, TargetState.ROLLING_BACK, now, reasons=[what.text])
            StepRun.objects.bulk_create(back)
            event(
                change_id,
                "target rolling_back",
                Note(what.actor, f"{target.name}: rolling back: {what.text}"),
                now,
                target_id=target.pk,
            ).save(force_insert=True)
            turned = copy.copy(target)
            remember(turned, TargetState.ROLLING_BACK)
            if not back:  # nothing was touched: it is as it was
                guarded_move(turned, TargetState.ROLLED_BACK, now, changed=False)
                untouched = Note(what.actor, f"{target.name}: rolled_back, nothing was touched")
                event(change_id, "target rolled_back", untouched, now, target_id=target.pk).save(force_insert=True)
                remember(turned, TargetState.ROLLED_BACK)
    except (Lost, IntegrityError):
        return False
    target.state, target.generation, target.drained = turned.state, turned.generation, turned.drained
    return True


def back_to_pending(target: TargetRun, what: Note, now: datetime) -> bool:
    """A target of which nothing was touched goes back to where it has not begun; its baseline is taken anew later."""
    try:
        with transaction.atomic():
            steps = StepRun.objects.filter(target=target.pk, back=False)  # a way back from an earlier window stays
            if steps.filter(state=StepState.CLAIMED, due_at__gt=now).exists():
                raise Lost
            # Also the baseline that was taken already: it is taken anew when the target is started again.
            steps.exclude(state=StepState.READY, due_at=None).update(
                state=StepState.READY,
                due_at=None,
                generation=F("generation") + 1,
                attempt=0,
                data={},
                first_claimed_at=None,
                ended_at=None,
            )
            guarded_move(target, TargetState.PENDING, now, reasons=[what.text])
            event(
                target.run.revision.change_id,
                "target pending",
                Note(what.actor, f"{target.name}: {what.text}"),
                now,
                target_id=target.pk,
            ).save(force_insert=True)
    except Lost:
        return False
    remember(target, TargetState.PENDING)
    return True


def again(target: TargetRun, what: Note, now: datetime) -> bool:
    """A target that was put back because its window had closed goes to where it has not begun.

    Its steps are to be done anew; what was done is kept with the overrun and in the events, and the way back that it
    took stays among its steps, done.
    """
    try:
        with transaction.atomic():
            guarded_move(target, TargetState.PENDING, now, reasons=[what.text])
            steps = StepRun.objects.filter(target=target.pk)
            done = list(steps.order_by("index").values(*_KEPT))
            over = Overrun.objects.filter(target=target.pk, resumed_at=None)
            if over.update(resumed_at=now, steps=[_told(row) for row in done]) != 1:
                raise Lost
            steps.filter(back=False).update(**_UNDONE, generation=F("generation") + 1)
            note(
                target.run.revision.change_id,
                "target pending",
                Note(what.actor, f"{target.name}: {what.text}"),
                now,
                target_id=target.pk,
            )
    except Lost:
        return False
    remember(target, TargetState.PENDING)
    return True


_UNDONE: Mapping[str, Any] = {
    "state": StepState.READY,
    "due_at": None,
    "attempt": 0,
    "claimed_by": "",
    "first_claimed_at": None,
    "sent_at": None,
    "ended_at": None,
    "artifact": None,
    "data": {},
    "changed": None,
    "reasons": [],
}


_KEPT = ("index", "verb", "back", "state", "sent_at", "ended_at", "artifact", "reasons")


def _told(step: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in step.items()}


def release(targets: Iterable[TargetRun], what: Note, now: datetime) -> int:
    """A person has put stuck devices right and takes them out of Slipway's hands. Returns how many were released."""
    count = 0
    for target in targets:
        with transaction.atomic():
            rows = TargetRun.objects.filter(pk=target.pk, state=TargetState.STUCK, engaged=True)
            won = rows.update(engaged=False, drained=False, released_by=what.actor, released_reason=what.text)
            if won:
                note(
                    target.run.revision.change_id,
                    "target released",
                    Note(what.actor, f"{target.name}: released: {what.text}"),
                    now,
                    target_id=target.pk,
                )
            count += won
    return count
