"""Eight threads racing for one move: one winner, one event. On both databases; PostgreSQL is where they truly meet."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection

from fleet.changes import dispatch, lifecycle, orchestrate, seals, snapshots, transitions, way_back
from fleet.changes.models import Change, Event, EventSeal, Run, StepRun, TargetRun
from fleet.changes.transitions import Note, Result, StepInHand
from fleet.core.model import Budget, Plan
from fleet.core.states import TARGET_IN_FLIGHT, ChangeState, Control, StepState, TargetState
from tests.changes import builders
from tests.changes.builders import target

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
SAID = Note("somebody", "said so")
THREADS = 8
NAMES = ["bly", "aebi", "dekker", "tarbell"]
S, T = StepState, TargetState


@pytest.fixture
def people(author: User, approver: User) -> tuple[User, User]:
    builders.fleet(NAMES)
    return author, approver


def running(people: tuple[User, User], *names: str, budget: Budget = Budget(1, 1)) -> Run:  # noqa: B008
    plan = builders.plan([list(names)])
    return builders.running(*people, with_budget(plan, budget), NOW)


def with_budget(plan: Plan, budget: Budget) -> Plan:
    return replace(plan, strategy=replace(plan.strategy, budget=budget))


def race(*entries: Callable[[], Callable[[], Any]], times: int = THREADS) -> list[Any]:
    """Each thread prepares (reads its rows), all wait for each other, then all act. Returns what each act returned."""
    starts = [entries[n % len(entries)] for n in range(times)]
    results: list[Any] = [None] * len(starts)
    gate = threading.Barrier(len(starts))

    def run(place: int) -> None:
        try:
            act = starts[place]()
            gate.wait(20)
            results[place] = act()
        except Exception as error:
            results[place] = error
            gate.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(starts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    errors = [r for r in results if isinstance(r, Exception)]
    assert not errors, errors
    return results


def events(kind: str) -> int:
    return Event.objects.filter(kind=kind).count()


def claimer(run: Run, name: str, at: datetime = NOW) -> Callable[[], Callable[[], bool]]:
    def prepare() -> Callable[[], bool]:
        row = target(run, name)
        step = next(s for s in row.steps.all() if s.due_at is not None)
        hand = StepInHand(step, row, run.revision.change_id)
        return lambda: transitions.claim(hand, worker=threading.current_thread().name, now=at, lease_s=90.0)

    return prepare


def turner(run: Run, name: str, at: datetime) -> Callable[[], Callable[[], bool]]:
    def prepare() -> Callable[[], bool]:
        row = target(run, name)
        steps: Sequence[StepRun] = list(row.steps.all())
        step = next((s for s in steps if s.due_at is not None), None)
        back = way_back.rows(row, steps, [way_back.view(s) for s in steps], at)
        return lambda: transitions.roll_back(row, step, back, SAID, at)

    return prepare


def test_one_claim_wins(people: tuple[User, User]) -> None:
    run = running(people, "bly")
    builders.begin(run, ["bly"], NOW)
    assert sorted(race(claimer(run, "bly"))) == [False] * (THREADS - 1) + [True]
    assert events("step claimed") == 1
    assert StepRun.objects.get(state=S.CLAIMED).attempt == 1


def test_one_claim_of_a_step_whose_worker_died_wins(people: tuple[User, User]) -> None:
    run = running(people, "bly")
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW, until="nic", step_s=0)
    assert sum(race(claimer(run, "bly", NOW + timedelta(seconds=90)))) == 1
    assert events("step claimed") == 4


def test_one_move_of_a_target_wins(people: tuple[User, User]) -> None:
    run = running(people, "bly")
    builders.begin(run, ["bly"], NOW)

    def prepare() -> Callable[[], bool]:
        row = target(run, "bly")
        return lambda: transitions.move_target(row, T.DRAINING, SAID, NOW)

    assert sum(race(prepare)) == 1
    assert events("target draining") == 1


def test_one_move_of_a_change_wins(people: tuple[User, User]) -> None:
    change = builders.draft(people[0], builders.plan([["bly"]]), NOW)

    def prepare() -> Callable[[], bool]:
        row = Change.objects.get(pk=change.pk)
        return lambda: transitions.move_change(row, ChangeState.SUBMITTED, SAID, NOW)

    assert sum(race(prepare)) == 1
    assert events("change submitted") == 1


def test_one_approval_starts_one_run(people: tuple[User, User]) -> None:
    change = builders.approved(*people, builders.plan([["bly"]]), NOW)

    def prepare() -> Callable[[], bool]:
        row = Change.objects.get(pk=change.pk)
        return lambda: lifecycle.start(row, people[0], NOW) == ()

    assert sum(race(prepare)) == 1
    assert Run.objects.count() == 1
    assert events("change running") == 1


def test_two_changes_compete_for_the_last_of_the_budget(people: tuple[User, User]) -> None:
    runs = [running(people, "bly"), running(people, "aebi")]

    def ticking(run: Run) -> Callable[[], Callable[[], int]]:
        def prepare() -> Callable[[], int]:
            seen = Run.objects.select_related("revision__change").get(pk=run.pk)
            loaded = snapshots.load(seen, NOW)
            admitted = [target(run, t.name) for t in loaded.run.targets]
            return lambda: transitions.admit(admitted, loaded.admission, SAID, NOW)

        return prepare

    assert sum(race(*(ticking(r) for r in runs))) == 1
    assert TargetRun.objects.in_flight().count() == 1
    assert events("target baselining") == 1


def test_two_changes_compete_for_one_device(people: tuple[User, User]) -> None:
    """Each with an admission of its own: the database itself lets one in."""
    runs = [running(people, "bly"), running(people, "bly")]
    read = snapshots.admission_generation()

    def beginning(run: Run, generation: int) -> Callable[[], Callable[[], bool]]:
        def prepare() -> Callable[[], bool]:
            row = target(run, "bly")
            return lambda: transitions.admit([row], generation, SAID, NOW)

        return prepare

    race(beginning(runs[0], read), beginning(runs[1], read + 1))
    assert TargetRun.objects.filter(engaged=True).count() == 1
    assert events("target baselining") == 1


def test_a_claim_and_a_turn_round_meet(people: tuple[User, User]) -> None:
    """Either a worker has the step and the target goes on, or it is turned round and nobody has the step."""
    run = running(people, "bly")
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW, until="nic", step_s=0)
    later = NOW + timedelta(seconds=90)
    outcomes = race(claimer(run, "bly", later), turner(run, "bly", later))
    assert sum(outcomes) == 1
    row = target(run, "bly")
    forward = [s for s in row.steps.all() if s.due_at is not None and not s.back]
    if row.state == T.ROLLING_BACK:
        assert not forward
        assert [s.index for s in row.steps.all() if s.due_at is not None] == [7]
    else:
        assert row.state == T.APPLYING
        assert [s.state for s in forward] == [S.CLAIMED]


def test_a_worker_that_tells_and_a_turn_round_meet(people: tuple[User, User]) -> None:
    """The lease is over, the worker was only slow: one of the two is told."""
    run = running(people, "bly")
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW, until="nic", step_s=0)
    later = NOW + timedelta(seconds=90)

    def telling() -> Callable[[], bool]:
        row = target(run, "bly")
        step = next(s for s in row.steps.all() if s.state == S.CLAIMED)
        upcoming = next(s for s in row.steps.all() if s.index == step.index + 1)
        hand = StepInHand(step, row, run.revision.change_id)
        ahead = StepInHand(upcoming, row, run.revision.change_id)
        ended = Result(S.DONE, "done", {}, changed=True)
        return lambda: transitions.record_and_claim(hand, ended, ahead, None, worker="slow", now=later, lease_s=90.0)

    assert sum(race(telling, turner(run, "bly", later))) == 1
    row = target(run, "bly")
    due = [s for s in row.steps.all() if s.due_at is not None]
    assert len(due) == 1
    assert due[0].back is (row.state == T.ROLLING_BACK)
    assert events("step done") == (3 if row.state == T.VERIFYING else 2)


def test_an_end_and_a_stop_meet(people: tuple[User, User]) -> None:
    run = running(people, "bly")
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW)

    def ending() -> Callable[[], bool]:
        row = Run.objects.select_related("revision__change").get(pk=run.pk)
        change = row.revision.change
        return lambda: transitions.end_run(row, change, ChangeState.SUCCEEDED, SAID, NOW)

    def stopping() -> Callable[[], bool]:
        row = Run.objects.select_related("revision").get(pk=run.pk)
        return lambda: transitions.ask(row, Control.ROLLBACK, SAID, NOW)

    race(ending, stopping)
    row = Run.objects.select_related("revision__change").get(pk=run.pk)
    ended, asked = row.ended_at is not None, row.control == Control.ROLLBACK
    assert ended is not asked, "either it was over before anybody asked, or it goes on and obeys"
    assert events("change succeeded") == ended
    assert events("run rollback") == asked


def test_many_sealers_make_one_chain(people: tuple[User, User]) -> None:
    change = builders.draft(people[0], builders.plan([["bly"]]), NOW)
    builders.events(change, 200, NOW)
    race(lambda: lambda: seals.seal(change.pk))
    assert seals.verify(change) == seals.Verified(200)
    assert EventSeal.objects.count() == 200


def test_ticks_and_workers_all_at_once(people: tuple[User, User], monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight loops, each ticking and walking legs, over two changes: as if there had been one."""
    runs = [running(people, "bly", "aebi", "dekker", budget=Budget(2, 1)), running(people, "dekker", "tarbell")]
    monkeypatch.setattr(dispatch, "send", lambda ids: None)
    drained: list[list[int]] = []

    def walk(at: datetime) -> None:
        for row in TargetRun.objects.filter(state__in=TARGET_IN_FLIGHT).select_related("run__revision").with_steps():
            step = next((s for s in row.steps.all() if s.state == S.READY and s.due_at is not None), None)
            hand = StepInHand(step, row, row.run.revision.change_id) if step else None
            if hand and transitions.claim(hand, worker=threading.current_thread().name, now=at, lease_s=90.0):
                builders.end_step(hand, at)
            drained.append(list(TargetRun.objects.filter(drained=True).values_list("run_id", flat=True)))

    def loop() -> Callable[[], None]:
        def turns() -> None:
            at = NOW
            for _ in range(400):
                at += timedelta(seconds=1)
                try:
                    for run in Run.objects.live().select_related("revision__change"):
                        orchestrate.tick_run(run, at)
                    walk(at)
                except OperationalError:
                    continue  # a deadlock, a full lock queue: the next round does it again
                if not Run.objects.live().exists():
                    return

        return turns

    race(loop)
    for run in runs:
        run.refresh_from_db()
        assert run.outcome.startswith("succeeded"), (run.outcome, run.holds, [str(t) for t in run.targets.all()])
    assert all(len(seen) <= (1 if runs[1].pk in seen else 2) for seen in drained), "each keeps its budget over both"
    for kind in ("target done", "target draining", "target baselining"):
        assert events(kind) == 5, kind
    assert events("change succeeded") == 2
