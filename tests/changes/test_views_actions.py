"""Every button: what it does, who may press it, and that a refusal names its reasons and changes nothing."""

import html
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from fleet import clock
from fleet.changes.models import Approval, Change, Event, Run, TargetRun
from fleet.core.states import ChangeState, Control, TargetState
from tests.changes import builders

RING = ("bly", "aebi", "dekker")


def press(who: User, button: str, change: Change, **form: str) -> HttpResponse:
    client = Client()
    client.force_login(who)
    return client.post(reverse(button, args=[change.pk]), form)


def said(response: HttpResponse) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


def state(change: Change) -> str:
    return Change.objects.values_list("state", flat=True).get(pk=change.pk)


@pytest.fixture
def draft(author: User) -> Change:
    builders.fleet(RING)
    return builders.draft(author, builders.plan([RING[:1], RING[1:]]), clock.now())


@pytest.fixture
def submitted(author: User, draft: Change) -> Change:
    builders.done(builders.lifecycle.submit(draft, author, clock.now()))
    return draft


@pytest.fixture
def run(author: User, approver: User) -> Run:
    builders.fleet(RING)
    run = builders.running(author, approver, builders.plan([RING[:1], RING[1:]]), clock.now())
    builders.begin(run, ["bly"], clock.now())
    builders.walk(run, "bly", clock.now(), until="nic")
    return run


def digest_of(change: Change) -> str:
    revision = change.revision
    assert revision is not None
    return revision.digest


# --- the way of a change through its pages --------------------------------------------------------------------------


def test_submit_approve_start(draft: Change, author: User, approver: User) -> None:
    assert press(author, "submit", draft).status_code == 302
    assert state(draft) == ChangeState.SUBMITTED
    answer = press(approver, "decide", draft, decision="approve", digest=digest_of(draft), comment="Fine.")
    assert answer["Location"] == draft.get_absolute_url()
    approval = Approval.objects.get()
    assert (approval.approver, approval.digest, approval.comment) == (approver, digest_of(draft), "Fine.")
    end = (clock.now() + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M")
    assert press(approver, "start", draft, window_end=end).status_code == 302
    assert state(draft) == ChangeState.RUNNING
    run = Run.objects.get()
    assert run.window_end is not None and run.window_end.strftime("%Y-%m-%dT%H:%M") == end
    assert run.targets.count() == 3


def test_reject_needs_a_reason(submitted: Change, approver: User) -> None:
    answer = press(approver, "decide", submitted, decision="reject", digest=digest_of(submitted))
    assert answer.status_code == 409
    assert "comment: found none, wanted a reason for the refusal." in said(answer)
    assert state(submitted) == ChangeState.SUBMITTED
    press(approver, "decide", submitted, decision="reject", digest=digest_of(submitted), comment="Too early.")
    assert state(submitted) == ChangeState.REJECTED


def test_cancel_is_for_the_author(draft: Change, author: User, approver: User) -> None:
    answer = press(approver, "cancel", draft)
    assert answer.status_code == 403
    assert (
        "you: found approver, who is not the author, wanted author, or the permission changes.change_change."
        in said(answer)
    )
    assert press(author, "cancel", draft, why="not needed").status_code == 302
    assert state(draft) == ChangeState.CANCELLED


def test_submit_is_for_the_author_or_an_editor(draft: Change, approver: User) -> None:
    assert press(approver, "submit", draft).status_code == 403
    assert state(draft) == ChangeState.DRAFT
    approver.user_permissions.add(Permission.objects.get(codename="change_change"))
    assert press(User.objects.get(pk=approver.pk), "submit", draft).status_code == 302


def test_a_plan_with_fatal_findings_is_not_submitted(author: User) -> None:
    plan = builders.plan([RING], findings=[builders.fatal_finding("aebi")])
    change = builders.draft(author, plan, clock.now())
    answer = press(author, "submit", change)
    assert answer.status_code == 409
    assert "findings: found 1 fatal, wanted none." in said(answer)
    assert state(change) == ChangeState.DRAFT


# --- approval -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_the_author_decides_nothing_even_as_superuser(submitted: Change, author: User, decision: str) -> None:
    author.is_superuser = True
    author.save()
    answer = press(author, "decide", submitted, decision=decision, digest=digest_of(submitted), comment="mine")
    assert answer.status_code == 409
    assert "approver: found author, who is the author, wanted a second person." in said(answer)
    assert state(submitted) == ChangeState.SUBMITTED
    assert not Approval.objects.exists()


def test_who_wrote_the_newest_revision_does_not_approve_it(draft: Change, author: User, approver: User) -> None:
    builders.revise(draft, approver, builders.plan([["bly"]]), clock.now())
    builders.done(builders.lifecycle.submit(draft, author, clock.now()))
    answer = press(approver, "decide", draft, decision="approve", digest=digest_of(draft))
    assert answer.status_code == 409
    assert "found approver, who is the author" in said(answer)


def test_an_approval_binds_to_the_digest_that_was_read(submitted: Change, author: User, approver: User) -> None:
    read = digest_of(submitted)
    builders.revise(submitted, author, builders.plan([["bly"]]), clock.now())
    answer = press(approver, "decide", submitted, decision="approve", digest=read)
    assert answer.status_code == 409
    assert "The plan was edited since you opened it: read it again." in said(answer)
    assert press(approver, "decide", submitted, decision="approve").status_code == 409
    assert not Approval.objects.exists()


@pytest.mark.parametrize("decision", ["", "maybe", "APPROVE"])
def test_a_decision_that_is_none_is_a_bad_form(submitted: Change, approver: User, decision: str) -> None:
    answer = press(approver, "decide", submitted, decision=decision, digest=digest_of(submitted))
    assert answer.status_code == 400
    assert "wanted approve or reject" in said(answer)
    assert state(submitted) == ChangeState.SUBMITTED


# --- stopping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("button", "control"), [("pause", Control.PAUSE), ("abort", Control.ABORT), ("roll-back", Control.ROLLBACK)]
)
def test_stopping_writes_what_was_asked(run: Run, approver: User, button: str, control: Control) -> None:
    assert press(approver, button, run.revision.change, why="loss to LON").status_code == 302
    row = Run.objects.get()
    assert (row.control, row.control_by) == (control, "approver")
    assert "loss to LON" in Event.objects.latest("id").text


def test_twice_is_refused_in_words(run: Run, approver: User) -> None:
    press(approver, "abort", run.revision.change)
    answer = press(approver, "abort", run.revision.change)
    assert answer.status_code == 409
    assert "run: found abort already asked for by approver, wanted not yet asked for." in said(answer)


def test_resume_only_after_a_pause(run: Run, approver: User) -> None:
    answer = press(approver, "resume", run.revision.change)
    assert answer.status_code == 409
    assert "Only a paused run can be resumed." in said(answer)
    builders.paused(run, approver, clock.now())
    assert press(approver, "resume", run.revision.change).status_code == 302
    assert builders.control_of(run) is Control.NONE


@pytest.mark.parametrize("button", ["pause", "abort", "roll-back"])
def test_nothing_to_stop(draft: Change, approver: User, button: str) -> None:
    answer = press(approver, button, draft)
    assert answer.status_code == 409
    assert "change: found draft, wanted running or paused." in said(answer)


def test_start_without_approval_names_every_reason(submitted: Change, approver: User) -> None:
    answer = press(approver, "start", submitted, window_end="2001-01-01T00:00")
    assert answer.status_code == 409
    text = said(answer)
    assert "Not done, for 3 reasons" in text
    assert "change: found submitted, wanted approved." in text
    assert "approval: found none for this plan" in text
    assert "window: found ended 2001-01-01 00:00 UTC, wanted still open." in text
    assert not Run.objects.exists()


@pytest.mark.parametrize("end", ["tomorrow", "2026-13-45T00:00", "<b>"])
def test_an_end_of_the_window_that_is_no_time(author: User, approver: User, end: str) -> None:
    builders.fleet(RING)
    change = builders.approved(author, approver, builders.plan([RING]), clock.now())
    answer = press(approver, "start", change, window_end=end)
    assert answer.status_code == 400
    assert "wanted a date and time" in said(answer)
    assert state(change) == ChangeState.APPROVED


def test_a_text_that_is_too_long_is_refused(run: Run, approver: User) -> None:
    answer = press(approver, "pause", run.revision.change, why="x" * 2001)
    assert answer.status_code == 400
    assert "why: found 2001 characters, wanted at most 2000." in said(answer)
    assert builders.control_of(run) is Control.NONE


def test_null_characters_are_taken_out(run: Run, approver: User) -> None:
    assert press(approver, "pause", run.revision.change, why="a\x00b").status_code == 302
    assert "ab" in Run.objects.get().control_reason


# --- release --------------------------------------------------------------------------------------------------------


@pytest.fixture
def stuck(run: Run) -> Run:
    row = builders.target(run, "bly")
    step = next(s for s in row.steps.all() if s.state == "claimed")
    builders.end_step(builders.transitions.StepInHand(step, row, run.revision.change_id), clock.now())
    builders.stuck(run, "bly", clock.now())
    return run


def test_release_needs_the_names_and_what_was_done(stuck: Run, approver: User) -> None:
    change = stuck.revision.change
    assert press(approver, "release", change, why="reseated the card").status_code == 400
    answer = press(approver, "release", change, name="bly")
    assert answer.status_code == 409
    assert "reason: found none, wanted what was done to put it right." in said(answer)
    answer = press(approver, "release", change, name="dekker", why="by hand")
    assert answer.status_code == 409
    assert "dekker: found not stuck in this change, wanted a stuck target." in said(answer)
    assert TargetRun.objects.get(name="bly").engaged


def test_release_lets_go(stuck: Run, approver: User) -> None:
    change = stuck.revision.change
    assert press(approver, "release", change, name="bly", why="reseated the card").status_code == 302
    row = TargetRun.objects.get(name="bly")
    assert (row.state, row.engaged, row.drained, row.released_by) == (TargetState.STUCK, False, False, "approver")


# --- who may ---------------------------------------------------------------------------------------------------------

OPERATOR_BUTTONS = ("start", "pause", "resume", "abort", "roll-back", "release")


@pytest.mark.parametrize("button", [*OPERATOR_BUTTONS, "decide"])
def test_without_the_permission_nothing_happens(run: Run, reader: User, button: str) -> None:
    events = Event.objects.count()
    answer = press(reader, button, run.revision.change, why="x", name="bly", decision="approve", digest="x")
    assert answer.status_code == 403
    wanted = "changes.add_approval" if button == "decide" else "changes.change_run"
    assert f"permission: found none of yours allows this, wanted {wanted}." in said(answer)
    assert Event.objects.count() == events
    assert builders.control_of(run) is Control.NONE


@pytest.mark.parametrize("button", [*OPERATOR_BUTTONS, "decide", "submit", "cancel"])
def test_a_get_never_acts(run: Run, admin: User, button: str) -> None:
    client = Client()
    client.force_login(admin)
    assert client.get(reverse(button, args=[run.revision.change_id])).status_code == 405


@pytest.mark.parametrize("button", [*OPERATOR_BUTTONS, "decide", "submit", "cancel"])
def test_without_the_token_nothing_happens(run: Run, admin: User, button: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    answer = client.post(reverse(button, args=[run.revision.change_id]))
    assert answer.status_code == 403
    assert "Nothing was changed" in said(answer)
    assert builders.control_of(run) is Control.NONE


# --- admin is no way round ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["change", "revision", "approval", "run", "targetrun", "steprun", "event"])
def test_the_admin_only_looks(run: Run, admin: User, model: str) -> None:
    client = Client()
    client.force_login(admin)
    listed = client.get(f"/admin/changes/{model}/")
    assert listed.status_code == 200
    assert client.get(f"/admin/changes/{model}/add/").status_code == 403
    found = re.search(rf"/admin/changes/{model}/(\d+)/change/", listed.content.decode())
    assert found
    assert client.get(found[0]).status_code == 200
    assert client.post(found[0], {"state": "approved"}).status_code == 403
    assert client.post(f"/admin/changes/{model}/{found[1]}/delete/", {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": found[1], "post": "yes"}
    client.post(f"/admin/changes/{model}/", action)
    assert client.get(found[0]).status_code == 200
