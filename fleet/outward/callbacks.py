"""What a believed message asks for: look at a ticket again, an approval that only it can tell, a new preview."""

import re
from datetime import datetime
from typing import Any

from django.db.models import F

from fleet.changes import transitions
from fleet.core.model import Json, Reason
from fleet.core.tickets import TicketApproval
from fleet.outward.models import InboundSource, TicketKind, TicketLink
from inventory.importers.netbox import asks
from inventory.importers.netbox.values import Defaults, Filters
from inventory.models import NetboxImport

_GENERIC = {
    "ticket.approved": TicketApproval.APPROVED,
    "ticket.rejected": TicketApproval.REJECTED,
    "ticket.withdrawn": TicketApproval.WITHDRAWN,
    "ticket.requested": TicketApproval.REQUESTED,
}
# What of a NetBox concerns an inventory of devices.
_MODELS = frozenset({"device", "site", "cable", "interface", "ipaddress", "location", "devicerole"})


def act(source: InboundSource, said: dict[str, Json], now: datetime) -> str | Reason:
    """Do what a believed message asks for. Inside the transaction in which it is taken."""
    if source.netbox is not None:
        return _preview(source, said, now)
    assert source.system is not None
    if source.system.kind == TicketKind.GENERIC:
        return _told(source, said, now)
    return _look_again(source, said, now)


def _look_again(source: InboundSource, said: dict[str, Json], now: datetime) -> str | Reason:
    """Ask the ticket system at once: whatever the callback says about it, the system says it better."""
    numbers = _numbers(said, source.system.pattern if source.system else "")
    if not numbers:
        wanted = "the number of a ticket: data.ticket, or issue.key"
        return Reason("body", "no ticket", wanted, "docs/tickets.md shows what is taken.")
    rows = TicketLink.objects.filter(system=source.system, number__in=numbers, ended_at=None)
    found = rows.update(due_at=now)
    if not found:
        return f"no change waits for {', '.join(sorted(numbers))[:100]}"
    return "it is looked at now"


def _numbers(said: dict[str, Json], pattern: str) -> set[str]:
    data, issue = said.get("data"), said.get("issue")
    texts = [said.get("number"), said.get("ticket")]
    texts += [data.get("ticket"), data.get("number")] if isinstance(data, dict) else []
    texts += [issue.get("key")] if isinstance(issue, dict) else []
    return {t for t in texts if isinstance(t, str) and len(t) <= 100 and re.fullmatch(pattern, t)}


def _told(source: InboundSource, said: dict[str, Json], now: datetime) -> str | Reason:
    """Approval by callback alone: it must name the plan by its digest, which the sender read in `change.submitted`."""
    data: dict[str, Any] = said.get("data") if isinstance(said.get("data"), dict) else {}  # type: ignore[assignment]
    approval = _GENERIC.get(str(said.get("type")))
    if approval is None:
        return Reason("type", repr(said.get("type"))[:40], ", ".join(_GENERIC), "docs/tickets.md shows what is taken.")
    rows = TicketLink.objects.select_for_update().filter(system=source.system, ended_at=None)
    link = rows.select_related("system", "change").filter(number=str(data.get("ticket"))[:100]).first()
    if link is None:
        return Reason(
            "ticket", repr(data.get("ticket"))[:60], "one that a change of ours names", "Name it there first."
        )
    revision = link.change.revision
    digest = str(data.get("digest") or "")[:64]
    if approval is TicketApproval.APPROVED and (revision is None or digest != revision.digest):
        wanted = f"{revision.digest[:12]}, the newest plan" if revision is not None else "a plan"
        return Reason("digest", digest[:12] or "none", wanted, "Read the plan as it is now, and decide on that.")
    by = " ".join(str(data.get("by") or "")[:100].split())
    approved = digest if approval is TicketApproval.APPROVED else ""
    TicketLink.objects.filter(pk=link.pk).update(
        approval=approval, approved=approved, approved_by=by, offered=digest or link.offered, asked=True, read_at=now,
        remote_state=approval.value, problem="", due_at=now, generation=F("generation") + 1, busy_until=None,
    )  # fmt: skip
    words = f"ticket {link.name} {approval.value}" + (f" by {by}" if by else "")
    comment = " ".join(str(data.get("comment") or "")[:500].split())
    note = transitions.Note(f"ticket:{link.system.name}", words + (f": {comment}" if comment else ""))
    transitions.note(link.change_id, f"ticket {approval.value}", note, now)
    return words


def _preview(source: InboundSource, said: dict[str, Json], now: datetime) -> str | Reason:
    """Something changed in NetBox: ask for a preview with the filters of the last import. A person agrees to it."""
    model = str(said.get("model", "")).rpartition(".")[2]
    if model not in _MODELS:
        return f"{model[:40] or 'nothing'}: no business of the inventory"
    waiting = NetboxImport.objects.filter(source=source.netbox, previewed_at__isnull=True, refused__isnull=True)
    if waiting.exists():
        return "a preview is asked for already"
    last = NetboxImport.objects.filter(source=source.netbox).exclude(applied_at=None).defer("preview").first()
    if last is None:
        remedy = "Import from it once by hand: filters and defaults are taken from that."
        return Reason(f"NetBox {source.netbox}", "never imported from", "an import that was applied", remedy)
    assert source.netbox is not None
    filters, defaults = Filters.from_json(last.filters), Defaults(**last.defaults)
    asks.ask(source.netbox, filters, defaults, by=f"webhook:{source.name}", now=now)
    return "a preview is asked for"
