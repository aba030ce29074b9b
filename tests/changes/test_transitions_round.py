"""Guarded moves of the way back and of runs: turning round, leaving to a person, ending."""

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User

from fleet.changes import snapshots, transitions, way_back
from fleet.changes.models import Change, Run
from fleet.changes.transitions import Follow, Note, StepInHand
from fleet.core.states import Control
from tests.changes import builders
from tests.changes.builders import target
from tests.changes.transitions_hands import NOW, SAID, C, S, T, after, claim, done, events, hand_of, run

__all__ = ["run"]
pytestmark = pytest.mark.django_db


# --- turning round -----------------------------------------------------------------------------------------------


def turn(run: Run, name: str, at: datetime, *, admission: int | None = None) -> bool:
    """What the tick does."""
    row = target(run, name)
    steps = list(row.steps.all())
    open_step = next((s for s in steps if s.state in {S.READY, S.CLAIMED} and s.due_at is not None), None)
    back = way_back.rows(row, steps, [way_back.view(s) for s in steps], at)
    return transitions.roll_back(row, open_step, back, SAID, at, admission=admission)


def test_nobody_is_turned_round_while_a_worker_holds_the_step(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW, until="nic", step_s=0)
    assert not turn(run, "bly", after(89))
    assert turn(run, "bly", after(90)), "the lease is over"
    titles = [s.title for s in target(run, "bly").steps.all() if s.back]
    assert titles == ["undo nic", "verify", "undrain igp", "undrain bgp"]


def test_the_worker_of_the_step_that_was_taken_out_of_reach_is_too_late(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW, until="nic", step_s=0)
    row = target(run, "bly")
    late = StepInHand(next(s for s in row.steps.all() if s.state == S.CLAIMED), row, run.revision.change_id)
    assert turn(run, "bly", after(90))
    assert not transitions.write_ahead(late, {"x": 1}, after(91))
    assert not done(late, Follow(T.APPLYING, reach=3), after(91))
    assert target(run, "bly").state == T.ROLLING_BACK


def test_what_was_never_touched_is_rolled_back_at_once(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    hand = hand_of(run, "bly")
    assert claim(hand)
    assert done(hand, Follow(T.BASELINING, reach=1))
    drain = hand_of(run, "bly")
    assert claim(drain)
    assert done(drain, state=S.READY, due_at=after(5))
    assert turn(run, "bly", after(1))
    row = target(run, "bly")
    assert (row.state, row.engaged, row.drained, row.changed) == (T.ROLLED_BACK, False, False, False)
    assert events("target rolled_back") == 1


def test_what_carries_traffic_needs_the_newest_admission_to_be_drained_again(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW)
    read = snapshots.admission_generation()
    builders.begin(run, ["aebi"], NOW)
    assert not turn(run, "bly", NOW, admission=read)
    assert target(run, "bly").state == T.DONE
    assert turn(run, "bly", NOW, admission=read + 1)
    row = target(run, "bly")
    assert (row.state, row.engaged, row.drained) == (T.ROLLING_BACK, True, True)
    assert snapshots.admission_generation() == read + 2


def test_a_device_that_another_change_holds_is_not_taken_back(run: Run, author: User, approver: User) -> None:
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW)
    other = builders.running(author, approver, builders.plan([["bly"]]), NOW)
    builders.begin(other, ["bly"], NOW)
    assert not turn(run, "bly", NOW, admission=snapshots.admission_generation())


def test_left_for_a_person_as_it_is(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW, until="nic", step_s=0)
    row = target(run, "bly")
    step = next(s for s in row.steps.all() if s.state == S.CLAIMED)
    assert not transitions.strand(row, step, SAID, after(1)), "a worker is at it"
    assert transitions.strand(row, step, SAID, after(90))
    row = target(run, "bly")
    assert (row.state, row.engaged, row.drained, row.changed) == (T.STUCK, True, True, None)
    assert not [s for s in row.steps.all() if s.due_at is not None]


@pytest.mark.parametrize("baseline_taken", [False, True])
def test_back_to_pending_begins_again_with_a_new_baseline(run: Run, baseline_taken: bool) -> None:
    builders.begin(run, ["bly"], NOW)
    hand = hand_of(run, "bly")
    assert claim(hand)
    row = target(run, "bly")
    assert not transitions.back_to_pending(row, SAID, after(1)), "a worker is at it"
    if baseline_taken:
        assert done(hand, Follow(T.BASELINING, reach=1))
    assert transitions.back_to_pending(target(run, "bly"), SAID, after(90))
    row = target(run, "bly")
    assert (row.state, row.engaged) == (T.PENDING, False)
    assert {(s.state, s.due_at) for s in row.steps.all()} == {(S.READY, None)}
    builders.begin(run, ["bly"], after(91))
    assert builders.walk(run, "bly", after(91)) > after(91)
    assert target(run, "bly").state == T.DONE


# --- run ----------------------------------------------------------------------------------------------------------


def test_what_was_asked_meanwhile_is_not_overwritten(run: Run) -> None:
    other = Run.objects.select_related("revision").get(pk=run.pk)
    assert transitions.ask(run, Control.ABORT, SAID, NOW)
    assert not transitions.ask(other, Control.PAUSE, SAID, NOW)
    assert builders.control_of(run) is Control.ABORT


def finish(run: Run) -> bool:
    change = run.revision.change
    return transitions.end_run(run, change, C.FAILED, Note("engine", "failed: x"), NOW)


def test_a_run_ends_once(run: Run) -> None:
    other = Run.objects.select_related("revision__change").get(pk=run.pk)
    assert finish(run)
    assert not finish(other)
    assert events("change failed") == 1


def test_a_run_with_something_in_flight_does_not_end(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    assert not finish(run)
    assert Change.objects.get(pk=run.revision.change_id).state == C.RUNNING


@pytest.mark.parametrize("meanwhile", [{"control": Control.ROLLBACK}, {"tolerated": 1}])
def test_a_run_does_not_end_over_what_was_asked_meanwhile(run: Run, meanwhile: dict[str, Any]) -> None:
    Run.objects.filter(pk=run.pk).update(**meanwhile)
    assert not finish(run)


def test_a_run_that_is_still_paused_does_not_succeed(run: Run) -> None:
    change = run.revision.change
    assert transitions.move_change(change, C.PAUSED, SAID, NOW)
    assert not transitions.end_run(run, change, C.SUCCEEDED, SAID, NOW)


def test_release_takes_a_stuck_device_out_of_slipways_hands(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    builders.stuck(run, "bly", NOW)
    row = target(run, "bly")
    assert (row.state, row.engaged, row.drained) == (T.STUCK, True, True)
    assert transitions.release([row, target(run, "aebi")], Note("ann", "new card"), NOW) == 1
    assert transitions.release([row], SAID, NOW) == 0, "once"
    row = target(run, "bly")
    assert (row.state, row.engaged, row.drained, row.released_by) == (T.STUCK, False, False, "ann")
