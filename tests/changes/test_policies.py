"""Approval policies on pages of their own: every rule kept, who may, every edit told for ever, nothing half-written."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import DatabaseError, transaction
from django.test import Client

from fleet.changes.models import ApprovalPolicy, PolicyEdit
from fleet.core.approval import Condition, Policy, Stage
from fleet.core.risk import Risk
from fleet.people.models import Grant
from inventory.models import Site
from tests.changes import builders

pytestmark = pytest.mark.django_db
WHY = "Agreed in the change board."


@pytest.fixture
def keeper(author: User) -> Client:
    """Somebody with the right, and names to choose from."""
    author.user_permissions.add(Permission.objects.get(codename="change_approvalpolicy"))
    builders.fleet(["bly", "aebi"])
    builders.draft(author, builders.plan([["bly"], ["aebi"]]), datetime.fromisoformat("2026-01-05T05:00:00+00:00"))
    Group.objects.bulk_create([Group(name="core"), Group(name="peers")])
    return client_of(author)


def client_of(person: User) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def words(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def form(*stages: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    rows = {f"stage-{n}-{field}": value for n, stage in enumerate(stages) for field, value in stage.items()}
    count = {"stage-TOTAL_FORMS": len(stages), "stage-INITIAL_FORMS": 0}
    return {"name": "strict", "active": "on", "why": WHY, "known": 0, **count, **rows, **more}


def test_every_rule_is_kept_and_the_edit_told(keeper: Client) -> None:
    said = form(
        {"name": "peer", "quorum": 1, "groups": ["peers", "core"]},
        {"name": "", "quorum": 1},
        {"name": "core team", "quorum": 2, "groups": ["core"]},
        least_risk="high", expires_hours=72, recipes=["nic-queues"], sites=["site0"], roles=["edge"],
        conditions=["ticket", "window"],
    )  # fmt: skip
    answer = keeper.post("/policies/add/", said, follow=True)
    assert "strict: it counts from the next submission on" in words(answer)
    assert ApprovalPolicy.objects.get().value() == Policy(
        "strict",
        (Stage("peer", frozenset({"core", "peers"})), Stage("core team", frozenset({"core"}), 2)),
        Risk.HIGH,
        frozenset({"nic-queues"}),
        frozenset({"site0"}),
        frozenset({"edge"}),
        72 * 3600.0,
        frozenset({Condition.TICKET, Condition.WINDOW}),
    )
    assert "stage 2: core team: 2 of core" in words(answer)
    assert WHY in words(answer)
    assert "has too few people: it cannot be met" in words(answer)
    edit = PolicyEdit.objects.get()
    for act in (lambda: PolicyEdit.objects.update(why="x"), edit.delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            act()


def test_an_edit_says_what_differs_and_a_stale_form_is_refused(keeper: Client) -> None:
    keeper.post("/policies/add/", form({"name": "any", "quorum": 1}))
    row = ApprovalPolicy.objects.get()
    address = f"/policies/{row.pk}/edit/"
    page = keeper.get(address)
    known = int(page.context["form"]["known"].value())
    later = form({"name": "any", "quorum": 2}, known=known, least_risk="medium")
    assert keeper.post(address, later).status_code == 302
    assert PolicyEdit.objects.latest("pk").lines == ["least risk: whichever > medium", "stage 1: any: 1 of anybody who"
                                                     " may approve > any: 2 of anybody who may approve"]  # fmt: skip
    stale = keeper.post(address, {**later, "least_risk": ""})
    assert stale.status_code == 409
    assert "edited by somebody else meanwhile" in words(stale)
    assert ApprovalPolicy.objects.get().least_risk == "medium"
    same = keeper.post(address, {**later, "known": PolicyEdit.objects.latest("pk").pk})
    assert "as it is already" in words(same)
    assert PolicyEdit.objects.count() == 2
    gone = keeper.post(f"/policies/{row.pk}/remove", {"why": "", "known": PolicyEdit.objects.latest("pk").pk})
    assert gone.status_code == 409
    assert ApprovalPolicy.objects.exists()
    gone = keeper.post(f"/policies/{row.pk}/remove", {"why": WHY, "known": PolicyEdit.objects.latest("pk").pk})
    assert gone.status_code == 302
    assert not ApprovalPolicy.objects.exists()
    assert "removed" in PolicyEdit.objects.latest("pk").lines


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({"why": " "}, 409, "reason: found none, wanted why the rules change"),
        ({"stage-0-name": ""}, 409, "stages: found none"),
        ({"stage-0-quorum": 0}, 400, "greater than or equal to 1"),
        ({"stage-0-groups": ["nobody"]}, 400, "nobody is not one of the available choices"),
        ({"conditions": ["odd"]}, 400, "odd is not one of the available choices"),
        ({"expires_hours": -1}, 400, "greater than or equal to 1"),
        ({"name": ""}, 400, "This field is required"),
        ({"name": "taken"}, 409, "name taken: found taken"),
        ({"stage-TOTAL_FORMS": 2, "stage-1-name": "any", "stage-1-quorum": 1}, 409, "stage any: found named twice"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_written(
    keeper: Client, more: dict[str, Any], status: int, said: str
) -> None:
    ApprovalPolicy.objects.create(name="taken")
    answer = keeper.post("/policies/add/", {**form({"name": "any", "quorum": 1}), **more})
    assert answer.status_code == status
    assert said in words(answer)
    assert [p.name for p in ApprovalPolicy.objects.all()] == ["taken"]
    assert not PolicyEdit.objects.exists()


def test_who_may(reader: User, approver: User) -> None:
    builders.fleet(["bly", "aebi"])
    everywhere = ApprovalPolicy.objects.create(name="everywhere")
    for person, status in ((reader, 403), (approver, 403)):
        assert client_of(person).get("/policies/add/").status_code == status
        assert client_of(person).post(f"/policies/{everywhere.pk}/remove").status_code == status
    Grant.objects.create(person=reader, role="admin").sites.set(Site.objects.filter(name="site0"))
    local = client_of(User.objects.get(pk=reader.pk))
    wide = local.post("/policies/add/", form({"name": "any", "quorum": 1}))
    assert "Narrow it to what is yours" in words(wide)
    assert local.post("/policies/add/", form({"name": "any", "quorum": 1}, sites=["site0"])).status_code == 302
    theirs = local.post(f"/policies/{everywhere.pk}/remove", {"why": WHY, "known": 0})
    assert theirs.status_code == 409
    assert ApprovalPolicy.objects.filter(name="everywhere").exists()
