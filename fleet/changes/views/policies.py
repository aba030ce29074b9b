"""What approval asks for: the policies, and the standard changes that were approved beforehand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import Group
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef, Prefetch, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fleet import clock
from fleet.changes import standards as keeping
from fleet.changes.models import ApprovalPolicy, ApprovalStage, PolicyEdit, StandardChange, StandardDecision
from fleet.changes.views import access
from fleet.changes.views.access import APPROVE, acts, reads
from fleet.core import explain
from fleet.core.model import Reason
from fleet.core.standard import APPROVALS_WANTED, bound_in_words
from fleet.people import rights
from fleet.people.roles import POLICIES

PER_PAGE = 50
EDITS_SHOWN = 20
MOST_WORDS = 2000


@reads
def policies(request: HttpRequest) -> HttpResponse:
    """Which changes need which approvals."""
    members = Count("user", filter=Q(user__is_active=True))
    groups = Prefetch("groups", Group.objects.annotate(members=members).order_by("name"), to_attr="listed")
    stages = ApprovalStage.objects.order_by("number").prefetch_related(groups)
    rows = ApprovalPolicy.objects.prefetch_related("sites", Prefetch("stages", stages)).order_by("-active", "name")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "now": clock.now(),
        "room": "rules",
        "page": page,
        "too_few": [stage.pk for row in page for stage in row.stages.all() if _too_few(stage)],
        "edits": Paginator(PolicyEdit.objects.select_related("by").order_by("-pk"), EDITS_SHOWN).get_page(
            request.GET.get("edits")
        ),
        "may_edit": access.person(request).has_perm(POLICIES),
        "right": POLICIES,
    }
    return render(request, "rooms/policies.html", context)


def _too_few(stage: Any) -> bool:
    """Can it surely not be met? Somebody in two of its groups counts twice here: it is said only where it is sure."""
    return bool(stage.listed) and sum(group.members for group in stage.listed) < stage.quorum


@reads
def standards(request: HttpRequest) -> HttpResponse:
    """Standard changes: bounds, who approved them, how often they were used, until when they hold."""
    return _listed(request)


def _listed(request: HttpRequest, *, refusals: Sequence[Reason] = (), status: int = 200) -> HttpResponse:
    now = clock.now()
    decisions = StandardDecision.objects.select_related("by").order_by("pk")
    gone = StandardDecision.objects.filter(standard=OuterRef("pk"), decision=StandardDecision.WITHDRAWN)
    rows = StandardChange.objects.select_related("author").prefetch_related(Prefetch("decisions", decisions))
    rows = rows.annotate(used=Count("uses"), ended=Exists(gone)).order_by("ended", "-expires_at", "name")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    who = access.person(request)
    context = {
        "now": now,
        "room": "rules",
        "page": page,
        "rows": [_shown(row, who.pk, now) for row in page],
        "approvers": APPROVALS_WANTED,
        "may_decide": who.has_perm(APPROVE),
        "may_write": who.has_perm(POLICIES),
        "right": POLICIES,
        "refusals": explain.sentences(refusals),
    }
    return render(request, "rooms/standards.html", context, status=status)


def _shown(row: StandardChange, me: int, now: datetime) -> dict[str, object]:
    """A row with where it stands: in force, waits for approvals, ran out, withdrawn."""
    decisions = list(row.decisions.all())
    approved = [d for d in decisions if d.decision == StandardDecision.APPROVED]
    withdrawn = next((d for d in decisions if d.decision == StandardDecision.WITHDRAWN), None)
    ran_out = row.expires_at <= now
    ended = bool(withdrawn or ran_out)
    enough = len({d.by_id for d in approved} - {row.author_id}) >= APPROVALS_WANTED
    return {
        "row": row,
        "approved": approved,
        "withdrawn": withdrawn,
        "ran_out": ran_out,
        "in_force": enough and not ended,
        "waits": not enough and not ended,
        "missing": APPROVALS_WANTED - len(approved),
        "mine": row.author_id == me,
        "may_approve": not ended and row.author_id != me and all(d.by_id != me for d in approved),
        "ended": ended,
        "bounds": [f"{name}: {bound_in_words(value)}" for name, value in sorted(row.bounds.items())],
    }


@acts(APPROVE)
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """One of the two approvals of a standard change."""
    return _decide(request, pk, StandardDecision.APPROVED)


@acts(APPROVE)
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Nothing is submitted by it from now on."""
    return _decide(request, pk, StandardDecision.WITHDRAWN)


def _decide(request: HttpRequest, pk: int, decision: str) -> HttpResponse:
    row = StandardChange.objects.filter(pk=pk).prefetch_related("decisions").first()
    if row is None:
        raise Http404(f"There is no standard change {pk}.")
    who, now = access.person(request), clock.now()
    comment = request.POST.get("comment", "").strip()
    reasons = rights.refusals_of_scope(who, APPROVE, sites=row.site_names, roles=row.roles)
    if len(comment) > MOST_WORDS or "\x00" in comment:
        reasons += (Reason("comment", f"{len(comment)} characters", f"at most {MOST_WORDS} of text", "Shorten it."),)
    if not reasons:
        act = keeping.approve if decision == StandardDecision.APPROVED else keeping.withdraw
        reasons = act(row, who, now, comment=comment)
    if reasons:
        return _listed(request, refusals=reasons, status=409)
    messages.success(request, f"{row.name}: {decision} by you.")
    return redirect("standards")
