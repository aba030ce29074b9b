"""Approval by people with roles on sites, by buttons, and by two in the same second."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from fleet import clock
from fleet.changes import approvals, lifecycle
from fleet.changes.models import Approval, ApprovalPolicy, ApprovalStage, Change, Event
from fleet.people.models import Grant
from inventory.models import Site
from tests.changes import builders
from tests.changes.test_approvals import NOW, PLAN, C, decide, newest, policy, start, state
from tests.changes.test_races import race

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fleet() -> None:
    builders.fleet(["bly", "aebi"])


# --- roles on sites --------------------------------------------------------------------------------------------------


def test_a_role_holds_where_it_was_given(author: User) -> None:
    change = builders.submitted(author, PLAN, NOW)
    here, everywhere = builders.person("here"), builders.person("everywhere")
    Grant.objects.create(person=here, role="approver").sites.add(Site.objects.get(name="site0"))
    group = Group.objects.create(name="approvers")
    everywhere.groups.add(group)
    Grant.objects.create(group=group, role="approver", device_roles=["edge"])
    assert here.has_perm("changes.add_approval") and not here.has_perm("changes.change_run")
    (reason,) = decide(change, here)
    assert reason.found == "here, without changes.add_approval on aebi (edge at site1)"
    assert decide(change, everywhere) == ()
    (reason,) = start(change, operator_at("site1"))
    assert "without changes.change_run on bly (edge at site0)" in reason.found


def operator_at(site: str) -> User:
    who = builders.person(f"operator-{site}")
    Grant.objects.create(person=who, role="operator").sites.add(Site.objects.get(name=site))
    return who


def test_a_viewer_presses_nothing(author: User) -> None:
    change = builders.submitted(author, PLAN, NOW)
    viewer = builders.person("viewer")
    Grant.objects.create(person=viewer, role="viewer")
    client = Client()
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")
    for name in ("decide", "start", "break-glass", "review-break-glass"):
        assert client.post(reverse(name, args=[change.pk])).status_code == 403
    assert client.get(reverse("change", args=[change.pk])).status_code == 200


# --- buttons and races -----------------------------------------------------------------------------------------------


def test_the_buttons(author: User, approver: User, admin: User) -> None:
    change = builders.draft(author, PLAN, clock.now())
    client = Client()
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(reverse("comment", args=[change.pk]), {"comment": "why now?"}).status_code == 302
    assert client.post(reverse("comment", args=[change.pk]), {"comment": "x" * 2001}).status_code == 400
    assert client.post(reverse("submit-standard", args=[change.pk]), {"standard": "none"}).status_code == 409
    assert client.post(reverse("review-break-glass", args=[change.pk]), {"comment": "x"}).status_code == 409
    form = {"why": "fire", "digest": newest(change).digest}
    assert client.post(reverse("break-glass", args=[change.pk]), {**form, "digest": "stale"}).status_code == 409
    assert client.post(reverse("break-glass", args=[change.pk]), form).status_code == 302
    client.force_login(approver, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(reverse("review-break-glass", args=[change.pk]), {"comment": "was right"}).status_code == 302


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("quorum", [1, 3])
def test_two_in_the_same_second(author: User, quorum: int) -> None:
    """One is written, the others are refused in words; nothing is half written, and nobody counts for two."""
    policy("many")
    ApprovalStage.objects.create(policy=ApprovalPolicy.objects.get(), number=1, name="any", quorum=quorum)
    change = builders.submitted(author, PLAN, NOW)
    people = iter([builders.person(f"p{n}") for n in range(8)])
    digest = newest(change).digest

    def prepare() -> Any:
        row, who = Change.objects.get(pk=change.pk), next(people)
        return lambda: lifecycle.decide_on(row, who, NOW, approve=True, digest=digest)

    answers = race(prepare)
    assert answers.count(()) == Approval.objects.count() == 1
    assert {r.found for reasons in answers for r in reasons} <= {
        "moved meanwhile by somebody else", "approved", "submitted"
    }  # fmt: skip
    assert state(change) == (C.APPROVED if quorum == 1 else C.SUBMITTED)
    assert Event.objects.filter(kind__in=["change approved", "approval given"]).count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_approval_and_an_edit_meet(author: User, approver: User) -> None:
    change = builders.submitted(author, PLAN, NOW)
    digest = newest(change).digest

    def approving() -> Any:
        row = Change.objects.get(pk=change.pk)
        return lambda: lifecycle.decide_on(row, approver, NOW, approve=True, digest=digest)

    def editing() -> Any:
        row = Change.objects.get(pk=change.pk)
        note = approvals.Note("author", "edited")
        return lambda: approvals.transitions.move_change(row, C.DRAFT, note, NOW)

    race(approving, editing, times=2)
    assert (state(change), Approval.objects.count()) in {(C.APPROVED, 1), (C.DRAFT, 0), (C.DRAFT, 1)}
    if state(change) == C.DRAFT and Approval.objects.exists():
        assert Event.objects.filter(kind="change approved").exists(), "approved first, then edited"
