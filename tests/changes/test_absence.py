"""No tick for long, as after a restore: what was going forward holds and says why; the rest goes on."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from fleet.changes import lifecycle, orchestrate, transitions
from fleet.changes.models import Event, Run
from fleet.core.states import ChangeState, Control, StepState
from tests.changes import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 9, 21, 3, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def a_quarter_of_an_hour(settings: Any) -> None:
    settings.SLIPWAY_AWAY_SECONDS = 900.0


@pytest.fixture
def run(author: User, approver: User) -> Run:
    """One router under way; the last tick was a moment ago."""
    builders.fleet(["bly", "aebi"])
    made = builders.running(author, approver, builders.plan([["bly"], ["aebi"]]), NOW)
    orchestrate.tick(NOW + timedelta(seconds=1))
    return made


def test_after_an_hour_without_a_tick_it_holds_and_says_why(run: Run) -> None:
    orchestrate.tick(NOW + HOUR)
    run.refresh_from_db()
    assert (run.control, run.revision.change.state) == (Control.PAUSE, ChangeState.PAUSED)
    assert "no tick of the engine from 2026-09-21 03:00:01" in run.control_reason
    assert Event.objects.filter(change=run.revision.change, kind="run pause", actor="engine").count() == 1
    hand = transitions.StepInHand(run.targets.get(name="bly").steps.get(index=0), run.targets.get(name="bly"), 0)
    assert not transitions.claim(hand, worker="w", now=NOW + HOUR, lease_s=90)
    assert hand.row.state == StepState.READY


def test_it_is_held_once_and_goes_on_when_somebody_says_so(run: Run, author: User) -> None:
    orchestrate.tick(NOW + HOUR)
    change = run.revision.change
    change.refresh_from_db()
    assert lifecycle.resume(change, author, NOW + HOUR) == ()
    for second in (1, 3):
        orchestrate.tick(NOW + HOUR + timedelta(seconds=second))
    assert builders.control_of(run) == Control.NONE


def test_what_began_since_or_goes_back_is_not_held(run: Run, author: User, approver: User) -> None:
    assert lifecycle.abort(run.revision.change, author, NOW) == ()
    builders.fleet(["lang"])
    later = builders.running(author, approver, builders.plan([["lang"]]), NOW + HOUR - timedelta(minutes=1))
    orchestrate.tick(NOW + HOUR)
    assert (builders.control_of(run), builders.control_of(later)) == (Control.ABORT, Control.NONE)


def test_a_short_absence_and_the_setting_zero_hold_nothing(run: Run, settings: Any) -> None:
    orchestrate.tick(NOW + timedelta(minutes=10))
    assert builders.control_of(run) == Control.NONE
    settings.SLIPWAY_AWAY_SECONDS = 0
    orchestrate.tick(NOW + 10 * HOUR)
    assert builders.control_of(run) == Control.NONE
