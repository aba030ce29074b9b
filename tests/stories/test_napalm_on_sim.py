"""A BGP policy through NAPALM over simulated routers, as an approved change; who is cut off by it goes back."""

import pytest

from fleet.changes.models import StepRun
from lab.sim import SimFleet, oracle
from tests import needs
from tests.stories.stage import Stage, targets, wait_ended

POLICY = "route-map TRANSIT-IN permit 10\n set local-preference 120\nexit\n"
REPORT = "- get_bgp_neighbors: {global: {peers: {_mode: '', 10.255.77.4: {is_up: true}}}}\n"
NAMES = ("bly", "dekker")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite, pytest.mark.usefixtures("inline")]


def running(fleet: SimFleet, name: str) -> str:
    return str(fleet.console(name, "vtysh -c 'show running-config'"))


def test_a_policy_goes_onto_the_routers_as_it_was_approved_and_is_confirmed(stage: Stage, fleet: SimFleet) -> None:
    change = stage.draft("quick-napalm", {"config": POLICY, "compliance": REPORT}, NAMES)
    assert change.revision is not None
    steps = [s for t in change.revision.plan["targets"] for s in t["steps"] if s["verb"] == "napalm"]
    assert all("+ set local-preference 120" in step["diff"] for step in steps) and len(steps) == len(NAMES)
    change = stage.start("quick-napalm", {"config": POLICY, "compliance": REPORT}, NAMES)
    wait_ended(change)
    assert change.state == "succeeded", {t.name: t.reasons for t in targets(change).values()}
    for name in NAMES:
        assert "set local-preference 120" in running(fleet, name)
        assert not fleet.state(name)["timers"]
    done = StepRun.objects.filter(target__run__revision__change=change, verb="napalm")
    assert all(step.data["confirmed"] and step.data["compliant"] for step in done)
    assert not oracle.forgotten_drained(fleet.journal())


def test_a_router_cut_off_by_it_puts_itself_back_and_nothing_follows(stage: Stage, fleet: SimFleet) -> None:
    needs.need(needs.minutes())
    before = running(fleet, "bly")
    fleet.inject("bly", "mgmt_cut", match="set local-preference 120")
    change = stage.start("quick-napalm", {"config": POLICY, "confirm": "15s"}, NAMES)
    wait_ended(change)
    seen = targets(change)
    assert seen["bly"].state == "rolled_back", seen["bly"].reasons
    assert "put itself back" in " ".join(seen["bly"].reasons)
    assert seen["dekker"].state == "pending" and "local-preference" not in running(fleet, "dekker")
    assert running(fleet, "bly") == before
    assert not oracle.forgotten_drained(fleet.journal())
