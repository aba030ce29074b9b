"""What waits for one person: to be decided, reviewed, submitted, started, resumed. Shown first on the first page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Count, Prefetch, Q, QuerySet
from django.urls import reverse

from fleet.changes.models import (
    Approval,
    ApprovalRules,
    ApprovalVoid,
    BreakGlass,
    Change,
    Revision,
    StandardChange,
    StandardDecision,
)
from fleet.changes.views.access import APPROVE, OPERATE
from fleet.core import approval
from fleet.core.approval import Asked, Decision, Given
from fleet.core.states import ChangeState

# More of one kind than this are linked as a list.
SHOWN = 10
# Submitted changes that are looked at whether they wait for this person.
LOOKED_AT = 50


@dataclass(frozen=True)
class Waiting:
    """One thing that waits: what to do, with what, since when; `icon` of static/icons.svg."""

    icon: str
    todo: str
    title: str
    href: str
    since: datetime


def waiting(person: User, now: datetime) -> list[Waiting]:
    """Everything that waits for this person, by kind. At most twelve queries, whatever there is."""
    found: list[Waiting] = []
    if person.has_perm(APPROVE):
        found += [*_reviews(person), *_decisions(person), *_standards(person, now)]
    if person.has_perm(OPERATE):
        found += _starts()
    return [*found, *_own(person)]


def _linked(change: Change) -> tuple[str, str]:
    return f"{change.pk} {change.title}", change.get_absolute_url()


def _reviews(person: User) -> Iterator[Waiting]:
    rows = BreakGlass.objects.filter(review=None).exclude(by=person).exclude(revision__change__author=person)
    rows = rows.exclude(revision__change__revisions__created_by=person).select_related("revision__change")
    for row in rows.defer("revision__plan", "revision__recipe_text").order_by("pk")[:SHOWN]:
        yield Waiting("alarm", "Look at this break-glass", *_linked(row.revision.change), row.at)


def _decisions(person: User) -> Iterator[Waiting]:
    """Submitted changes on which an approval of this person would count."""
    groups = frozenset(person.groups.values_list("name", flat=True))
    rows = Change.objects.filter(state=ChangeState.SUBMITTED).exclude(author=person)
    shown = 0
    for change in _with_approval(rows.exclude(revisions__created_by=person).order_by("pk"))[:LOOKED_AT]:
        revision: Revision = change.newest_first[0]  # type: ignore[attr-defined]
        rules: list[ApprovalRules] = list(revision.rules.all())
        if shown < SHOWN and rules and _counts(change, revision, rules[-1], person, groups):
            shown += 1
            yield Waiting("signed", "Read the plan and decide", *_linked(change), rules[-1].at)


def _with_approval(rows: "QuerySet[Change]") -> "QuerySet[Change]":
    revisions = (
        Revision.objects.defer("plan", "recipe_text")
        .order_by("-number")
        .prefetch_related(
            Prefetch("rules", ApprovalRules.objects.order_by("pk")),
            Prefetch("approvals", Approval.objects.select_related("approver").order_by("pk")),
            Prefetch("voids", ApprovalVoid.objects.order_by("up_to")),
        )
    )
    return rows.prefetch_related(Prefetch("revisions", revisions, to_attr="newest_first"))


def _counts(change: Change, revision: Revision, rules: ApprovalRules, person: User, groups: frozenset[str]) -> bool:
    """Would it count? What only the plan can tell (its devices, its findings) is asked on the page of the change."""
    void = max((v.up_to for v in revision.voids.all()), default=0)
    given = tuple(
        Given(a.approver_id, a.approver.get_username(), Decision(a.decision), a.digest, a.at, frozenset(a.groups or ()))
        for a in revision.approvals.all()
        if a.pk > void
    )
    wrote = frozenset(r.created_by_id for r in change.newest_first) | {change.author_id}  # type: ignore[attr-defined]
    asked = Asked(
        state=ChangeState(change.state),
        person=person.pk,
        name=person.get_username(),
        groups=groups,
        digest=revision.digest,
        newest=revision.digest,
        authors=wrote,
        comment="x",
        ticket=change.ticket or "x",
    )
    return not approval.may_decide(asked, rules.values(), given, approve=True)


def _standards(person: User, now: datetime) -> Iterator[Waiting]:
    approved = Count("decisions", filter=Q(decisions__decision=StandardDecision.APPROVED))
    rows = StandardChange.objects.filter(expires_at__gt=now).exclude(author=person).exclude(decisions__by=person)
    rows = (
        rows.exclude(decisions__decision=StandardDecision.WITHDRAWN).annotate(approved=approved).filter(approved__lt=2)
    )
    for row in rows.order_by("created_at")[:SHOWN]:
        yield Waiting("signed", "Approve this standard change, or not", row.name, reverse("standards"), row.created_at)


def _starts() -> Iterator[Waiting]:
    states = {
        ChangeState.PAUSED: ("pause", "Resume, or roll back"),
        ChangeState.APPROVED: ("play", "Schedule or start"),
    }
    for state, (icon, todo) in states.items():
        for change in Change.objects.filter(state=state).order_by("-id")[:SHOWN]:
            yield Waiting(icon, todo, *_linked(change), change.created_at)


def _own(person: User) -> Iterator[Waiting]:
    todo = {ChangeState.DRAFT: "Finish and submit", ChangeState.REJECTED: "Rejected: mend it or cancel"}
    rows = Change.objects.filter(author=person, state__in=list(todo)).order_by("-id")[:SHOWN]
    for change in rows:
        yield Waiting("pencil", todo[ChangeState(change.state)], *_linked(change), change.created_at)
