"""What an issue, its approvals and the gate of a deployment say, in our words and back. Pure."""

from collections.abc import Mapping, Sequence

from fleet.core.model import Json
from fleet.core.tickets import WAY, Stage, TicketApproval
from fleet.outward.tickets.talk import rows_of, text_of

# Statuses of the change management workflow as Jira Service Management ships it; option `statuses` adds one's own.
STATUSES: Mapping[str, Stage] = {
    "open": Stage.NEW,
    "to do": Stage.NEW,
    "review": Stage.NEW,
    "planning": Stage.ASSESS,
    "awaiting cab approval": Stage.AUTHORIZE,
    "awaiting approval": Stage.AUTHORIZE,
    "waiting for approval": Stage.AUTHORIZE,
    "awaiting implementation": Stage.SCHEDULED,
    "implementing": Stage.IMPLEMENT,
    "peer review / change manager approval": Stage.REVIEW,
    "completed": Stage.CLOSED,
    "closed": Stage.CLOSED,
    "done": Stage.CLOSED,
    "failed": Stage.CLOSED,
    "declined": Stage.CANCELED,
    "canceled": Stage.CANCELED,
    "cancelled": Stage.CANCELED,
}
_DECISIONS = {
    "approved": TicketApproval.APPROVED,
    "declined": TicketApproval.REJECTED,
    "pending": TicketApproval.REQUESTED,
}
GATES = {
    "allowed": TicketApproval.APPROVED,
    "prevented": TicketApproval.REJECTED,
    "awaiting": TicketApproval.REQUESTED,
}
# What a deployment shows while a change goes on (Jira's words).
DEPLOYMENT_STATES: Mapping[Stage, str] = {
    Stage.NEW: "pending",
    Stage.ASSESS: "pending",
    Stage.AUTHORIZE: "pending",
    Stage.SCHEDULED: "pending",
    Stage.IMPLEMENT: "in_progress",
    Stage.REVIEW: "in_progress",
    Stage.CLOSED: "successful",
    Stage.CANCELED: "cancelled",
}


def stage(status: str, more: Mapping[str, Json]) -> Stage | None:
    """How far a status is; None when nobody said so."""
    own = {str(k).lower(): str(v) for k, v in more.items()}
    said = own.get(status.lower())
    if said is not None:
        return Stage(said) if said in set(Stage) else None
    return STATUSES.get(status.lower())


def approval(approvals: Sequence[Mapping[str, Json]], at: Stage | None) -> tuple[TicketApproval, str]:
    """What the approvals say, and who approved. The newest decides: each time approval is asked for makes a new one.

    Approved only where the issue has gone on as well: a workflow may ask for more than one.
    """
    if at is Stage.CANCELED:
        return TicketApproval.WITHDRAWN, ""
    if not approvals or at is None:
        return (TicketApproval.NOT_REQUESTED if at is not None else TicketApproval.UNKNOWN), ""
    newest = max(approvals, key=lambda a: _number(a.get("id")))
    said = _DECISIONS.get(text_of(dict(newest), "finalDecision"), TicketApproval.UNKNOWN)
    if said is TicketApproval.APPROVED and WAY.index(at) < WAY.index(Stage.SCHEDULED):
        return TicketApproval.REQUESTED, ""
    if said is not TicketApproval.APPROVED:
        return said, ""
    names = [
        text_of(who, "approver", "displayName")
        for who in rows_of(dict(newest), "approvers")
        if text_of(who, "approverDecision") == "approved"
    ]
    return said, ", ".join(n for n in names if n)[:150]


def _number(value: Json) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else -1


def deployment_state(at: Stage, code: str) -> str:
    """successful, failed ... of a deployment. `code`: how it was closed."""
    if at is Stage.CLOSED and code == "unsuccessful":
        return "rolled_back"
    return DEPLOYMENT_STATES[at]
