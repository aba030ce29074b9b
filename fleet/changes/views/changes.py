"""The list of all changes: by state, person, recipe and words."""

from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fleet import clock
from fleet.changes.models import Change, Event, Revision
from fleet.changes.views import access, frame
from fleet.changes.views.access import reads
from fleet.core import explain
from fleet.core.model import Reason
from fleet.core.states import CHANGE_ENDED, CHANGE_LIVE, ChangeState

PER_PAGE = 50
# Several states under one word, for those who do not care which.
_SOME = {
    "live": tuple(CHANGE_LIVE),
    "ended": tuple(CHANGE_ENDED),
    "waiting": (ChangeState.SUBMITTED, ChangeState.APPROVED, ChangeState.SCHEDULED),
}
STATES = (
    ("live", "running or paused"),
    ("waiting", "submitted to scheduled"),
    ("ended", "ended"),
    *((s.value, s.value.replace("_", " ")) for s in ChangeState),
)


@reads
def changes(request: HttpRequest) -> HttpResponse:
    """All changes, newest first; for htmx the live part. 400 with the reasons when the address is not understood."""
    rows, refusals = _narrowed(request)
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "now": clock.now(),
        "page": page,
        "states": STATES,
        "authors": list(User.objects.filter(changes__isnull=False).distinct().order_by("username")[:200]),
        "recipes": list(Revision.objects.order_by("recipe").values_list("recipe", flat=True).distinct()[:200]),
        "asked": {k: request.GET.get(k, "") for k in ("state", "author", "recipe", "q")},
        "refusals": explain.sentences(refusals),
        "engine_seen": frame.engine_seen(),
        "last_event": Event.objects.order_by("-id").values_list("id", flat=True).first() or 0,
        "earlier": _address(request, page.number - 1) if page.has_previous() else "",
        "further": _address(request, page.number + 1) if page.has_next() else "",
        "room": "changes",
    }
    template = "changes/_list.html" if access.is_htmx(request) else "changes/list.html"
    return render(request, template, context, status=400 if refusals else 200)


def _address(request: HttpRequest, page: int) -> str:
    query = request.GET.copy()
    query["page"] = str(page)
    return f"?{query.urlencode()}"


def _narrowed(request: HttpRequest) -> "tuple[QuerySet[Change], list[Reason]]":
    rows, refusals = Change.objects.listed(), []
    state, author = request.GET.get("state", ""), request.GET.get("author", "")
    if state in _SOME:
        rows = rows.filter(state__in=_SOME[state])
    elif state in set(ChangeState):
        rows = rows.filter(state=state)
    elif state:
        known = ", ".join([*_SOME, *ChangeState])
        refusals.append(Reason("state", repr(state[:40]), f"one of {known}", "Choose one from the list."))
    if author:
        rows = rows.filter(author__username=author)
    if recipe := request.GET.get("recipe", ""):
        rows = rows.filter(pk__in=Revision.objects.filter(recipe=recipe).values("change"))
    for word in request.GET.get("q", "").split()[:8]:
        number = Q(pk=int(word)) if word.isascii() and word.isdigit() and len(word) < 10 else Q()
        rows = rows.filter(Q(title__icontains=word) | Q(ticket__icontains=word) | number)
    return rows, refusals
