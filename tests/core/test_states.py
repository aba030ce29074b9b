"""The tables of states are closed: everything is reachable, what ends ends, and everything can end."""

from collections.abc import Mapping
from enum import StrEnum

import pytest

from fleet.core import states
from fleet.core.states import ChangeState, StepState, TargetState

TABLES: list[tuple[type[StrEnum], Mapping[StrEnum, frozenset[StrEnum]], StrEnum]] = [
    (ChangeState, states.CHANGE_MOVES, ChangeState.DRAFT),  # type: ignore[list-item]
    (TargetState, states.TARGET_MOVES, TargetState.PENDING),  # type: ignore[list-item]
    (StepState, states.STEP_MOVES, StepState.READY),  # type: ignore[list-item]
]


def reachable(moves: Mapping[StrEnum, frozenset[StrEnum]], start: StrEnum) -> set[StrEnum]:
    seen, left = {start}, [start]
    while left:
        for to in moves[left.pop()] - seen:
            seen.add(to)
            left.append(to)
    return seen


@pytest.mark.parametrize(("enum", "moves", "first"), TABLES, ids=["change", "target", "step"])
def test_a_table_is_closed(enum: type[StrEnum], moves: Mapping[StrEnum, frozenset[StrEnum]], first: StrEnum) -> None:
    assert set(moves) == set(enum), "every state has its row"
    assert reachable(moves, first) == set(enum), "every state can be reached"
    ends = {s for s, to in moves.items() if not to}
    assert ends, "some states end"
    for state in enum:
        assert reachable(moves, state) & ends, f"from {state} no end can be reached"


def test_what_ends_is_what_nothing_leads_out_of() -> None:
    assert {s for s, to in states.CHANGE_MOVES.items() if not to} == states.CHANGE_ENDED
    # A finished target may still be taken back by a rollback of its wave or run, and one that went back because its
    # window had closed begins again in the next; stuck is for good.
    assert {s for s, to in states.TARGET_MOVES.items() if not to} == {TargetState.STUCK} < states.TARGET_ENDED
    assert states.TARGET_MOVES[TargetState.DONE] == {TargetState.ROLLING_BACK}
    for state in states.STEP_FAILED:
        assert not states.STEP_MOVES[state], f"{state}: a failed step is never tried again"


def test_every_target_is_pending_in_flight_or_ended() -> None:
    parts = [frozenset({TargetState.PENDING}), states.TARGET_IN_FLIGHT, states.TARGET_ENDED]
    assert frozenset.union(*parts) == set(TargetState)
    assert sum(len(p) for p in parts) == len(TargetState)


def test_whatever_may_have_been_touched_can_get_stuck_or_be_put_back() -> None:
    """No target is ever without a way out: a person, or the way back."""
    for state in states.TARGET_IN_FLIGHT - {TargetState.BASELINING}:
        assert TargetState.STUCK in states.TARGET_MOVES[state]
        if state is not TargetState.ROLLING_BACK:
            assert TargetState.ROLLING_BACK in states.TARGET_MOVES[state]


def test_nothing_is_undrained_or_done_straight_from_where_it_is_not_verified() -> None:
    """From draining, the only ways on are the proof that it is drained, and back."""
    assert states.TARGET_MOVES[TargetState.DRAINING] == {
        TargetState.DRAINED,
        TargetState.ROLLING_BACK,
        TargetState.STUCK,
    }
    assert TargetState.DONE not in states.TARGET_MOVES[TargetState.ROLLING_BACK]


def test_live_changes_are_the_running_and_the_paused() -> None:
    """The states between start and end: reached from running, and not ended."""
    from_running = reachable(states.CHANGE_MOVES, ChangeState.RUNNING)  # type: ignore[arg-type]
    assert from_running - states.CHANGE_ENDED == states.CHANGE_LIVE


def test_the_phase_of_each_verb_is_a_state_in_flight() -> None:
    for verb in ("baseline", "drain", "verify", "undrain", "soak", "nic", "anything"):
        assert states.phase_of(verb) in states.TARGET_IN_FLIGHT
    assert states.phase_of("nic") is TargetState.APPLYING
