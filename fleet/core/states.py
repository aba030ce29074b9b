"""The states of a change, a target and a step, and which moves between them are legal.

The tables are the single source: `transitions/` refuses what is not here, the pictures in the documentation are
generated from here, and the property tests walk them.
"""

from collections.abc import Mapping
from enum import StrEnum


class ChangeState(StrEnum):
    """Where the record that people discuss stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class TargetState(StrEnum):
    """Where one device of a run stands."""

    PENDING = "pending"
    BASELINING = "baselining"
    DRAINING = "draining"
    DRAINED = "drained"
    APPLYING = "applying"
    VERIFYING = "verifying"
    UNDRAINING = "undraining"
    SOAKING = "soaking"
    DONE = "done"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    STUCK = "stuck"


class StepState(StrEnum):
    """Where one action on one device stands."""

    READY = "ready"
    CLAIMED = "claimed"
    DONE = "done"
    IMPOSSIBLE = "impossible"
    ERROR = "error"
    UNSURE = "unsure"


class Control(StrEnum):
    """What a person asked of a run; a button writes it, the next claim and the next tick obey it."""

    NONE = "none"
    PAUSE = "pause"
    ABORT = "abort"
    ROLLBACK = "rollback"


_C, _T, _S = ChangeState, TargetState, StepState

CHANGE_MOVES: Mapping[ChangeState, frozenset[ChangeState]] = {
    _C.DRAFT: frozenset({_C.SUBMITTED, _C.CANCELLED}),
    _C.SUBMITTED: frozenset({_C.APPROVED, _C.REJECTED, _C.DRAFT, _C.CANCELLED, _C.EXPIRED}),
    _C.APPROVED: frozenset({_C.SCHEDULED, _C.DRAFT, _C.CANCELLED, _C.EXPIRED}),
    _C.REJECTED: frozenset({_C.DRAFT, _C.CANCELLED}),
    _C.SCHEDULED: frozenset({_C.RUNNING, _C.DRAFT, _C.CANCELLED, _C.EXPIRED}),
    _C.RUNNING: frozenset({_C.PAUSED, _C.SUCCEEDED, _C.ROLLED_BACK, _C.FAILED}),
    _C.PAUSED: frozenset({_C.RUNNING, _C.ROLLED_BACK, _C.FAILED}),
    _C.SUCCEEDED: frozenset(),
    _C.ROLLED_BACK: frozenset(),
    _C.FAILED: frozenset(),
    _C.CANCELLED: frozenset(),
    _C.EXPIRED: frozenset(),
}

_LIVE_TO_UNDO = frozenset({_T.ROLLING_BACK, _T.STUCK})

TARGET_MOVES: Mapping[TargetState, frozenset[TargetState]] = {
    _T.PENDING: frozenset({_T.BASELINING, _T.DONE, _T.STUCK}),
    # Back to pending: nothing was touched, the run holds (drift, abort). To done: everything is already as wanted.
    _T.BASELINING: frozenset({_T.DRAINING, _T.APPLYING, _T.VERIFYING, _T.DONE, _T.PENDING, _T.STUCK}),
    _T.DRAINING: frozenset({_T.DRAINED}) | _LIVE_TO_UNDO,
    _T.DRAINED: frozenset({_T.APPLYING, _T.VERIFYING, _T.UNDRAINING}) | _LIVE_TO_UNDO,
    _T.APPLYING: frozenset({_T.VERIFYING, _T.UNDRAINING, _T.SOAKING, _T.DONE}) | _LIVE_TO_UNDO,
    _T.VERIFYING: frozenset({_T.APPLYING, _T.UNDRAINING, _T.SOAKING, _T.DONE}) | _LIVE_TO_UNDO,
    _T.UNDRAINING: frozenset({_T.VERIFYING, _T.SOAKING, _T.DONE}) | _LIVE_TO_UNDO,
    _T.SOAKING: frozenset({_T.DONE}) | _LIVE_TO_UNDO,
    # Rollback of a whole wave or run reaches back to what was finished.
    _T.DONE: frozenset({_T.ROLLING_BACK}),
    _T.ROLLING_BACK: frozenset({_T.ROLLED_BACK, _T.STUCK}),
    # Put back because its window had closed: it begins again in the next one.
    _T.ROLLED_BACK: frozenset({_T.PENDING}),
    _T.STUCK: frozenset(),
}

# State in which a target is while a step of this verb runs.
_PHASES: Mapping[str, TargetState] = {
    "baseline": _T.BASELINING,
    "probe": _T.BASELINING,
    "drain": _T.DRAINING,
    "verify": _T.VERIFYING,
    "undrain": _T.UNDRAINING,
    "soak": _T.SOAKING,
    "probe-again": _T.SOAKING,
    "netboot-default": _T.SOAKING,
    "vpp-vrrp": _T.UNDRAINING,
    "vpp-default": _T.SOAKING,
    "kernel-default": _T.SOAKING,  # what soaked becomes the default: no traffic is moved for it
    "vyos-default": _T.SOAKING,
}


def phase_of(verb: str) -> TargetState:
    """The state of a target while a step of this verb runs; a verb that is not named here acts on the device."""
    return _PHASES.get(verb, _T.APPLYING)


STEP_MOVES: Mapping[StepState, frozenset[StepState]] = {
    _S.READY: frozenset({_S.CLAIMED}),
    # Back to ready: the lease expired, or the step waits for its due time (reboot, settling, soak).
    _S.CLAIMED: frozenset({_S.READY, _S.CLAIMED, _S.DONE, _S.IMPOSSIBLE, _S.ERROR, _S.UNSURE}),
    # Back to ready: a baseline, when its target goes back to pending untouched and will be measured anew.
    _S.DONE: frozenset({_S.READY}),
    _S.IMPOSSIBLE: frozenset(),
    _S.ERROR: frozenset(),
    _S.UNSURE: frozenset(),
}

CHANGE_ENDED = frozenset({s for s, to in CHANGE_MOVES.items() if not to})
CHANGE_LIVE = frozenset({_C.RUNNING, _C.PAUSED})
TARGET_ENDED = frozenset({_T.DONE, _T.ROLLED_BACK, _T.STUCK})
TARGET_IN_FLIGHT = frozenset(_T) - TARGET_ENDED - {_T.PENDING}
STEP_OPEN = frozenset({_S.READY, _S.CLAIMED})
STEP_FAILED = frozenset({_S.IMPOSSIBLE, _S.ERROR, _S.UNSURE})
