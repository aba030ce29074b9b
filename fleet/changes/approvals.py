"""Approval over rows: who wrote a change, what its submission asked for, what was given, what voids it.

Decisions are in core/approval.py. Every function that acts returns the reasons why not; empty means it was done.
"""

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, User
from django.db import transaction
from django.db.models import QuerySet

from fleet.api import accounts
from fleet.changes import transitions
from fleet.changes.models import (
    Approval,
    ApprovalPolicy,
    ApprovalRules,
    ApprovalVoid,
    BreakGlass,
    Change,
    Event,
    Revision,
    StandardUse,
)
from fleet.changes.models.overrides import in_force
from fleet.changes.transitions import Note
from fleet.core import approval, overrides, preconditions, risk
from fleet.core.approval import Asked, Condition, Decision, Given, Policy, Standing, Subject
from fleet.core.model import Plan, Reason
from fleet.core.states import ChangeState
from fleet.people import rights
from fleet.people.roles import APPROVE
from inventory.models import Observation, Router
from inventory.topology import load as load_topology

Reasons = tuple[Reason, ...]
ENGINE = "engine"


def raced(what: str) -> Reasons:
    """Somebody else was quicker: nothing was written."""
    return (Reason(what, "moved meanwhile by somebody else", "as you saw it", "Look again, then decide again."),)


def groups_of(person: AbstractBaseUser) -> frozenset[str]:
    """The names of the groups that a person is in now."""
    assert isinstance(person, User)
    return frozenset(person.groups.values_list("name", flat=True))


def authors(change: Change) -> frozenset[int]:
    """Everybody who wrote the change or any of its revisions, as the rows say and as the events say it.

    Events are append-only: whoever alters the author of a row does not stop being one. Who answers for a service
    account that wrote it is one as well, with all accounts that they answer for.
    """
    told = Event.objects.filter(change=change, kind__in=["change draft", "change planned"])
    wrote = {user for user in told.values_list("data__user", flat=True) if isinstance(user, int)}
    wrote |= {change.author_id, *change.revisions.values_list("created_by_id", flat=True)}
    return accounts.with_their_people(wrote)


# --- what is asked for ---------------------------------------------------------------------------------------------


def rules_for(plan: Plan, change: Change) -> tuple[tuple[Policy, ...], risk.Assessment]:
    """The policies that apply to a plan of a change as they are now, and its risk."""
    assessed = risk.assess(plan, load_topology())
    return _applying(plan.recipe, [t.name for t in plan.targets], assessed.risk, change), assessed


def _applying(recipe: str, names: Sequence[str], how_risky: risk.Risk, change: Change) -> tuple[Policy, ...]:
    where = Router.objects.filter(name__in=names).values_list("site__name", "role")
    pairs = set(where.distinct())
    subject = Subject(recipe, how_risky, frozenset(site for site, _ in pairs), frozenset(role for _, role in pairs))
    policies = approval.applying(ApprovalPolicy.objects.values_in_force(), subject)
    return _with_those_of_services(policies, change)


def _with_those_of_services(policies: tuple[Policy, ...], change: Change) -> tuple[Policy, ...]:
    """With the policies that changes of the services among the authors must meet, whatever these are about."""
    if not (of_services := accounts.policies_of(authors(change))):
        return policies
    found = {p.name: p for p in (*policies, *ApprovalPolicy.objects.filter(pk__in=of_services).values_in_force())}
    return tuple(found[name] for name in sorted(found))


def fix_rules(revision: Revision, now: datetime) -> ApprovalRules:
    """Keep what this submission asks approvers for: policies that are edited later change nothing under way."""
    policies, assessed = rules_for(revision.read_plan(), revision.change)
    return ApprovalRules.objects.create(
        revision=revision,
        at=now,
        risk=assessed.risk,
        why=[f.text for f in assessed.factors],
        policies=approval.to_document(policies),
        runs_out=any(p.expires_s is not None for p in policies),
    )


def rules_of(revision: Revision) -> tuple[Policy, ...]:
    """The policies that the newest submission of a revision fixed; before that, those of now by the risk that it was
    planned with (submitting looks anew: a page need not read the whole topology)."""
    fixed = revision.rules.order_by("-pk").first()
    if fixed is not None:
        return fixed.values()
    if revision.assessed is None:
        return rules_for(revision.read_plan(), revision.change)[0]
    planned = risk.Risk(revision.assessed["risk"])
    return _applying(revision.recipe, targets_of(revision), planned, revision.change)


def given_for(revision: Revision) -> tuple[Given, ...]:
    """What people said of a revision, in order, without what is void."""
    rows = revision.good_approvals().select_related("approver")
    return tuple(
        Given(a.approver_id, a.approver.get_username(), Decision(a.decision), a.digest, a.at, frozenset(a.groups or ()))
        for a in rows
    )


def standing(revision: Revision) -> Standing:
    """Where the approval of a revision stands."""
    who = authors(revision.change)
    return approval.standing(rules_of(revision), given_for(revision), digest=revision.digest, authors=who)


# --- deciding ------------------------------------------------------------------------------------------------------


def decide_on(
    change: Change, person: AbstractBaseUser, now: datetime, *, approve: bool, digest: str, comment: str = ""
) -> Reasons:
    """Approve or reject exactly the plan with this digest (rule 1). The change is approved when nothing is missing."""
    revision = change.revision
    if revision is None:
        return (Reason("plan", "none", "a plan", "Plan the change first."),)
    policies, given, who = rules_of(revision), given_for(revision), authors(change)
    groups = groups_of(person)
    asked = _asked(change, revision, person, digest=digest, comment=comment, who=who, groups=groups)
    if reasons := approval.may_decide(asked, policies, given, approve=approve):
        return reasons
    decision = Decision.APPROVED if approve else Decision.REJECTED
    new = Given(person.pk, person.get_username(), decision, digest, now, groups)
    after = approval.standing(policies, (*given, new), digest=revision.digest, authors=who)
    text = f"{decision} revision {revision.number}, digest {digest[:12]}" + (f": {comment}" if comment else "")
    note = Note(person.get_username(), text)
    with transaction.atomic():
        if not approve:
            moved = transitions.move_change(change, ChangeState.REJECTED, note, now)
        elif after.complete:
            moved = transitions.move_change(change, ChangeState.APPROVED, note, now)
        else:
            still = "; ".join(f"{s.policy}, {s.stage.name}: {s.words}" for s in after.missing)
            moved = transitions.stay(change, "approval given", Note(note.actor, f"{text}. Still missing: {still}"), now)
        if not moved:
            return raced("change")
        _keep(revision, person, decision, groups, comment, now)
    return ()


def _keep(
    revision: Revision,
    person: AbstractBaseUser,
    decision: Decision,
    groups: frozenset[str],
    comment: str,
    now: datetime,
) -> None:
    Approval.objects.create(
        revision=revision,
        digest=revision.digest,
        approver_id=person.pk,
        decision=decision,
        comment=comment,
        groups=sorted(groups),
        at=now,
    )


def _asked(
    change: Change,
    revision: Revision,
    person: AbstractBaseUser,
    *,
    digest: str,
    comment: str,
    who: frozenset[int],
    groups: frozenset[str],
) -> Asked:
    return Asked(
        state=ChangeState(change.state),
        person=person.pk,
        name=person.get_username(),
        groups=groups,
        digest=digest,
        newest=revision.digest,
        authors=who,
        comment=comment,
        ticket=change.ticket,
        fatal=revision.fatal,
        warnings=revision.warnings,
        may=(
            *accounts.may_not_approve(_user(person)),
            *rights.refusals(person, APPROVE, targets_of(revision)),
            *_overrode(revision, person),
        ),
    )


def _user(person: AbstractBaseUser) -> User:
    assert isinstance(person, User)
    return person


def _overrode(revision: Revision, person: AbstractBaseUser) -> Reasons:
    given = in_force(revision.change_id, revision.plan["findings"])
    mine = any(row.by_id == person.pk for row in given.values())
    return overrides.not_the_overrider(person.get_username(), overrode=mine)


def why_not(change: Change, revision: Revision, person: AbstractBaseUser, policies: Sequence[Policy]) -> Reasons:
    """Why this person cannot approve the newest revision, whatever they write; for the page."""
    who = authors(change)
    asked = _asked(change, revision, person, digest=revision.digest, comment="x", who=who, groups=groups_of(person))
    return approval.may_decide(asked, policies, given_for(revision), approve=True)


def targets_of(revision: Revision) -> list[str]:
    """The names of the devices of a plan."""
    return [t["name"] for t in revision.plan["targets"]]


def comment_on(change: Change, person: AbstractBaseUser, now: datetime, *, comment: str) -> Reasons:
    """Say something about the newest revision without deciding anything; authors may."""
    revision = change.revision
    if revision is None:
        return (Reason("plan", "none", "a plan", "Plan the change first."),)
    if not comment:
        return (Reason("comment", "none", "what you want to say", "Write it."),)
    if change.ended:
        return (Reason("change", change.state, "not yet ended", "What is over is not discussed here."),)
    with transaction.atomic():
        _keep(revision, person, Decision.COMMENTED, groups_of(person), comment, now)
        note = Note(person.get_username(), f"commented on revision {revision.number}: {comment}")
        transitions.note(change.pk, "change comment", note, now)
    return ()


# --- from approval to start ----------------------------------------------------------------------------------------


def approved_digest(revision: Revision) -> str | None:
    """The digest that may be executed: approved by everybody who must, beforehand (standard change), or break-glass."""
    for way in (BreakGlass, StandardUse):
        if digest := way.objects.filter(revision=revision).values_list("digest", flat=True).first():
            return digest
    return revision.approved_digest if standing(revision).complete else None


def missing(revision: Revision, now: datetime, *, window_end: datetime | None) -> Reasons:
    """What approval still wants before the start. Break-glass needs none; a standard change has it beforehand."""
    from fleet.changes import standards

    if BreakGlass.objects.filter(revision=revision, digest=revision.digest).exists():
        return ()
    if (use := StandardUse.objects.filter(revision=revision).select_related("standard").first()) is not None:
        return standards.misfits(use.standard, revision, now)
    state = standing(revision)
    reasons = state.reasons() if revision.approved_digest else ()
    if Condition.WINDOW in state.conditions and window_end is None:
        reasons += (Reason("window", "none", "an end of the window, by policy", "Start it with an end."),)
    return reasons


def out_of_date(revision: Revision, now: datetime) -> Reasons:
    """Why the approval of a revision holds no longer: it ran out, or facts moved since the plan was made."""
    broken = BreakGlass.objects.filter(revision=revision).exists()
    ran_out = () if broken else approval.expired(standing(revision), now)
    return (*ran_out, *moved_facts(revision))


def moved_facts(revision: Revision) -> Reasons:
    """Every fact of the newest observations that is not as the plan expects it. One query."""
    expected = expected_by_target(revision)
    if not expected:
        return ()
    seen = Observation.objects.latest_by_router(list(expected))
    steps_of = {t["name"]: t["steps"] for t in revision.plan["targets"]}
    reasons: list[Reason] = []
    for name, facts in expected.items():
        if (newest := seen.get(name)) is None:
            reasons.append(
                Reason(name, "no observation any more", "facts to compare with", f"Run ./manage.py collect {name}.")
            )
            continue
        known = preconditions.already([s["expected"] for s in steps_of[name]], newest.facts)
        facts = {path: value for path, value in facts.items() if path not in known}
        since = f"observed {newest.observed_at:%Y-%m-%d %H:%M} UTC"
        reasons += preconditions.moved(name, facts, newest.facts, since=since)
    return tuple(reasons)


def expected_by_target(revision: Revision) -> dict[str, dict[str, object]]:
    """Device -> the facts that its plan was computed from (path -> value); devices without any are left out."""
    found: dict[str, dict[str, object]] = {}
    for target in revision.plan["targets"]:
        for step in target["steps"]:
            if facts := step["expected"].get(preconditions.FACTS):
                found.setdefault(target["name"], {}).update(facts)
    return found


def void(change: Change, revision: Revision, reasons: Sequence[Reason], by: str, now: datetime) -> bool:
    """What was approved is not what would happen any more: back to draft (or expired), and it is said why."""
    ran_out = any(r.subject == "approval" for r in reasons)
    to = ChangeState.EXPIRED if ran_out else ChangeState.DRAFT
    sentences = [str(r) for r in reasons]
    newest = revision.approvals.order_by("-pk").values_list("pk", flat=True).first()
    with transaction.atomic():
        if not transitions.move_change(change, to, Note(by, "approval void: " + " ".join(sentences)), now):
            return False
        ApprovalVoid.objects.create(revision=revision, up_to=newest or 0, at=now, by=by, reasons=sentences)
    return True


def may_run_out() -> "QuerySet[Change]":
    """Changes that wait under a rule whose approvals run out."""
    waiting = [ChangeState.SUBMITTED, ChangeState.APPROVED, ChangeState.SCHEDULED]
    return Change.objects.filter(state__in=waiting, revisions__rules__runs_out=True).distinct()


def expire(now: datetime) -> int:
    """Close every change whose approval ran out before it started. One query while none can run out."""
    count = 0
    for change in may_run_out():
        revision = change.revision
        if revision is None or BreakGlass.objects.filter(revision=revision).exists():
            continue
        if reasons := approval.expired(standing(revision), now):
            count += void(change, revision, reasons, ENGINE, now)
    return count
