"""Short waits on the open connection, and when a target of a shard may be sent to a worker again."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.changes import dispatch, legs, transitions
from fleet.changes.lazy_session import LazySession
from fleet.changes.models import StepRun
from fleet.core.states import StepState
from playbooks import transport
from playbooks.engine import Outcome, OutcomeKind

NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
HARD_S = 10.0


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(legs, "time", SimpleNamespace(sleep=found.append))
    return found


def waiting(after_s: float, *, verb: str = "drain", state: StepState = StepState.READY) -> tuple[StepRun, Outcome]:
    row = StepRun(verb=verb, state=state, due_at=NOW + timedelta(seconds=after_s))
    return row, Outcome(OutcomeKind.WAIT, after_s=after_s)


def test_a_short_wait_is_waited_until_the_row_is_due(slept: list[float]) -> None:
    assert legs._stayed(*waiting(1.0), NOW)
    assert slept == [pytest.approx(1.0, abs=0.01)]
    assert slept[0] > 1.0


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(waiting(5.0), id="a long wait"),
        pytest.param(waiting(1.0, state=StepState.CLAIMED), id="a claim that was lost"),
        pytest.param((waiting(1.0)[0], Outcome(OutcomeKind.RETRY, after_s=1.0)), id="a device that is not reached"),
    ],
)
def test_what_is_left_to_the_row(slept: list[float], case: tuple[StepRun, Outcome]) -> None:
    assert not legs._stayed(*case, NOW)
    assert slept == []


def test_a_leg_that_has_gone_on_for_long_stays_no_more(slept: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    visits = 0

    def conclude(job: Any, hand: Any, *_: Any, **__: Any) -> tuple[None, bool]:
        nonlocal visits
        visits += 1
        return None, False

    row, outcome = waiting(1.0)
    row.due_at = NOW
    job: Any = SimpleNamespace(reached=lambda at: row, target=None, change_id=1, device=None)
    monkeypatch.setattr(transitions, "claim", lambda *_, **__: True)
    monkeypatch.setattr(legs, "_visit", lambda *_, **__: outcome)
    monkeypatch.setattr(legs, "_conclude", conclude)
    legs.run_leg(job, worker="w", now=lambda: NOW + timedelta(seconds=10 * visits))
    assert visits == 4  # at 10, 20 and 30 s it stays, at 40 s it is left to the row


@pytest.mark.parametrize(("verb", "renewed"), [("routing", 3), ("drain", 0)])
def test_a_step_that_proves_that_it_can_be_reached_is_looked_at_again_over_a_new_connection_by_the_same_leg(
    verb: str, renewed: int, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    new, visits = list[int](), list[int]()

    def conclude(job: Any, hand: Any, outcome: Any, session: Any, **_: Any) -> tuple[None, bool]:
        visits.append(len(new))
        return None, False

    row, outcome = waiting(1.0, verb=verb)
    row.due_at = NOW
    job: Any = SimpleNamespace(reached=lambda at: row, target=None, change_id=1, device=None)
    monkeypatch.setattr(transitions, "claim", lambda *_, **__: True)
    monkeypatch.setattr(legs, "_visit", lambda *_, **__: outcome)
    monkeypatch.setattr(legs, "_conclude", conclude)
    monkeypatch.setattr(LazySession, "renew", lambda self: new.append(1))
    legs.run_leg(job, worker="w", now=lambda: NOW + timedelta(seconds=10 * len(visits)))
    assert visits == [min(n, renewed) for n in range(4)]


def test_a_session_that_is_renewed_closes_what_it_had_and_opens_nothing_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = list[Any]()

    def leg_session(device: Any) -> Any:
        if not opened or opened[-1].closed:
            held = SimpleNamespace(closed=False, run=lambda *_, **__: None, address=f"192.0.2.{len(opened)}")
            held.close = lambda: setattr(held, "closed", True)
            opened.append(held)
        return opened[-1]

    monkeypatch.setattr(transport, "leg_session", leg_session)
    device: Any = None
    session = LazySession(device)
    session.renew()
    assert opened == [] and session.address == ""
    session.run(["true"])
    session.renew()
    assert [one.closed for one in opened] == [True]
    session.run(["true"])
    assert [one.closed for one in opened] == [True, False]
    assert session.address == "192.0.2.1", "a confirmation has to come over the address of the change"


@pytest.fixture
def shards(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Any]]:
    """Shards that begin and go on as the test says; `shards(n)` is the n-th: `ids`, `ended(id)`, `land()`."""
    begun: list[Any] = []
    more = threading.Condition()

    def run_shard(ids: list[int], *, worker: str, ended: Callable[[int], None]) -> None:
        land = threading.Event()
        with more:
            begun.append(SimpleNamespace(ids=ids, ended=ended, land=land.set))
            more.notify_all()
        land.wait(HARD_S)

    def number(n: int) -> Any:
        with more:
            assert more.wait_for(lambda: len(begun) > n, HARD_S), f"shard {n} has not begun"
            return begun[n]

    monkeypatch.setattr(legs, "run_shard", run_shard)
    monkeypatch.setattr(dispatch, "connection", SimpleNamespace(close=lambda: None))
    yield number
    for shard in begun:
        shard.land()
    dispatch.wait_idle()
    assert dispatch._flying == set()


def test_a_target_whose_leg_has_ended_is_sent_again_while_others_of_its_shard_go(shards: Callable[[int], Any]) -> None:
    dispatch._start_inline([1, 2])
    first = shards(0)
    dispatch._start_inline([1, 2])  # both are under way: nobody is sent twice
    dispatch.doorbell.clear()
    first.ended(1)
    assert dispatch.doorbell.is_set()
    dispatch._start_inline([1, 2])
    assert shards(1).ids == [1]


def test_a_shard_that_lands_does_not_free_what_was_sent_again(shards: Callable[[int], Any]) -> None:
    dispatch._start_inline([1, 2])
    shards(0).ended(1)
    dispatch._start_inline([1])
    second = shards(1)
    dispatch.doorbell.clear()
    shards(0).land()
    assert dispatch.doorbell.wait(HARD_S)
    assert dispatch._flying == {1}
    assert second.ids == [1]
