"""What a change_request of ServiceNow says, in our words and back. Pure.

State numbers are those of the change process as it is shipped: -5 New, -4 Assess, -3 Authorize, -2 Scheduled,
-1 Implement, 0 Review, 3 Closed, 4 Canceled.
"""

from collections.abc import Mapping

from fleet.core.model import Json
from fleet.core.tickets import WAY, Stage, TicketApproval
from fleet.outward.tickets.base import Ticket
from fleet.outward.tickets.talk import text_of

STATES: Mapping[str, Stage] = {
    "-5": Stage.NEW,
    "-4": Stage.ASSESS,
    "-3": Stage.AUTHORIZE,
    "-2": Stage.SCHEDULED,
    "-1": Stage.IMPLEMENT,
    "0": Stage.REVIEW,
    "3": Stage.CLOSED,
    "4": Stage.CANCELED,
}
NUMBERS = {stage: number for number, stage in STATES.items()}
_NAMES = {stage: stage.value.capitalize() for stage in Stage}
FIELDS = "sys_id,number,state,approval,on_hold,on_hold_reason,correlation_id,close_code,sys_updated_by"
APPROVALS = {
    "not requested": TicketApproval.NOT_REQUESTED,
    "requested": TicketApproval.REQUESTED,
    "approved": TicketApproval.APPROVED,
    "rejected": TicketApproval.REJECTED,
    "cancelled": TicketApproval.WITHDRAWN,
    "canceled": TicketApproval.WITHDRAWN,
}


def value(row: Json, name: str) -> str:
    """A field: plain from the table API, `{"value": ...}` from the change API."""
    if not isinstance(row, dict):
        return ""
    found = row.get(name)
    return text_of(found, "value") if isinstance(found, dict) else found if isinstance(found, str) else ""


def ticket(row: Json, base: str) -> Ticket | None:
    """A row of the table; None when it lacks what makes it one."""
    sys_id, number, state = value(row, "sys_id"), value(row, "number"), value(row, "state")
    if not sys_id or not number or not state:
        return None
    stage = STATES.get(state)
    held = value(row, "on_hold") == "true"
    words = _NAMES[stage] if stage else f"state {state[:20]}"
    if held:
        words += f", on hold: {value(row, 'on_hold_reason')[:80] or 'no reason given'}"
    page = f"{base}/nav_to.do?uri=change_request.do?sys_id={sys_id}"
    return Ticket(sys_id, number, stage, approval(row, stage, held=held), words, page)


def approval(row: Json, stage: Stage | None, *, held: bool) -> TicketApproval:
    """What the two fields say together: approved only where both do, and nobody put it on hold."""
    said = APPROVALS.get(value(row, "approval"), TicketApproval.UNKNOWN)
    if stage is None:
        return TicketApproval.UNKNOWN
    if stage is Stage.CANCELED:
        return TicketApproval.WITHDRAWN
    if said is not TicketApproval.APPROVED:
        return said
    if held or WAY.index(stage) < WAY.index(Stage.SCHEDULED):
        return TicketApproval.REQUESTED
    return said
