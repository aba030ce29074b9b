"""One target: what follows after each step, and the way back as it is derived from what was touched."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.model import Reversibility
from fleet.core.states import STEP_FAILED, StepState, TargetState, phase_of
from fleet.core.target import AfterStep, BackStep, StepView, Then, after_step, can_roll_back, way_back
from tests.core.fleets import REBOOT, SYSCTL, kind_of

T, S = TargetState, StepState
KERNEL = ("baseline", "drain", "kernel", "nic", "verify", "undrain", "undrain", "verify", "soak")
ONE_WAY = ("baseline", "drain", "firmware", "verify", "undrain")
LOOKS = {"baseline", "verify", "soak"}


def walked(verbs: Sequence[str], at: int, state: StepState = S.DONE, *, sent: bool = True) -> list[StepView]:
    """A target that did its steps up to `at`, which ended in this state; `sent`: whether that one was sent."""
    steps = []
    for index, verb in enumerate(verbs):
        reversibility, disruptive = kind_of(verb)
        acts = verb not in LOOKS
        step_state = S.DONE if index < at else state if index == at else S.READY
        was_sent = acts and (index < at or (index == at and sent))
        view = StepView(index, verb, phase_of(verb), step_state, acts, disruptive, reversibility, sent=was_sent)
        steps.append(replace(view, changed=was_sent))
    return steps


def back(verbs: Sequence[str], at: int, *, sent: bool = True) -> list[str]:
    """The way back in words: "undo nic", "verify"."""
    return [f"undo {b.verb}" if b.undoes is not None else b.verb for b in way_back(walked(verbs, at, sent=sent))]


# --- the way back -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verbs", "at", "wanted"),
    [
        (REBOOT, 0, []),
        (REBOOT, 1, ["verify", "undrain"]),
        (REBOOT, 2, ["verify", "undrain"]),  # a reboot has nothing to undo; it is verified before traffic returns
        (REBOOT, 3, ["verify", "undrain"]),
        (REBOOT, 4, ["drain", "verify", "undrain"]),  # traffic may be back
        (REBOOT, 6, ["drain", "verify", "undrain"]),
        (KERNEL, 3, ["undo nic", "undo kernel", "verify", "undrain", "undrain"]),
        (KERNEL, 5, ["drain", "undo nic", "undo kernel", "verify", "undrain", "undrain"]),
        (SYSCTL, 1, ["undo sysctl", "verify"]),
        (SYSCTL, 3, ["undo sysctl", "verify"]),
    ],
)
def test_the_way_back_by_example(verbs: Sequence[str], at: int, wanted: list[str]) -> None:
    assert back(verbs, at) == wanted


def test_what_was_never_sent_is_not_undone() -> None:
    assert back(REBOOT, 1, sent=False) == []
    assert back(KERNEL, 2, sent=False) == ["verify", "undrain", "undrain"]
    assert back(KERNEL, 3, sent=False) == ["undo kernel", "verify", "undrain", "undrain"]


@given(st.sampled_from([REBOOT, SYSCTL, KERNEL]), st.integers(0, 8), st.sampled_from(S), st.booleans())
def test_the_way_back_in_general(verbs: Sequence[str], at: int, state: StepState, sent: bool) -> None:
    steps = walked(verbs, min(at, len(verbs) - 1), state, sent=sent)
    way = way_back(steps)
    touched = {s.index for s in steps if s.sent and s.acts}
    undone = [b.undoes for b in way if b.undoes is not None]
    assert undone == sorted(undone, reverse=True), "undone in the reverse order"
    assert set(undone) <= touched, "nothing is undone that was not touched"
    left = {s.index for s in steps if s.index in touched and s.verb not in {"drain", "undrain"}} - set(undone)
    assert all(steps[i].reversibility is Reversibility.NOTHING_TO_UNDO for i in left), "nothing touched is left"
    verbs_back = [b.verb if b.undoes is None else "undo" for b in way]
    for place, verb in enumerate(verbs_back):
        if verb == "undrain":
            before = verbs_back[:place]
            assert "verify" in before, "nothing is undrained that was not verified"
            assert "undo" not in before[before.index("verify") :], "and verified after the last act"
        if verb == "undo" and steps[way[place].undoes or 0].disruptive:
            carried = any(s.verb == "undrain" and s.sent for s in steps)
            assert not carried or "drain" in verbs_back[:place], "nothing disruptive is undone under traffic"
    if not touched:
        assert way == ()
    elif any(s.verb == "drain" and s.sent for s in steps):
        assert verbs_back.count("undrain") == verbs.count("undrain"), "what was drained gets its traffic back"


def test_parameters_come_from_the_step_it_is_like() -> None:
    made = way_back(walked(KERNEL, 7))
    assert made[0] == BackStep("drain", like=1)
    assert [b.like for b in made if b.verb == "undrain"] == [5, 6]
    assert [b.like for b in made if b.verb == "verify"] == [4]


@pytest.mark.parametrize(("at", "sent", "can"), [(1, True, True), (2, False, True), (2, True, False), (4, True, False)])
def test_what_has_no_way_back_by_itself(at: int, sent: bool, can: bool) -> None:
    assert can_roll_back(walked(ONE_WAY, at, sent=sent)) is can


# --- after a step -------------------------------------------------------------------------------------------------


def state_at(verbs: Sequence[str], at: int) -> TargetState:
    return phase_of(verbs[at])


@pytest.mark.parametrize("verbs", [REBOOT, SYSCTL, KERNEL, ONE_WAY])
def test_step_by_step_to_the_end(verbs: Sequence[str]) -> None:
    for at in range(len(verbs) - 1):
        following = after_step(state_at(verbs, at), walked(verbs, at), at)
        assert following == AfterStep(Then.NEXT, phase_of(verbs[at + 1]), at + 1)
    last = len(verbs) - 1
    assert after_step(state_at(verbs, last), walked(verbs, last), last) == AfterStep(Then.FINISH, T.DONE, changed=True)


def test_a_target_on_which_nothing_was_changed_says_so() -> None:
    """Draining and undraining are not the change."""
    verbs = ("baseline", "drain", "verify", "undrain")
    assert after_step(T.UNDRAINING, walked(verbs, 3), 3) == AfterStep(Then.FINISH, T.DONE, changed=False)


@pytest.mark.parametrize("failed", sorted(STEP_FAILED))
@pytest.mark.parametrize("verbs", [REBOOT, SYSCTL, KERNEL, ONE_WAY])
def test_every_failure_of_every_step(verbs: Sequence[str], failed: StepState) -> None:
    for at, verb in enumerate(verbs):
        for sent in (False, True):
            steps = walked(verbs, at, failed, sent=sent)
            after = after_step(state_at(verbs, at), steps, at)
            if verb == "baseline" or not can_roll_back(steps):
                assert after.then is Then.STUCK, "nothing to put back, or no way to"
            elif verb == "soak":
                assert after == AfterStep(Then.TURN, T.SOAKING), "it carries traffic: the tick finds room first"
            else:
                assert after == AfterStep(Then.ROLL_BACK, T.ROLLING_BACK)


def on_the_way_back(at: int, state: StepState) -> list[StepView]:
    steps = walked(REBOOT, 3, S.ERROR)
    first = len(steps)
    for offset, made in enumerate(way_back(steps)):
        reversibility, disruptive = kind_of(made.verb)
        step_state = S.DONE if offset < at else state if offset == at else S.READY
        acts = made.verb not in LOOKS
        view = StepView(first + offset, made.verb, T.ROLLING_BACK, step_state, acts, disruptive, reversibility)
        steps.append(replace(view, back=True, sent=acts and offset <= at))
    return steps


def test_the_way_back_goes_to_its_own_end() -> None:
    """Forward steps that were never reached are not taken up again."""
    first = len(REBOOT)
    assert after_step(T.ROLLING_BACK, on_the_way_back(0, S.DONE), first) == AfterStep(
        Then.NEXT, T.ROLLING_BACK, first + 1
    )
    end = after_step(T.ROLLING_BACK, on_the_way_back(1, S.DONE), first + 1)
    assert end == AfterStep(Then.FINISH, T.ROLLED_BACK, changed=False)


@pytest.mark.parametrize("failed", sorted(STEP_FAILED))
def test_a_way_back_that_fails_is_stuck(failed: StepState) -> None:
    for at in (0, 1):
        steps = on_the_way_back(at, failed)
        assert after_step(T.ROLLING_BACK, steps, len(REBOOT) + at) == AfterStep(Then.STUCK, T.STUCK)


def test_facts_that_moved_since_approval_hold_the_run() -> None:
    assert after_step(T.BASELINING, walked(REBOOT, 0), 0, moved=True) == AfterStep(Then.HOLD, T.PENDING)
    failed = walked(REBOOT, 0, S.ERROR)
    assert after_step(T.BASELINING, failed, 0, moved=True) == AfterStep(Then.HOLD, T.PENDING)
