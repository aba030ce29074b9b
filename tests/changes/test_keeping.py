"""A step that waits is kept by its worker: its lease begins anew, unless another has it or a person said stop."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from fleet.changes import transitions
from fleet.changes.models import Event, Run, StepRun
from fleet.core.states import Control, StepState
from fleet.core.states import TargetState as T
from tests.changes import builders

NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def run(author: User, approver: User) -> Run:
    builders.fleet(["bly"])
    made = builders.running(author, approver, builders.plan([["bly"]]), NOW)
    builders.begin(made, ["bly"], NOW)
    return made


def keep(hand: transitions.StepInHand, at: datetime, *reasons: str) -> bool:
    return transitions.keep(hand, {"seen": 1}, reasons, now=at, lease_s=90)


def test_what_was_seen_is_written_and_the_lease_begins_anew(run: Run) -> None:
    hand = builders.claim_step(run, "bly", NOW)
    assert keep(hand, after(5))
    row = StepRun.objects.get(pk=hand.row.pk)
    assert (row.state, row.data, row.due_at, row.attempt) == (StepState.CLAIMED, {"seen": 1}, after(95), 1)
    assert (hand.row.due_at, hand.row.generation) == (row.due_at, row.generation), "in step with the row"
    assert not Event.objects.filter(kind="step waits").exists(), "nothing to tell"


def test_new_reasons_are_told_once(run: Run) -> None:
    hand = builders.claim_step(run, "bly", NOW)
    for second, reason in ((5, "2 kpps"), (10, "2 kpps"), (15, "1 kpps")):
        assert keep(hand, after(second), reason)
    told = Event.objects.filter(kind="step waits").order_by("id")
    assert [e.data["reasons"] for e in told] == [["2 kpps"], ["1 kpps"]]


@pytest.mark.parametrize("control", [Control.PAUSE, Control.ABORT, Control.ROLLBACK])
def test_a_stop_refuses_it(run: Run, control: Control) -> None:
    hand = builders.claim_step(run, "bly", NOW)
    Run.objects.update(control=control)
    assert not keep(hand, after(5))
    assert StepRun.objects.get(pk=hand.row.pk).data == {}


def test_the_way_back_goes_on_in_an_abort_and_not_in_a_pause(run: Run) -> None:
    hand = builders.claim_step(run, "bly", NOW)
    hand.row.back = True
    Run.objects.update(control=Control.ABORT)
    assert keep(hand, after(5))
    Run.objects.update(control=Control.PAUSE)
    assert not keep(hand, after(10))


def test_a_claim_that_ran_out_or_was_taken_over_is_not_kept(run: Run) -> None:
    hand = builders.claim_step(run, "bly", NOW)
    late = hand.row.due_at
    assert late is not None
    assert not keep(hand, late), "it ran out"
    other = builders.claim_step(run, "bly", late)
    assert not keep(hand, late - timedelta(seconds=1)), "another has it, whatever this clock says"
    assert keep(other, late + timedelta(seconds=1))


def test_a_target_that_was_turned_round_is_not_kept(run: Run) -> None:
    hand = builders.claim_step(run, "bly", NOW)
    said = transitions.Note("ada", "is broken")
    assert transitions.move_target(builders.target(run, "bly"), T.STUCK, said, NOW)
    assert not keep(hand, after(5))
