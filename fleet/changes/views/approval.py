"""Approval on the page of a change: what is missing and who may give it, what voided it, break-glass."""

from typing import Any

from django.contrib.auth.models import User

from fleet.changes import approvals, standards
from fleet.changes.models import ApprovalRules, ApprovalVoid, BreakGlass, Revision, StandardUse
from fleet.changes.views.frame import Frame
from fleet.core import explain
from fleet.core.approval import CONDITION_WORDS
from fleet.core.states import ChangeState
from fleet.people.roles import APPROVE, BREAK_GLASS

_BEFORE_START = frozenset({ChangeState.SUBMITTED, ChangeState.APPROVED, ChangeState.SCHEDULED})


def shown(frame: Frame, who: User) -> dict[str, Any]:
    """What the templates `_approval.html` and `_actions.html` show. A few queries, none that grow with the change."""
    revision = frame.revision
    if revision is None:
        return {}
    glass = BreakGlass.objects.filter(revision__change=frame.change).select_related("by", "review__by", "revision")
    values: dict[str, Any] = {
        "broken_glass": glass.order_by("-pk").first(),
        "standard_use": StandardUse.objects.filter(revision=revision).select_related("standard").first(),
        "voids": list(ApprovalVoid.objects.filter(revision__change=frame.change).order_by("-pk")[:5]),
        "may_break_glass": frame.state in {ChangeState.DRAFT, ChangeState.SUBMITTED} and who.has_perm(BREAK_GLASS),
    }
    values["may_review_glass"] = _may_review(values["broken_glass"], frame, who)
    if frame.state is ChangeState.DRAFT:
        values["standards"] = standards.fitting(revision, frame.now)
    elif frame.state in _BEFORE_START and not values["standard_use"] and not values["broken_glass"]:
        values |= _standing(frame, revision, who)
    return values


def _may_review(glass: BreakGlass | None, frame: Frame, who: User) -> bool:
    if glass is None or hasattr(glass, "review") or not who.has_perm(APPROVE):
        return False
    return who.pk not in approvals.authors(frame.change) | {glass.by_id}


def _standing(frame: Frame, revision: Revision, who: User) -> dict[str, Any]:
    rules: ApprovalRules | None = revision.rules.order_by("-pk").first()
    state = approvals.standing(revision)
    values: dict[str, Any] = {
        "rules": rules,
        "standing": state,
        "conditions": [CONDITION_WORDS[c] for c in state.conditions],
    }
    if frame.state is ChangeState.SUBMITTED and who.has_perm(APPROVE):
        # The page asks what the button asks, so that nobody writes a comment for nothing.
        reasons = approvals.why_not(frame.change, revision, who, approvals.rules_of(revision))
        values["why_not_approve"] = explain.sentences(reasons)
    return values
