"""Calendar files (iCalendar): windows and freezes read from one, and written for the calendars of others."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fleet import clock
from fleet.changes import ical
from fleet.changes.ical import Taken
from fleet.changes.models import Freeze, Window
from fleet.changes.views import access
from fleet.changes.views.access import reads
from fleet.core import explain
from fleet.core.model import Reason
from fleet.guards import edits
from fleet.people import rights
from fleet.people.roles import CALENDAR

# As many as a file that can be read again may have.
MOST_WRITTEN = ical.MOST_EVENTS


@reads
def give(request: HttpRequest) -> HttpResponse:
    """Everything that stands, as one calendar file."""
    rows = [*Window.objects.standing()[:MOST_WRITTEN], *Freeze.objects.standing()[:MOST_WRITTEN]]
    response = HttpResponse(ical.export(rows), content_type="text/calendar; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="slipway.ics"'
    return response


@edits(CALENDAR)
def take(request: HttpRequest) -> HttpResponse:
    """Read a file: first a look at what would happen, then all of it or nothing."""
    if request.method != "POST":
        return _page(request, Taken())
    file = request.FILES.get("file")
    if file is None or isinstance(file, list):
        none = Reason("file", "none", "a calendar file (.ics)", "Choose one.")
        return _page(request, Taken(reasons=(none,)), status=400)
    who = access.person(request)
    content = file.read(ical.MOST_BYTES + 1)
    said = ical.read(content, zone=request.POST.get("zone", "")[:63], freezes=request.POST.get("freezes") == "on")
    # A UID alone may replace or withdraw what stands: a file is for those whose right has no bounds.
    if reasons := rights.refusals_of_scope(who, CALENDAR, sites=(), roles=()):
        return _page(request, Taken(reasons=reasons), status=409)
    look = "look" in request.POST
    result = ical.take_over(said, who, clock.now(), dry_run=look)
    if result.reasons or look:
        return _page(request, result, status=409 if result.reasons else 200)
    messages.success(request, f"{len(result.lines)} read: " + "; ".join(result.lines[:10]))
    return redirect("windows")


def _page(request: HttpRequest, result: Taken, *, status: int = 200) -> HttpResponse:
    context = {
        "now": clock.now(),
        "room": "calendar",
        "lines": result.lines,
        "refusals": explain.sentences(result.reasons),
        "zone": request.POST.get("zone", ""),
        "freezes": request.POST.get("freezes") == "on",
    }
    return render(request, "rooms/windows_import.html", context, status=status)
