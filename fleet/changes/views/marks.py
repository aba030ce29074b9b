"""How a state looks on a page: an icon, a word and a tone. Never colour alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fleet.core.states import ChangeState, Control, StepState, TargetState


class Tone(StrEnum):
    """What a reader should feel: nothing yet, under way, good, look here, act now."""

    CALM = "calm"
    MOVING = "moving"
    GOOD = "good"
    CARE = "care"
    ALARM = "alarm"


@dataclass(frozen=True)
class Mark:
    """Icon (an id in static/icons.svg), word and tone."""

    icon: str
    word: str
    tone: Tone


_C, _T, _S = ChangeState, TargetState, StepState

CHANGE: Mapping[ChangeState, Mark] = {
    _C.DRAFT: Mark("pencil", "draft", Tone.CALM),
    _C.SUBMITTED: Mark("hourglass", "submitted", Tone.CARE),
    _C.APPROVED: Mark("signed", "approved", Tone.MOVING),
    _C.REJECTED: Mark("cross", "rejected", Tone.CALM),
    _C.SCHEDULED: Mark("hourglass", "scheduled", Tone.MOVING),
    _C.RUNNING: Mark("play", "running", Tone.MOVING),
    _C.PAUSED: Mark("pause", "paused", Tone.CARE),
    _C.SUCCEEDED: Mark("check", "succeeded", Tone.GOOD),
    _C.ROLLED_BACK: Mark("back", "rolled back", Tone.CARE),
    _C.FAILED: Mark("alarm", "failed", Tone.ALARM),
    _C.CANCELLED: Mark("cross", "cancelled", Tone.CALM),
    _C.EXPIRED: Mark("hourglass", "expired", Tone.CALM),
}
TARGET: Mapping[TargetState, Mark] = {
    _T.PENDING: Mark("circle", "pending", Tone.CALM),
    _T.BASELINING: Mark("look", "baselining", Tone.MOVING),
    _T.DRAINING: Mark("down", "draining", Tone.MOVING),
    _T.DRAINED: Mark("empty", "drained", Tone.MOVING),
    _T.APPLYING: Mark("wrench", "applying", Tone.MOVING),
    _T.VERIFYING: Mark("look", "verifying", Tone.MOVING),
    _T.UNDRAINING: Mark("up", "undraining", Tone.MOVING),
    _T.SOAKING: Mark("hourglass", "soaking", Tone.MOVING),
    _T.DONE: Mark("check", "done", Tone.GOOD),
    _T.ROLLING_BACK: Mark("back", "rolling back", Tone.CARE),
    _T.ROLLED_BACK: Mark("back", "rolled back", Tone.CARE),
    _T.STUCK: Mark("alarm", "stuck", Tone.ALARM),
}
STEP: Mapping[StepState, Mark] = {
    _S.READY: Mark("circle", "ready", Tone.CALM),
    _S.CLAIMED: Mark("play", "claimed", Tone.MOVING),
    _S.DONE: Mark("check", "done", Tone.GOOD),
    _S.IMPOSSIBLE: Mark("cross", "impossible", Tone.ALARM),
    _S.ERROR: Mark("alarm", "error", Tone.ALARM),
    _S.UNSURE: Mark("unsure", "unsure", Tone.ALARM),
}
CONTROL: Mapping[Control, Mark] = {
    Control.NONE: Mark("play", "going on", Tone.CALM),
    Control.PAUSE: Mark("pause", "pause asked for", Tone.CARE),
    Control.ABORT: Mark("back", "abort asked for", Tone.ALARM),
    Control.ROLLBACK: Mark("back", "rollback asked for", Tone.ALARM),
}


def of(kind: str, state: str) -> Mark:
    """The mark of a state: `kind` is "change", "target", "step" or "control"."""
    match kind:
        case "change":
            return CHANGE[ChangeState(state)]
        case "target":
            return TARGET[TargetState(state)]
        case "step":
            return STEP[StepState(state)]
        case "control":
            return CONTROL[Control(state)]
        case _:
            raise ValueError(f"kind of state: found {kind!r}, wanted change, target, step or control")
