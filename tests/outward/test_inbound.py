"""What comes in: approval by callback of a system that cannot be asked, changes in NetBox, who is not believed."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from fleet.changes import lifecycle
from fleet.changes.models import Change
from fleet.outward import rounds, signing
from fleet.outward.models import InboundSource, SeenMessage, TicketSystem
from inventory.models import NetboxImport, NetboxSource
from tests.changes import builders
from tests.outward.conftest import SECRET, Clock
from tests.outward.test_tickets_servicenow import approve, link, look, submit, why

pytestmark = pytest.mark.django_db


@pytest.fixture
def change(author: User, at: Clock) -> Change:
    """A change whose ticket lies in a system that only calls back."""
    system = TicketSystem.objects.create(
        name="desk", kind="generic", url="https://desk.example.net", credential="env:TICKET_SECRET", pattern=r"T-\d+"
    )
    InboundSource.objects.create(name="desk", secret="env:HOOK_SECRET", system=system, created_at=at())
    builders.fleet(["bly"])
    made = builders.draft(author, builders.plan([["bly"]]), at())
    Change.objects.filter(pk=made.pk).update(ticket="T-17")
    made.refresh_from_db()
    return made


def send(at: Clock, said: Any, *, key: str = "msg_1", name: str = "desk") -> Any:
    secret = signing.key_of(SECRET)
    assert isinstance(secret, bytes)
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    headers = signing.headers([secret], message_id=key, at=at(), body=body)
    return Client().post(f"/hooks/{name}/", body, content_type="application/json", headers=headers)


def approval(change: Change, **more: Any) -> dict[str, Any]:
    digest = change.revision.digest if change.revision else ""
    return {"type": "ticket.approved", "data": {"ticket": "T-17", "digest": digest, "by": "Ada", **more}}


def test_a_callback_approves_exactly_the_plan_that_it_names(
    change: Change, author: User, approver: User, at: Clock
) -> None:
    submit(change, author, at)
    approve(change, approver, at)
    assert "ticket desk T-17: found not read yet" in why(change, at)
    answer = send(at, approval(change, digest="0" * 64))
    assert answer.status_code == 422
    assert "newest plan" in answer.json()["detail"]
    assert why(change, at) != ""
    assert send(at, approval(change), key="msg_2").status_code == 202
    look(at)
    assert why(change, at) == ""
    assert send(at, approval(change), key="msg_2").status_code == 200
    at.on(days=2)  # nobody can be asked, so what was said holds
    look(at)
    assert why(change, at) == ""
    builders.revise(change, author, builders.plan([["bly"]], recipe="other"), at())
    look(at)
    assert "desk T-17" in why(change, at)


def test_taken_back_by_callback_it_holds_again(change: Change, author: User, approver: User, at: Clock) -> None:
    submit(change, author, at)
    approve(change, approver, at)
    send(at, approval(change))
    look(at)
    send(at, {"type": "ticket.withdrawn", "data": {"ticket": "T-17", "by": "Ada"}}, key="msg_2")
    assert "withdrawn" in why(change, at)
    assert lifecycle.start(change, approver, at())
    look(at)
    assert "withdrawn" in why(change, at)
    assert link().approved == ""


@pytest.mark.parametrize(
    ("said", "status"),
    [(b"no json", 400), (b"[1]", 400), (b"[" * 5000, 400), ({"type": "ticket.exploded"}, 422),
     ({"type": "ticket.approved"}, 422), ({"type": "ticket.approved", "data": {"ticket": 5}}, 422),
     ({"type": "ticket.approved", "data": {"ticket": "T-99", "digest": "x"}}, 422), ({}, 422)],
)  # fmt: skip
def test_what_is_signed_and_makes_no_sense_is_refused_with_a_reason(
    said: Any, status: int, change: Change, author: User, at: Clock
) -> None:
    submit(change, author, at)
    answer = send(at, said)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert not SeenMessage.objects.exists()  # corrected, it may come again under its id
    assert InboundSource.objects.get().refused == 1


def test_who_is_not_set_up_and_what_is_too_long(change: Change, at: Clock) -> None:
    assert send(at, {}, name="nobody").status_code == 404
    assert Client().get("/hooks/desk/").status_code == 405
    assert Client().post("/hooks/desk/", b"x" * 1_000_001, content_type="application/json").status_code == 413
    InboundSource.objects.update(active=False)
    assert send(at, approval(change)).status_code == 404


def test_what_was_seen_is_forgotten_after_a_week(change: Change, author: User, at: Clock) -> None:
    submit(change, author, at)
    send(at, approval(change))
    at.on(days=6)
    rounds.tidy(at())
    assert SeenMessage.objects.exists()
    at.on(days=2)
    rounds.tidy(at())
    assert not SeenMessage.objects.exists()


# --- NetBox --------------------------------------------------------------------------------------------------------


@pytest.fixture
def netbox(db: None, at: Clock, monkeypatch: pytest.MonkeyPatch) -> NetboxSource:
    source = NetboxSource.objects.create(name="box", url="https://netbox.example.net")
    InboundSource.objects.create(name="box", scheme="netbox", secret="env:HOOK_SECRET", netbox=source, created_at=at())
    monkeypatch.setattr("inventory.importers.netbox.asks.ring", lambda pk: None)  # no worker reads NetBox here
    return source


def from_netbox(at: Clock, *, model: str = "device", secret: str = SECRET, late_s: int = 0) -> Any:
    """As NetBox 4 sends it: the instant in the body, the signature HMAC-SHA512 of the body."""
    said = {
        "event": "updated", "timestamp": at().isoformat(), "model": model, "username": "ada", "request_id": "r1",
        "data": {"id": 7, "name": "bly"},
    }  # fmt: skip
    body = json.dumps(said).encode()
    signed = hmac.new(secret.encode(), body, hashlib.sha512).hexdigest()
    at.on(seconds=late_s)
    return Client().post("/hooks/box/", body, content_type="application/json", headers={"X-Hook-Signature": signed})


def test_a_device_that_changed_asks_for_one_preview_that_a_person_agrees_to(netbox: NetboxSource, at: Clock) -> None:
    assert from_netbox(at).status_code == 422  # never imported from: nobody knows with which filters
    NetboxImport.objects.create(
        source=netbox, url=netbox.url, filters={"sites": ["lon1"]}, defaults={"credential": "lab"}, asked_by="ada",
        asked_at=at(), previewed_at=at(), applied_at=at(),
    )  # fmt: skip
    assert from_netbox(at).json()["said"] == "a preview is asked for"
    row = NetboxImport.objects.get(applied_at=None)
    assert (row.state, row.asked_by, row.filters["sites"]) == ("asked", "webhook:box", ["lon1"])
    at.on(seconds=1)
    assert from_netbox(at).json()["said"] == "a preview is asked for already"
    assert from_netbox(at, model="circuit").json()["said"].startswith("circuit: no business")
    assert NetboxImport.objects.count() == 2


def test_a_forged_a_late_and_a_repeated_one_from_netbox(netbox: NetboxSource, at: Clock) -> None:
    assert from_netbox(at, secret="guessed").status_code == 401
    assert from_netbox(at, late_s=301).status_code == 401
    assert from_netbox(at, model="circuit").status_code == 202
    assert from_netbox(at, model="circuit").status_code == 200
