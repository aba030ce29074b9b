"""A window closes with work left: what is carried to the next one, and what is finished or put back."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from fleet.changes import lifecycle, orchestrate, windows
from fleet.changes.models import (
    Change,
    Overrun,
    Run,
    Schedule,
    TargetRun,
    Window,
)
from fleet.core.states import ChangeState, TargetState
from tests.changes import builders
from tests.changes.test_windows_schedule import NIGHT, NOW, WORST_S, approved, freeze, state, states, window

__all__ = ["approved", "freeze", "window"]  # the fixtures

pytestmark = pytest.mark.django_db


def test_what_does_not_fit_any_more_is_carried_to_the_next_window(
    approved: Callable[..., Change], window: Callable[..., Window], approver: User
) -> None:
    window()
    change = approved(["bly"])
    builders.done(lifecycle.schedule(change, approver, NOW))
    late = NIGHT + timedelta(hours=3, seconds=1 - WORST_S)
    orchestrate.tick(late)
    assert state(change) is ChangeState.SCHEDULED
    assert "carried to the next opening, 2026-01-07 01:00 UTC" in " ".join(Schedule.objects.get().holds)
    orchestrate.tick(NIGHT + timedelta(days=1))
    assert state(change) is ChangeState.RUNNING


def test_a_run_stops_starting_targets_at_the_end_and_goes_on_in_the_next_window(
    approved: Callable[..., Change], window: Callable[..., Window], approver: User
) -> None:
    window()
    change = approved(["bly"], ["aebi"])
    builders.done(lifecycle.schedule(change, approver, NOW))
    orchestrate.tick(NIGHT)
    run = Run.objects.get()
    ended = builders.walk(run, "bly", NIGHT + timedelta(seconds=1))
    assert ended < NIGHT + timedelta(hours=1)
    late = NIGHT + timedelta(hours=2, minutes=50)
    orchestrate.tick(late)
    assert states(change) == {"bly": "done", "aebi": "pending"}
    run.refresh_from_db()
    assert "carried to the next opening, 2026-01-07 01:00 UTC" in run.holds[0]
    orchestrate.tick(NIGHT + timedelta(hours=12))
    run.refresh_from_db()
    assert run.holds == [
        "window nights: found closed, opens 2026-01-07 01:00 UTC, wanted open. It starts by itself then."
    ]
    orchestrate.tick(NIGHT + timedelta(days=1))
    assert states(change)["aebi"] == "baselining"


def test_what_had_begun_untouched_when_the_window_closed_comes_first_in_the_next(
    approved: Callable[..., Change], window: Callable[..., Window], approver: User
) -> None:
    window()
    change = approved(["bly", "aebi", "zug"])
    builders.done(lifecycle.schedule(change, approver, NOW))
    orchestrate.tick(NIGHT)
    begun = sorted(n for n, s in states(change).items() if s == "baselining")
    assert begun == ["aebi", "bly"]  # a budget of two
    TargetRun.objects.filter(name="aebi").update(state=TargetState.DONE, engaged=False)
    orchestrate.tick(NIGHT + timedelta(hours=4))
    assert states(change) == {"aebi": "done", "bly": "pending", "zug": "pending"}
    Run.objects.update(strategy={**Run.objects.get().strategy, "budget": {"total": 1, "per_failure_domain": 1}})
    TargetRun.objects.filter(name="zug").update(name="aaa")  # would come first by name
    orchestrate.tick(NIGHT + timedelta(days=1))
    assert states(change) == {"aebi": "done", "bly": "baselining", "aaa": "pending"}


@pytest.mark.parametrize("policy", ["finish", "roll_back"])
def test_what_is_unfinished_when_the_window_closes(
    policy: str, approved: Callable[..., Change], window: Callable[..., Window], approver: User
) -> None:
    window()
    builders.done(windows.decide_overrun("nic-queues", policy, approver, NOW))
    change = approved(["bly"], ["aebi"])
    builders.done(lifecycle.schedule(change, approver, NOW))
    orchestrate.tick(NIGHT)
    run = Run.objects.get()
    at = builders.walk(run, "bly", NIGHT + timedelta(seconds=1), until="verify")
    hand_end = at + timedelta(hours=4)  # the worker is gone, its lease is over, the window too
    orchestrate.tick(hand_end)
    if policy == "finish":
        assert states(change) == {"bly": "verifying", "aebi": "pending"}
        return
    assert states(change) == {"bly": "rolling_back", "aebi": "pending"}
    assert Overrun.objects.get().target.name == "bly"
    builders.walk(run, "bly", hand_end)
    orchestrate.tick(hand_end + timedelta(minutes=30))
    assert state(change) is ChangeState.RUNNING, "it is no failure: the others go on in the next window"
    assert states(change) == {"bly": "pending", "aebi": "pending"}
    next_night = NIGHT + timedelta(days=1)
    orchestrate.tick(next_night)
    assert states(change) == {"bly": "baselining", "aebi": "pending"}, "what was begun is taken up again, and first"
    at = builders.walk(run, "bly", next_night + timedelta(seconds=1))
    assert states(change)["bly"] == "done"
    orchestrate.tick(at)
    builders.walk(run, "aebi", at + timedelta(seconds=1))
    orchestrate.tick(at + timedelta(minutes=30))
    assert state(change) is ChangeState.SUCCEEDED
    kept = Overrun.objects.get()
    assert kept.resumed_at is not None and "verify" in [s["verb"] for s in kept.steps if not s["back"]]


def test_what_fails_in_the_next_window_is_a_failure(
    approved: Callable[..., Change], window: Callable[..., Window], approver: User
) -> None:
    """That it once went back because its window had closed excuses nothing afterwards."""
    window()
    builders.done(windows.decide_overrun("nic-queues", "roll_back", approver, NOW))
    change = approved(["bly"], ["aebi"])
    builders.done(lifecycle.schedule(change, approver, NOW))
    orchestrate.tick(NIGHT)
    run = Run.objects.get()
    hand_end = builders.walk(run, "bly", NIGHT + timedelta(seconds=1), until="verify") + timedelta(hours=4)
    orchestrate.tick(hand_end)
    builders.walk(run, "bly", hand_end)
    orchestrate.tick(hand_end + timedelta(minutes=30))
    orchestrate.tick(NIGHT + timedelta(days=1))
    TargetRun.objects.filter(name="bly").update(state=TargetState.ROLLED_BACK, engaged=False, changed=False)
    orchestrate.tick(NIGHT + timedelta(days=1, minutes=1))
    assert state(change) is ChangeState.ROLLED_BACK
    assert TargetRun.objects.failing().get().name == "bly"


def test_what_was_approved_holds_when_the_policy_changes_afterwards(
    approved: Callable[..., Change], window: Callable[..., Window], approver: User
) -> None:
    """The way at the end of a window is part of what the digest stands for."""
    window()
    builders.done(windows.decide_overrun("nic-queues", "roll_back", approver, NOW))
    change = approved(["bly"])
    builders.done(lifecycle.schedule(change, approver, NOW))
    orchestrate.tick(NIGHT)
    builders.done(windows.decide_overrun("nic-queues", "finish", approver, NOW))
    run = Run.objects.get()
    at = builders.walk(run, "bly", NIGHT + timedelta(seconds=1), until="verify") + timedelta(hours=4)
    orchestrate.tick(at)
    assert states(change) == {"bly": "rolling_back"}
