"""Break-glass: going on without approval in an emergency; others are told at once, a second person looks afterwards."""

from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, User
from django.db import IntegrityError, transaction

from fleet.changes import approvals, notices, transitions
from fleet.changes.approvals import Reasons
from fleet.changes.models import BreakGlass, BreakGlassReview, Change
from fleet.changes.transitions import Note
from fleet.core.model import Reason
from fleet.core.states import ChangeState
from fleet.people import rights
from fleet.people.roles import BREAK_GLASS


def break_glass(change: Change, person: AbstractBaseUser, now: datetime, *, why: str, digest: str) -> Reasons:
    """Let exactly this plan start without approval. It is no approval, and is never shown as one.

    Wants the right on every device, a reason, and a plan without fatal findings: those would drop traffic.
    """
    revision = change.revision
    if revision is None:
        return (Reason("plan", "none", "a plan", "Plan the change first."),)
    reasons = [*_may(person, approvals.targets_of(revision))]
    state = ChangeState(change.state)
    if state not in {ChangeState.DRAFT, ChangeState.SUBMITTED}:
        remedy = "What was rejected, or is approved, needs no glass broken."
        reasons.append(Reason("change", str(state), "draft or submitted", remedy))
    if digest != revision.digest:
        remedy = "The plan was edited since you opened it: read it again."
        reasons.append(Reason("digest", digest[:12] or "none", f"{revision.digest[:12]}, the newest revision", remedy))
    if not why:
        reasons.append(Reason("reason", "none", "what the emergency is", "Say it; it is kept for ever."))
    if revision.fatal:
        reasons.append(Reason("findings", f"{revision.fatal} fatal", "none", "Also an emergency must not cut traffic."))
    if reasons:
        return tuple(reasons)
    name = person.get_username()
    text = f"BREAK-GLASS by {name}, revision {revision.number}, digest {digest[:12]}, without approval: {why}"
    try:
        with transaction.atomic():
            if state is ChangeState.DRAFT:
                said = Note(name, f"submitted revision {revision.number} by break-glass")
                if not transitions.move_change(change, ChangeState.SUBMITTED, said, now):
                    raise transitions.Lost
            if not transitions.move_change(change, ChangeState.APPROVED, Note(name, text, {"break_glass": True}), now):
                raise transitions.Lost
            BreakGlass.objects.create(revision=revision, digest=digest, by_id=person.pk, why=why, at=now)
            notices.tell(change, "break-glass", f"{text}\n\n{change.title}", now)
    except transitions.Lost:
        return approvals.raced("change")
    return ()


def _may(person: AbstractBaseUser, names: list[str]) -> Reasons:
    assert isinstance(person, User)
    if not person.has_perm(BREAK_GLASS):
        remedy = "Ask an operator, or an administrator of Slipway for the right."
        return (Reason("permission", "none of yours allows this", BREAK_GLASS, remedy),)
    return rights.refusals(person, BREAK_GLASS, names)


def review(glass: BreakGlass, person: AbstractBaseUser, now: datetime, *, comment: str) -> Reasons:
    """A second person has looked at what was done in the emergency, and says what they found."""
    change = glass.revision.change
    reasons = []
    if person.pk in approvals.authors(change) | {glass.by_id}:
        found = f"{person.get_username()}, who wrote the change or broke the glass"
        reasons.append(Reason("reviewer", found, "a second person", "Ask a colleague."))
    if not comment:
        reasons.append(Reason("comment", "none", "what you found", "Say it; it is kept for ever."))
    if reasons:
        return tuple(reasons)
    note = Note(person.get_username(), f"reviewed the break-glass of {glass.by.get_username()}: {comment}")
    try:
        with transaction.atomic():
            BreakGlassReview.objects.create(break_glass=glass, by_id=person.pk, comment=comment, at=now)
            transitions.note(change.pk, "break-glass reviewed", note, now)
    except IntegrityError:
        return (Reason("break-glass", "reviewed already", "one that waits for it", "Comment on the change instead."),)
    return ()
