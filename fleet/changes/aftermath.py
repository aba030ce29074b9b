"""What is looked into after a visit to a step that failed: the kernel's last words, and a machine that says nothing."""

from collections.abc import Sequence
from datetime import datetime

from fleet.changes import last_words, silent, transitions
from fleet.changes.models import StepRun
from playbooks.base import Session, Step
from playbooks.engine import Outcome


def looked_into(
    steps: Sequence[StepRun],
    hand: transitions.StepInHand,
    session: Session,
    value: Step,
    outcome: Outcome,
    now: datetime,
) -> Outcome:
    """The outcome with what was found out. Asks nothing of a device or a console while all goes well."""
    return silent.asked(hand, session, value, last_words.attached(steps, session, value, outcome, now), now)
