"""Drafting a change by form: choose a recipe, fill in its inputs, select devices, strategy. The engine plans it.

The web process writes a row (models/draft_requests.py); beside the tick the engine makes the draft, or says why not.
"""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from fleet import clock
from fleet.changes.models import DraftRequest, RecipeCard, Revision
from fleet.changes.views import access, draft_asks, draft_form
from fleet.changes.views import frame as frames
from fleet.changes.views.access import acts, edits, is_htmx, person, reads
from fleet.changes.views.actions import change_of, not_mine
from fleet.changes.views.change import number_in, show_change
from fleet.changes.views.draft_form import Form
from fleet.core import explain
from fleet.core.model import OnFailure, Reason
from fleet.core.states import ChangeState
from fleet.people.roles import DRAFT
from inventory.models import Router, Site

NAMES_SHOWN = 60


@edits(DRAFT)
def new(request: HttpRequest) -> HttpResponse:
    """GET: choose a recipe, or (?recipe=) its form; POST: ask for the draft."""
    name = (request.POST if request.method == "POST" else request.GET).get("recipe", "")[:63]
    card = RecipeCard.objects.filter(name=name).first()
    again = _asked_before(request)
    if again is not None:
        card = RecipeCard.objects.filter(name=again.recipe).first()
        if again.change is not None:
            return redirect("edit", again.change.pk)
    if card is None:
        cards = RecipeCard.objects.all()
        return render(request, "changes/choose.html", {"cards": cards, "now": clock.now(), "asked": name})
    if request.method != "POST":
        form = draft_form.of_request(again) if again is not None else draft_form.fresh(card)
        return _show(request, card, form)
    return _ask(request, card, None)


def _asked_before(request: HttpRequest) -> DraftRequest | None:
    """The request of one's own that is to be corrected (?from=)."""
    pk = number_in(request, "from", 0)
    rows = DraftRequest.objects.filter(pk=pk, asked_by=person(request)).select_related("change")
    return rows.first() if pk and request.method != "POST" else None


@edits()
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """A new revision of a change that has not started: back to draft, every approval is void."""
    change = change_of(pk)
    if refusal := not_mine(request, change):
        return refusal
    revision = change.revision
    if reason := draft_asks.not_editable(change, revision):
        return show_change(request, change.pk, refusals=(reason,), status=409)
    assert revision is not None
    revision.change = change
    card = RecipeCard.objects.filter(name=revision.recipe).first()
    if card is None:
        wanted = "a recipe that comes with Slipway"
        reason = Reason("recipe", revision.recipe, wanted, "Revise it by command: ./manage.py plan --revise.")
        return show_change(request, change.pk, refusals=(reason,), status=409)
    if request.method == "POST":
        return _ask(request, card, revision)
    return _show(request, card, draft_form.of_revision(revision), revision=revision)


def _ask(request: HttpRequest, card: RecipeCard, revision: Revision | None) -> HttpResponse:
    form = draft_form.of_post(request.POST, card)
    edits = request.POST.get("edits", "")
    asked = draft_asks.ask(form, card, person(request), clock.now(), revision=revision, edits=edits)
    if isinstance(asked, tuple):
        return _show(request, card, form, revision=revision, reasons=asked)
    return redirect("draft-request", asked.pk)


def _show(
    request: HttpRequest,
    card: RecipeCard,
    form: Form,
    *,
    revision: Revision | None = None,
    reasons: tuple[Reason, ...] = (),
) -> HttpResponse:
    context = {
        "now": clock.now(),
        "card": card,
        "form": form,
        "fields": [{**spec, "value": form.inputs.get(spec["name"], "")} for spec in card.inputs],
        "on_failure": list(OnFailure),
        "revision": revision,
        "change": revision.change if revision is not None else None,
        "voids": revision is not None and revision.change.state not in {ChangeState.DRAFT, ChangeState.REJECTED},
        "refusals": explain.sentences(reasons),
        **_places(),
        **_selected(form, card),
    }
    return render(request, "changes/draft.html", context, status=400 if reasons else 200)


def _places() -> dict[str, Any]:
    return {
        "sites": list(Site.objects.order_by("name").values_list("name", flat=True)[:500]),
        "roles": list(Router.objects.order_by("role").values_list("role", flat=True).distinct()[:100]),
    }


def _selected(form: Form, card: RecipeCard) -> dict[str, Any]:
    names, wrong = draft_form.select(form, card)
    return {
        "names": names[:NAMES_SHOWN],
        "count": len(names),
        "more": len(names) - NAMES_SHOWN,
        "wrong": explain.sentences(wrong),
    }


@acts()
def selection(request: HttpRequest) -> HttpResponse:
    """The devices that the selection of a form means; asked while it is filled in. A POST, since names may be many."""
    card = RecipeCard.objects.filter(name=request.POST.get("recipe", "")[:63]).first()
    if card is None:
        raise Http404("There is no such recipe.")
    return render(request, "changes/_selected.html", _selected(draft_form.of_post(request.POST, card), card))


@reads
def draft_request(request: HttpRequest, pk: int) -> HttpResponse:
    """What came of asking: leads to the draft, or says why there is none. Asks again by itself until then."""
    row = DraftRequest.objects.select_related("asked_by", "change").filter(pk=pk).first()
    if row is None:
        raise Http404(f"There is no draft request {pk}.")
    if row.ended_at is not None and row.change is not None and not row.left:
        return _to(request, reverse("change", args=[row.change.pk]))
    now, seen = clock.now(), frames.engine_seen()
    context = {
        "now": now,
        "row": row,
        "mine": row.asked_by_id == person(request).pk,
        "engine_seen": seen,
        "engine_silent": row.ended_at is None and frames.silent(seen, now),
    }
    template = "changes/_draft_request.html" if is_htmx(request) else "changes/draft_request.html"
    return render(request, template, context)


def _to(request: HttpRequest, address: str) -> HttpResponse:
    if not access.is_htmx(request):
        return redirect(address)
    response = HttpResponse()
    response["HX-Redirect"] = address
    return response
