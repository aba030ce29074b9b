"""May a change start as far as its ticket is concerned? What is asked of the ticket at each state. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from fleet.core.model import Reason
from fleet.core.states import ChangeState

# A ticket is read every minute while a change waits for it; what was not read for ten is not known any more.
FRESH = timedelta(minutes=10)


class TicketApproval(StrEnum):
    """What a ticket says about its approval. UNKNOWN: it was never read, or says what nobody understands."""

    UNKNOWN = "unknown"
    NOT_REQUESTED = "not requested"
    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Stage(StrEnum):
    """How far a ticket has come, in the words of ITIL that ticket systems share."""

    NEW = "new"
    ASSESS = "assess"
    AUTHORIZE = "authorize"
    SCHEDULED = "scheduled"
    IMPLEMENT = "implement"
    REVIEW = "review"
    CLOSED = "closed"
    CANCELED = "canceled"


# The order in which a ticket goes; canceled is no step on the way.
WAY = (
    Stage.NEW, Stage.ASSESS, Stage.AUTHORIZE, Stage.SCHEDULED, Stage.IMPLEMENT, Stage.REVIEW, Stage.CLOSED,
)  # fmt: skip

_C = ChangeState
# How far Slipway takes a ticket. From assess to scheduled it goes by its own approvals, not by us.
STAGE_OF: Mapping[ChangeState, Stage] = {
    _C.DRAFT: Stage.NEW,
    _C.SUBMITTED: Stage.ASSESS,
    _C.APPROVED: Stage.ASSESS,
    _C.REJECTED: Stage.NEW,
    _C.SCHEDULED: Stage.ASSESS,
    _C.RUNNING: Stage.IMPLEMENT,
    _C.PAUSED: Stage.IMPLEMENT,
    _C.SUCCEEDED: Stage.CLOSED,
    _C.ROLLED_BACK: Stage.CLOSED,
    _C.FAILED: Stage.CLOSED,
    _C.CANCELLED: Stage.CANCELED,
    _C.EXPIRED: Stage.CANCELED,
}


@dataclass(frozen=True)
class TicketView:
    """A ticket as it was last read. `bound`: its approval counts for one plan only, the one with `approved_digest`."""

    name: str
    approval: TicketApproval
    approved_digest: str
    bound: bool
    read_at: datetime | None
    polled: bool
    problem: str = ""


def holds(ticket: TicketView, *, digest: str, now: datetime) -> tuple[Reason, ...]:
    """Why a change with this plan may not start yet; empty when its ticket is approved for it.

    Cannot tell is a no (rule 5): a ticket that was not read of late may have been withdrawn since.
    """
    subject = f"ticket {ticket.name}"
    if unread := _unread(ticket, now):
        return (unread,)
    match ticket.approval:
        case TicketApproval.APPROVED:
            pass
        case TicketApproval.REJECTED | TicketApproval.WITHDRAWN:
            remedy = "Talk to whoever decided there; a new revision asks again."
            return (Reason(subject, str(ticket.approval), "approved", remedy),)
        case _:
            found = "not approved yet" if ticket.approval is TicketApproval.REQUESTED else f"{ticket.approval}"
            return (Reason(subject, found, "approved", "It starts when the ticket is approved."),)
    if ticket.bound and ticket.approved_digest != digest:
        given = f"digest {ticket.approved_digest[:12]}" if ticket.approved_digest else "what was there before this plan"
        remedy = "Have it approved there once more: the plan is another one."
        return (Reason(subject, f"approved for {given}", f"approved for digest {digest[:12]}", remedy),)
    return ()


def _unread(ticket: TicketView, now: datetime) -> Reason | None:
    subject = f"ticket {ticket.name}"
    remedy = "It is tried again by itself; look at the ticket system."
    if ticket.read_at is None:
        return Reason(subject, ticket.problem or "not read yet", "an approval that can be read", remedy)
    if ticket.polled and now - ticket.read_at > FRESH:
        why = f" ({ticket.problem})" if ticket.problem else ""
        found = f"last read {ticket.read_at:%Y-%m-%d %H:%M} UTC{why}"
        return Reason(subject, found, f"read within {FRESH.seconds // 60} minutes", remedy)
    return None
