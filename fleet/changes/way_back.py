"""From the rows of a target to the rows of its way back; what is on it is decided in core/target.py."""

from collections.abc import Sequence
from datetime import datetime

from fleet.changes.models import StepRun, TargetRun
from fleet.core.model import Reversibility
from fleet.core.states import StepState, TargetState
from fleet.core.target import StepView, way_back

# Verbs that only look; the registry's drivers say the same (`acts`), which a test compares. Named here so that the
# tick need not load any driver.
LOOKING_VERBS = frozenset({"baseline", "probe", "probe-again", "verify", "soak"})


def view(step: StepRun) -> StepView:
    """The row as the value that decisions are made on."""
    return StepView(
        index=step.index,
        verb=step.verb,
        phase=TargetState(step.phase),
        state=StepState(step.state),
        acts=step.verb not in LOOKING_VERBS,
        disruptive=bool(step.planned["disruptive"]),
        reversibility=Reversibility(step.planned["reversibility"]),
        back=step.back,
        sent=step.sent_at is not None,
        changed=bool(step.changed),
    )


def rows(target: TargetRun, steps: Sequence[StepRun], views: Sequence[StepView], now: datetime) -> tuple[StepRun, ...]:
    """The unsaved step rows of the way back, the first of them due now. Empty when nothing was touched."""
    by_index = {s.index: s for s in steps}
    first = max(by_index) + 1
    made = []
    for offset, back in enumerate(way_back(views)):
        like = by_index[back.like if back.like is not None else back.undoes or 0]
        made.append(
            StepRun(
                target=target,
                index=first + offset,
                verb=back.verb,
                planned=like.planned,
                phase=TargetState.ROLLING_BACK,
                back=True,
                undoes=by_index[back.undoes] if back.undoes is not None else None,
                due_at=now if offset == 0 else None,
            )
        )
    return tuple(made)
