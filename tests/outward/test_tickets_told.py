"""What a ticket is told and how it is opened: once, also when the answer was cut; and what stays out of every row."""

import base64

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from fleet.changes import lifecycle
from fleet.changes.models import Change
from fleet.core.states import TargetState
from fleet.outward.models import TicketLink, TicketSystem
from lab.tickets.server import Asked, Said, Site, acted_but_cut
from lab.tickets.servicenow import ServiceNow
from tests.changes import builders
from tests.outward.conftest import Clock, make_system
from tests.outward.test_tickets_servicenow import approve, link, look, submit, why

pytestmark = pytest.mark.django_db


def test_a_ticket_is_opened_once_also_when_the_answer_was_cut(
    site: Site, now_: ServiceNow, author: User, approver: User, at: Clock
) -> None:
    make_system(site.url, opens=True, options={"assignment_group": "network"})
    builders.fleet(["bly"])
    change = builders.draft(author, builders.plan([["bly"]]), at())
    now_.moods.append(acted_but_cut(now_, method="POST"))
    builders.done(lifecycle.submit(change, author, at()))
    assert "not opened yet" in why(change, at)
    look(at)
    assert len(now_.rows) == 1
    at.on(minutes=1)
    look(at)
    assert len(now_.rows) == 1
    change.refresh_from_db()
    row = next(iter(now_.rows.values()))
    assert change.ticket == row["number"]
    assert row["correlation_id"] == f"slipway-change-{change.pk}"
    assert row["approval"] == "requested"


def test_a_note_whose_answer_was_cut_is_not_said_twice(
    change: Change, now_: ServiceNow, author: User, approver: User, at: Clock
) -> None:
    number = next(iter(now_.rows.values()))["number"]
    submit(change, author, at)
    look(at)
    now_.moods.append(acted_but_cut(now_, method="PATCH"))
    approve(change, approver, at)
    assert link().telling > 0
    at.on(minutes=1)
    look(at)
    assert link().telling == 0
    assert sum("Read it." in n for n in now_.notes_of(number)) == 1


def test_a_state_that_stays_although_it_answers_200_is_noticed(
    change: Change, now_: ServiceNow, author: User, approver: User, at: Clock
) -> None:
    now_.strict = False
    number = next(iter(now_.rows.values()))["number"]
    now_.row(number)["assignment_group"] = ""
    submit(change, author, at)
    assert "stays in New" in link().problem
    assert why(change, at) != ""


def test_our_approval_is_given_there_where_we_are_an_approver(
    change: Change, system: TicketSystem, now_: ServiceNow, author: User, approver: User, at: Clock
) -> None:
    system.options = {"approves": True}
    system.save()
    submit(change, author, at)
    approve(change, approver, at)
    look(at)
    assert [a["state"] for a in now_.approvals] == ["approved"]
    assert "approver: Read it." in now_.approvals[0]["comments"]


def test_reasons_against_the_start_stand_in_the_ticket_as_conflict(
    change: Change, now_: ServiceNow, author: User, approver: User, at: Clock
) -> None:
    number = next(iter(now_.rows.values()))["number"]
    other = builders.running(author, approver, builders.plan([["bly"]]), at(), title="In the way")
    builders.begin(other, ["bly"], at())
    submit(change, author, at)
    row = now_.row(number)
    assert row["conflict_status"] == "Conflict"
    assert any("cannot start" in n and "bly" in n for n in now_.notes_of(number))
    before = len(now_.notes_of(number))
    at.on(minutes=1)
    look(at)
    assert len(now_.notes_of(number)) == before
    builders.walk(other, "bly", at())
    assert builders.target(other, "bly").state == TargetState.DONE
    at.on(minutes=1)
    look(at)
    assert row["conflict_status"] == "No Conflict"


def test_a_cancelled_change_cancels_its_ticket(change: Change, now_: ServiceNow, author: User, at: Clock) -> None:
    number = next(iter(now_.rows.values()))["number"]
    submit(change, author, at)
    change.refresh_from_db()
    builders.done(lifecycle.cancel(change, author, at(), why="not needed"))
    look(at)
    assert now_.row(number)["state"] == "4"
    look(at)
    assert link().ended_at is not None


def test_a_number_that_does_not_exist_there_holds_and_says_so(
    system: TicketSystem, author: User, approver: User, at: Clock
) -> None:
    builders.fleet(["bly"])
    change = builders.draft(author, builders.plan([["bly"]]), at())
    Change.objects.filter(pk=change.pk).update(ticket="CHG0012345")
    change.refresh_from_db()
    submit(change, author, at)
    assert "no such ticket" in why(change, at)


def test_no_password_is_in_any_row(change: Change, now_: ServiceNow, author: User, at: Clock) -> None:
    def echo(asked: Asked) -> Said:
        """As some proxies do: what was sent stands in the error."""
        sent = asked.headers["authorization"]
        return Said(403, {"error": {"message": sent, "detail": base64.b64decode(sent.split()[1]).decode()}})

    now_.moods.append(echo)
    submit(change, author, at)
    rows = str(list(TicketLink.objects.values())) + str(list(TicketSystem.objects.values()))
    assert "403" in rows
    assert "***" in rows
    assert "ticket-password" not in rows
    assert now_.login not in rows


@pytest.mark.parametrize(
    "credential", ["env:SLIPWAY_SECRET_KEY", "file:/etc/slipway/router-key", "hunter2", "env:TICKETS"]
)
def test_no_other_secret_of_the_workers_can_be_named(credential: str, db: None) -> None:
    with pytest.raises(ValidationError):
        make_system("https://x.example.net", credential=credential)


def test_changes_under_way_are_tied_to_a_system_that_is_set_up_later(
    site: Site, now_: ServiceNow, author: User, at: Clock
) -> None:
    builders.fleet(["bly"])
    change = builders.draft(author, builders.plan([["bly"]]), at())
    Change.objects.filter(pk=change.pk).update(ticket=now_.make()["number"])
    change.refresh_from_db()
    builders.done(lifecycle.submit(change, author, at()))
    make_system(site.url)
    look(at)
    assert link().read_at == at()
