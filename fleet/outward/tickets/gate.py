"""The gate before a start: the ticket of the change must be approved. Asked through changes/outside.py."""

from collections.abc import Collection, Mapping
from datetime import datetime

from fleet.changes.models import BreakGlass, Change, Revision
from fleet.core.model import Reason
from fleet.core.tickets import holds
from fleet.outward.models import TicketLink
from fleet.outward.tickets import linking

Reasons = tuple[Reason, ...]


def reasons(revisions: Collection[Revision], now: datetime) -> Mapping[int, Reasons]:
    """Revision -> why its ticket does not let it start. At most four queries; one where there is no ticket system.

    Break-glass passes: it is what to do when nobody can be asked for approval.
    """
    systems = linking.active()
    if not any(s.gate for s in systems) or not revisions:
        return {}
    changes = {r.change_id for r in revisions}
    links = {x.change_id: x for x in TicketLink.objects.filter(change__in=changes).select_related("system")}
    tickets = dict(Change.objects.filter(pk__in=changes).values_list("pk", "ticket"))
    broken = set(
        BreakGlass.objects.filter(revision__in=[r.pk for r in revisions]).values_list("revision_id", flat=True)
    )
    found: dict[int, Reasons] = {}
    for revision in revisions:
        if revision.pk in broken:
            continue
        link = links.get(revision.change_id)
        named = linking.speaks_for(systems, tickets.get(revision.change_id, ""))
        if link is not None and (named is None or named[1] == link.number or not link.number):
            if link.system.gate and link.system.active:
                found[revision.pk] = holds(link.view(), digest=revision.digest, now=now)
        elif named is not None and named[0].gate:
            found[revision.pk] = (_not_yet(f"{named[0].name} {named[1]}", "not read yet"),)
        elif named is None and not tickets.get(revision.change_id) and any(s.opens and s.gate for s in systems):
            found[revision.pk] = (_not_yet("of this change", "not opened yet"),)
    return {pk: said for pk, said in found.items() if said}


def _not_yet(name: str, found: str) -> Reason:
    return Reason(f"ticket {name}", found, "approved", "It is looked at within seconds; is the engine running?")
