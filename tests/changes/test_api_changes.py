"""Changes over the API: drafted and revised as by the form, why as the page says it, windows, slots, events, runs."""

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from fleet import clock
from fleet.changes import draft_requests, lifecycle
from fleet.changes.models import Change, DraftRequest, Event, Freeze, Revision, Window
from fleet.people.models import Grant
from inventory.models import Observation, Router
from tests.changes import builders
from tests.changes.api_client import Program

pytestmark = pytest.mark.django_db
FACTS = {"kernel": "6.1.9", "sysctl": {"net.core.netdev_max_backlog": "1000"}, "routing": {"suite": "frr"}}
WANTED: dict[str, Any] = {
    "title": "Backlog", "recipe": "sysctl", "ticket": "NET-1", "targets": {"names": ["bly"]},
    "inputs": {"settings": "net.core.netdev_max_backlog = 5000", "settle": "1s"},
    "strategy": {"waves": "1, 100%", "total": 1, "max_failures": 0, "on_failure": "pause"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _fleet(db: None) -> None:
    draft_requests.publish()
    for router in builders.fleet(["bly", "aebi"]):
        row = Router.objects.get(name=router.name)
        Observation.objects.create(router=row, observed_at=clock.now(), facts=FACTS)


@pytest.fixture
def program(author: User) -> Program:
    Grant.objects.create(person=author, role="operator")
    return Program(User.objects.get(pk=author.pk))


def drafted(program: Program, answer: Any) -> dict[str, Any]:
    assert answer.status_code == 202, answer.content
    draft_requests.take_up(clock.now())
    found: dict[str, Any] = program.get(answer["Location"].removeprefix("http://testserver")).json()
    return found


# --- drafting --------------------------------------------------------------------------------------------------------


def test_a_draft_by_api_is_what_the_form_would_make(program: Program, author: User) -> None:
    draft = drafted(program, program.post("/changes", WANTED))
    assert draft["state"] == "drafted"
    change = Change.objects.get(pk=draft["change"])
    assert (change.title, change.ticket, change.author) == ("Backlog", "NET-1", author)
    row = DraftRequest.objects.get()
    assert row.inputs["settings"] == "net.core.netdev_max_backlog = 5000"
    assert row.strategy["on_failure"] == "pause"
    assert row.names == ["bly"]


@pytest.mark.parametrize(
    ("more", "subject"),
    [
        ({"recipe": "nothing"}, "recipe"),
        ({"inputs": {"nothing": 1}}, "input nothing"),
        ({"inputs": {"settings": ["a"]}}, "input settings"),
        ({"inputs": {}}, "settings"),
        ({"targets": {"names": ["blyy"]}}, "device blyy"),
        ({"targets": {"sites": ["nowhere"]}}, "devices"),
        ({"strategy": {"waves": "all"}}, "waves"),
    ],
)
def test_everything_that_is_wrong_is_said_and_nothing_written(
    program: Program, more: dict[str, Any], subject: str
) -> None:
    answer = program.post("/changes", {**WANTED, **more})
    assert answer.status_code == 409
    assert [r["subject"] for r in answer.json()["reasons"]] == [subject]
    assert not DraftRequest.objects.exists()


def test_what_the_engine_cannot_plan_is_told_at_the_draft(program: Program) -> None:
    wanted = {**WANTED, "inputs": {"settings": "net.core.netdev_max_backlog", "settle": "1s"}}
    draft = drafted(program, program.post("/changes", wanted))
    assert (draft["state"], draft["change"]) == ("refused", None)
    assert draft["reasons"]


def test_a_revision_wants_what_was_read_and_takes_the_rest_from_it(program: Program) -> None:
    pk = drafted(program, program.post("/changes", WANTED))["change"]
    program.post(f"/changes/{pk}/submit")
    seen = program.get(f"/changes/{pk}")
    said = {"inputs": {"settings": "net.core.netdev_max_backlog = 6000"}, "ticket": "NET-2"}
    assert program.post(f"/changes/{pk}/revisions", said).status_code == 428
    assert program.post(f"/changes/{pk}/revisions", said, **{"If-Match": '"old"'}).status_code == 412
    draft = drafted(program, program.post(f"/changes/{pk}/revisions", said, **{"If-Match": seen["ETag"]}))
    assert (draft["state"], draft["change"]) == ("drafted", pk)
    change = Change.objects.get(pk=pk)
    newest = change.revision
    assert newest is not None
    assert (newest.number, change.state, change.ticket) == (2, "draft", "NET-2")
    assert newest.inputs["settle"] == "1s", "what was not said stays"
    assert [t["name"] for t in newest.plan["targets"]] == ["bly"]
    assert program.post(f"/changes/{pk}/revisions", said, **{"If-Match": seen["ETag"]}).status_code == 412


def test_planning_anew_takes_the_newest_facts(program: Program) -> None:
    pk = drafted(program, program.post("/changes", WANTED))["change"]
    assert drafted(program, program.post(f"/changes/{pk}/plan"))["state"] == "drafted"
    first, second = Revision.objects.filter(change=pk).order_by("number")
    assert (first.number, second.number) == (1, 2)
    assert first.inputs == second.inputs
    listed = program.get(f"/changes/{pk}/revisions?fields=number").json()["items"]
    assert listed == [{"number": 2}, {"number": 1}]


def test_only_its_author_revises_submits_and_cancels(program: Program, approver: User) -> None:
    pk = drafted(program, program.post("/changes", WANTED))["change"]
    theirs = Program(approver)
    for word in ("submit", "cancel", "plan"):
        answer = theirs.post(f"/changes/{pk}/{word}")
        assert answer.status_code == 403
        assert "who is not the author" in answer.json()["detail"]
    assert program.post(f"/changes/{pk}/cancel", {"why": "no"}).json()["state"] == "cancelled"


# --- why, and acting -------------------------------------------------------------------------------------------------


def test_why_says_what_the_page_says(program: Program, author: User, approver: User) -> None:
    run = builders.running(author, approver, builders.plan([["bly"], ["aebi"]]), clock.now())
    builders.begin(run, ["bly"], clock.now())
    builders.stuck(run, "bly", clock.now())
    pk = run.revision.change_id
    why = program.get(f"/changes/{pk}/why").json()
    client = Client()
    client.force_login(author, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(f"/changes/{pk}/").content.decode()
    seen = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))
    assert why["in_words"] in seen
    assert why["next"] in seen
    (target,) = [t for t in why["targets"] if t["name"] == "bly"]
    assert target["state"] == "stuck"
    assert target["reasons"]
    assert all(reason in seen for reason in target["reasons"])
    released = program.post(f"/changes/{pk}/release", {"names": ["bly"], "why": "mended by hand"})
    assert released.status_code == 200, released.content


def test_a_decision_on_what_moved_meanwhile_is_refused(author: User, approver: User) -> None:
    change = builders.submitted(author, builders.plan([["bly"]]), clock.now())
    theirs = Program(approver)
    tag = theirs.get(f"/changes/{change.pk}")["ETag"]
    digest = theirs.get(f"/changes/{change.pk}/why").json()["digest"]
    lifecycle.cancel(change, author, clock.now())
    answer = theirs.post(f"/changes/{change.pk}/approve", {"digest": digest}, **{"If-Match": tag})
    assert answer.status_code == 412


def test_denying_wants_a_reason(author: User, approver: User) -> None:
    change = builders.submitted(author, builders.plan([["bly"]]), clock.now())
    digest = change.revision.digest  # type: ignore[union-attr]
    theirs = Program(approver)
    assert theirs.post(f"/changes/{change.pk}/deny", {"digest": digest}).status_code == 409
    denied = theirs.post(f"/changes/{change.pk}/deny", {"digest": digest, "comment": "not on a Friday"})
    assert denied.json()["state"] == "rejected"
    (said,) = theirs.get(f"/changes/{change.pk}/approvals").json()["items"]
    assert (said["decision"], said["comment"]) == ("rejected", "not on a Friday")


# --- windows and slots -----------------------------------------------------------------------------------------------


def test_windows_are_kept_as_by_the_form(program: Program, admin: User, author: User, approver: User) -> None:
    keeper = Program(admin)
    starts = clock.now() + timedelta(days=1)
    wanted = {"name": "nights", "starts": f"{starts:%Y-%m-%dT%H:%M}", "length_s": 7200, "zone": "UTC"}
    made = keeper.post("/windows", wanted)
    assert made.status_code == 201, made.content
    assert keeper.post("/windows", wanted).status_code == 409, "the name is taken"
    wrong = keeper.post("/windows", {**wanted, "name": "x", "zone": "Mars/Base", "sites": ["nowhere"]})
    assert {r["subject"] for r in wrong.json()["reasons"]} == {"zone", "site"}
    where = made["Location"].removeprefix("http://testserver")
    change = builders.approved(author, approver, builders.plan([["bly"]]), clock.now())
    slots = program.get(f"/changes/{change.pk}/slots?window=nights").json()
    (slot,) = slots["slots"]
    assert slots["worst_case_s"] > 0
    assert slot["starts"] < slot["latest_start"] < slot["ends"]
    scheduled = program.post(f"/changes/{change.pk}/schedule", {"window": "nights"})
    assert scheduled.json()["state"] == "scheduled"
    why = program.get(f"/changes/{change.pk}/why").json()
    assert (why["scheduled"], why["starts_at"]) == (True, slot["starts"])
    freeze = keeper.post("/freezes", {**wanted, "name": "party", "why": "nobody is there"})
    assert freeze.status_code == 201
    assert program.get(f"/changes/{change.pk}/slots").json()["slots"] == []
    moved = keeper.send("PUT", where, {**wanted, "length_s": 3600}, headers={"If-Match": made["ETag"]})
    assert moved.status_code == 201
    assert [w["length_s"] for w in keeper.get("/windows").json()["items"]] == [3600]
    assert [w["length_s"] for w in keeper.get("/windows?withdrawn=true").json()["items"]] == [7200]
    gone = keeper.send("DELETE", freeze["Location"].removeprefix("http://testserver"), headers={"If-Match": "*"})
    assert gone.status_code == 204
    assert (Window.objects.standing().count(), Freeze.objects.standing().count()) == (1, 0)


def test_a_keeper_of_some_sites_keeps_those(author: User) -> None:
    from inventory.models import Site

    person = builders.person("keeper")
    Grant.objects.create(person=person, role="admin").sites.set(Site.objects.filter(name="site0"))
    wanted = {"name": "n", "starts": "2027-01-01T01:00", "length_s": 7200, "zone": "UTC"}
    assert Program(person).post("/windows", wanted).status_code == 403
    assert Program(person).post("/windows", {**wanted, "sites": ["site0"]}).status_code == 201


# --- runs and events -------------------------------------------------------------------------------------------------


def test_runs_and_their_devices(program: Program, author: User, approver: User) -> None:
    run = builders.running(author, approver, builders.plan([["bly"], ["aebi"]]), clock.now())
    builders.begin(run, ["bly"], clock.now())
    builders.walk(run, "bly", clock.now())
    shown = program.get(f"/runs/{run.pk}").json()
    assert shown["waves"] == [
        {"number": 0, "targets": {"done": 1}},
        {"number": 1, "targets": {"pending": 1}},
    ]
    assert [t["name"] for t in program.get(f"/runs/{run.pk}/targets?state=done").json()["items"]] == ["bly"]
    steps = program.get(f"/runs/{run.pk}/targets/bly").json()["steps"]
    assert [s["title"] for s in steps][:3] == ["baseline", "drain", "nic"]
    assert {s["state"] for s in steps} == {"done"}
    assert [r["id"] for r in program.get("/runs?live=true").json()["items"]] == [run.pk]
    assert program.get("/runs?live=false").json()["items"] == []


def test_events_are_followed_by_cursor_and_since(program: Program, author: User) -> None:
    now = clock.now()
    change = builders.draft(author, builders.plan([["bly"]]), now)
    old = now - timedelta(hours=1)
    builders.events(change, 5, old)
    first = program.get("/events?limit=3").json()
    assert [e["text"] for e in first["items"]] == ["event 0", "event 1", "event 2"]
    rest = program.get(f"/events?cursor={first['cursor']}").json()
    assert [e["text"] for e in rest["items"]] == ["event 3", "event 4"]
    assert rest["next"] is None
    nothing = program.get(f"/events?cursor={rest['cursor']}").json()
    assert (nothing["items"], nothing["cursor"]) == ([], rest["cursor"])
    Event.objects.create(change=change, at=clock.now(), actor="x", kind="step done", text="just now")
    assert program.get(f"/events?cursor={rest['cursor']}").json()["items"] == [], "not before others can be seen"
    since = (old + timedelta(seconds=3)).isoformat().replace("+00:00", "Z")
    assert [e["text"] for e in program.get(f"/events?since={since}").json()["items"]] == ["event 3", "event 4"]
    assert program.get(f"/changes/{change.pk}/events?kind=nothing").json()["items"] == []
    assert program.get("/events?since=2026-11-21T06:00:00").status_code == 400, "which zone?"


def test_lists_take_as_many_queries_for_many_as_for_few(program: Program, author: User, approver: User) -> None:
    for name in ("bly", "aebi"):
        builders.running(author, approver, builders.plan([[name]]), clock.now() - timedelta(minutes=1))
    program.get("/me")  # the token is marked as used once a minute
    for path in ("/changes", "/runs", "/events", f"/changes/{Change.objects.latest('pk').pk}/revisions", "/recipes"):
        counts = []
        for limit in (1, 2):
            with CaptureQueriesContext(connection) as seen:
                assert program.get(f"{path}?limit={limit}").status_code == 200
            counts.append(len(seen))
        assert counts[0] == counts[1], path
        assert counts[0] <= 6, path
