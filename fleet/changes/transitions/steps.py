"""What a worker writes of a step: claimed, written ahead, recorded."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from fleet.changes.models import Event, Run, StepRun, TargetRun
from fleet.changes.transitions.rows import Lost, Note, event, guarded_move, remember, walk, writing
from fleet.changes.writing import guarded_update, insert, prepared
from fleet.core.states import STEP_FAILED, Control, StepState, TargetState


@dataclass
class StepInHand:
    """A step row with the guard values this worker holds; kept in step with the database by `claim` and `record`."""

    row: StepRun
    target: TargetRun
    change_id: int
    written_ahead: bool = False  # under this claim


_CONTROLS_FORWARD = (Control.NONE,)
_CONTROLS_BACK = (Control.NONE, Control.ABORT, Control.ROLLBACK)


# Guards on the row itself are plain; those on other rows are EXISTS, which PostgreSQL evaluates again after a lock.
_GOING = """
    EXISTS (SELECT 1 FROM changes_run
            WHERE id = %(run)s AND control IN (%(control_1)s, %(control_2)s, %(control_3)s))
"""
_UNMOVED = "EXISTS (SELECT 1 FROM changes_targetrun WHERE id = %(target)s AND generation = %(target_generation)s)"
_CLAIM = f"""
UPDATE changes_steprun SET
    state = 'claimed', attempt = attempt + 1, generation = generation + 1, due_at = %(until)s, claimed_by = %(worker)s,
    first_claimed_at = COALESCE(first_claimed_at, %(now)s)
WHERE id = %(step)s AND generation = %(step_generation)s AND state IN ('ready', 'claimed') AND due_at <= %(now)s
    AND {_GOING} AND {_UNMOVED}
"""  # noqa: S608
_KEEP = f"""
UPDATE changes_steprun SET due_at = %(until)s, data = %(data)s, reasons = %(reasons)s
WHERE id = %(step)s AND generation = %(step_generation)s AND state = 'claimed' AND due_at > %(now)s
    AND {_GOING} AND {_UNMOVED}
"""  # noqa: S608


def _guards(hand: StepInHand, **times: datetime) -> dict[str, Any]:
    """What the statements written out here are guarded by."""
    allowed = _CONTROLS_BACK if hand.row.back else _CONTROLS_FORWARD
    return {
        "run": hand.target.run_id,
        "target": hand.target.pk,
        "target_generation": hand.target.generation,
        "step": hand.row.pk,
        "step_generation": hand.row.generation,
        "control_1": allowed[0].value,
        "control_2": allowed[1 % len(allowed)].value,
        "control_3": allowed[2 % len(allowed)].value,
        **{name: prepared(StepRun, "due_at", value) for name, value in times.items()},
    }


def _execute(sql: str, values: Mapping[str, Any], *, rows: int = 1) -> bool:
    """True when it wrote as many rows as it should."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return bool(cursor.rowcount == rows)


def claim(hand: StepInHand, *, worker: str, now: datetime, lease_s: float) -> bool:
    """Take a due step for this worker until the lease ends; the target enters the step's phase with it.

    Refused (False) when another worker holds it, when the target moved, or when a person said stop.
    """
    step, target = hand.row, hand.target
    until = now + timedelta(seconds=lease_s)
    phase = TargetState(step.phase)
    try:
        with writing():
            if not _execute(_CLAIM, {**_guards(hand, now=now, until=until), "worker": worker}):
                raise Lost
            events = []
            if phase is not TargetState(target.state):
                guarded_move(target, phase, now)
                events.append(
                    event(
                        hand.change_id,
                        f"target {phase}",
                        Note(worker, f"{target.name}: {phase}"),
                        now,
                        target_id=target.pk,
                    )
                )
            if step.attempt == 0:  # a step that waits is claimed many times; its beginning is told once
                events.append(
                    event(
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
                    event(
                        hand.change_id,
                        "step claimed",
                        Note(worker, f"{target.name}: {step.title} taken over, the lease had expired"),
                        now,
                        target_id=target.pk,
                        step_id=step.pk,
                    )
                )
            insert(events)
    except Lost:
        return False
    if phase is not TargetState(target.state):
        remember(target, phase)
    step.generation, step.attempt, step.due_at = step.generation + 1, step.attempt + 1, until
    step.state, step.first_claimed_at = StepState.CLAIMED, step.first_claimed_at or now
    step.claimed_by = worker
    return True


def write_ahead(hand: StepInHand, artifact: Mapping[str, Any] | None, now: datetime) -> bool:
    """Commit what restores the device, before it is touched (rule 3). A step's first artifact is never replaced.

    Once for each claim: until its lease ends nobody else can move the row, so there is nothing to ask again.
    """
    step = hand.row
    nothing_new = step.artifact is not None or artifact is None
    if hand.written_ahead and nothing_new and step.due_at is not None and now < step.due_at:
        return True
    values: dict[str, Any] = {"sent_at": now}
    if step.artifact is None and artifact is not None:
        values["artifact"] = dict(artifact)
    with writing():
        won = guarded_update(StepRun, step.pk, values, guard=_mine(step))
    if not won:
        return False
    hand.written_ahead = True
    step.sent_at = now
    step.artifact = values.get("artifact", step.artifact)
    return True


def _mine(step: StepRun) -> dict[str, Any]:
    """What holds of a row while this worker's claim on it is the newest."""
    return {"generation": step.generation, "state": StepState.CLAIMED}


def keep(hand: StepInHand, data: Mapping[str, Any], reasons: Sequence[str], *, now: datetime, lease_s: float) -> bool:
    """Hold a step that waits for as long again: its progress is written and its lease begins anew.

    Refused (False), as a new claim would be, when this claim is no longer the newest or has run out, or when a person
    said stop. One statement where letting go and claiming again are three; an event only when there are new reasons.
    """
    step, until = hand.row, now + timedelta(seconds=lease_s)
    values = {
        **_guards(hand, now=now, until=until),
        "data": prepared(StepRun, "data", dict(data)),
        "reasons": prepared(StepRun, "reasons", list(reasons)),
    }
    with writing():
        if not _execute(_KEEP, values):
            return False
        if reasons and list(reasons) != step.reasons:
            said = Note(step.claimed_by, f"{hand.target.name}: {step.title} waits", {"reasons": list(reasons)})
            insert([event(hand.change_id, "step waits", said, now, target_id=hand.target.pk, step_id=step.pk)])
    step.due_at, step.data, step.reasons = until, dict(data), list(reasons)
    return True


def remark(hand: StepInHand, kind: str, what: Note, now: datetime) -> bool:
    """Record what a worker is about to do within the step that it holds; False when its claim is not the newest."""
    step = hand.row
    mine = StepRun.objects.filter(pk=step.pk, generation=step.generation, state=StepState.CLAIMED, due_at__gt=now)
    with writing():
        if not mine.exists():
            return False
        event(hand.change_id, kind, what, now, target_id=hand.target.pk, step_id=step.pk).save(force_insert=True)
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
    values = {
        "state": result.state,
        "due_at": result.due_at,
        "data": dict(result.data),
        "reasons": list(result.reasons),
        "changed": result.changed,
        "ended_at": None if waits else now,
    }
    try:
        with writing():
            if not guarded_update(StepRun, step.pk, values, guard=_mine(step)):
                raise Lost
            events = []
            # A wait is told once: the first time, and when its reasons change.
            if not waits or list(result.reasons) != step.reasons or step.attempt == 1:
                events.append(
                    event(
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
            insert(events)
    except Lost:
        return False
    step.state, step.data, step.reasons = result.state, dict(result.data), list(result.reasons)
    step.changed, step.due_at = result.changed, result.due_at
    for state in moved:
        remember(target, state)
    return True


# Written out: Django needs ten conditional expressions for it, which cost more CPU than all else that a step writes
# (9 of 13.6 ms under the profiler). The guards are those of `record` and of `claim`.
_RECORD_AND_CLAIM = f"""
UPDATE changes_steprun SET
    state = CASE WHEN id = %(step)s THEN %(ended)s ELSE 'claimed' END,
    due_at = CASE WHEN id = %(step)s THEN NULL ELSE %(until)s END,
    data = CASE WHEN id = %(step)s THEN %(data)s ELSE data END,
    reasons = CASE WHEN id = %(step)s THEN %(reasons)s ELSE reasons END,
    changed = CASE WHEN id = %(step)s THEN %(changed)s ELSE changed END,
    ended_at = CASE WHEN id = %(step)s THEN %(now)s ELSE ended_at END,
    attempt = CASE WHEN id = %(step)s THEN attempt ELSE attempt + 1 END,
    generation = generation + 1,
    claimed_by = %(worker)s,
    first_claimed_at = COALESCE(first_claimed_at, %(now)s)
WHERE (id = %(step)s AND generation = %(step_generation)s AND state = 'claimed')
   OR (id = %(upcoming)s AND generation = %(upcoming_generation)s AND state = 'ready' AND due_at IS NULL
       AND {_GOING})
"""  # noqa: S608


def _values(hand: StepInHand, result: Result, following: StepInHand, **times: datetime) -> dict[str, Any]:
    """What `_RECORD_AND_CLAIM` writes and is guarded by, each value as the database wants it in its column."""
    return {
        **_guards(following, **times),
        "step": hand.row.pk,
        "step_generation": hand.row.generation,
        "upcoming": following.row.pk,
        "upcoming_generation": following.row.generation,
        "ended": result.state.value,
        "data": prepared(StepRun, "data", dict(result.data)),
        "reasons": prepared(StepRun, "reasons", list(result.reasons)),
        "changed": prepared(StepRun, "changed", result.changed),
    }


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
    values = {"worker": worker, **_values(hand, result, following, now=now, until=until)}
    try:
        with writing():
            if not _execute(_RECORD_AND_CLAIM, values, rows=2):
                raise Lost
            ended = Note(worker, f"{target.name}: {step.title} {result.text}", {"reasons": list(result.reasons)})
            begins = Note(worker, f"{target.name}: {upcoming.title} begins")
            path = [state for state in dict.fromkeys((via, TargetState(upcoming.phase))) if state is not None]
            moves = [(f"target {state}", Note(worker, f"{target.name}: {state}")) for state in walk(target, path, now)]
            told = [
                (f"step {result.state}", ended, step.pk),
                *((*m, None) for m in moves),
                ("step claimed", begins, upcoming.pk),
            ]
            insert([event(hand.change_id, kind, what, now, target_id=target.pk, step_id=pk) for kind, what, pk in told])
    except Lost:
        return False
    hand.target.state, hand.target.generation, hand.target.drained = target.state, target.generation, target.drained
    step.state, step.data, step.reasons = result.state, dict(result.data), list(result.reasons)
    step.changed, step.due_at, step.generation = result.changed, None, step.generation + 1
    upcoming.state, upcoming.due_at, upcoming.first_claimed_at = StepState.CLAIMED, until, now
    upcoming.generation, upcoming.attempt, upcoming.claimed_by = upcoming.generation + 1, 1, worker
    return True


def _follow(
    hand: StepInHand, follow: Follow, result: Result, events: list[Event], *, worker: str, now: datetime
) -> list[TargetState]:
    target, moved = copy.copy(hand.target), []  # a copy: the row in hand is put right once the transaction has held
    for state in (follow.via, follow.state):
        if state is None or state is TargetState(target.state):
            continue
        guarded_move(target, state, now, reasons=result.reasons, changed=follow.changed)
        why = f" ({'; '.join(result.reasons)})" if result.reasons else ""
        text = f"{target.name}: {state}{why}"
        events.append(event(hand.change_id, f"target {state}", Note(worker, text), now, target_id=target.pk))
        moved.append(state)
        remember(target, state)
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
