"""A step that only looks: what all such verbs have in common."""

from fleet.core.model import Reversibility
from playbooks.base import Look, Seen, Session, Step


class Looking:
    """Sends nothing that changes anything: ready at once, nothing to apply, nothing to put back."""

    reversibility = Reversibility.NOTHING_TO_UNDO
    disruptive = False
    acts = False
    repeatable = True

    def precheck(self, session: Session, step: Step) -> Look:
        return Look(Seen.READY)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Nothing: these verbs only look."""

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Nothing: nothing was changed."""

    def observe_rollback(self, session: Session, step: Step) -> Look:
        return Look(Seen.DONE)
