"""What a drain asks again and what it takes from the look a moment ago, counted in round trips."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from fleet.changes import lazy_session
from fleet.changes.lazy_session import LazySession
from playbooks.drain import fresh
from playbooks.drain.driver import Drain
from playbooks.drain.look import look, look_before
from playbooks.drain.state import State
from playbooks.engine import OutcomeKind
from tests.playbooks.scripted import Scripted, visits
from tests.playbooks.test_drain_bird import BIRD, BIRD_FILE, BIRD_MEASURED, bird
from tests.playbooks.test_drain_driver import drain_step

STEP = drain_step(device=BIRD, baseline=BIRD_MEASURED)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """The router; the session of a leg reaches it."""
    scripted = bird()
    monkeypatch.setattr(lazy_session, "transport", SimpleNamespace(leg_session=lambda device: scripted))
    return scripted


@pytest.fixture
def session(device: Scripted) -> LazySession:
    return LazySession(device.device)


def asked(device: Scripted, session: Any, act: Any) -> int:
    before = device.round_trips
    act(session, STEP)
    return device.round_trips - before


def test_the_names_of_protocols_are_asked_for_once_a_session(device: Scripted, session: LazySession) -> None:
    assert [asked(device, session, look) for _ in range(3)] == [2, 1, 1]


def test_a_look_before_an_act_is_the_one_of_a_moment_ago(device: Scripted, session: LazySession) -> None:
    seen = look(session, STEP)
    assert asked(device, session, look_before) == 0
    assert look_before(session, STEP) == seen and isinstance(seen[0], State)


def test_anything_that_was_asked_or_sent_since_makes_it_old(device: Scripted, session: LazySession) -> None:
    look(session, STEP)
    session.put(BIRD_FILE, "define SLIPWAY_DRAIN_BGP = true;\ndefine SLIPWAY_EXTRA_COST = 7;\n")
    assert asked(device, session, look_before) == 1
    session._held = None
    session.renew()
    assert asked(device, session, look_before) == 1


def test_time_makes_it_old(device: Scripted, session: LazySession, monkeypatch: pytest.MonkeyPatch) -> None:
    look(session, STEP)
    later = time.monotonic() + fresh.FRESH_S + 0.1
    monkeypatch.setattr(lazy_session, "time", SimpleNamespace(monotonic=lambda: later))
    assert asked(device, session, look_before) == 1


def test_a_protocol_that_has_another_name_now_is_found(device: Scripted, session: LazySession) -> None:
    session.remember(fresh.ASKED, {"state:gone": ["birdc", "show", "ospf", "state", "gone"]})
    state, answers = look(session, STEP)
    assert isinstance(state, State) and state.stub_routers is not None
    assert "state:gone" not in answers and "state:ospf4" in answers


def test_a_drain_over_such_a_session_asks_half_as_often(device: Scripted, session: LazySession) -> None:
    outcome, _ = visits(Drain(), session, STEP)  # type: ignore[arg-type]
    assert outcome.kind is OutcomeKind.DONE, outcome
    less, drained = device.round_trips, device.files[BIRD_FILE]
    plain = bird()
    assert visits(Drain(), plain, STEP)[0].kind is OutcomeKind.DONE
    assert plain.files[BIRD_FILE] == drained and less <= 0.65 * plain.round_trips, (less, plain.round_trips)
