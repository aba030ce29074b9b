"""The script of a ticketing system, in plain requests over a real connection: from the ticket to the evidence.

It opens a change, is cut off while it waits for the answer and sends the same again, learns that another change is in
the way, asks why nothing happens, has it approved, starts it, and keeps the evidence, which it checks.
"""

import hashlib
import io
import json
import socket
import time
import zipfile
from typing import Any
from uuid import uuid4

import pytest
import requests
from django.contrib.auth.models import User

from fleet import clock
from fleet.api import accounts
from fleet.api.models import ServiceAccount
from fleet.changes import draft_requests, seals
from fleet.changes.models import Change, DraftRequest, Run
from fleet.people.models import Grant
from inventory.models import Observation, Router
from tests.changes import builders
from tests.changes.api_client import token

pytestmark = pytest.mark.django_db(transaction=True)
FACTS = {
    "kernel": "6.1.9",
    "sysctl": {"net.core.netdev_max_backlog": "1000"},
    "routing": {"suite": "frr"},
}


class Desk:
    """The ticketing system: an address, a token, and a new key for each new request."""

    def __init__(self, address: str, text: str) -> None:
        self.address, self.text = f"{address}/api/v1", text
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {text}"

    def get(self, path: str) -> Any:
        answer = self.session.get(self.address + path, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, said: Any = None, *, key: str = "") -> requests.Response:
        headers = {"Idempotency-Key": key or str(uuid4())}
        return self.session.post(self.address + path, json=said or {}, headers=headers, timeout=60)

    def post_and_be_cut_off(self, path: str, said: Any, key: str) -> None:
        """Send all of it, and close the connection before a byte of the answer is read."""
        host, port = self.address.split("/")[2].split(":")
        body = json.dumps(said).encode()
        head = (
            f"POST /api/v1{path} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {self.text}\r\n"
            f"Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head.encode() + body)
            connection.settimeout(60)
            connection.recv(1, socket.MSG_PEEK)  # it is answered; nobody will read it


@pytest.fixture
def address(live_server: Any) -> str:
    return str(live_server.url)


@pytest.fixture
def ann(author: User) -> User:
    """Whoever answers for the ticketing system."""
    return author


@pytest.fixture
def desk(ann: User, address: str) -> Desk:
    draft_requests.publish()
    for router in builders.fleet(["bly", "aebi"]):
        row = Router.objects.get(name=router.name)
        Observation.objects.create(router=row, observed_at=clock.now(), facts=FACTS)
    made = accounts.open_account("ticketing", owner=ann, purpose="the service desk", now=clock.now())
    assert isinstance(made, ServiceAccount)
    Grant.objects.create(person=made.user, role="operator")
    return Desk(address, token(made.user, "read", "changes:draft", "changes:operate")[0])


@pytest.fixture
def boss(approver: User, address: str) -> Desk:
    """A program of somebody else, who approves."""
    return Desk(address, token(approver, "read", "changes:approve")[0])


WANTED = {
    "title": "A longer backlog on the edge",
    "recipe": "sysctl",
    "inputs": {"settings": "net.core.netdev_max_backlog = 5000", "settle": "1s"},
    "targets": {"names": ["bly"]},
    "ticket": "CHG0031",
}


def opened(desk: Desk, wanted: dict[str, Any], key: str) -> int:
    """Ask until there is a draft; the engine does its turn in between."""
    answer = desk.post("/changes", wanted, key=key)
    assert answer.status_code == 202, answer.text
    draft = answer.json()
    draft_requests.take_up(clock.now())
    found = desk.get(answer.headers["Location"].partition("/api/v1")[2])
    assert found["id"] == draft["id"]
    assert found["state"] == "drafted", found["reasons"]
    return int(found["change"])


def test_from_the_ticket_to_the_evidence(desk: Desk, boss: Desk, ann: User) -> None:
    # It opens a change, and is cut off before it reads the answer. The same again is the same draft.
    key = str(uuid4())
    desk.post_and_be_cut_off("/changes", WANTED, key)
    number = opened(desk, WANTED, key)
    again = desk.post("/changes", WANTED, key=key)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert DraftRequest.objects.count() == Change.objects.count() == 1
    assert desk.post("/changes", {**WANTED, "ticket": "CHG0032"}, key=key).status_code == 422
    assert desk.get("/changes?ticket=CHG0031&fields=id,author")["items"] == [{"id": number, "author": "ticketing"}]

    # What would be done, and when it could be.
    plan = desk.get(f"/changes/{number}/plan")
    assert plan["digest"] == desk.get(f"/changes/{number}")["revision"]["digest"]
    assert desk.get(f"/changes/{number}/slots")["slots"] == []
    submitted = desk.post(f"/changes/{number}/submit").json()
    assert submitted.get("state") == "submitted", submitted

    # Another change on the same device: said as a conflict.
    other = opened(desk, {**WANTED, "ticket": "CHG0040"}, str(uuid4()))
    conflicts = desk.get(f"/changes/{other}/conflicts")["conflicts"]
    assert [c["subject"] for c in conflicts] == [f"change {number}, submitted"]
    assert "device bly" in conflicts[0]["text"]

    # Why does nothing happen? It waits for a second person, and neither the desk nor its owner is one.
    why = desk.get(f"/changes/{number}/why")
    assert why["in_words"] == "Waits for a second person to approve exactly this plan."
    assert why["approval"][0]["missing"] == 1
    early = desk.post(f"/changes/{number}/start")
    assert early.status_code == 409
    assert "approved" in early.json()["detail"]
    itself = desk.post(f"/changes/{number}/approve", {"digest": why["digest"]})
    assert (itself.status_code, itself.json()["code"]) == (403, "scope")
    owner = Desk(desk.address.removesuffix("/api/v1"), token(ann)[0])
    refused = owner.post(f"/changes/{number}/approve", {"digest": why["digest"]})
    assert refused.status_code == 409
    assert "who is the author" in refused.json()["detail"]

    # Somebody else approves exactly that digest.
    stale = boss.post(f"/changes/{number}/approve", {"digest": "0" * 64})
    assert stale.status_code == 409
    assert "digest" in stale.json()["detail"]
    approved = boss.post(f"/changes/{number}/approve", {"digest": why["digest"], "comment": "CHG0031"})
    assert approved.json()["state"] == "approved"
    assert desk.get(f"/changes/{number}/approvals")["items"][0]["by"] == "approver"

    # It starts; events follow by cursor; it is aborted, and the evidence is kept.
    assert desk.post(f"/changes/{number}/start").json()["state"] == "running"
    assert desk.post(f"/changes/{number}/pause", {"why": "lunch"}).status_code == 200
    assert desk.get(f"/runs?change={number}")["items"][0]["control"] == "pause"
    assert desk.post(f"/changes/{number}/abort", {"why": "CHG0031 withdrawn"}).status_code == 200
    kinds = followed(desk, number)
    assert {"change submitted", "change approved", "change running", "run pause", "run abort"} <= set(kinds)
    verify(desk, number)
    assert Run.objects.count() == 1


def followed(desk: Desk, number: int) -> list[str]:
    """Every event of the change, two at a time, until there are no more; the last two seconds are not told yet."""
    from fleet.changes.models import Event

    last = Event.objects.filter(change=number).latest("pk").at
    time.sleep(max(0.0, 2.1 - (clock.now() - last).total_seconds()))
    found, cursor = [], 0
    while True:
        page = desk.get(f"/changes/{number}/events?limit=2&cursor={cursor}")
        found += [e["kind"] for e in page["items"]]
        if page["next"] is None:
            return found
        cursor = page["cursor"]


def verify(desk: Desk, number: int) -> None:
    """The evidence, checked from the file alone: every digest, and every link of the chain."""
    answer = desk.session.get(f"{desk.address}/changes/{number}/evidence", timeout=60)
    assert answer.headers["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        prefix = f"slipway-change-{number}"
        files = {name.removeprefix(f"{prefix}/"): archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    for name, about in manifest["files"].items():
        assert hashlib.sha256(files[name]).hexdigest() == about["sha256"], name
    events = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    assert events[-1]["hash"] == manifest["events"]["hash"]
    assert [e["number"] for e in events] == list(range(1, len(events) + 1))
    previous = ""
    for event in events:
        said = {k: v for k, v in event.items() if k not in {"number", "hash", "withheld"}}
        assert seals.seal_value.link_hash(previous, said) == event["hash"]
        previous = event["hash"]
    assert manifest["plan_digest"] == desk.get(f"/changes/{number}")["revision"]["digest"]
    assert b"CHG0031" in files["change.json"]
