"""The button that drafts what repairs drift: it writes a request, which the engine takes up; and what came of it."""

from collections.abc import Mapping
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fleet import clock
from fleet.changes.models import Change
from fleet.changes.models.repairs import RepairRequest
from fleet.changes.views import frame
from fleet.changes.views.access import acts, is_htmx, person, reads, refused
from fleet.core.model import Reason
from inventory.models import Drift

DRAFT = "changes.add_change"


@acts(DRAFT)
def draft(request: HttpRequest) -> HttpResponse:
    """Ask for the change that repairs this setting, as this profile wants it, of this device or all that drift."""
    asked = {key: request.POST.get(key, "").replace("\x00", "")[:255] for key in ("setting", "profile", "device")}
    row = ask(asked, person(request), clock.now())
    if isinstance(row, tuple):
        return refused(request, row, status=400 if row[0].subject == "repair" else 409)
    return redirect("repair-request", row.pk)


def ask(asked: Mapping[str, str], who: User, now: datetime) -> RepairRequest | tuple[Reason, ...]:
    """A request for the changes that repair this drift (`setting`, `profile`, `device`), or why there is none."""
    if not asked["setting"] and not asked["device"]:
        remedy = "Press the button beside the drift."
        return (Reason("repair", "neither a setting nor a device", "at least one", remedy),)
    rows = Drift.objects.open()
    if setting := asked["setting"]:
        rows = rows.filter(Q(setting=setting) | Q(setting__startswith=f"{setting}["))
    if asked["profile"]:
        rows = rows.filter(profile=asked["profile"])
    if asked["device"]:
        rows = rows.filter(router__name=asked["device"])
    found = sorted(rows.values_list("pk", flat=True))
    if not found:
        remedy = "Look again: it was put right meanwhile."
        return (Reason("drift", "none any more", "a setting that differs", remedy),)
    return RepairRequest.objects.create(asked_by=who, asked_at=now, drifts=found, words=_words(asked, len(found)))


def _words(asked: Mapping[str, str], count: int) -> str:
    what = asked["setting"] or "every drift"
    where = f" on {asked['device']}" if asked["device"] else ""
    by = f" as {asked['profile']} wants it" if asked["profile"] else ""
    return f"{what}{by}{where} ({count} place{'s' if count > 1 else ''})"[:255]


@reads
def repair_request(request: HttpRequest, pk: int) -> HttpResponse:
    """What came of asking: the drafts, and what is left with its reasons. Asks again by itself until it is there."""
    row = RepairRequest.objects.select_related("asked_by").filter(pk=pk).first()
    if row is None:
        raise Http404(f"There is no repair request {pk}.")
    now = clock.now()
    seen = frame.engine_seen()
    context = {
        "now": now,
        "row": row,
        "changes": list(row.changes.all()),
        "already": list(Change.objects.filter(pk__in=row.already)),
        "engine_seen": seen,
        "engine_silent": row.ended_at is None and frame.silent(seen, now),
    }
    template = "inventory/_repair_request.html" if is_htmx(request) else "inventory/repair_request.html"
    return render(request, template, context)
