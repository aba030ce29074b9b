"""What a draft's page asks for is read from what was kept when it was planned, not from the whole topology."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from fleet.changes import approvals
from fleet.changes.models import ApprovalPolicy, ApprovalStage
from fleet.core import risk
from tests.changes import builders

NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)


@pytest.mark.django_db
def test_a_draft_is_shown_by_the_risk_that_it_was_planned_with(author: User, monkeypatch: pytest.MonkeyPatch) -> None:
    builders.fleet(["bly"])
    policy = ApprovalPolicy.objects.create(name="grave", least_risk="very high")
    ApprovalStage.objects.create(policy=policy, number=1, name="two", quorum=2)
    change = builders.draft(author, builders.plan([["bly"]]), NOW)
    revision = change.revision
    assert revision is not None
    lenient = [p.name for p in approvals.rules_of(revision)]
    assert "grave" not in lenient, "nothing was kept: it is looked at now, and low"

    def walked(*_: object) -> None:
        raise AssertionError("a page walked over the topology")

    monkeypatch.setattr(risk, "assess", walked)
    for kept, names in (("very high", ["grave"]), ("low", lenient)):
        revision.assessed = {"risk": kept}
        assert [p.name for p in approvals.rules_of(revision)] == names
