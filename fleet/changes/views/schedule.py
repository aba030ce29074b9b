"""Buttons about time: let an approved change start by itself in a window; put one above windows and freezes."""

from django.http import HttpRequest, HttpResponse

from fleet import clock
from fleet.changes import lifecycle
from fleet.changes.models import Window
from fleet.changes.views.access import OPERATE, acts, person
from fleet.changes.views.actions import answer, bad_form, change_of, text_of
from fleet.core.model import Reason
from fleet.people.roles import BREAK_GLASS


@acts(OPERATE)
def schedule(request: HttpRequest, pk: int) -> HttpResponse:
    """In any window that covers it (empty), or in the one with this name."""
    change = change_of(pk)
    name = request.POST.get("window", "")[:63]
    window = Window.objects.filter(name=name, withdrawn_at__isnull=True).first() if name else None
    if name and window is None:
        return bad_form(
            request, change, Reason("window", repr(name), "one that stands", "Choose another: it may be withdrawn.")
        )
    reasons = lifecycle.schedule(change, person(request), clock.now(), window=window)
    return answer(request, change, reasons, "Scheduled: it starts by itself. When, and why not now, is said below.")


@acts(BREAK_GLASS)
def override_windows(request: HttpRequest, pk: int) -> HttpResponse:
    """Emergency: this revision may start whatever windows and freezes say."""
    change = change_of(pk)
    why = text_of(request, "why")
    if isinstance(why, Reason):
        return bad_form(request, change, why)
    reasons = lifecycle.override_windows(change, person(request), clock.now(), why=why)
    return answer(request, change, reasons, "Windows and freezes do not hold this revision any more; it is kept.")
