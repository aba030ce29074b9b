"""What this fleet itself knows of one combination: asked for by itself, since it reads many observations."""

from dataclasses import fields

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fleet import clock
from fleet.changes.evidence import own_evidence
from fleet.changes.views.access import is_htmx, reads
from fleet.core.compat import ENOUGH_SOAK_H, Combination, Evidence


@reads
def evidence(request: HttpRequest) -> HttpResponse:
    """Devices and soaked hours of the combination in the address; for htmx only the words."""
    asked = Combination(**{f.name: request.GET.get(f.name, "").replace("\x00", "")[:200] for f in fields(Combination)})
    found = own_evidence([asked]).get(asked.key, Evidence()) if asked.key is not None else None
    template = "inventory/_evidence.html" if is_htmx(request) else "inventory/evidence.html"
    context = {"now": clock.now(), "asked": asked, "found": found, "enough_h": ENOUGH_SOAK_H}
    return render(request, template, context)
