"""A mitigation whose date has passed: told once by event and notice, and to whoever plans another change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from fleet.changes import mitigations
from fleet.changes.models import Event, Notice, Run, StepRun, TargetRun
from fleet.core.states import StepState, TargetState
from tests.changes import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 2, 1, 9, 0, tzinfo=UTC)
BEFORE = NOW - timedelta(days=90)
PARAMS = {"interface": "eth1", "offloads": {"gro": False}, "because": "crash", "until": "2027-01-31"}


def applied(author: User, approver: User, name: str, params: dict[str, Any]) -> Run:
    """A run whose nic step on the device is done."""
    run = builders.running(author, approver, builders.plan([[name]]), BEFORE)
    step = StepRun.objects.filter(target__run=run, verb="nic").get()
    StepRun.objects.filter(pk=step.pk).update(
        planned={**step.planned, "params": params}, state=StepState.DONE, ended_at=BEFORE
    )
    TargetRun.objects.filter(run=run).update(state=TargetState.DONE)
    Run.objects.filter(pk=run.pk).update(ended_at=BEFORE)
    return run


def test_it_is_told_once_when_its_date_has_passed(author: User, approver: User) -> None:
    builders.fleet(["bly", "aebi"])
    run = applied(author, approver, "bly", PARAMS)
    assert mitigations.tell_expired(NOW - timedelta(days=1)) == 0
    assert [f.code for f in mitigations.findings(["bly"], NOW)] == ["mitigation-expired"]
    assert mitigations.findings(["aebi"], NOW) == () and mitigations.findings(["bly"], None) == ()
    assert mitigations.tell_expired(NOW) == 1
    notice = Notice.objects.get(kind=mitigations.KIND)
    assert notice.change_id == run.revision.change_id and "crash" in notice.text and "bly" in notice.text
    event = Event.objects.get(kind=mitigations.KIND)
    assert event.data["until"] == "2027-01-31"
    assert mitigations.tell_expired(NOW + timedelta(days=3)) == 0, "once"


def test_what_was_put_back_or_taken_back_is_not_told(author: User, approver: User) -> None:
    builders.fleet(["bly", "aebi"])
    put_back = applied(author, approver, "bly", PARAMS)
    TargetRun.objects.filter(run=put_back).update(state=TargetState.ROLLED_BACK)
    first = applied(author, approver, "aebi", PARAMS)
    StepRun.objects.filter(target__run=first, verb="nic").update(ended_at=BEFORE - timedelta(days=1))
    applied(author, approver, "aebi", {"interface": "eth1", "offloads": {"gro": True}})
    assert mitigations.in_force() == () and mitigations.tell_expired(NOW) == 0


def test_an_hour_is_looked_at_once(author: User, approver: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mitigations, "_told", {})
    builders.fleet(["bly"])
    applied(author, approver, "bly", PARAMS)
    assert mitigations.take_up(NOW) == 1
    assert mitigations.take_up(NOW + timedelta(minutes=5)) == 0


def test_two_queries_however_many(author: User, approver: User, django_assert_num_queries: Any) -> None:
    names = [f"r{n}" for n in range(12)]
    builders.fleet(names)
    for name in names:
        applied(author, approver, name, PARAMS)
    with django_assert_num_queries(2):
        assert len(mitigations.in_force()) == 12
    with django_assert_num_queries(1):
        assert mitigations.in_force(["nobody"]) == ()
