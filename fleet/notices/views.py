"""Feeds at secret addresses, and the pages of notices: what customers were told, what providers announced."""

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from fleet import clock
from fleet.core import explain
from fleet.core.model import Reason
from fleet.guards import acts, edits, person, reads
from fleet.notices import feeds, inbound
from fleet.notices.inbound import Kept
from fleet.notices.models import Feed, MaintenanceNotice, Message
from fleet.people import rights
from fleet.people.roles import CALENDAR, EDIT
from inventory.models import Customer, ProviderMaintenance

SHOWN = 100


@require_safe
def feed(request: HttpRequest, token: str) -> HttpResponse:
    """The calendar at a secret address. No login: who has the address may read it, until it is revoked."""
    now = clock.now()
    row = feeds.find(token, now)
    if row is None:
        return HttpResponse("There is no such calendar.\n", status=404, content_type="text/plain; charset=utf-8")
    response = HttpResponse(feeds.calendar(row, now), content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = 'inline; filename="slipway-maintenance.ics"'
    response["Cache-Control"] = "private, max-age=300"
    response["X-Robots-Tag"] = "noindex"
    return response


@reads
def notices(request: HttpRequest) -> HttpResponse:
    """What customers were told, what providers announced, what could not be delivered, and the feeds."""
    return _page(request)


@edits(CALENDAR)
def provider_notice(request: HttpRequest) -> HttpResponseBase:
    """Read a mail or calendar of a provider."""
    if request.method != "POST":
        return redirect("notices")
    who, file = person(request), request.FILES.get("file")
    if file is None or isinstance(file, list):
        none = Reason("file", "none", "a mail (.eml) or calendar (.ics)", "Choose one.")
        return _page(request, Kept(reasons=(none,)), status=400)
    if outside := rights.refusals_of_scope(who, CALENDAR, sites=(), roles=()):
        return _page(request, Kept(reasons=outside), status=409)
    content = file.read(inbound.MOST_BYTES + 1)
    kept = inbound.read(content, who.get_username(), clock.now(), provider=request.POST.get("provider", "")[:60])
    if kept.reasons:
        return _page(request, kept, status=409)
    for line in kept.lines:
        messages.success(request, line)
    return redirect("notices")


@acts(EDIT)
def make_feed(request: HttpRequest) -> HttpResponse:
    """A new feed; its address is shown once."""
    wanted = request.POST.get("customer", "")
    customer = Customer.objects.filter(name=wanted).first() if wanted else None
    if wanted and customer is None:
        unknown = Reason("customer", repr(wanted[:63]), "a customer of the inventory", "Choose one of the list.")
        return _page(request, Kept(reasons=(unknown,)), status=409)
    name = request.POST.get("name", "").strip() or (f"of {customer}" if customer else "everything")
    _, token = feeds.make(name, person(request), clock.now(), customer=customer)
    return _page(request, secret=request.build_absolute_uri(f"/feeds/{token}.ics"))


@acts(EDIT)
def revoke_feed(request: HttpRequest, pk: int) -> HttpResponseBase:
    """From now on its address answers as one that never was."""
    row = Feed.objects.filter(pk=pk).first()
    if row is not None:
        feeds.revoke(row, clock.now())
        messages.success(request, f"The feed {row} is revoked.")
    return redirect("notices")


def _page(request: HttpRequest, kept: Kept | None = None, *, secret: str = "", status: int = 200) -> HttpResponse:
    now, who = clock.now(), person(request)
    told = MaintenanceNotice.objects.select_related("customer").order_by("-pk")[:SHOWN]
    announced = ProviderMaintenance.objects.annotate(
        circuits=Count("impacts"), ours=Count("impacts", filter=Q(impacts__link__isnull=False))
    )
    context = {
        "now": now,
        "room": "calendar",
        "told": told,
        "ahead": announced.filter(end_at__gt=now).order_by("start_at", "pk")[:SHOWN],
        "undelivered": Message.objects.exclude(error="").filter(sent_at=None).select_related("channel")[:SHOWN],
        "feeds": Feed.objects.filter(revoked_at=None).select_related("customer", "created_by")[:SHOWN],
        "customers": Customer.objects.order_by("name").values_list("name", flat=True)[:500],
        "providers": inbound.known_providers(),
        "may_read": who.has_perm(CALENDAR),
        "may_feed": who.has_perm(EDIT),
        "secret": secret,
        "refusals": explain.sentences(kept.reasons) if kept is not None else (),
    }
    return render(request, "rooms/notices.html", context, status=status)
