"""Each guarded move of changes, targets and steps: what it writes, what it refuses; a race's loser writes nothing."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from fleet.changes import snapshots, transitions
from fleet.changes.models import Change, Event, Run, StepRun, TargetRun
from fleet.changes.transitions import Follow, Result
from fleet.core.states import CHANGE_MOVES, TARGET_MOVES, ChangeState, Control, TargetState
from tests.changes import builders
from tests.changes.builders import WORKER, target
from tests.changes.transitions_hands import (
    NOW,
    SAID,
    C,
    S,
    T,
    after,
    claim,
    done,
    events,
    hand_of,
    on_the_way_back,
    run,
)

__all__ = ["run"]
pytestmark = pytest.mark.django_db


# --- change -------------------------------------------------------------------------------------------------------


def test_a_change_moves_once_and_tells_it_once(author: User) -> None:
    change = builders.draft(author, builders.plan([["bly"]]), NOW)
    other = Change.objects.get(pk=change.pk)
    assert transitions.move_change(change, C.SUBMITTED, SAID, NOW)
    assert not transitions.move_change(other, C.SUBMITTED, SAID, NOW), "read before the other moved it"
    assert events("change submitted") == 1
    assert Change.objects.get(pk=change.pk).generation == change.generation == 1


@pytest.mark.parametrize("origin", list(C))
def test_moves_of_a_change_that_the_table_does_not_have(author: User, origin: ChangeState) -> None:
    change = Change.objects.create(title="t", author=author, created_at=NOW, state=origin)
    for to in set(C) - CHANGE_MOVES[origin]:
        with pytest.raises(AssertionError, match="not a legal move"):
            transitions.move_change(change, to, SAID, NOW)
    assert Event.objects.count() == 0


# --- target -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", list(T))
def test_moves_of_a_target_that_the_table_does_not_have(run: Run, origin: TargetState) -> None:
    row = target(run, "bly")
    row.state = origin
    for to in set(T) - TARGET_MOVES[origin]:
        with pytest.raises(AssertionError, match="not a legal move"):
            transitions.move_target(row, to, SAID, NOW)


def test_a_target_that_moved_meanwhile_is_not_moved_again(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    one, other = target(run, "bly"), target(run, "bly")
    assert transitions.move_target(one, T.DRAINING, SAID, NOW)
    assert not transitions.move_target(other, T.DRAINING, SAID, NOW)
    assert events("target draining") == 1


# --- admit --------------------------------------------------------------------------------------------------------


def admit(run: Run, *names: str, generation: int | None = None) -> bool:
    rows = [target(run, n) for n in names]
    read = snapshots.admission_generation() if generation is None else generation
    return transitions.admit(rows, read, SAID, NOW)


def test_beginning_holds_the_device_and_makes_its_baseline_due(run: Run) -> None:
    assert admit(run, "bly", "aebi")
    row = target(run, "bly")
    assert (row.state, row.engaged, row.drained) == (T.BASELINING, True, False)
    assert [s.due_at for s in row.steps.all()] == [NOW] + [None] * 6
    assert events("target baselining") == 2
    assert target(run, "dekker").state == T.PENDING


def test_a_snapshot_older_than_the_newest_start_starts_nothing(run: Run) -> None:
    read = snapshots.admission_generation()
    assert admit(run, "bly", generation=read)
    assert not admit(run, "aebi", generation=read)
    assert target(run, "aebi").state == T.PENDING
    assert snapshots.admission_generation() == read + 1


def test_all_begin_or_none(run: Run) -> None:
    assert admit(run, "bly")
    read = snapshots.admission_generation()
    assert not admit(run, "aebi", "bly")
    assert target(run, "aebi").state == T.PENDING
    assert snapshots.admission_generation() == read, "nothing is written by the one that loses"


@pytest.mark.parametrize("control", [Control.PAUSE, Control.ABORT, Control.ROLLBACK])
def test_nothing_begins_after_a_stop(run: Run, control: Control) -> None:
    assert transitions.ask(run, control, SAID, NOW)
    assert not admit(run, "bly")


def test_a_device_is_in_one_change_at_a_time(run: Run, author: User, approver: User) -> None:
    assert admit(run, "bly")
    other = builders.running(author, approver, builders.plan([["bly"]]), NOW)
    assert not admit(other, "bly")
    assert target(other, "bly").state == T.PENDING


# --- claim --------------------------------------------------------------------------------------------------------


def test_a_claim_enters_the_phase_of_its_step(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    hand = hand_of(run, "bly")
    assert claim(hand)
    assert done(hand, Follow(T.BASELINING, reach=1))
    drain = hand_of(run, "bly", index=1)
    assert claim(drain)
    row = target(run, "bly")
    assert (row.state, row.drained, row.drained_at) == (T.DRAINING, True, NOW)
    step = StepRun.objects.get(pk=drain.row.pk)
    assert (step.state, step.claimed_by, step.due_at) == (S.CLAIMED, WORKER, after(90))
    assert (drain.row.generation, drain.target.generation) == (step.generation, row.generation), "in step with the rows"


def test_a_step_is_not_claimed_before_it_is_reached_or_due(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    assert not claim(hand_of(run, "bly", index=1))
    assert not claim(hand_of(run, "bly"), after(-1))
    assert events("step claimed") == 0


def test_a_claimed_step_is_nobody_elses_until_its_lease_ends(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    first = hand_of(run, "bly")
    assert claim(first)
    assert not claim(hand_of(run, "bly"), after(89), "worker-2")
    second = hand_of(run, "bly")
    assert claim(second, after(90), "worker-2")
    assert not transitions.write_ahead(first, {"a": 1}, after(91)), "too late to touch the device"
    assert not done(first, Follow(T.BASELINING, reach=1), after(91)), "too late to tell"
    assert done(second, Follow(T.BASELINING, reach=1), after(92))
    assert events("step claimed") == 2
    assert "the lease had expired" in Event.objects.filter(kind="step claimed").latest("id").text


@pytest.mark.parametrize("control", [Control.PAUSE, Control.ABORT, Control.ROLLBACK])
def test_no_worker_starts_a_step_after_a_stop(run: Run, control: Control) -> None:
    builders.begin(run, ["bly"], NOW)
    hand = hand_of(run, "bly")
    assert transitions.ask(run, control, SAID, NOW)
    assert not claim(hand)
    assert StepRun.objects.get(pk=hand.row.pk).state == S.READY


@pytest.mark.parametrize(("control", "may"), [(Control.PAUSE, False), (Control.ABORT, True), (Control.ROLLBACK, True)])
def test_the_way_back_goes_on_after_an_abort_and_stands_still_in_a_pause(run: Run, control: Control, may: bool) -> None:
    hand = on_the_way_back(run)
    assert transitions.ask(run, control, SAID, NOW)
    assert claim(hand, after(60)) is may


def test_a_claim_for_a_target_that_was_turned_round_is_refused(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    hand = hand_of(run, "bly")
    row = target(run, "bly")
    assert transitions.move_target(row, T.STUCK, SAID, NOW)
    assert not claim(hand)


# --- write ahead, record ------------------------------------------------------------------------------------------


def test_what_restores_the_device_is_kept_from_the_first_time(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    hand = hand_of(run, "bly")
    assert claim(hand)
    assert transitions.write_ahead(hand, {"queues": 4}, NOW)
    assert transitions.write_ahead(hand, {"queues": 8}, after(1))
    step = StepRun.objects.get(pk=hand.row.pk)
    assert (step.artifact, step.sent_at) == ({"queues": 4}, NOW)


def test_a_claim_writes_ahead_once_and_not_on_trust_after_its_lease(run: Run, django_assert_num_queries: Any) -> None:
    builders.begin(run, ["bly"], NOW)
    hand = hand_of(run, "bly")
    assert claim(hand)
    assert transitions.write_ahead(hand, {"queues": 4}, NOW)
    with django_assert_num_queries(0):
        assert transitions.write_ahead(hand, None, after(1))
    late = hand.row.due_at
    assert late is not None
    other = hand_of(run, "bly")
    assert claim(other, late)
    assert not transitions.write_ahead(hand, None, late)


def test_a_wait_is_told_once_and_again_when_its_reasons_change(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    for turn, reasons in enumerate([("cold",), ("cold",), ("cold",), ("warm",)]):
        hand = hand_of(run, "bly")
        assert claim(hand, after(turn))
        assert done(hand, state=S.READY, reasons=reasons, due_at=after(turn + 1), at=after(turn))
    assert events("step waits") == 2
    assert events("step claimed") == 1, "a step that waits begins once"


def test_failed_in_traffic_stays_and_says_why(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW, until="soak")
    builders.fail_step(run, "bly", NOW, "drops on eth0")
    row = target(run, "bly")
    assert (row.state, row.drained, row.reasons) == (T.SOAKING, False, ["drops on eth0"])
    assert [t.name for t in TargetRun.objects.filter(run=run).failing()] == ["bly"]


def test_ending_and_beginning_the_next_in_one_go(run: Run) -> None:
    builders.begin(run, ["bly"], NOW)
    first, drain = hand_of(run, "bly"), hand_of(run, "bly", index=1)
    drain.target = first.target
    assert claim(first)
    ended = Result(S.DONE, "done", {"x": 1})
    assert transitions.record_and_claim(first, ended, drain, None, worker=WORKER, now=after(1), lease_s=90.0)
    one, two = StepRun.objects.filter(pk__in=[first.row.pk, drain.row.pk]).order_by("index")
    assert (one.state, one.data, one.due_at, one.ended_at) == (S.DONE, {"x": 1}, None, after(1))
    assert (two.state, two.due_at, two.attempt, two.data) == (S.CLAIMED, after(91), 1, {})
    assert target(run, "bly").state == T.DRAINING
    assert transitions.write_ahead(drain, {"was": 1}, after(2)), "what is in hand is in step with the rows"
    assert done(drain, Follow(T.DRAINED, reach=2, via=T.DRAINED), after(3))


@pytest.mark.parametrize("control", [Control.PAUSE, Control.ABORT])
def test_after_a_stop_the_end_is_told_and_nothing_begins(run: Run, control: Control) -> None:
    builders.begin(run, ["bly"], NOW)
    first, drain = hand_of(run, "bly"), hand_of(run, "bly", index=1)
    drain.target = first.target
    assert claim(first)
    assert transitions.ask(run, control, SAID, NOW)
    before = Event.objects.count()
    ended = Result(S.DONE, "done", {})
    assert not transitions.record_and_claim(first, ended, drain, None, worker=WORKER, now=NOW, lease_s=90.0)
    assert Event.objects.count() == before
    assert StepRun.objects.get(pk=first.row.pk).state == S.CLAIMED, "nothing was written"
    assert done(first, Follow(T.BASELINING, reach=1))
