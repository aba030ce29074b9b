"""What somebody else drained: seen in an observation, counted by every budget, gone when it is seen with traffic."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from fleet.changes import orchestrate, snapshots
from fleet.changes.models import DrainedOutside, Run, TargetRun
from fleet.core import gates
from fleet.core.model import Budget, Json, Topology
from fleet.core.waves import prepare
from inventory.models import Router
from inventory.recording import record
from tests.changes import builders

NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
OPEN = """\
frr version 8.4.4
!
router bgp 65000
 neighbor 10.0.0.1 remote-as 65000
exit
!
router ospf
 ospf router-id 10.255.0.1
exit
!
end
"""
DRAINED = OPEN.replace(" ospf router-id", " max-metric router-lsa administrative\n ospf router-id")


def facts(config: str | None, suite: str = "frr") -> dict[str, Json]:
    return {
        "kernel": "6.1",
        "interfaces": {},
        "routing": {"suite": suite, "version": "8.4.4", "running_config": config},
    }


def observed(name: str, config: str | None, at: datetime = NOW, suite: str = "frr") -> None:
    record({Router.objects.get(name=name): facts(config, suite)}, now=at)


@pytest.mark.django_db
def test_it_is_seen_kept_and_ended_by_what_is_observed() -> None:
    builders.fleet(["bly", "aebi"])
    observed("bly", DRAINED)
    observed("aebi", OPEN)
    row = DrainedOutside.objects.standing().get()
    assert (row.router.name, row.since, row.words) == (
        "bly", NOW, "router ospf: max-metric router-lsa administrative",
    )  # fmt: skip
    later = NOW + timedelta(hours=1)
    observed("bly", None, later)  # cannot be told: it stays
    observed("bly", DRAINED, later)
    row = DrainedOutside.objects.get()
    assert (row.since, row.seen_at) == (NOW, later)
    observed("bly", OPEN, later)
    assert not DrainedOutside.objects.exists()


@pytest.mark.django_db
def test_what_a_change_of_ours_drained_is_not_by_others(author: User, approver: User) -> None:
    builders.fleet(["bly"])
    run = builders.running(author, approver, builders.plan([["bly"]]), NOW)
    builders.begin(run, ["bly"], NOW)
    observed("bly", DRAINED)
    assert not DrainedOutside.objects.exists()


@pytest.mark.django_db
def test_it_holds_a_change_that_would_exceed_its_budget_and_says_who(author: User, approver: User) -> None:
    builders.fleet(["bly", "aebi", "dekker", "lang"])  # fd0, fd1, fd2, fd0
    for name in ("bly", "aebi"):
        observed(name, DRAINED)
    run = builders.running(author, approver, builders.plan([["dekker"]]), NOW)  # a budget of two
    orchestrate.tick(NOW)
    assert TargetRun.objects.get().state == "pending"
    run = Run.objects.get()
    seen = "drained by others (seen 2026-01-05 05:00 UTC)"
    assert run.holds[0] == (
        f"budget: found 2 of 2 drained or in flight; of them aebi {seen}, bly {seen}, wanted room for one more. "
        "Waits for one of them to carry traffic again. What others drained counts until it is seen with traffic: "
        "./manage.py collect."
    )
    observed("bly", OPEN, NOW + timedelta(minutes=5))
    orchestrate.tick(NOW + timedelta(minutes=6))
    assert TargetRun.objects.get().state == "baselining"


@pytest.mark.django_db
def test_what_others_drained_may_be_worked_on_itself(author: User, approver: User) -> None:
    """It carries nothing already; whoever drained it puts it back (the drain step leaves alone what was there)."""
    builders.fleet(["bly"])
    observed("bly", DRAINED)
    builders.running(author, approver, builders.plan([["bly"]]), NOW)
    orchestrate.tick(NOW)
    assert TargetRun.objects.get().state == "baselining"
    assert not DrainedOutside.objects.standing().exists(), "it is in the hands of a change now"
    assert "bly" not in snapshots.drained_by_others()


def test_the_gate_counts_it_and_no_more() -> None:
    other = gates.Engaged("a", drained=True, by="drained by others", outside=True)
    network = prepare(Topology({"x": "a", "y": "a"}))
    assert gates.device_free("x", {"x": other}) == ()
    assert gates.no_conflict("y", "a", network, {"x": other}) == ()
    (total, domain) = gates.room_for("y", "a", Budget(1, 1), network, {}, {"x": other})
    assert (total.subject, domain.subject) == ("budget", "failure domain a")
    assert gates.room_for("x", "a", Budget(1, 1), network, {}, {"x": other}) == ()
