"""What follows for one target after one step, and what its way back is: pure decisions that every leg asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fleet.core.model import Reversibility
from fleet.core.states import STEP_FAILED, StepState, TargetState

_T = TargetState


@dataclass(frozen=True)
class StepView:
    """One step of a target as the leg sees it, in order of `index`. `back`: it belongs to the way back."""

    index: int
    verb: str
    phase: TargetState
    state: StepState
    acts: bool
    disruptive: bool
    reversibility: Reversibility
    back: bool = False
    sent: bool = False  # the device may have been touched by it
    changed: bool = False  # it found something to do


class Then(StrEnum):
    """What a leg does after a step."""

    NEXT = "next"
    FINISH = "finish"
    ROLL_BACK = "roll back"
    TURN = "roll back when there is room"  # it carries traffic: the tick asks budget and topology first
    STUCK = "stuck"
    HOLD = "hold"


@dataclass(frozen=True)
class AfterStep:
    """The decision after a step: what to do, the state the target has then, and the index of the step to go on with."""

    then: Then
    state: TargetState
    next_index: int | None = None
    changed: bool | None = None


def after_step(state: TargetState, steps: Sequence[StepView], at: int, *, moved: bool = False) -> AfterStep:
    """What follows when step `at` has ended (done or failed). `moved`: facts moved since approval; nothing was touched.

    Rules: only a verified device is undrained; a failed way back is stuck; a failure before the first touch rolls
    nothing back.
    """
    step = next(s for s in steps if s.index == at)
    if moved and state is _T.BASELINING:
        return AfterStep(Then.HOLD, _T.PENDING)
    if step.state in STEP_FAILED:
        if step.back:
            return AfterStep(Then.STUCK, _T.STUCK)
        if state is _T.BASELINING:
            return AfterStep(Then.STUCK, _T.STUCK)
        if not can_roll_back(steps):
            return AfterStep(Then.STUCK, _T.STUCK)
        if state is _T.SOAKING:
            return AfterStep(Then.TURN, _T.SOAKING)
        return AfterStep(Then.ROLL_BACK, _T.ROLLING_BACK)
    following = [s for s in steps if s.index > at and s.back == step.back and s.state is StepState.READY]
    if following:
        upcoming = min(following, key=lambda s: s.index)
        return AfterStep(Then.NEXT, _T.ROLLING_BACK if step.back else upcoming.phase, upcoming.index)
    if step.back:
        return AfterStep(Then.FINISH, _T.ROLLED_BACK, changed=False)
    return AfterStep(Then.FINISH, _T.DONE, changed=any(s.changed and s.verb not in {"drain", "undrain"} for s in steps))


# What Slipway does not undo by itself: a reflash takes hands and a console, the rest cannot be undone by anybody.
ONE_WAY = frozenset({Reversibility.BY_REFLASH, Reversibility.NOT_AT_ALL})


def can_roll_back(steps: Sequence[StepView]) -> bool:
    """Is there a way back by itself from everything that was touched?"""
    return not any(s.sent and s.acts and not s.back and s.reversibility in ONE_WAY for s in steps)


@dataclass(frozen=True)
class BackStep:
    """One step of the way back: a verb to run again, or (`undoes`) the step whose captured artifact is restored."""

    verb: str
    undoes: int | None = None
    like: int | None = None  # the forward step whose parameters it takes


def way_back(steps: Sequence[StepView]) -> tuple[BackStep, ...]:
    """The rollback of a target, derived from what was touched: drain again if traffic may be back, undo in reverse,
    verify, undrain.

    A step whose outcome is in doubt counts as touched. Empty when nothing was touched: it is as it was. A device that
    carries traffic again is drained first even if there is nothing to undo: whatever failed, it failed verification.
    """
    touched = [s for s in steps if not s.back and s.acts and s.sent]
    if not touched:
        return ()
    drains = [s for s in touched if s.verb == "drain"]
    undrains = [s for s in steps if s.verb == "undrain" and not s.back]
    undo = [
        BackStep(s.verb, undoes=s.index)
        for s in reversed(touched)
        if s.verb not in {"drain", "undrain"} and s.reversibility is not Reversibility.NOTHING_TO_UNDO
    ]
    carries_again = any(s.verb == "undrain" for s in touched)
    back: list[BackStep] = []
    if drains and carries_again:
        back.append(BackStep("drain", like=drains[0].index))
    back += undo
    verify = next((s for s in steps if s.verb == "verify" and not s.back), None)
    if verify is not None:
        back.append(BackStep("verify", like=verify.index))
    if drains:
        back += [BackStep("undrain", like=s.index) for s in undrains]
    return tuple(back)
