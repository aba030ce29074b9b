"""A remedy that is offered has its button on the page of the change and of the target; who may press it, and once."""

from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet import clock
from fleet.changes import remedy_asks
from fleet.changes.models import Event, Remedy, Run, StepRun
from fleet.core.model import Json
from fleet.people.models import Grant
from inventory.models import FailureDomain, Site
from tests.changes import builders
from tests.changes.test_views_actions import press, said, state
from tests.changes.test_views_pages import as_

pytestmark = pytest.mark.django_db
SENTENCE = "route to 2001:db8::7 on bly: found via eth3 in the kernel, wanted via eth1, as the routing daemon says.."


def waits(run: Run, name: str, now: datetime, *, neighbour: str = "bly") -> None:
    """A target stands in its verification, which does not pass because of a neighbour's kernel."""
    builders.begin(run, [name], now)
    builders.walk(run, name, now, until="verify")
    sentence = SENTENCE.replace("bly", neighbour)
    results: list[Json] = [{"name": "rib_fib_neighbours", "verdict": "fail", "reasons": [sentence]}]
    StepRun.objects.filter(target__run=run, target__name=name, state="claimed").update(
        data={"results": results}, reasons=[sentence]
    )


@pytest.fixture
def run(author: User, approver: User) -> Run:
    builders.fleet(["bly", "aebi", "dekker"])
    run = builders.running(author, approver, builders.plan([["bly", "aebi", "dekker"]]), clock.now())
    waits(run, "aebi", clock.now())
    return run


def test_the_button_asks_for_it_once(run: Run, approver: User) -> None:
    change = run.revision.change
    for address in (change.get_absolute_url(), f"{change.get_absolute_url()}targets/aebi/"):
        text = said(as_(approver).get(address))
        assert "aebi waits: a remedy on bly is offered" in text and "Reset that session on bly" in text, address
    assert press(approver, "remedy", change, target="aebi", neighbour="bly").status_code == 302
    row = Remedy.objects.get()
    assert (row.target.name, row.neighbour, row.address, row.asked_by) == ("aebi", "bly", "2001:db8::7", approver)
    assert Event.objects.filter(change=change, kind="remedy asked", actor=approver.username).count() == 1
    text = said(as_(approver).get(change.get_absolute_url()))
    assert f"Asked for by {approver.username}" in text and "Reset that session" not in text
    again = press(approver, "remedy", change, target="aebi", neighbour="bly")
    assert again.status_code == 409 and "one at a time" in said(again)
    assert Remedy.objects.count() == 1


def test_what_came_of_it_is_shown_and_it_can_be_asked_for_again(run: Run, approver: User) -> None:
    change, now = run.revision.change, clock.now()
    press(approver, "remedy", change, target="aebi", neighbour="bly")
    Remedy.objects.update(taken_at=now, ended_at=now, done=False, said="bly does not answer")
    text = said(as_(approver).get(change.get_absolute_url()))
    assert "not done, bly does not answer" in text and "Reset that session on bly" in text
    assert press(approver, "remedy", change, target="aebi", neighbour="bly").status_code == 302


@pytest.mark.parametrize(
    ("target", "neighbour"), [("aebi", "dekker"), ("bly", "bly"), ("", ""), ("aebi\x00", "x" * 300)]
)
def test_what_is_not_offered_is_refused(run: Run, approver: User, target: str, neighbour: str) -> None:
    answer = press(approver, "remedy", run.revision.change, target=target, neighbour=neighbour)
    assert answer.status_code == 409 and "one that is offered" in said(answer)
    assert not Remedy.objects.exists()


def test_who_may_not_operate_there_asks_for_nothing(run: Run, reader: User) -> None:
    change = run.revision.change
    text = said(as_(reader).get(change.get_absolute_url()))
    assert "a remedy on bly is offered" in text and "Reset that session" not in text and "changes.change_run" in text
    assert press(reader, "remedy", change, target="aebi", neighbour="bly").status_code == 403
    elsewhere = builders.person("elsewhere")
    far = Site.objects.create(name="far-away", failure_domain=FailureDomain.objects.create(name="far"))
    Grant.objects.create(person=elsewhere, role="operator").sites.add(far)
    assert press(elsewhere, "remedy", change, target="aebi", neighbour="bly").status_code == 409
    assert not Remedy.objects.exists() and state(change) == "running"


def test_two_queries_however_many_wait(run: Run) -> None:
    with CaptureQueriesContext(connection) as few:
        assert len(remedy_asks.of_run(run)) == 1
    waits(run, "dekker", clock.now())
    with CaptureQueriesContext(connection) as more:
        assert [s.target for s in remedy_asks.of_run(run)] == ["aebi", "dekker"]
    assert len(few) == len(more) == 2
