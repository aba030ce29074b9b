"""The button that overrides a FATAL compatibility finding, with a reason."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from fleet import clock
from fleet.changes.models import Change
from fleet.changes.overrides import override as override_finding
from fleet.changes.views import access
from fleet.changes.views.access import acts, person
from fleet.changes.views.change import show_change
from fleet.core.model import Reason

LONGEST_REASON = 2000  # characters, as of a comment


@acts(access.APPROVE)
def override(request: HttpRequest, pk: int) -> HttpResponse:
    """Say why the plan may go on in spite of one FATAL compatibility finding."""
    change = Change.objects.select_related("author").filter(pk=pk).first()
    if change is None:
        raise Http404(f"There is no change {pk}.")
    why = request.POST.get("why", "").replace("\x00", "").replace("\r\n", "\n").strip()
    if len(why) > LONGEST_REASON:
        reason = Reason(
            "reason", f"{len(why)} characters", f"at most {LONGEST_REASON}", "Put the rest into the ticket."
        )
        return show_change(request, change.pk, refusals=(reason,), status=400)
    identity = request.POST.get("finding", "")[:16]
    if reasons := override_finding(change, person(request), clock.now(), identity=identity, why=why):
        return show_change(request, change.pk, refusals=reasons, status=409)
    messages.success(request, "Overridden. Your reason is shown to whoever approves the change.")
    return redirect(change)
