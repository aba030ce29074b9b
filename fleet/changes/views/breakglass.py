"""Break-glass, listed for ever: who went on without approval, why, and what the second person found."""

from django.core.paginator import Paginator
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fleet import clock
from fleet.changes.models import BreakGlass, WindowOverride
from fleet.changes.views.access import reads

PER_PAGE = 50


@reads
def break_glasses(request: HttpRequest) -> HttpResponse:
    """All of them, those without a second person first; beside them every override of windows and freezes."""
    rows = BreakGlass.objects.select_related("revision__change", "by", "review__by")
    rows = rows.defer("revision__plan", "revision__recipe_text")
    overrides = WindowOverride.objects.select_related("revision__change", "by").order_by("-pk")
    overrides = overrides.defer("revision__plan", "revision__recipe_text")
    context = {
        "now": clock.now(),
        "room": "rules",
        "page": Paginator(rows.order_by(F("review__at").desc(nulls_first=True), "-pk"), PER_PAGE).get_page(
            request.GET.get("page")
        ),
        "waiting": BreakGlass.objects.filter(review=None).count(),
        "overrides": Paginator(overrides, PER_PAGE).get_page(request.GET.get("overrides")),
    }
    return render(request, "rooms/breakglass.html", context)
