"""The ticket of a change, for its page."""

from django import template

from fleet.changes.models import Change
from fleet.outward.models import TicketLink

register = template.Library()


@register.simple_tag
def ticket_of(change: Change) -> TicketLink | None:
    """What was last read of its ticket; None when no ticket system speaks for it. One query, none without a ticket."""
    if not change.ticket:
        return None
    return TicketLink.objects.select_related("system").filter(change=change).first()
