"""From a request to a planned draft: what is wrong with it is said, and then nothing was written."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from fleet.changes import drafts, lifecycle
from fleet.changes.drafts import PlanRefused, Request
from fleet.changes.models import Change, Revision
from fleet.core.model import Severity
from fleet.core.states import ChangeState
from inventory.models import Observation, Router
from playbooks.recipe_yaml import RecipeRefused
from tests.changes import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _fleet(db: None) -> None:
    builders.fleet(["bly", "aebi", "dekker"])


def restart(*names: str) -> Request:
    return Request("router-restart", {}, names)


def draft(author: User, *names: str) -> Change:
    return drafts.open_change(restart(*names), title="restart", author=author, now=NOW)


def test_the_order_of_the_names_is_the_order_of_the_waves(author: User) -> None:
    change = draft(author, "dekker", "bly", "dekker", "aebi")
    revision = change.revision
    assert revision is not None
    waves = [[t.name for t in wave] for wave in revision.read_plan().waves()]
    assert waves[0] == ["dekker"]
    assert sorted(n for wave in waves for n in wave) == ["aebi", "bly", "dekker"], "a name twice is one target"
    assert (change.state, revision.number, revision.created_by) == (ChangeState.DRAFT, 1, author)


def test_without_names_the_recipe_selects(author: User) -> None:
    revision = draft(author).revision
    assert revision is not None
    assert len(revision.read_plan().targets) == 3


def test_a_router_without_facts_cannot_be_planned_for(author: User) -> None:
    revision = draft(author, "bly").revision
    assert revision is not None
    finding = next(f for f in revision.read_plan().findings if f.code == "no-facts")
    assert "collect bly" in finding.reason.remedy
    assert lifecycle.submit(revision.change, author, NOW), "fatal"


def test_what_a_drain_cannot_prevent_is_a_warning_to_the_approver(author: User) -> None:
    config = "frr version 8.4.4\nrouter bgp 65000\nexit\nrouter ospf6\nexit\n"
    facts = {"routing": {"suite": "frr", "running_config": config, "zebra_options": "-d -A 127.0.0.1"}}
    Observation.objects.create(router=Router.objects.get(name="bly"), observed_at=NOW, facts=facts)
    revision = draft(author, "bly").revision
    assert revision is not None
    (finding,) = (f for f in revision.read_plan().findings if f.code == "drain-caution")
    assert finding.severity is Severity.WARN and "--v6-rr-semantics" in finding.reason.remedy
    assert not lifecycle.submit(revision.change, author, NOW), "a warning stops nothing"


def test_an_unknown_router_is_named_with_the_one_that_was_meant(author: User) -> None:
    with pytest.raises(PlanRefused, match=r"target blyy: found no such router .* Did you mean bly\?"):
        draft(author, "blyy")
    assert not Change.objects.exists()


def test_several_unknown_routers_are_all_named(author: User) -> None:
    with pytest.raises(PlanRefused) as refused:
        draft(author, "xxxx", "bly", "yyyy")
    assert [r.subject for r in refused.value.reasons] == ["target xxxx", "target yyyy"]


def test_an_unknown_recipe_and_a_wrong_input_are_refused(author: User) -> None:
    for request in (Request("router-restrat", {}), Request("router-restart", {"soak": "soon"}), Request("sysctl", {})):
        with pytest.raises(RecipeRefused):
            drafts.open_change(request, title="t", author=author, now=NOW)
    assert not Change.objects.exists()


def test_an_edit_makes_a_revision_and_returns_to_draft(author: User, approver: User) -> None:
    change = builders.approved(author, approver, builders.plan([["bly"]]), NOW)
    drafts.revise(change, restart("bly", "aebi"), author=approver, now=NOW)
    assert change.state == ChangeState.DRAFT
    newest = change.revision
    assert newest is not None
    assert (newest.number, newest.created_by, newest.approved_digest) == (2, approver, None)
    assert Revision.objects.get(change=change, number=1).approved_digest is not None, "history stays"


def test_what_runs_is_not_edited(author: User, approver: User) -> None:
    run = builders.running(author, approver, builders.plan([["bly"]]), NOW)
    with pytest.raises(PlanRefused, match="Open a new change"):
        drafts.revise(run.revision.change, restart("bly"), author=author, now=NOW)


def test_an_edit_that_cannot_be_planned_changes_nothing(author: User, approver: User) -> None:
    change = builders.approved(author, approver, builders.plan([["bly"]]), NOW)
    with pytest.raises(PlanRefused):
        drafts.revise(change, restart("nobody"), author=author, now=NOW)
    change.refresh_from_db()
    assert (change.state, change.revisions.count()) == (ChangeState.APPROVED, 1)
