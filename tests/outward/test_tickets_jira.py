"""A change and its Jira issue from end to end: approvals, the gate of a deployment, the fake down, a callback twice."""

import hashlib
import hmac
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from fleet.changes import lifecycle
from fleet.changes.models import Change, Event, Run
from fleet.core.states import ChangeState
from fleet.outward.models import InboundSource, TicketSystem
from lab.tickets.jira import Jira
from lab.tickets.server import Fake, Site, acted_but_cut, failing
from tests.changes import builders
from tests.outward.conftest import SECRET, Clock
from tests.outward.test_tickets_servicenow import approve, link, look, submit, why

pytestmark = pytest.mark.django_db


@pytest.fixture
def jira() -> Jira:
    return Jira()


@pytest.fixture
def site(jira: Jira, serve: Callable[[Fake], Site]) -> Site:
    return serve(jira)


def make_system(url: str, **more: Any) -> TicketSystem:
    values = {
        "kind": "jira", "username": "slipway@example.net", "credential": "env:TICKET_SECRET",
        "pattern": r"CHM-\d{1,9}", **more,
    }  # fmt: skip
    return TicketSystem.objects.create(name="jsm", url=url, **values)


def draft(author: User, at: Clock, ticket: str = "") -> Change:
    builders.fleet(["bly"])
    made = builders.draft(author, builders.plan([["bly"]]), at())
    Change.objects.filter(pk=made.pk).update(ticket=ticket)
    made.refresh_from_db()
    return made


def callback(key: str, at: Clock, identifier: str = "1") -> int:
    """What Jira's own webhook posts when an issue moves."""
    InboundSource.objects.get_or_create(
        name="jsm", defaults={"secret": "env:HOOK_SECRET", "scheme": "hub", "system": link().system, "created_at": at()}
    )
    said = {"timestamp": int(at().timestamp() * 1000), "webhookEvent": "jira:issue_updated", "issue": {"key": key}}
    body = json.dumps(said).encode()
    signed = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    answer = Client().post(
        "/hooks/jsm/",
        body,
        content_type="application/json",
        headers={"X-Hub-Signature": f"sha256={signed}", "X-Atlassian-Webhook-Identifier": identifier},
    )
    return answer.status_code


def run_it(change: Change, approver: User, at: Clock) -> None:
    change.refresh_from_db()
    builders.done(lifecycle.start(change, approver, at()))
    run = Run.objects.select_related("revision__change").get()
    builders.begin(run, ["bly"], at())
    builders.walk(run, "bly", at())
    look(at)
    builders.end(run, ChangeState.SUCCEEDED, "1 of 1 done", at())
    look(at)


def test_the_whole_story(jira: Jira, site: Site, author: User, approver: User, at: Clock) -> None:
    make_system(site.url)
    key = jira.make()
    change = draft(author, at, key)
    digest = change.revision.digest if change.revision else ""
    submit(change, author, at)
    issue = jira.issues[key]
    assert issue["status"] == "Awaiting CAB approval"
    assert any(digest in text for text in jira.comments_of(key))
    approve(change, approver, at)
    assert f"ticket jsm {key}: found not approved yet" in why(change, at)
    assert lifecycle.start(change, approver, at())
    site.stop()
    at.on(minutes=2)
    look(at)
    assert link().problem
    site.start()
    jira.approve(key, "Ada of the CAB")
    at.on(seconds=30)
    assert [callback(key, at) for _ in range(2)] == [202, 200]
    look(at)
    assert why(change, at) == ""
    assert (link().approved, link().approved_by) == (digest, "Ada of the CAB")
    assert Event.objects.filter(kind="ticket approved").count() == 1
    run_it(change, approver, at)
    assert issue["status"] == "Completed"
    assert any(text.startswith("successful: ") for text in jira.comments_of(key))
    (content,) = issue["attachments"].values()
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    assert link().ended_at is not None


def test_a_callback_is_believed_only_when_it_is_signed(
    jira: Jira, site: Site, author: User, at: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_system(site.url)
    key = jira.make()
    submit(draft(author, at, key), author, at)
    assert callback(key, at) == 202
    monkeypatch.setenv("HOOK_SECRET", SECRET[:-4] + "AAA=")
    assert callback(key, at, "2") == 401
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    before = at()
    at.on(seconds=301)
    said = {"timestamp": int(before.timestamp() * 1000), "issue": {"key": key}}
    body = json.dumps(said).encode()
    signed = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    answer = Client().post(
        "/hooks/jsm/", body, content_type="application/json", headers={"X-Hub-Signature": f"sha256={signed}"}
    )
    assert answer.status_code == 401
    assert "301 s off" in answer.json()["detail"]


def test_the_gate_of_a_deployment(jira: Jira, site: Site, author: User, approver: User, at: Clock) -> None:
    gating = {"pipeline": "slipway", "environment": "production", "services": ["b:1"]}
    make_system(site.url, username="", opens=True, options={"gating": gating})
    change = draft(author, at)
    jira.moods.append(acted_but_cut(jira, method="POST"))
    submit(change, author, at)  # announced, and the answer was cut
    at.on(minutes=1)
    look(at)
    assert len(jira.gates) == len(jira.issues) == 1
    change.refresh_from_db()
    assert change.ticket == "CHM-1"
    approve(change, approver, at)
    at.on(minutes=1)
    look(at)
    assert "not approved yet" in why(change, at)
    jira.approve("CHM-1")
    at.on(minutes=1)
    look(at)
    assert why(change, at) == ""
    # Another plan waits at another gate.
    builders.revise(change, author, builders.plan([["bly"]], recipe="other"), at())
    at.on(minutes=1)
    look(at)
    assert len(jira.gates) == 2
    assert why(change, at) != ""


def test_a_gated_deployment_shows_how_it_goes_on(
    jira: Jira, site: Site, author: User, approver: User, at: Clock
) -> None:
    gating = {"pipeline": "slipway", "environment": "production", "services": ["b:1"]}
    make_system(site.url, username="", opens=True, options={"gating": gating})
    change = draft(author, at)
    submit(change, author, at)
    approve(change, approver, at)
    at.on(minutes=1)
    look(at)
    jira.approve("CHM-1")
    at.on(minutes=1)
    look(at)
    run_it(change, approver, at)
    (gate,) = jira.gates.values()
    assert gate["state"] == "successful"
    assert jira.issues["CHM-1"]["status"] == "Completed"
    assert len(jira.issues["CHM-1"]["attachments"]) == 1


def test_an_older_approval_that_was_declined_since_counts_no_longer(
    jira: Jira, site: Site, author: User, approver: User, at: Clock
) -> None:
    make_system(site.url)
    key = jira.make()
    change = draft(author, at, key)
    submit(change, author, at)
    approve(change, approver, at)
    jira.approve(key)
    at.on(minutes=1)
    look(at)
    assert why(change, at) == ""
    jira.issues[key]["status"] = "Awaiting CAB approval"
    jira._ask(key)
    at.on(minutes=1)
    look(at)
    assert "not approved yet" in why(change, at)
    jira.decline(key)
    at.on(minutes=1)
    look(at)
    assert why(change, at) != ""


def test_an_issue_is_opened_once_also_when_the_answer_was_cut(jira: Jira, site: Site, author: User, at: Clock) -> None:
    make_system(site.url, opens=True, options={"project": "CHM"})
    change = draft(author, at)
    cut = acted_but_cut(jira, method="POST")
    jira.moods.append(lambda asked: cut(asked) if asked.path == "/rest/api/3/issue" else None)
    submit(change, author, at)
    at.on(minutes=1)
    look(at)
    assert list(jira.issues) == ["CHM-1"]
    change.refresh_from_db()
    assert change.ticket == "CHM-1"


def test_a_status_that_nobody_explained_is_not_approved(
    jira: Jira, site: Site, author: User, approver: User, at: Clock
) -> None:
    system = make_system(site.url)
    key = jira.make()
    change = draft(author, at, key)
    submit(change, author, at)
    approve(change, approver, at)
    jira.approve(key)
    jira.issues[key]["status"] = "Freigegeben"
    at.on(minutes=1)
    look(at)
    assert "unknown" in why(change, at)
    system.options = {"statuses": {"Freigegeben": "scheduled"}}
    system.save()
    at.on(minutes=1)
    look(at)
    assert why(change, at) == ""


def test_our_approval_is_given_there_where_we_are_asked(
    jira: Jira, site: Site, author: User, approver: User, at: Clock
) -> None:
    make_system(site.url, options={"approves": True})
    key = jira.make()
    change = draft(author, at, key)
    submit(change, author, at)
    approve(change, approver, at)
    at.on(minutes=1)
    look(at)
    assert jira.issues[key]["approvals"][-1]["finalDecision"] == "approved"
    assert link().approved_by == "Slipway"


def test_error_pages_hold(jira: Jira, site: Site, author: User, approver: User, at: Clock) -> None:
    make_system(site.url)
    key = jira.make()
    change = draft(author, at, key)
    jira.moods.append(failing(502))
    submit(change, author, at)
    approve(change, approver, at)
    assert "502" in why(change, at)
