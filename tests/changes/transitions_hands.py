"""What tests of guarded moves do as the engine and its workers do: begin, claim, record; times are arguments."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from fleet.changes import transitions
from fleet.changes.models import Event, Run
from fleet.changes.transitions import Follow, Note, Result, StepInHand
from fleet.core.states import ChangeState, StepState, TargetState
from tests.changes import builders
from tests.changes.builders import WORKER, target

NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
SAID = Note("somebody", "said so")
C, S, T = ChangeState, StepState, TargetState


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def run(author: User, approver: User) -> Run:
    """Two routers in one wave, a third in the next."""
    builders.fleet(["bly", "aebi", "dekker"])
    return builders.running(author, approver, builders.plan([["bly", "aebi"], ["dekker"]]), NOW)


def events(kind: str) -> int:
    return Event.objects.filter(kind=kind).count()


def hand_of(run: Run, name: str, *, index: int | None = None) -> StepInHand:
    """What a worker reads: the reached step, or the one with this index."""
    row = target(run, name)
    steps = list(row.steps.all())
    step = next(s for s in steps if (s.index == index if index is not None else s.due_at is not None))
    return StepInHand(step, row, run.revision.change_id)


def claim(hand: StepInHand, at: datetime = NOW, worker: str = WORKER) -> bool:
    return transitions.claim(hand, worker=worker, now=at, lease_s=90.0)


def done(hand: StepInHand, follow: Follow | None = None, at: datetime = NOW, **more: Any) -> bool:
    state = more.pop("state", S.DONE)
    return transitions.record(hand, Result(state, "ended", {}, **more), follow, worker=WORKER, now=at)


def on_the_way_back(run: Run, name: str = "bly") -> StepInHand:
    """A target whose nic step failed, with the first step of its way back in hand."""
    builders.begin(run, [name], NOW)
    builders.walk(run, name, NOW, until="nic")
    builders.fail_step(run, name, NOW, "no")
    return hand_of(run, name)
