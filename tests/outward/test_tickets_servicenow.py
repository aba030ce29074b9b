"""A change and its change_request from end to end: approved by the ticket, the fake down and lying, callbacks twice."""

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from fleet.changes import lifecycle, scheduled
from fleet.changes.models import Change, Event, Run
from fleet.core.states import ChangeState, Control
from fleet.outward import rounds, signing
from fleet.outward.models import InboundSource, TicketLink, TicketSystem
from fleet.outward.tickets import work
from lab.tickets.server import Said, Site, failing
from lab.tickets.servicenow import ServiceNow
from tests.changes import builders
from tests.outward.conftest import SECRET, Clock

pytestmark = pytest.mark.django_db


def look(at: Clock) -> None:
    """One round of tickets, in this thread."""
    rounds.prepare(at())
    for what, pk, _ in rounds.due(at()):
        if what == "ticket":
            work.attend(pk, read_clock=at)


def link() -> TicketLink:
    return TicketLink.objects.select_related("system").get()


def why(change: Change, at: Clock) -> str:
    change.refresh_from_db()
    return " ".join(scheduled.ahead(change, at()).holds)


def submit(change: Change, author: User, at: Clock) -> None:
    builders.done(lifecycle.submit(change, author, at()))
    look(at)


def approve(change: Change, approver: User, at: Clock) -> None:
    assert change.revision is not None
    change.refresh_from_db()
    builders.done(
        lifecycle.decide_on(change, approver, at(), approve=True, digest=change.revision.digest, comment="Read it.")
    )
    look(at)


def callback(number: str, at: Clock, *, key: str = "msg_1", body: bytes | None = None) -> Any:
    """What a business rule of theirs posts when an approval changes."""
    InboundSource.objects.get_or_create(
        name="now", defaults={"secret": "env:HOOK_SECRET", "system": link().system, "created_at": at()}
    )
    said = json.dumps({"type": "ticket.moved", "data": {"ticket": number}}).encode()
    hook_key = signing.key_of(SECRET)
    assert isinstance(hook_key, bytes)
    headers = signing.headers([hook_key], message_id=key, at=at(), body=said)
    sent = {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in headers.items()}
    return Client().post("/hooks/now/", body if body is not None else said, content_type="application/json", **sent)


def test_the_whole_story(change: Change, now_: ServiceNow, author: User, approver: User, at: Clock) -> None:
    number = next(iter(now_.rows.values()))["number"]
    digest = change.revision.digest if change.revision else ""
    submit(change, author, at)
    row = now_.row(number)
    assert (row["state"], row["approval"]) == ("-4", "requested")
    assert any(digest in note for note in now_.notes_of(number))
    approve(change, approver, at)
    assert f"ticket now {number}: found not approved yet" in why(change, at)
    refused = lifecycle.start(change, approver, at())
    assert any(number in str(r) for r in refused)
    now_.approve(number)
    at.on(seconds=5)
    assert callback(number, at).status_code == 202
    look(at)
    assert link().approved == digest
    assert why(change, at) == ""
    builders.done(lifecycle.start(change, approver, at()))
    look(at)
    assert row["state"] == "-1"
    run = Run.objects.select_related("revision__change").get()
    builders.begin(run, ["bly"], at())
    builders.walk(run, "bly", at())
    at.on(seconds=61)
    look(at)
    assert any("bly" in note for note in now_.notes_of(number))
    builders.begin(run, ["aebi"], at())
    builders.walk(run, "aebi", at())
    builders.end(run, ChangeState.SUCCEEDED, "2 of 2 done", at())
    look(at)
    assert (row["state"], row["close_code"]) == ("3", "successful")
    assert "2 done" in row["close_notes"]
    assert digest[:12] in row["close_notes"]
    (name, content), *more = now_.files_of(number).items()
    assert not more
    assert name.endswith(".zip")
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        assert digest in bundle.read(next(n for n in bundle.namelist() if "plan" in n)).decode() + str(
            [bundle.read(n) for n in bundle.namelist()]
        )
    assert link().ended_at is not None
    asked = len(now_.asked)
    at.on(hours=1)
    look(at)
    assert len(now_.asked) == asked


def test_a_callback_that_comes_twice_does_nothing_twice_and_a_forged_one_nothing(
    change: Change, now_: ServiceNow, author: User, approver: User, at: Clock
) -> None:
    number = next(iter(now_.rows.values()))["number"]
    submit(change, author, at)
    approve(change, approver, at)
    at.on(seconds=1)
    forged = callback(number, at, key="msg_9", body=b'{"type":"ticket.approved","data":{"ticket":"x"}}')
    assert forged.status_code == 401
    assert forged["Content-Type"] == "application/problem+json"
    assert [callback(number, at).status_code for _ in range(2)] == [202, 200]
    assert InboundSource.objects.get().taken == 1
    look(at)
    # It said "look", and what was found when looking counts: nobody had approved there.
    assert "not approved yet" in why(change, at)
    now_.approve(number)
    callback(number, at, key="msg_2")
    callback(number, at, key="msg_2")
    look(at)
    look(at)
    assert Event.objects.filter(kind="ticket approved").count() == 1
    at.on(seconds=400)
    key = signing.key_of(SECRET)
    assert isinstance(key, bytes)
    body = json.dumps({"data": {"ticket": number}}).encode()
    old = signing.headers([key], message_id="msg_3", at=at() - timedelta(seconds=400), body=body)
    sent = {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in old.items()}
    assert Client().post("/hooks/now/", body, content_type="application/json", **sent).status_code in {401, 202}


def test_while_it_is_down_the_change_holds_and_says_so_and_nothing_is_lost(
    change: Change, now_: ServiceNow, site: Site, author: User, approver: User, at: Clock
) -> None:
    number = next(iter(now_.rows.values()))["number"]
    submit(change, author, at)
    approve(change, approver, at)
    now_.approve(number)
    site.stop()
    for _ in range(20):
        at.on(minutes=1)
        look(at)
    said = why(change, at)
    assert "last read" in said
    assert "connection refused" in said
    assert lifecycle.start(change, approver, at())
    site.start()
    at.on(minutes=16)
    look(at)
    assert why(change, at) == ""
    assert sum("approved revision" in n for n in now_.notes_of(number)) == 1
    assert TicketSystem.objects.get().closed_until is None


def test_down_during_the_run_stops_nothing_and_the_ticket_catches_up(
    change: Change, now_: ServiceNow, site: Site, author: User, approver: User, at: Clock
) -> None:
    number = next(iter(now_.rows.values()))["number"]
    submit(change, author, at)
    approve(change, approver, at)
    now_.approve(number)
    at.on(minutes=1)
    look(at)
    builders.done(lifecycle.start(change, approver, at()))
    site.stop()
    look(at)
    run = Run.objects.select_related("revision__change").get()
    for name in ("bly", "aebi"):
        builders.begin(run, [name], at())
        builders.walk(run, name, at())
    builders.end(run, ChangeState.SUCCEEDED, "2 of 2 done", at())
    assert run.control == Control.NONE
    site.start()
    at.on(minutes=20)
    look(at)
    at.on(minutes=2)
    look(at)
    assert (now_.row(number)["state"], now_.row(number)["close_code"]) == ("3", "successful")
    assert len(now_.files_of(number)) == 1
    marks = [n.rsplit("[slipway", 1)[1] for n in now_.notes_of(number) if "[slipway" in n]
    assert len(marks) == len(set(marks))


def test_rate_limits_and_error_pages_are_waited_out(
    change: Change, now_: ServiceNow, author: User, approver: User, at: Clock
) -> None:
    now_.moods.append(failing(429, retry_after="600", times=1))
    submit(change, author, at)
    assert "429" in link().problem
    at.on(seconds=590)
    look(at)
    assert link().read_at is None
    at.on(seconds=20)
    look(at)
    assert link().read_at is not None


@pytest.mark.parametrize(
    "lie",
    [
        Said(200, {"result": {"sys_id": "x", "number": "CHG0099999", "state": "-2", "approval": "approved"}}),
        Said(200, b"<html>logged out</html>"),
        Said(200, {"result": {"state": 17}}),
        Said(200, {"result": []}),
        Said(200, b"[" * 100000),
        Said(200, {"result": [{"sys_id": "x", "number": "CHG0099999", "state": "-2", "approval": "approved"}]}),
    ],
    ids=["another ticket", "login page", "a number", "nothing", "deep", "another row"],
)  # fmt: skip
def test_lies_open_no_gate(
    lie: Said, change: Change, now_: ServiceNow, author: User, approver: User, at: Clock
) -> None:
    submit(change, author, at)
    approve(change, approver, at)
    now_.moods.append(lambda asked: lie)
    for _ in range(6):
        at.on(minutes=2)
        look(at)
    assert why(change, at) != ""
    assert lifecycle.start(change, approver, at())
    assert link().approved == ""


def test_approved_in_a_state_that_is_not_scheduled_or_on_hold_is_not_approved(
    change: Change, now_: ServiceNow, author: User, approver: User, at: Clock
) -> None:
    number = next(iter(now_.rows.values()))["number"]
    submit(change, author, at)
    approve(change, approver, at)
    row = now_.row(number)
    wrong = (("-4", "approved", "false"), ("-2", "approved", "true"), ("77", "approved", "false"), ("-2", "maybe", ""))
    for fields in ({"state": s, "approval": a, "on_hold": h} for s, a, h in wrong):
        row.update(fields)
        at.on(minutes=1)
        look(at)
        assert why(change, at) != "", fields


def test_a_ticket_that_was_approved_for_another_plan_opens_nothing(
    change: Change, now_: ServiceNow, author: User, approver: User, at: Clock
) -> None:
    number = next(iter(now_.rows.values()))["number"]
    submit(change, author, at)
    approve(change, approver, at)
    now_.approve(number)
    at.on(minutes=1)
    look(at)
    assert why(change, at) == ""
    builders.revise(change, author, builders.plan([["aebi"], ["bly"]]), at())
    assert "approved for digest" in why(change, at)
    at.on(minutes=1)
    look(at)  # shown anew: back to New, approval asked for again
    assert now_.row(number)["approval"] == "requested"
    assert "not approved yet" in why(change, at)
    now_.approve(number)
    at.on(minutes=1)
    look(at)
    assert link().approved == (change.revision.digest if change.revision else "")


def test_approved_before_any_plan_was_shown_is_asked_again_unless_told_otherwise(
    system: TicketSystem, now_: ServiceNow, author: User, at: Clock
) -> None:
    builders.fleet(["bly"])
    number = now_.make(state="-2", approval="approved")["number"]
    change = builders.draft(author, builders.plan([["bly"]]), at())
    Change.objects.filter(pk=change.pk).update(ticket=number)
    change.refresh_from_db()
    submit(change, author, at)
    assert now_.row(number)["approval"] == "requested"
    other = now_.make(state="-2", approval="approved")["number"]
    system.options = {"bind": False}
    system.save()
    second = builders.draft(author, builders.plan([["bly"]]), at())
    Change.objects.filter(pk=second.pk).update(ticket=other)
    second.refresh_from_db()
    submit(second, author, at)
    assert now_.row(other)["approval"] == "approved"
    assert "ticket" not in why(second, at)


def test_rejected_there_holds_and_withdrawn_while_running_pauses(
    change: Change, now_: ServiceNow, author: User, approver: User, at: Clock
) -> None:
    number = next(iter(now_.rows.values()))["number"]
    submit(change, author, at)
    approve(change, approver, at)
    now_.reject(number)
    at.on(minutes=1)
    look(at)
    assert "rejected" in why(change, at)
    row = now_.row(number)
    row.update(state="-4", approval="requested")
    at.on(minutes=1)
    look(at)
    now_.approve(number)
    at.on(minutes=1)
    look(at)
    builders.done(lifecycle.start(change, approver, at()))
    now_.cancel(number)
    at.on(minutes=1)
    look(at)
    run = Run.objects.get()
    assert run.control == Control.PAUSE
    assert "withdrawn" in run.control_reason
    change.refresh_from_db()
    builders.done(lifecycle.resume(change, approver, at(), why="talked to them"))
    at.on(minutes=2)
    look(at)
    run.refresh_from_db()
    assert run.control == Control.NONE
