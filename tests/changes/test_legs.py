"""A leg by itself: what it reads, what it hands to drivers, and that it obeys a stop between two steps."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from fleet.changes import legs, lifecycle, transitions
from fleet.changes.models import Event, StepRun, TargetRun
from fleet.core.model import CheckSpec, Reason
from fleet.core.states import Control, StepState
from inventory import models as inventory
from playbooks.base import DeviceError, HostKeyRefused, LoginRefused, Unreachable
from playbooks.engine import perform as engine_perform
from tests.changes import real_engine
from tests.changes.real_engine import RealEngine
from tests.changes.test_orchestrate import TOPOLOGY, ended, go, start, strategy
from tests.core.fleets import REBOOT
from tests.core.model_devices import Scripted

pytestmark = pytest.mark.django_db


@pytest.fixture
def engine(author: User, approver: User) -> RealEngine:
    real_engine.load_inventory(TOPOLOGY)
    return real_engine.engine_on(TOPOLOGY, author, approver)


def job_of(name: str) -> legs.Job:
    (job,) = legs.load_jobs([TargetRun.objects.get(name=name).pk])
    return job


def step_of(job: legs.Job, verb: str, *, back: bool = False) -> StepRun:
    return next(s for s in job.steps if s.verb == verb and s.back is back)


@pytest.mark.parametrize("stop", [lifecycle.pause, lifecycle.abort, lifecycle.roll_back])
def test_a_stop_while_a_worker_is_at_a_device_ends_the_leg_after_this_step(
    engine: RealEngine, author: User, stop: Callable[..., object]
) -> None:
    run = start(engine, strategy(), ("bly",))
    engine.during_act = lambda: stop(run.revision.change, author, engine.now)
    go(engine, rounds=1)
    begun = [e.text for e in Event.objects.filter(kind="step claimed")]
    assert begun == ["bly: baseline begins", "bly: drain begins"], "the drain was under way; nothing began after it"


def test_a_worker_that_was_overtaken_records_nothing(engine: RealEngine) -> None:
    run = start(engine, strategy(), ("bly",))
    go(engine, until="bly: drain begins")

    def meanwhile() -> None:
        engine.seconds += 100.0  # beyond the lease
        go(engine, rounds=3)

    engine.during_act = meanwhile
    go(engine)
    assert ended(run) == "succeeded: 1 done"
    assert Event.objects.filter(text="bly: done").count() == 1
    assert sum(engine.devices["bly"].rebooted.values()) == 1
    assert not engine.devices["bly"].wrongs


@pytest.mark.parametrize(("late_s", "sent"), [(73.0, True), (74.5, False), (89.0, False)])
def test_with_too_little_of_the_lease_left_nothing_is_sent_and_the_step_is_handed_back(
    engine: RealEngine, monkeypatch: pytest.MonkeyPatch, late_s: float, sent: bool
) -> None:
    run = start(engine, strategy(), ("bly",))
    performed, claim = list[tuple[str, float]](), transitions.record_and_claim

    def slow_claim(hand: Any, result: Any, following: Any, *args: Any, **more: Any) -> bool:
        won = claim(hand, result, following, *args, **more)
        engine.seconds += late_s if following.row.verb == "drain" else 0.0
        return won

    def perform(driver: Any, session: Any, step: Any, **more: Any) -> Any:
        performed.append((driver.verb, more["deadline_s"]))
        return engine_perform(driver, session, step, **more)

    monkeypatch.setattr(transitions, "record_and_claim", slow_claim)
    monkeypatch.setattr(legs, "perform", perform)
    go(engine, until="bly: drain begins")
    drained = [left for verb, left in performed if verb == "drain"]
    if sent:
        assert drained and drained[0] == pytest.approx(2.0), "what is left, no more"
        return
    row = StepRun.objects.get(verb="drain", back=False)
    assert not drained and row.sent_at is None and row.state == StepState.READY
    assert "in which something may be sent" in row.reasons[0]
    go(engine)
    assert ended(run) == "succeeded: 1 done" and [v for v, _ in performed if v == "drain"], "claimed anew and done"


@override_settings(SLIPWAY_LEASE_SECONDS=6.0)
def test_a_short_lease_keeps_two_thirds_for_work(engine: RealEngine) -> None:
    run = start(engine, strategy(), ("bly",))
    go(engine)
    assert ended(run) == "succeeded: 1 done"


def test_targets_that_have_ended_meanwhile_are_left_out(engine: RealEngine) -> None:
    start(engine, strategy(), ("bly", "aebi"))
    go(engine, until="aebi: drain begins")
    ids = list(TargetRun.objects.values_list("pk", flat=True))
    assert [j.target.name for j in legs.load_jobs(ids)] == ["aebi"]


def test_a_driver_is_told_who_else_is_drained(engine: RealEngine) -> None:
    start(engine, strategy(total=2, first=2), ("bly", "lang"), REBOOT)
    go(engine, rounds=2)
    job = job_of("bly")
    others = TargetRun.objects.filter(drained=True).exclude(name="bly").values_list("router__router_id", flat=True)
    assert job.drained_elsewhere == tuple(sorted(others)) != ()
    assert legs.as_value(job, step_of(job, "drain"), engine.now).budget_total == 2


def test_on_the_way_back_the_device_is_compared_with_how_it_was(engine: RealEngine) -> None:
    start(engine, strategy(), ("bly",), ("baseline", "drain", "kernel", "verify", "undrain"))
    device = inventory.Router.objects.devices(["bly"])["bly"]
    engine.devices["bly"].faults.append("makes it worse")
    go(engine, until="bly: verify did not succeed")
    row = TargetRun.objects.with_steps().get(name="bly")
    job = legs.Job(row, list(row.steps.all()), device, 1, (CheckSpec("kernel", "6.1"),), 1, ())
    forward = legs.as_value(job, step_of(job, "verify"), engine.now)
    back = legs.as_value(job, step_of(job, "verify", back=True), engine.now)
    assert [c.expect for c in forward.checks] == ["6.1"]
    assert [c.expect for c in back.checks] == [None]
    undo = legs.as_value(job, step_of(job, "kernel", back=True), engine.now)
    assert undo.artifact == step_of(job, "kernel").artifact == {"was": []}
    assert undo.drain_artifact == step_of(job, "drain").artifact


def test_facts_are_looked_at_before_the_drain_and_all_that_moved_is_named(engine: RealEngine) -> None:
    run = start(engine, strategy(), ("bly",), ("baseline", "drain", "sysctl", "nic", "verify", "undrain"))
    engine.devices["bly"].faults += ["drift", "impossible"]
    go(engine)
    run.refresh_from_db()
    assert run.control == Control.PAUSE
    assert "facts that moved" in run.control_reason and "impossible" in run.control_reason
    assert not StepRun.objects.exclude(sent_at=None).exists(), "nothing was touched"
    assert StepRun.objects.get(verb="baseline").state == StepState.READY


@pytest.mark.parametrize("error", [Unreachable, LoginRefused, HostKeyRefused])
def test_a_device_that_lets_nobody_in_before_the_first_touch_is_stuck_as_it_was_and_held_by_nobody(
    engine: RealEngine, monkeypatch: pytest.MonkeyPatch, error: type[DeviceError]
) -> None:
    """The same answer whatever keeps it from being measured; what does not answer is asked until its time is over."""
    why = Reason("bly", "nobody in", "a session", "Look at its credential.")

    def refusing(self: Scripted, step: Any) -> Any:
        raise error(why)

    monkeypatch.setattr(Scripted, "_reached", refusing)
    run = start(engine, strategy(), ("bly", "aebi"))
    go(engine)
    assert ended(run) == "failed: 1 stuck, 1 never started"
    bly = TargetRun.objects.get(name="bly")
    assert (bly.state, bly.engaged, bly.drained) == ("stuck", False, False), "in no budget, nothing to release"
    assert bly.reasons[0] == str(why)
    assert not StepRun.objects.exclude(sent_at=None).exists(), "nothing was touched"
