"""Ticket systems, what was last read of each ticket, and which of them cannot be read."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fleet import clock
from fleet.guards import acts, reads
from fleet.outward.models import InboundSource, TicketLink, TicketSystem
from fleet.people.roles import APPROVE, OPERATE

PER_PAGE = 50
SYSTEMS_SHOWN = 50


@reads
def tickets(request: HttpRequest) -> HttpResponse:
    """The systems, those who may call, and the tickets: what cannot be read comes first."""
    rows = TicketLink.objects.select_related("system", "change").order_by(
        F("ended_at").desc(nulls_first=True), "-failures", "-pk"
    )
    context = {
        "now": clock.now(),
        "room": "outward",
        "systems": TicketSystem.objects.all()[:SYSTEMS_SHOWN],
        "sources": InboundSource.objects.select_related("system", "netbox")[:SYSTEMS_SHOWN],
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "may_edit": request.user.is_staff and request.user.has_perm("outward.change_ticketsystem"),
        "may_look": request.user.has_perm(OPERATE) or request.user.has_perm(APPROVE),
    }
    return render(request, "outward/tickets.html", context)


@acts(OPERATE, APPROVE)
def look(request: HttpRequest, pk: int) -> HttpResponse:
    """Look at a ticket now instead of at its next turn."""
    link = TicketLink.objects.select_related("system", "change").filter(pk=pk).first()
    if link is None:
        raise Http404(f"There is no ticket {pk}.")
    TicketLink.objects.filter(pk=pk, ended_at=None).update(due_at=clock.now())
    TicketSystem.objects.filter(pk=link.system_id).update(closed_until=None)
    messages.success(request, f"Ticket {link.name} is looked at now.")
    return redirect(link.change)
