"""The buttons of a change. Each writes rows through fleet.changes.lifecycle; the engine's next tick finds them."""

from collections.abc import Callable
from datetime import UTC, datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from fleet import clock
from fleet.changes import lifecycle, remedy_asks
from fleet.changes.models import Change
from fleet.changes.views import access
from fleet.changes.views.access import acts, person
from fleet.changes.views.change import show_change
from fleet.core.model import Reason
from fleet.core.states import ChangeState

LONGEST_TEXT = 2000  # characters of a comment or reason


def change_of(pk: int) -> Change:
    found = Change.objects.select_related("author").filter(pk=pk).first()
    if found is None:
        raise Http404(f"There is no change {pk}.")
    return found


def text_of(request: HttpRequest, name: str) -> str | Reason:
    """A text of the form, cleaned; a reason when it is too long."""
    text = request.POST.get(name, "").replace("\x00", "").replace("\r\n", "\n").strip()
    if len(text) <= LONGEST_TEXT:
        return text
    return Reason(name, f"{len(text)} characters", f"at most {LONGEST_TEXT}", "Put the long story into the ticket.")


def bad_form(request: HttpRequest, change: Change, reason: Reason) -> HttpResponse:
    """The form itself was wrong: nothing was tried."""
    return show_change(request, change.pk, refusals=(reason,), status=400)


def answer(request: HttpRequest, change: Change, reasons: lifecycle.Reasons, said: str) -> HttpResponse:
    """Back to the change, with what was done; or the change with why it was not done, and status 409."""
    if reasons:
        return show_change(request, change.pk, refusals=reasons, status=409)
    messages.success(request, said)
    return redirect(change)


def not_mine(request: HttpRequest, change: Change) -> HttpResponse | None:
    """Submitting and cancelling is for the author, and for whoever may edit every change."""
    reasons = lifecycle.not_theirs(change, person(request))
    return show_change(request, change.pk, refusals=reasons, status=403) if reasons else None


@acts()
def submit(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a draft before approvers."""
    change = change_of(pk)
    if refusal := not_mine(request, change):
        return refusal
    reasons = lifecycle.submit(change, person(request), clock.now())
    return answer(request, change, reasons, "Submitted. A second person approves or rejects it.")


@acts()
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Withdraw a change that has not started."""
    change = change_of(pk)
    if refusal := not_mine(request, change):
        return refusal
    why = text_of(request, "why")
    if isinstance(why, Reason):
        return bad_form(request, change, why)
    return answer(request, change, lifecycle.cancel(change, person(request), clock.now(), why=why), "Withdrawn.")


@acts(access.APPROVE)
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve or reject exactly the plan whose digest the form carried."""
    change = change_of(pk)
    decision = request.POST.get("decision", "")
    if decision not in {"approve", "reject"}:
        return bad_form(
            request, change, Reason("decision", repr(decision[:20]), "approve or reject", "Use the buttons.")
        )
    comment = text_of(request, "comment")
    if isinstance(comment, Reason):
        return bad_form(request, change, comment)
    approve = decision == "approve"
    digest = request.POST.get("digest", "")[:64]
    reasons = lifecycle.decide_on(change, person(request), clock.now(), approve=approve, digest=digest, comment=comment)
    said = f"{'Approved' if approve else 'Rejected'}: digest {digest[:12]}."
    if approve and change.state == ChangeState.SUBMITTED:
        said = f"Your approval of digest {digest[:12]} is kept. Others are still wanted."
    return answer(request, change, reasons, said)


@acts(access.OPERATE)
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin to execute the approved plan."""
    change = change_of(pk)
    window_end = _instant(request.POST.get("window_end", ""))
    if isinstance(window_end, Reason):
        return bad_form(request, change, window_end)
    reasons = lifecycle.start(change, person(request), clock.now(), window_end=window_end)
    return answer(request, change, reasons, "Started. The engine begins with wave 0 at its next tick.")


def _instant(text: str) -> datetime | Reason | None:
    """The end of the window as the form has it, in UTC; None when it was left empty."""
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        remedy = "Leave it empty for no end."
        return Reason("end of the window", repr(text[:40]), "a date and time, as 2026-11-21T06:00", remedy)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _operate(request: HttpRequest, pk: int, act: Callable[..., lifecycle.Reasons], said: str) -> HttpResponse:
    change = change_of(pk)
    why = text_of(request, "why")
    if isinstance(why, Reason):
        return bad_form(request, change, why)
    return answer(request, change, act(change, person(request), clock.now(), why=why), said)


@acts(access.OPERATE)
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop where it stands, undo nothing."""
    return _operate(request, pk, lifecycle.pause, "Pause is asked for: no worker starts another step.")


@acts(access.OPERATE)
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on after a pause."""
    return _operate(request, pk, lifecycle.resume, "It goes on at the engine's next tick.")


@acts(access.OPERATE)
def abort(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop now and roll back what is in flight."""
    said = "Abort is asked for: nothing new starts, what is in flight is rolled back and verified."
    return _operate(request, pk, lifecycle.abort, said)


@acts(access.OPERATE)
def roll_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop now and take everything back that this run has done."""
    said = "Rollback is asked for: what is in flight and what is done is taken back and verified."
    return _operate(request, pk, lifecycle.roll_back, said)


@acts(access.OPERATE)
def release(request: HttpRequest, pk: int) -> HttpResponse:
    """A stuck device was put right by hand."""
    change = change_of(pk)
    why = text_of(request, "why")
    if isinstance(why, Reason):
        return bad_form(request, change, why)
    names = [name[:100] for name in request.POST.getlist("name")]
    if not names:
        return bad_form(request, change, Reason("targets", "none", "at least one stuck target", "Choose which."))
    reasons = lifecycle.release(change, person(request), clock.now(), names=names, why=why)
    return answer(request, change, reasons, f"Released: {', '.join(names)}. Slipway lets go of it.")


@acts(access.OPERATE)
def remedy(request: HttpRequest, pk: int) -> HttpResponse:
    """Have a remedy carried out that is offered now for a target whose verification does not pass."""
    change = change_of(pk)
    names = {key: request.POST.get(key, "").replace("\x00", "")[:100] for key in ("target", "neighbour")}
    reasons = remedy_asks.ask(change, person(request), clock.now(), **names)
    said = f"Asked for: the engine does it on {names['neighbour']} at its next tick; the events say what came of it."
    return answer(request, change, reasons, said)
