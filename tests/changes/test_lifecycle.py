"""What people do to a change: each refusal with its reasons, and that nothing is half done."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from fleet.changes import lifecycle, transitions, way_back
from fleet.changes.models import Approval, Change, Event, Revision, Run, StepRun, TargetRun
from fleet.core import explain
from fleet.core.model import Reason
from fleet.core.states import ChangeState, Control, phase_of
from playbooks import registry
from tests.changes import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
PLAN = builders.plan([["bly"], ["aebi"]])
C = ChangeState


def subjects(reasons: tuple[Reason, ...]) -> list[str]:
    return [r.subject for r in reasons]


def newest(change: Change) -> Revision:
    revision = change.revision
    assert revision is not None
    return revision


def decide(change: Change, who: User, *, approve: bool = True, **more: Any) -> tuple[Reason, ...]:
    digest = more.pop("digest", newest(change).digest)
    return lifecycle.decide_on(change, who, NOW, approve=approve, digest=digest, **more)


@pytest.fixture
def submitted(author: User) -> Change:
    return builders.submitted(author, PLAN, NOW)


@pytest.fixture
def approved(author: User, approver: User) -> Change:
    builders.fleet(["bly", "aebi"])
    return builders.approved(author, approver, PLAN, NOW)


@pytest.fixture
def run(author: User, approver: User) -> Run:
    builders.fleet(["bly", "aebi"])
    return builders.running(author, approver, PLAN, NOW)


# --- submit -------------------------------------------------------------------------------------------------------


def test_a_draft_is_submitted_once(author: User) -> None:
    change = builders.draft(author, PLAN, NOW)
    assert lifecycle.submit(change, author, NOW) == ()
    assert subjects(lifecycle.submit(change, author, NOW)) == ["change"]
    assert Event.objects.filter(kind="change submitted").count() == 1


def test_a_plan_with_fatal_findings_is_not_submitted(author: User) -> None:
    change = builders.draft(author, builders.plan([["bly"]], findings=[builders.fatal_finding("bly")]), NOW)
    assert subjects(lifecycle.submit(change, author, NOW)) == ["findings"]
    assert Change.objects.get(pk=change.pk).state == C.DRAFT


def test_what_has_no_plan_is_not_submitted(author: User) -> None:
    change = Change.objects.create(title="t", author=author, created_at=NOW)
    assert subjects(lifecycle.submit(change, author, NOW)) == ["plan"]
    assert subjects(lifecycle.start(change, author, NOW)) == ["plan"]
    assert subjects(lifecycle.decide_on(change, author, NOW, approve=True, digest="")) == ["plan"]


# --- approve ------------------------------------------------------------------------------------------------------


def test_a_second_person_approves_exactly_this_digest(submitted: Change, approver: User) -> None:
    assert decide(submitted, approver, comment="read") == ()
    approval = Approval.objects.get()
    assert (approval.digest, approval.approver, approval.decision) == (newest(submitted).digest, approver, "approved")
    assert newest(submitted).approved_digest == newest(submitted).digest


def test_the_author_never_approves(submitted: Change, author: User, admin: User) -> None:
    author.is_superuser = True
    author.save()
    assert subjects(decide(submitted, author)) == ["approver"]
    assert not Approval.objects.exists()


def test_whoever_wrote_the_newest_revision_is_an_author_too(author: User, approver: User, admin: User) -> None:
    change = builders.draft(author, PLAN, NOW)
    builders.revise(change, approver, PLAN, NOW)
    assert lifecycle.submit(change, author, NOW) == ()
    assert subjects(decide(change, approver)) == ["approver"]
    assert subjects(decide(change, author)) == ["approver"]
    assert decide(change, admin) == ()


@pytest.mark.parametrize("digest", ["", "0" * 64])
def test_another_digest_is_refused(submitted: Change, approver: User, digest: str) -> None:
    (reason,) = decide(submitted, approver, digest=digest)
    assert (reason.subject, reason.found) == ("digest", digest[:12] or "none")
    assert Change.objects.get(pk=submitted.pk).state == C.SUBMITTED


def test_all_reasons_at_once(author: User) -> None:
    change = builders.draft(author, builders.plan([["bly"]], findings=[builders.fatal_finding("bly")]), NOW)
    assert set(subjects(decide(change, author, digest="x"))) == {"change", "approver", "findings", "digest"}


def test_a_refusal_needs_a_reason_and_may_be_about_a_plan_with_findings(submitted: Change, approver: User) -> None:
    assert subjects(decide(submitted, approver, approve=False)) == ["comment"]
    assert decide(submitted, approver, approve=False, comment="not on a Friday") == ()
    assert submitted.state == C.REJECTED
    assert newest(submitted).approved_digest is None


# --- start --------------------------------------------------------------------------------------------------------


def test_a_start_makes_the_run_as_it_was_approved(approved: Change, author: User) -> None:
    assert lifecycle.start(approved, author, NOW) == ()
    run = Run.objects.get()
    assert [(t.name, t.wave, t.state) for t in run.targets.order_by("wave")] == [
        ("bly", 0, "pending"),
        ("aebi", 1, "pending"),
    ]
    steps = StepRun.objects.filter(target__name="bly").order_by("index")
    assert [s.verb for s in steps] == [s.verb for s in builders.steps()]
    assert [s.planned for s in steps] == newest(approved).plan["targets"][0]["steps"]
    assert {s.due_at for s in steps} == {None}
    assert TargetRun.objects.get(name="bly").worst_case_s > 0


@pytest.mark.parametrize("state", [C.DRAFT, C.SUBMITTED])
def test_what_is_not_approved_does_not_start(author: User, state: ChangeState) -> None:
    builders.fleet(["bly", "aebi"])
    make = builders.draft if state is C.DRAFT else builders.submitted
    assert subjects(lifecycle.start(make(author, PLAN, NOW), author, NOW)) == ["change", "approval"]
    assert not Run.objects.exists()


def test_a_plan_that_is_no_longer_the_approved_one_does_not_start(approved: Change, author: User) -> None:
    """Somebody with the rights of the database's owner altered it."""
    revision = newest(approved)
    revision.plan["targets"][0]["steps"][2]["commands"] = ["ethtool -L eth0 combined 1"]
    revision.save(update_fields=["plan"])
    assert subjects(lifecycle.start(approved, author, NOW)) == ["digest"]
    assert Change.objects.get(pk=approved.pk).state == C.APPROVED


def test_a_new_revision_voids_the_approval(approved: Change, author: User) -> None:
    assert transitions.move_change(approved, C.DRAFT, transitions.Note("author", "edited"), NOW)
    builders.revise(approved, author, PLAN, NOW)
    assert lifecycle.submit(approved, author, NOW) == ()
    assert "approval" in subjects(lifecycle.start(approved, author, NOW))


def test_a_closed_window_and_a_missing_router_are_both_said(author: User, approver: User) -> None:
    builders.fleet(["bly"])
    change = builders.approved(author, approver, PLAN, NOW)
    reasons = lifecycle.start(change, author, NOW, window_end=NOW - timedelta(seconds=1))
    assert subjects(reasons) == ["window", "aebi"]
    assert not Run.objects.exists()


def test_a_change_starts_once(approved: Change, author: User) -> None:
    stale = Change.objects.get(pk=approved.pk)
    assert lifecycle.start(approved, author, NOW) == ()
    assert subjects(lifecycle.start(approved, author, NOW)) == ["change"]
    assert subjects(lifecycle.start(stale, author, NOW)) == ["change"], "read before the other started it"
    assert Run.objects.count() == 1


# --- stop ---------------------------------------------------------------------------------------------------------

STOPS: dict[Control, Callable[..., tuple[Reason, ...]]] = {
    Control.PAUSE: lifecycle.pause,
    Control.ABORT: lifecycle.abort,
    Control.ROLLBACK: lifecycle.roll_back,
}


@pytest.mark.parametrize("control", list(STOPS))
def test_a_stop_is_written_with_who_and_why(run: Run, author: User, control: Control) -> None:
    assert STOPS[control](run.revision.change, author, NOW, why="smoke") == ()
    run.refresh_from_db()
    assert (run.control, run.control_by) == (control, "author")
    assert "smoke" in run.control_reason
    assert Event.objects.get(kind=f"run {control}").actor == "author"
    assert subjects(STOPS[control](run.revision.change, author, NOW)) == ["run"], "once"


@pytest.mark.parametrize("control", list(STOPS))
def test_what_does_not_run_cannot_be_stopped(approved: Change, author: User, control: Control) -> None:
    (reason,) = STOPS[control](approved, author, NOW)
    assert reason.wanted == "running or paused"


@pytest.mark.parametrize("first", [Control.ABORT, Control.ROLLBACK])
def test_what_goes_back_is_neither_paused_nor_resumed(run: Run, author: User, first: Control) -> None:
    change = run.revision.change
    assert STOPS[first](change, author, NOW) == ()
    assert subjects(lifecycle.pause(change, author, NOW)) == ["run"]
    assert subjects(lifecycle.resume(change, author, NOW)) == ["run"]
    assert builders.control_of(run) is first


def test_more_can_be_asked_for_than_before(run: Run, author: User) -> None:
    change = run.revision.change
    for stop in (lifecycle.pause, lifecycle.abort, lifecycle.roll_back):
        assert stop(change, author, NOW) == ()


def test_a_resume_counts_the_failures_that_were_looked_at(run: Run, author: User) -> None:
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW, until="nic")
    builders.fail_step(run, "bly", NOW, "no")
    change = run.revision.change
    assert subjects(lifecycle.resume(change, author, NOW)) == ["run"]
    assert lifecycle.pause(change, author, NOW) == ()
    assert lifecycle.resume(change, author, NOW) == ()
    run.refresh_from_db()
    assert (run.control, run.tolerated) == (Control.NONE, 1), "it is on its way back, which is a failure too"


def test_what_runs_is_aborted_not_cancelled(run: Run, author: User) -> None:
    (reason,) = lifecycle.cancel(run.revision.change, author, NOW)
    assert "Abort" in reason.remedy


@pytest.mark.parametrize("make", [builders.draft, builders.submitted])
def test_what_has_not_started_is_cancelled_once(author: User, make: Callable[..., Change]) -> None:
    change = make(author, PLAN, NOW)
    assert lifecycle.cancel(change, author, NOW, why="not needed") == ()
    assert change.state == C.CANCELLED
    assert subjects(lifecycle.cancel(change, author, NOW)) == ["change"]


def test_release_needs_a_reason_and_a_stuck_target(run: Run, author: User) -> None:
    change = run.revision.change
    assert subjects(lifecycle.release(change, author, NOW, names=["bly"], why="")) == ["reason"]
    assert subjects(lifecycle.release(change, author, NOW, names=["bly", "aebi"], why="x")) == ["aebi, bly"]
    builders.begin(run, ["bly"], NOW)
    builders.stuck(run, "bly", NOW)
    assert subjects(lifecycle.release(change, author, NOW, names=["bly", "aebi"], why="x")) == ["aebi"]
    assert TargetRun.objects.get(name="bly").engaged, "all or none"
    assert lifecycle.release(change, author, NOW, names=["bly"], why="card changed") == ()
    assert Event.objects.get(kind="target released").text == "bly: released: card changed"


def test_every_refusal_can_be_read_aloud(approved: Change, author: User) -> None:
    reasons = lifecycle.abort(approved, author, NOW)
    assert explain.sentences(reasons) == (
        "change: found approved, wanted running or paused. There is nothing to abort.",
    )


# --- the tables that the engine has of the drivers ---------------------------------------------------------------


@pytest.mark.parametrize("verb", registry.verbs())
def test_the_engine_and_the_drivers_mean_the_same(verb: str) -> None:
    """The engine decides without loading drivers, from tables of its own; here they are compared."""
    driver = registry.driver(verb)
    assert driver.verb == verb
    assert driver.phase is phase_of(verb)
    assert driver.acts is (verb not in way_back.LOOKING_VERBS)
