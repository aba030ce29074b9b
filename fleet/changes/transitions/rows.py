"""What every move is made of: its event, the guarded UPDATE of a target, the race that is lost."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from fleet.changes.models import Event, TargetRun
from fleet.changes.writing import guarded_update
from fleet.core.states import TARGET_MOVES, TargetState


class Lost(Exception):
    """Inside a transaction: the guard did not match; roll back and return False."""


_one_writer = threading.Lock()


@contextmanager
def writing() -> Iterator[None]:
    """One transaction of a leg. SQLite has one writer: the threads of this process queue for it here.

    SQLite itself lets them sleep and try again, up to 0.1 s at a time: 100 legs waited 0.29 s for each transaction to
    begin, 4 s at most, and 3 ms with the queue, 1 s at most in it. Who is inside a transaction already has the writer's
    place and does not queue.
    """
    queues = connection.vendor == "sqlite" and not connection.in_atomic_block
    with _one_writer if queues else nullcontext(), transaction.atomic():
        yield


@dataclass(frozen=True)
class Note:
    """What an event says about a move."""

    actor: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


def event(change_id: int, kind: str, note: Note, now: datetime, **about: int | None) -> Event:
    return Event(
        change_id=change_id, at=now, actor=note.actor, kind=kind, text=note.text, data=dict(note.data), **about
    )


def note(change_id: int, kind: str, what: Note, now: datetime, *, target_id: int | None = None) -> None:
    """Record something that moved no state (a hold began, a comment, a release)."""
    event(change_id, kind, what, now, target_id=target_id).save(force_insert=True)


def guarded_move(
    target: TargetRun,
    to: TargetState,
    now: datetime,
    *,
    reasons: Sequence[str] = (),
    changed: bool | None = None,
) -> None:
    """The guarded UPDATE of a target, with what follows from its new state."""
    values = {"state": to, **values_in(target, to, now, changed=changed)}
    if reasons:
        values["reasons"] = list(reasons)
    _move(target.pk, values, state=target.state, generation=target.generation)


def _move(pk: int, values: Mapping[str, Any], *, state: str, generation: int, moves: int = 1) -> None:
    guard = {"state": state, "generation": generation}
    if not guarded_update(TargetRun, pk, values, guard=guard, generations=moves):
        raise Lost


def values_in(target: TargetRun, to: TargetState, now: datetime, *, changed: bool | None = None) -> dict[str, Any]:
    """The columns that follow from a move of a target. The move must be in the table."""
    origin = TargetState(target.state)
    assert to in TARGET_MOVES[origin], f"{origin} > {to} is not a legal move of a target"
    match to:
        case TargetState.DRAINING:
            return {"drained": True, "drained_at": now}
        case TargetState.PENDING:
            return {"engaged": False, "began_at": None, "drained_at": None, **_NOT_ENDED, "changed": None}
        case TargetState.DONE | TargetState.ROLLED_BACK:
            return {"engaged": False, "drained": False, **_ended(now), "changed": bool(changed)}
        case TargetState.SOAKING:
            return {"drained": False}
        case TargetState.STUCK if not target.drained:
            # A device that was never drained is in nobody's way; one that may be drained stays held until released.
            return {**_ended(now), "changed": None, "engaged": origin is not TargetState.BASELINING}
        case TargetState.STUCK:
            return {**_ended(now), "changed": None}
        case TargetState.ROLLING_BACK if origin in {TargetState.DONE, TargetState.SOAKING, TargetState.UNDRAINING}:
            return {"engaged": True, "drained": True, **_NOT_ENDED}
        case _:
            return {}


# What a leg has changed is not what the inventory knows: its facts are collected again as soon as it has ended.
_NOT_ENDED: dict[str, Any] = {"ended_at": None, "look_due_at": None}


def _ended(now: datetime) -> dict[str, Any]:
    return {"ended_at": now, "look_due_at": now}


def walk(target: TargetRun, path: Sequence[TargetState], now: datetime) -> list[TargetState]:
    """Several moves of a target in one guarded UPDATE; returns those that were moves. The row in hand walks along."""
    walked: list[TargetState] = []
    values: dict[str, Any] = {}
    origin, generation = target.state, target.generation
    for state in path:
        if state is not TargetState(target.state):
            values |= {"state": state, **values_in(target, state, now)}
            walked.append(state)
            remember(target, state)
    if walked:
        _move(target.pk, values, state=origin, generation=generation, moves=len(walked))
    return walked


def remember(target: TargetRun, to: TargetState) -> None:
    """Keep the row in hand in step with what was just written."""
    target.generation += 1
    target.drained = {TargetState.DRAINING: True, TargetState.SOAKING: False, TargetState.DONE: False}.get(
        to, target.drained
    )
    target.state = to
