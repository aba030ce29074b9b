"""Which change has a ticket: by the number that its author wrote, or one that is opened for it."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime

from django.db.models import F

from fleet.changes.models import Change
from fleet.core.states import CHANGE_ENDED, ChangeState
from fleet.core.tickets import TicketApproval
from fleet.outward.models import TicketLink, TicketSystem

# For these a ticket is opened, where there is none. A draft is still being written.
_OPENS_FOR = frozenset({ChangeState.SUBMITTED, ChangeState.APPROVED, ChangeState.SCHEDULED, ChangeState.RUNNING})


def speaks_for(systems: Sequence[TicketSystem], ticket: str) -> tuple[TicketSystem, str] | None:
    """The system and the number in what an author wrote as ticket; None when no system knows such numbers."""
    for system in systems:
        # Numbers are short; a text of any length against somebody's pattern would be a way to keep us busy.
        found = re.search(rf"(?<![A-Za-z0-9])({system.pattern})(?![A-Za-z0-9])", ticket[:100])
        if found is not None and found[1]:
            return system, found[1]
    return None


def active() -> list[TicketSystem]:
    """The systems that changes are kept in step with."""
    return list(TicketSystem.objects.filter(active=True).order_by("pk"))


def look(change_ids: Collection[int], now: datetime) -> None:
    """Tie these changes to their tickets, as they are named now. A constant number of queries, but for new ones."""
    systems = active()
    if not systems:
        return
    changes = Change.objects.filter(pk__in=change_ids).exclude(state__in=CHANGE_ENDED)
    opener = next((s for s in systems if s.opens), None)
    links = {link.change_id: link for link in TicketLink.objects.filter(change__in=change_ids)}
    for change in changes:
        found = speaks_for(systems, change.ticket)
        link = links.get(change.pk)
        if link is None and found is not None:
            TicketLink.objects.get_or_create(
                change=change, defaults={"system": found[0], "number": found[1], "due_at": now}
            )
        elif link is None and opener is not None and not change.ticket and change.state in _OPENS_FOR:
            TicketLink.objects.get_or_create(change=change, defaults={"system": opener, "due_at": now})
        elif link is not None and found is not None and found[1] != link.number and link.number:
            _other(link, found, now)


def _other(link: TicketLink, found: tuple[TicketSystem, str], now: datetime) -> None:
    """The author named another ticket: nothing that was read or told counts for it."""
    TicketLink.objects.filter(pk=link.pk).update(
        system=found[0], number=found[1], remote_id="", page="", approval=TicketApproval.UNKNOWN, remote_state="",
        read_at=None, problem="", offered="", asked=False, approved="", approved_by="", told=0, telling=0, decided="",
        conflicts=None, attached_at=None, due_at=now, failures=0, generation=F("generation") + 1,
    )  # fmt: skip
