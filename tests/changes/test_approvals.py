"""Approval over rows: stages, expiry, drift that voids it, break-glass, standard changes, roles, two at once."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core import mail
from django.test import Client
from django.urls import reverse

from fleet.changes import emergencies, lifecycle, notices, orchestrate, standards
from fleet.changes.models import (
    Approval,
    ApprovalPolicy,
    ApprovalRules,
    ApprovalStage,
    ApprovalVoid,
    BreakGlass,
    Change,
    Event,
    Notice,
    Revision,
    Run,
    StandardChange,
)
from fleet.core.model import Plan, Reason
from fleet.core.states import ChangeState
from fleet.people.models import Grant
from inventory.models import Observation, Router, Site
from tests.changes import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
PLAN = builders.plan([["bly"], ["aebi"]])
C = ChangeState


def newest(change: Change) -> Revision:
    revision = change.revision
    assert revision is not None
    return revision


def decide(change: Change, who: User, at: datetime = NOW, **more: Any) -> tuple[Reason, ...]:
    row = Change.objects.get(pk=change.pk)
    values = {"approve": True, "digest": newest(row).digest, **more}
    return lifecycle.decide_on(row, who, at, **values)


def state(change: Change) -> str:
    return Change.objects.values_list("state", flat=True).get(pk=change.pk)


def start(change: Change, who: User, at: datetime = NOW, **more: Any) -> tuple[Reason, ...]:
    return lifecycle.start(Change.objects.get(pk=change.pk), who, at, **more)


def policy(name: str, *stages: tuple[str, int], **fields: Any) -> ApprovalPolicy:
    made = ApprovalPolicy.objects.create(name=name, **fields)
    for number, (group, quorum) in enumerate(stages, start=1):
        stage = ApprovalStage.objects.create(policy=made, number=number, name=group, quorum=quorum)
        stage.groups.add(Group.objects.get_or_create(name=group)[0])
    return made


def member(name: str, *groups: str) -> User:
    who = builders.person(name)
    who.user_permissions.set(Permission.objects.filter(codename__in=["add_approval", "change_run"]))
    who.groups.set([Group.objects.get_or_create(name=g)[0] for g in groups])
    return who


def page(who: User, change: Change) -> str:
    client = Client()
    client.force_login(who, backend="django.contrib.auth.backends.ModelBackend")
    html = client.get(reverse("change", args=[change.pk])).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.fixture(autouse=True)
def _fleet() -> None:
    builders.fleet(["bly", "aebi"])


# --- stages ----------------------------------------------------------------------------------------------------------


def test_stages_are_met_one_after_the_other_and_the_page_says_what_is_missing(author: User) -> None:
    policy("edge", ("noc", 1), ("core", 2), roles=["edge"])
    change = builders.submitted(author, PLAN, NOW)
    noc, core, second = member("noc1", "noc"), member("core1", "core"), member("core2", "core")
    assert "edge, noc 0 of 1 wanted 1 more of noc" in page(noc, change)
    assert [r.subject for r in decide(change, core)] == ["stage noc of edge"]
    assert "You cannot approve it stage noc of edge: found core1 in core" in page(core, change)
    assert decide(change, noc) == ()
    assert "Still missing: edge, core: 2 more of core" in Event.objects.get(kind="approval given").text
    assert decide(change, core) == ()
    assert state(change) == C.SUBMITTED
    assert [r.subject for r in start(change, noc)] == ["change", "approval", "approval, edge: core"]
    assert decide(change, second, comment="read it") == ()
    assert state(change) == C.APPROVED
    assert start(change, noc) == ()
    assert sorted(Approval.objects.values_list("groups", flat=True)) == [["core"], ["core"], ["noc"]]


def test_only_policies_that_apply_are_asked_for(author: User, approver: User) -> None:
    policy("core only", ("core", 1), roles=["core"])
    policy("kernels", ("core", 1), recipes=["kernel"])
    policy("high", ("core", 1), least_risk="very high")
    policy("elsewhere", ("core", 1)).sites.add(Site.objects.get(name="site2"))
    policy("off", ("core", 1), active=False)
    change = builders.submitted(author, PLAN, NOW)
    assert decide(change, approver) == ()
    assert state(change) == C.APPROVED
    rules = ApprovalRules.objects.get()
    assert [p["name"] for p in rules.policies] == ["default"]
    assert rules.risk and rules.why


def test_a_denial_ends_it_at_any_stage_and_says_why(author: User) -> None:
    policy("edge", ("noc", 1), ("core", 1))
    change = builders.submitted(author, PLAN, NOW)
    assert decide(change, member("noc1", "noc")) == ()
    core = member("core1", "core")
    assert [r.subject for r in decide(change, core, approve=False)] == ["comment"]
    assert decide(change, core, approve=False, comment="not on a Friday") == ()
    assert state(change) == C.REJECTED


def test_a_comment_decides_nothing_and_authors_may(author: User, approver: User) -> None:
    change = builders.submitted(author, PLAN, NOW)
    for who in (author, approver):
        assert lifecycle.comment_on(change, who, NOW, comment="looks right to me") == ()
    assert lifecycle.comment_on(change, author, NOW, comment="")
    assert state(change) == C.SUBMITTED
    assert "commented by author" in page(author, change)
    assert not decide(change, approver), "who has commented may still decide"


def test_conditions(author: User, approver: User) -> None:
    policy("strict", conditions=["ticket", "comment", "no warnings", "window"])
    ApprovalStage.objects.create(policy=ApprovalPolicy.objects.get(), number=1, name="any")
    plan = builders.plan([["bly"]], findings=[builders.one_way_finding("bly")])
    change = builders.submitted(author, plan, NOW)
    assert [r.subject for r in decide(change, approver)] == ["ticket", "comment", "findings"]
    change = builders.draft(author, PLAN, NOW)
    Change.objects.filter(pk=change.pk).update(ticket="CHG1")
    assert lifecycle.submit(Change.objects.get(pk=change.pk), author, NOW) == ()
    assert decide(change, approver, comment="read") == ()
    assert [r.subject for r in start(change, approver)] == ["window"]
    assert start(change, approver, window_end=NOW + timedelta(hours=9)) == ()


# --- void ------------------------------------------------------------------------------------------------------------


def test_an_approval_that_ran_out_is_void_by_the_tick_and_at_the_start(author: User, approver: User) -> None:
    policy("short", expires_hours=1)
    ApprovalStage.objects.create(policy=ApprovalPolicy.objects.get(), number=1, name="any")
    later = NOW + timedelta(hours=1)
    change, other = (builders.approved(author, approver, PLAN, NOW) for _ in range(2))
    orchestrate.tick(later - timedelta(seconds=1))
    assert state(change) == C.APPROVED
    (reason,) = start(change, approver, later)
    assert reason.found == "ran out 2026-01-05 06:00 UTC"
    orchestrate.tick(later)
    assert (state(change), state(other)) == (C.EXPIRED, C.EXPIRED)
    assert not Run.objects.exists()
    assert "ran out 2026-01-05 06:00 UTC" in page(author, other)


def observed(name: str, at: datetime, **facts: Any) -> None:
    Observation.objects.create(router=Router.objects.get(name=name), observed_at=at, facts=facts)


def with_facts(plan: Plan, **facts: Any) -> Plan:
    targets = []
    for target in plan.targets:
        first = replace(target.steps[0], expected={"facts": facts})
        targets.append(replace(target, steps=(first, *target.steps[1:])))
    return replace(plan, targets=tuple(targets))


def test_facts_that_moved_hold_the_start_void_the_approval_and_are_named(author: User, approver: User) -> None:
    for name in ("bly", "aebi"):
        observed(name, NOW, kernel="6.1.0-28", uptime_s=5)
    plan = with_facts(PLAN, kernel="6.1.0-28")
    change = builders.approved(author, approver, plan, NOW)
    observed("aebi", NOW + timedelta(minutes=5), kernel="6.1.0-31", uptime_s=1)
    (reason,) = start(change, approver)
    assert str(reason) == (
        "aebi, kernel: found 6.1.0-31 (observed 2026-01-05 05:05 UTC), wanted 6.1.0-28 as it was approved. "
        "Plan a new revision on what is true now, and have it approved."
    )
    assert state(change) == C.DRAFT and not Run.objects.exists()
    assert "Approval void" in page(author, change) and "aebi, kernel: found 6.1.0-31" in page(author, change)
    assert lifecycle.submit(Change.objects.get(pk=change.pk), author, NOW) == ()
    assert "approval" in [r.subject for r in start(change, approver)], "what was given before is void for ever"
    assert decide(change, approver) == ()
    assert ApprovalVoid.objects.count() == 1


def test_what_can_no_longer_be_told_holds_too(author: User, approver: User) -> None:
    change = builders.approved(author, approver, with_facts(PLAN, kernel="6.1"), NOW)
    assert [r.found for r in start(change, approver)] == ["no observation any more"] * 2


def test_facts_as_they_were_start(author: User, approver: User) -> None:
    for name in ("bly", "aebi"):
        observed(name, NOW + timedelta(minutes=5), kernel="6.1")
    change = builders.approved(author, approver, with_facts(PLAN, kernel="6.1"), NOW)
    assert start(change, approver) == ()


def test_a_device_that_came_to_be_as_wanted_voids_nothing(author: User, approver: User) -> None:
    """Somebody set all of it by hand: nothing is left to do there. Half of it is drift."""
    paths = {"facts": {"sysctl.a.b": "0", "sysctl.c": "1"}, "wanted": {"sysctl.a.b": "1", "sysctl.c": "2"}}
    plan = with_facts(PLAN, kernel="6.1")
    targets = tuple(
        replace(t, steps=(t.steps[0], replace(t.steps[1], expected=paths), *t.steps[2:])) for t in plan.targets
    )
    change = builders.approved(author, approver, replace(plan, targets=targets), NOW)
    observed("aebi", NOW, kernel="6.1", sysctl={"a.b": "1", "c": "2"})
    observed("bly", NOW, kernel="6.1", sysctl={"a.b": "1", "c": "1"})
    (reason,) = start(change, approver)
    assert reason.subject == "bly, sysctl.a.b"


# --- break-glass -----------------------------------------------------------------------------------------------------


@pytest.fixture
def operator(db: None) -> User:
    who = builders.person("operator")
    Grant.objects.create(person=who, role="operator")
    return who


def test_break_glass_needs_right_reason_and_digest(author: User, reader: User, operator: User) -> None:
    change = builders.draft(author, PLAN, NOW)
    digest = newest(change).digest
    reasons = lifecycle.break_glass(change, reader, NOW, why="", digest="x")
    assert [r.subject for r in reasons] == ["permission", "digest", "reason"]
    fatal = builders.draft(author, builders.plan([["bly"]], findings=[builders.fatal_finding("bly")]), NOW)
    reasons = lifecycle.break_glass(fatal, operator, NOW, why="fire", digest=newest(fatal).digest)
    assert [r.subject for r in reasons] == ["findings"]
    assert lifecycle.break_glass(change, operator, NOW, why="fire in MA1", digest=digest) == ()
    assert lifecycle.break_glass(change, operator, NOW, why="again", digest=digest)
    assert not Approval.objects.exists() and BreakGlass.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_break_glass_tells_others_starts_and_is_looked_at_afterwards(
    author: User, approver: User, operator: User, settings: Any
) -> None:
    settings.EMAIL_HOST = "mail.example.net"
    change = builders.submitted(author, PLAN, NOW)
    assert lifecycle.break_glass(change, operator, NOW, why="fire in MA1", digest=newest(change).digest) == ()
    (message,) = mail.outbox
    assert "approver@example.net" in message.to and "fire in MA1" in message.body
    assert Notice.objects.get().delivered_at is not None
    assert "BREAK-GLASS by operator" in Event.objects.get(kind="change approved").text
    assert start(change, operator) == ()
    glass = BreakGlass.objects.get()
    for who in (operator, author):
        assert [r.subject for r in emergencies.review(glass, who, NOW, comment="fine")] == ["reviewer"]
    assert "No second person has looked at it yet." in page(approver, change)
    assert emergencies.review(glass, approver, NOW, comment="was right") == ()
    assert [r.found for r in emergencies.review(glass, approver, NOW, comment="x")] == ["reviewed already"]
    assert "Looked at by approver" in page(author, change)


def test_a_mail_server_that_does_not_answer_holds_nothing_up(
    author: User, approver: User, operator: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any) -> None:
        raise ConnectionRefusedError("no answer")

    change = builders.submitted(author, PLAN, NOW)
    monkeypatch.setattr(notices, "send_mail", down)
    notice = notices.tell(change, "break-glass", "x", NOW)
    notices._mail(notice)
    notice.refresh_from_db()
    assert notice.delivered_at is None


# --- standard changes ------------------------------------------------------------------------------------------------


def standard(change: Change, *approvers: User, **more: Any) -> StandardChange:
    revision = newest(change)
    bounds = standards.Bounds({"queues": {"min": 1, "max": 8}}, 5, NOW + timedelta(days=30), **more)
    author = builders.person("standard-author")
    digest = standards.digest_of(revision.recipe_text)
    row = standards.write("queues", revision.recipe, digest, bounds, author=author, now=NOW)
    assert isinstance(row, StandardChange)
    for who in approvers:
        assert standards.approve(row, who, NOW) == ()
    return row


def test_a_standard_change_starts_without_a_further_decision_and_says_so(
    author: User, approver: User, admin: User
) -> None:
    change = builders.draft(author, PLAN, NOW)
    row = standard(change, approver)
    assert standards.submit(change, author, NOW, name="queues"), "one approval is not two"
    assert standards.approve(row, admin, NOW) == ()
    assert standards.submit(change, author, NOW, name="queues") == ()
    text = Event.objects.get(kind="change approved").text
    assert text.startswith("approved beforehand by standard change queues (approver, admin)")
    assert "Approved beforehand by the standard change queues" in page(approver, change)
    assert start(change, approver) == ()


def test_a_standard_change_that_is_withdrawn_or_over_does_not_start(author: User, approver: User, admin: User) -> None:
    change = builders.draft(author, PLAN, NOW)
    row = standard(change, approver, admin)
    assert standards.submit(change, author, NOW, name="queues") == ()
    assert [r.subject for r in start(change, approver, NOW + timedelta(days=31))] == ["standard change queues"]
    assert standards.withdraw(row, approver, NOW, comment="queues are many now") == ()
    (reason,) = start(change, approver)
    assert reason.found == "withdrawn"


def test_a_standard_change_is_refused_where_it_does_not_fit(author: User, approver: User, admin: User) -> None:
    change = builders.draft(author, PLAN, NOW)
    standard(change, approver, admin, sites=("site0",))
    (reason,) = standards.submit(change, author, NOW, name="queues")
    assert reason.subject == "site of devices"
    (reason,) = standards.submit(change, author, NOW, name="no such")
    assert reason.wanted == "one that exists"
    assert state(change) == C.DRAFT
