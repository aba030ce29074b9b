"""When a change can start, and why not now, for its pages."""

from datetime import datetime

from django import template

from fleet.changes import scheduled
from fleet.changes.models import Change
from fleet.core.states import ChangeState

register = template.Library()
# A draft is still being written; what runs says itself why it waits.
_ASKED = frozenset({ChangeState.SUBMITTED, ChangeState.APPROVED, ChangeState.SCHEDULED})


@register.simple_tag
def start_outlook(change: Change, now: datetime) -> scheduled.Ahead | None:
    """Why it does not start now, and when windows and freezes let it; None when that is no question."""
    return scheduled.ahead(change, now) if ChangeState(change.state) in _ASKED else None
