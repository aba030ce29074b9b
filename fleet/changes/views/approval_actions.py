"""Buttons beside approve and reject: comment, break-glass and its review, submit as a standard change."""

from django.http import HttpRequest, HttpResponse

from fleet import clock
from fleet.changes import emergencies, lifecycle, standards
from fleet.changes.models import BreakGlass
from fleet.changes.views.access import APPROVE, acts, person
from fleet.changes.views.actions import answer, bad_form, change_of, not_mine, text_of
from fleet.core.model import Reason
from fleet.people.roles import BREAK_GLASS


@acts()
def comment(request: HttpRequest, pk: int) -> HttpResponse:
    """Say something without deciding anything."""
    change = change_of(pk)
    text = text_of(request, "comment")
    if isinstance(text, Reason):
        return bad_form(request, change, text)
    return answer(
        request,
        change,
        lifecycle.comment_on(change, person(request), clock.now(), comment=text),
        "Said. Nothing is decided.",
    )


@acts(BREAK_GLASS)
def break_glass(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on without approval in an emergency."""
    change = change_of(pk)
    why = text_of(request, "why")
    if isinstance(why, Reason):
        return bad_form(request, change, why)
    digest = request.POST.get("digest", "")[:64]
    reasons = emergencies.break_glass(change, person(request), clock.now(), why=why, digest=digest)
    return answer(request, change, reasons, "The glass is broken: others are told; a second person looks afterwards.")


@acts(APPROVE)
def review_break_glass(request: HttpRequest, pk: int) -> HttpResponse:
    """Say what a second person found after an emergency."""
    change = change_of(pk)
    text = text_of(request, "comment")
    if isinstance(text, Reason):
        return bad_form(request, change, text)
    rows = BreakGlass.objects.filter(revision__change=change).select_related("revision__change", "by")
    glass = rows.order_by("-pk").first()
    if glass is None:
        none = Reason("break-glass", "none in this change", "one that waits for a second person")
        return answer(request, change, (none,), "")
    return answer(request, change, emergencies.review(glass, person(request), clock.now(), comment=text), "Reviewed.")


@acts()
def submit_standard(request: HttpRequest, pk: int) -> HttpResponse:
    """Submit a draft as a standard change: approved beforehand."""
    change = change_of(pk)
    if refusal := not_mine(request, change):
        return refusal
    name = request.POST.get("standard", "")[:63]
    reasons = standards.submit(change, person(request), clock.now(), name=name)
    return answer(request, change, reasons, f"Submitted as standard change {name}: approved beforehand.")
