"""Saved filters: the query of a list page under a name, of one's own or for everybody."""

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from fleet.core.model import Reason
from fleet.guards import acts, person, refused
from inventory.models import SavedFilter

# Which page a saved filter may belong to, and where that page is.
PAGES = {name: f"inventory-{name}" for name in ("devices", "nics", "links", "sites", "artifacts", "drift", "profiles")}


def of(page: str, who: User) -> list[SavedFilter]:
    """What this person may pick on a page: own ones first, then those that others share. One query."""
    rows = SavedFilter.objects.filter(Q(owner=who) | Q(shared=True), page=page).select_related("owner")
    return sorted(rows, key=lambda row: (row.owner_id != who.pk, row.name))


@acts()
def save(request: HttpRequest) -> HttpResponse:
    """Keep what is asked for now under a name; a name that one has already is given the new query."""
    page, name = request.POST.get("page", ""), request.POST.get("name", "").replace("\x00", "").strip()
    query = request.POST.get("query", "").removeprefix("?")
    if page not in PAGES:
        return _no(request, Reason("page", repr(page[:40]), ", ".join(PAGES), "Save from the page itself."))
    row = SavedFilter.objects.filter(owner=person(request), page=page, name=name).first()
    row = row or SavedFilter(owner=person(request), page=page, name=name)
    row.query, row.shared = query, request.POST.get("shared") == "1"
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        return _no(request, *(Reason(field, " ".join(said), "") for field, said in error.message_dict.items()))
    row.save()
    messages.success(request, f"Saved as {name}{', for everybody' if row.shared else ''}.")
    return redirect(f"{reverse(PAGES[page])}?{query}")


@acts()
def forget(request: HttpRequest, pk: int) -> HttpResponse:
    """Throw a saved filter of one's own away."""
    row = SavedFilter.objects.filter(pk=pk).select_related("owner").first()
    if row is None:
        return _no(request, Reason("saved filter", "it is gone already", "one that exists"), status=404)
    if row.owner != person(request):
        owner = row.owner.get_username()
        return _no(
            request,
            Reason(f"saved filter {row.name}", f"it belongs to {owner}", "your own", f"Ask {owner}."),
            status=403,
        )
    row.delete()
    messages.success(request, f"{row.name} is no longer saved.")
    return redirect(reverse(PAGES[row.page]) if row.page in PAGES else "/")


def _no(request: HttpRequest, *reasons: Reason, status: int = 400) -> HttpResponse:
    return refused(request, reasons, status=status)
