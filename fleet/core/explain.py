"""The words for where things stand and why; the same in UI, API and on the command line."""

from collections.abc import Iterable, Mapping

from fleet.core.model import Reason
from fleet.core.states import ChangeState, TargetState

CHANGE_WORDS: Mapping[ChangeState, str] = {
    ChangeState.DRAFT: "Being written; nothing is asked of anybody yet.",
    ChangeState.SUBMITTED: "Waits for a second person to approve exactly this plan.",
    ChangeState.APPROVED: "Approved; waits to be started.",
    ChangeState.REJECTED: "Refused by an approver; edit it to make a new revision.",
    ChangeState.SCHEDULED: "Approved and waiting for its window.",
    ChangeState.RUNNING: "Working through its waves.",
    ChangeState.PAUSED: "Stopped where it stands; nothing is undone, what is drained stays drained.",
    ChangeState.SUCCEEDED: "Every target is as wanted and carries traffic.",
    ChangeState.ROLLED_BACK: "Stopped; everything that was touched is back as it was and verified.",
    ChangeState.FAILED: "Ended with something that a person must look at.",
    ChangeState.CANCELLED: "Withdrawn before it started.",
    ChangeState.EXPIRED: "Its approval ran out before it started.",
}

TARGET_WORDS: Mapping[TargetState, str] = {
    TargetState.PENDING: "not started",
    TargetState.BASELINING: "measuring how it is before anything is touched",
    TargetState.DRAINING: "moving traffic away",
    TargetState.DRAINED: "carries no traffic, proven by counters",
    TargetState.APPLYING: "being changed",
    TargetState.VERIFYING: "being compared with the baseline",
    TargetState.UNDRAINING: "taking traffic back",
    TargetState.SOAKING: "watched under real traffic",
    TargetState.DONE: "as wanted, carries traffic",
    TargetState.ROLLING_BACK: "being put back as it was",
    TargetState.ROLLED_BACK: "as it was before, verified",
    TargetState.STUCK: "needs a person; stays as it is",
}

# What can still be asked when it starts.
BEFORE_START = frozenset({ChangeState.DRAFT, ChangeState.SUBMITTED, ChangeState.APPROVED, ChangeState.SCHEDULED})


def sentences(reasons: Iterable[Reason]) -> tuple[str, ...]:
    """Each reason once, as a sentence, in the order given."""
    return tuple(dict.fromkeys(str(r) for r in reasons))


def why_not(state: ChangeState, holds: Iterable[Reason]) -> tuple[str, ...]:
    """Why nothing (more) is happening: the state in words, then every reason."""
    return (CHANGE_WORDS[state], *sentences(holds))
