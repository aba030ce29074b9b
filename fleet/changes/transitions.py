"""The only place where a state is assigned: one guarded UPDATE each, with its event row in the same transaction.

Losing a race is a normal return (False): somebody else moved the row, and the next tick decides again.

A warning for whoever adds a guard: conditions on the row itself stay plain filters, conditions on other rows are
`Exists(...)`. A filter across a relation would make Django write `WHERE id IN (SELECT ...)`; PostgreSQL does not
evaluate that again after it waited for the row lock, and two workers would both win.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, models, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.db.models.functions import Coalesce

from fleet.changes.models import Admission, Change, Event, Run, StepRun, TargetRun
from fleet.core.states import (
    CHANGE_MOVES,
    STEP_FAILED,
    STEP_OPEN,
    TARGET_MOVES,
    ChangeState,
    Control,
    StepState,
    TargetState,
)


class _Lost(Exception):
    """Inside a transaction: the guard did not match; roll back and return False."""


@dataclass(frozen=True)
class Note:
    """What an event says about a move."""

    actor: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


def _event(change_id: int, kind: str, note: Note, now: datetime, **about: int | None) -> Event:
    return Event(
        change_id=change_id, at=now, actor=note.actor, kind=kind, text=note.text, data=dict(note.data), **about
    )


def note(change_id: int, kind: str, what: Note, now: datetime, *, target_id: int | None = None) -> None:
    """Record something that moved no state (a hold began, a comment, a release)."""
    _event(change_id, kind, what, now, target_id=target_id).save(force_insert=True)


def move_change(change: Change, to: ChangeState, what: Note, now: datetime) -> bool:
    """Move a change from the state it was read in. Raises AssertionError for a move the table does not have."""
    origin = ChangeState(change.state)
    assert to in CHANGE_MOVES[origin], f"{origin} > {to} is not a legal move of a change"
    with transaction.atomic():
        rows = Change.objects.filter(pk=change.pk, state=origin, generation=change.generation)
        if rows.update(state=to, generation=F("generation") + 1) != 1:
            return False
        _event(change.pk, f"change {to}", what, now).save(force_insert=True)
    change.state, change.generation = to, change.generation + 1
    return True


def move_target(target: TargetRun, to: TargetState, what: Note, now: datetime, *, reasons: Sequence[str] = ()) -> bool:
    """Move a target from the state and generation it was read in."""
    try:
        with transaction.atomic():
            _move_target(target, to, now, reasons=reasons)
            _event(target.run.revision.change_id, f"target {to}", what, now, target_id=target.pk).save(
                force_insert=True
            )
    except _Lost:
        return False
    _remember(target, to)
    return True


def _move_target(
    target: TargetRun,
    to: TargetState,
    now: datetime,
    *,
    reasons: Sequence[str] = (),
    changed: bool | None = None,
) -> None:
    """The guarded UPDATE of a target, with what follows from its new state."""
    values = {"state": to, "generation": F("generation") + 1, **_values_in(target, to, now, changed=changed)}
    if reasons:
        values["reasons"] = list(reasons)
    rows = TargetRun.objects.filter(pk=target.pk, state=target.state, generation=target.generation)
    if rows.update(**values) != 1:
        raise _Lost


def _values_in(target: TargetRun, to: TargetState, now: datetime, *, changed: bool | None = None) -> dict[str, Any]:
    """The columns that follow from a move of a target. The move must be in the table."""
    origin = TargetState(target.state)
    assert to in TARGET_MOVES[origin], f"{origin} > {to} is not a legal move of a target"
    match to:
        case TargetState.DRAINING:
            return {"drained": True, "drained_at": now}
        case TargetState.PENDING:
            return {"engaged": False, "began_at": None}
        case TargetState.DONE | TargetState.ROLLED_BACK:
            return {"engaged": False, "drained": False, "ended_at": now, "changed": bool(changed)}
        case TargetState.SOAKING:
            return {"drained": False}
        case TargetState.STUCK if not target.drained:
            # A device that was never drained is in nobody's way; one that may be drained stays held until released.
            return {"ended_at": now, "changed": None, "engaged": origin is not TargetState.BASELINING}
        case TargetState.STUCK:
            return {"ended_at": now, "changed": None}
        case TargetState.ROLLING_BACK if origin in {TargetState.DONE, TargetState.SOAKING, TargetState.UNDRAINING}:
            return {"engaged": True, "drained": True, "ended_at": None}
        case _:
            return {}


def _walk_target(target: TargetRun, path: Sequence[TargetState], now: datetime) -> list[TargetState]:
    """Several moves of a target in one guarded UPDATE; returns those that were moves. The row in hand walks along."""
    walked: list[TargetState] = []
    values: dict[str, Any] = {}
    origin, generation = target.state, target.generation
    for state in path:
        if state is not TargetState(target.state):
            values |= {"state": state, **_values_in(target, state, now)}
            walked.append(state)
            _remember(target, state)
    if walked:
        rows = TargetRun.objects.filter(pk=target.pk, state=origin, generation=generation)
        if rows.update(**values, generation=F("generation") + len(walked)) != 1:
            raise _Lost
    return walked


def _remember(target: TargetRun, to: TargetState) -> None:
    """Keep the row in hand in step with what was just written."""
    target.generation += 1
    target.drained = {TargetState.DRAINING: True, TargetState.SOAKING: False, TargetState.DONE: False}.get(
        to, target.drained
    )
    target.state = to


def _take_admission(generation: int) -> None:
    """Start something that takes traffic off, if nobody else did since this generation was read."""
    if Admission.objects.filter(pk=1, generation=generation).update(generation=generation + 1) != 1:
        raise _Lost


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
                raise _Lost
            StepRun.objects.filter(target__in=ids, index=0).update(due_at=now)
            Event.objects.bulk_create(
                _event(
                    t.run.revision.change_id,
                    "target baselining",
                    Note(what.actor, f"{t.name}: {what.text}"),
                    now,
                    target_id=t.pk,
                )
                for t in targets
            )
    except (_Lost, IntegrityError):
        return False
    return True


@dataclass
class StepInHand:
    """A step row with the guard values this worker holds; kept in step with the database by `claim` and `record`."""

    row: StepRun
    target: TargetRun
    change_id: int


_CONTROLS_FORWARD = (Control.NONE,)
_CONTROLS_BACK = (Control.NONE, Control.ABORT, Control.ROLLBACK)


def claim(hand: StepInHand, *, worker: str, now: datetime, lease_s: float) -> bool:
    """Take a due step for this worker until the lease ends; the target enters the step's phase with it.

    Refused (False) when another worker holds it, when the target moved, or when a person said stop.
    """
    step, target = hand.row, hand.target
    controls = _CONTROLS_BACK if step.back else _CONTROLS_FORWARD
    going = Run.objects.filter(pk=target.run_id, control__in=controls)
    unmoved = TargetRun.objects.filter(pk=OuterRef("target_id"), generation=target.generation)
    until = now + timedelta(seconds=lease_s)
    phase = TargetState(step.phase)
    try:
        with transaction.atomic():
            rows = StepRun.objects.filter(
                Exists(going),
                Exists(unmoved),
                pk=step.pk,
                generation=step.generation,
                state__in=STEP_OPEN,
                due_at__lte=now,
            )
            won = rows.update(
                state=StepState.CLAIMED,
                attempt=F("attempt") + 1,
                generation=F("generation") + 1,
                due_at=until,
                claimed_by=worker,
                first_claimed_at=Coalesce(F("first_claimed_at"), now),
            )
            if won != 1:
                raise _Lost
            events = []
            if phase is not TargetState(target.state):
                _move_target(target, phase, now)
                events.append(
                    _event(
                        hand.change_id,
                        f"target {phase}",
                        Note(worker, f"{target.name}: {phase}"),
                        now,
                        target_id=target.pk,
                    )
                )
            if step.attempt == 0:  # a step that waits is claimed many times; its beginning is told once
                events.append(
                    _event(
                        hand.change_id,
                        "step claimed",
                        Note(worker, f"{target.name}: {step.title} begins"),
                        now,
                        target_id=target.pk,
                        step_id=step.pk,
                    )
                )
            elif step.state == StepState.CLAIMED:
                events.append(
                    _event(
                        hand.change_id,
                        "step claimed",
                        Note(worker, f"{target.name}: {step.title} taken over, the lease had expired"),
                        now,
                        target_id=target.pk,
                        step_id=step.pk,
                    )
                )
            Event.objects.bulk_create(events)
    except _Lost:
        return False
    if phase is not TargetState(target.state):
        _remember(target, phase)
    step.generation, step.attempt, step.due_at = step.generation + 1, step.attempt + 1, until
    step.state, step.first_claimed_at = StepState.CLAIMED, step.first_claimed_at or now
    return True


def write_ahead(hand: StepInHand, artifact: Mapping[str, Any] | None, now: datetime) -> bool:
    """Commit what restores the device, before it is touched (rule 3). A step's first artifact is never replaced."""
    step = hand.row
    values: dict[str, Any] = {"sent_at": now}
    if step.artifact is None and artifact is not None:
        values["artifact"] = dict(artifact)
    rows = StepRun.objects.filter(pk=step.pk, generation=step.generation, state=StepState.CLAIMED)
    if rows.update(**values) != 1:
        return False
    step.sent_at = now
    step.artifact = values.get("artifact", step.artifact)
    return True


@dataclass(frozen=True)
class Result:
    """How a step ended, or that it waits (`state` READY with `due_at`)."""

    state: StepState
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    changed: bool | None = None
    due_at: datetime | None = None


@dataclass(frozen=True)
class Follow:
    """What the target does after the step: its new state, the step that is reached next, the steps of a way back."""

    state: TargetState
    reach: int | None = None
    back: tuple[StepRun, ...] = ()
    changed: bool | None = None
    pause: str = ""
    via: TargetState | None = None  # a state that is passed through on the way (drained)


def record(hand: StepInHand, result: Result, follow: Follow | None, *, worker: str, now: datetime) -> bool:
    """Write how a step ended and what follows for its target, in one transaction.

    `follow` None: the step waits, or its target goes on in the same state. Refused (False) when this worker's claim is
    no longer the newest.
    """
    step, target = hand.row, hand.target
    waits = result.state is StepState.READY
    moved: list[TargetState] = []
    try:
        with transaction.atomic():
            rows = StepRun.objects.filter(pk=step.pk, generation=step.generation, state=StepState.CLAIMED)
            written = rows.update(
                state=result.state,
                due_at=result.due_at,
                data=dict(result.data),
                reasons=list(result.reasons),
                changed=result.changed,
                ended_at=None if waits else now,
            )
            if written != 1:
                raise _Lost
            events = []
            # A wait is told once: the first time, and when its reasons change.
            if not waits or list(result.reasons) != step.reasons or step.attempt == 1:
                events.append(
                    _event(
                        hand.change_id,
                        f"step {'waits' if waits else result.state}",
                        Note(worker, f"{target.name}: {step.title} {result.text}", {"reasons": list(result.reasons)}),
                        now,
                        target_id=target.pk,
                        step_id=step.pk,
                    )
                )
            if follow is not None:
                moved = _follow(hand, follow, result, events, worker=worker, now=now)
            Event.objects.bulk_create(events)
    except _Lost:
        return False
    step.state, step.data, step.reasons = result.state, dict(result.data), list(result.reasons)
    step.changed, step.due_at = result.changed, result.due_at
    for state in moved:
        _remember(target, state)
    return True


def record_and_claim(
    hand: StepInHand,
    result: Result,
    following: StepInHand,
    via: TargetState | None,
    *,
    worker: str,
    now: datetime,
    lease_s: float,
) -> bool:
    """A step is done and its worker goes on with the next: `record` and `claim` in one transaction and one UPDATE.

    This is what most steps of a change do, so it is what a step costs: three statements. Refused (False) with nothing
    written when either would be refused; then ask `record` alone, which a stop does not refuse.
    """
    step, upcoming, target = hand.row, following.row, copy.copy(hand.target)
    until = now + timedelta(seconds=lease_s)
    going = Run.objects.filter(pk=target.run_id, control__in=_CONTROLS_BACK if upcoming.back else _CONTROLS_FORWARD)
    mine = Q(pk=step.pk, generation=step.generation, state=StepState.CLAIMED)
    free = Q(Exists(going), pk=upcoming.pk, generation=upcoming.generation, state=StepState.READY, due_at=None)

    def either(done: Any, claimed: Any, output: Any) -> Case:
        return Case(When(pk=step.pk, then=Value(done, output)), default=claimed, output_field=output)

    try:
        with transaction.atomic():
            written = StepRun.objects.filter(mine | free).update(
                state=either(result.state, Value(StepState.CLAIMED), models.CharField()),
                due_at=either(None, Value(until), models.DateTimeField()),
                data=either(dict(result.data), F("data"), models.JSONField()),
                reasons=either(list(result.reasons), F("reasons"), models.JSONField()),
                changed=either(result.changed, F("changed"), models.BooleanField(null=True)),
                ended_at=either(now, F("ended_at"), models.DateTimeField()),
                attempt=F("attempt") + either(0, Value(1), models.IntegerField()),
                generation=F("generation") + 1,
                claimed_by=worker,
                first_claimed_at=Coalesce(F("first_claimed_at"), Value(now, models.DateTimeField())),
            )
            if written != 2:
                raise _Lost
            ended = Note(worker, f"{target.name}: {step.title} {result.text}", {"reasons": list(result.reasons)})
            about = {"target_id": target.pk, "step_id": step.pk}
            events = [_event(hand.change_id, f"step {result.state}", ended, now, **about)]
            path = [state for state in dict.fromkeys((via, TargetState(upcoming.phase))) if state is not None]
            for state in _walk_target(target, path, now):
                moved = Note(worker, f"{target.name}: {state}")
                events.append(_event(hand.change_id, f"target {state}", moved, now, target_id=target.pk))
            begins = Note(worker, f"{target.name}: {upcoming.title} begins")
            about = {"target_id": target.pk, "step_id": upcoming.pk}
            events.append(_event(hand.change_id, "step claimed", begins, now, **about))
            Event.objects.bulk_create(events)
    except _Lost:
        return False
    hand.target.state, hand.target.generation, hand.target.drained = target.state, target.generation, target.drained
    step.state, step.data, step.reasons = result.state, dict(result.data), list(result.reasons)
    step.changed, step.due_at, step.generation = result.changed, None, step.generation + 1
    upcoming.state, upcoming.due_at, upcoming.first_claimed_at = StepState.CLAIMED, until, now
    upcoming.generation, upcoming.attempt = upcoming.generation + 1, 1
    return True


def _follow(
    hand: StepInHand, follow: Follow, result: Result, events: list[Event], *, worker: str, now: datetime
) -> list[TargetState]:
    target, moved = copy.copy(hand.target), []  # a copy: the row in hand is put right once the transaction has held
    for state in (follow.via, follow.state):
        if state is None or state is TargetState(target.state):
            continue
        _move_target(target, state, now, reasons=result.reasons, changed=follow.changed)
        why = f" ({'; '.join(result.reasons)})" if result.reasons else ""
        text = f"{target.name}: {state}{why}"
        events.append(_event(hand.change_id, f"target {state}", Note(worker, text), now, target_id=target.pk))
        moved.append(state)
        _remember(target, state)
    if not moved and result.state in STEP_FAILED:  # it waits where it is to be turned round; it says why
        TargetRun.objects.filter(pk=target.pk, generation=target.generation).update(reasons=list(result.reasons))
    if follow.state is TargetState.PENDING:  # it begins again with a new baseline
        StepRun.objects.filter(pk=hand.row.pk).update(
            state=StepState.READY, due_at=None, ended_at=None, attempt=0, first_claimed_at=None, data={}
        )
    elif follow.back:
        StepRun.objects.bulk_create(follow.back)
    elif follow.reach is not None:
        StepRun.objects.filter(target=target.pk, index=follow.reach, due_at=None).update(due_at=now)
    if follow.pause:
        Run.objects.filter(pk=target.run_id, control=Control.NONE).update(
            control=Control.PAUSE, control_by="engine", control_reason=follow.pause
        )
    return moved


def _take_out_of_reach(open_step: StepRun | None, now: datetime) -> None:
    """Nobody claims this step any more; refused (_Lost) while a worker holds it."""
    if open_step is None:
        return
    rows = StepRun.objects.filter(pk=open_step.pk, generation=open_step.generation, state__in=STEP_OPEN)
    if open_step.state == StepState.CLAIMED:
        rows = rows.filter(due_at__lte=now)
    if rows.update(due_at=None, generation=F("generation") + 1) != 1:
        raise _Lost


def strand(target: TargetRun, open_step: StepRun | None, what: Note, now: datetime) -> bool:
    """Leave a target as it is, for a person; refused while a worker holds its step."""
    try:
        with transaction.atomic():
            _take_out_of_reach(open_step, now)
            _move_target(target, TargetState.STUCK, now, reasons=[what.text])
            said = Note(what.actor, f"{target.name}: stuck: {what.text}")
            _event(target.run.revision.change_id, "target stuck", said, now, target_id=target.pk).save(
                force_insert=True
            )
    except _Lost:
        return False
    _remember(target, TargetState.STUCK)
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
            _move_target(target, TargetState.ROLLING_BACK, now, reasons=[what.text])
            StepRun.objects.bulk_create(back)
            _event(
                change_id,
                "target rolling_back",
                Note(what.actor, f"{target.name}: rolling back: {what.text}"),
                now,
                target_id=target.pk,
            ).save(force_insert=True)
            turned = copy.copy(target)
            _remember(turned, TargetState.ROLLING_BACK)
            if not back:  # nothing was touched: it is as it was
                _move_target(turned, TargetState.ROLLED_BACK, now, changed=False)
                untouched = Note(what.actor, f"{target.name}: rolled_back, nothing was touched")
                _event(change_id, "target rolled_back", untouched, now, target_id=target.pk).save(force_insert=True)
                _remember(turned, TargetState.ROLLED_BACK)
    except (_Lost, IntegrityError):
        return False
    target.state, target.generation, target.drained = turned.state, turned.generation, turned.drained
    return True


def back_to_pending(target: TargetRun, what: Note, now: datetime) -> bool:
    """A target of which nothing was touched goes back to where it has not begun; its baseline is taken anew later."""
    try:
        with transaction.atomic():
            steps = StepRun.objects.filter(target=target.pk)
            if steps.filter(state=StepState.CLAIMED, due_at__gt=now).exists():
                raise _Lost
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
            _move_target(target, TargetState.PENDING, now, reasons=[what.text])
            _event(
                target.run.revision.change_id,
                "target pending",
                Note(what.actor, f"{target.name}: {what.text}"),
                now,
                target_id=target.pk,
            ).save(force_insert=True)
    except _Lost:
        return False
    _remember(target, TargetState.PENDING)
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
        _event(run.revision.change_id, f"run {verb}", what, now).save(force_insert=True)
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
                raise _Lost
            if not move_change(change, state, what, now):
                raise _Lost
    except _Lost:
        return False
    return True


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
