"""Every kind against the simulated ring through the real engine: drained, changed, restarted, back as it was."""

from typing import Any

import pytest

from playbooks.base import Seen
from playbooks.drain.undrain import Undrain
from playbooks.engine import OutcomeKind
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, Walk, device

DRAIN = {"settle": "2s", "below": "1kpps", "within": "60s"}


def ring() -> tuple[SimLab, dict[str, str]]:
    lab = SimLab()
    lab.wait(120.0)
    suites: dict[str, str] = {}
    for name, router in lab.net.routers.items():
        suites.setdefault(router.spec.suite, name)
    return lab, suites


@pytest.fixture(params=["frr", "bird"])
def walk(request: pytest.FixtureRequest) -> Walk:
    lab, suites = ring()
    return Walk(lab, device(lab, suites[request.param]))


def drained(walk: Walk) -> None:
    outcome, step = walk.go(walk.made("drain", DRAIN))
    assert outcome.kind is OutcomeKind.DONE, outcome
    walk.drain_artifact = step.artifact


def undrained(walk: Walk) -> None:
    for group in ("igp", "bgp"):
        outcome, _ = walk.go(walk.made("undrain", {"group": group, "gate": "1s"}))
        assert outcome.kind is OutcomeKind.DONE, outcome


def flags(walk: Walk) -> list[bool]:
    return list(walk.lab.state(walk.device.name)["drained"].values())


def test_drain_reboot_undrain(walk: Walk) -> None:
    drained(walk)
    assert flags(walk) == [True, True, True]
    outcome, _ = walk.go(walk.made("reboot", {}))
    assert outcome.kind is OutcomeKind.DONE and outcome.changed
    assert len([e for e in walk.lab.journal if e.get("event") == "boot"]) == 1
    walk.lab.wait(90.0)
    assert flags(walk) == [True, True, True], "the drain is kept over the reboot"
    undrained(walk)
    assert flags(walk) == [False, False, False]


def test_a_drain_that_waits_for_nothing_takes_four_seconds_at_most(walk: Walk) -> None:
    began = walk.lab.now
    outcome, step = walk.go(walk.made("drain", {**DRAIN, "settle": "0s", "gate": "0s"}))
    assert outcome.kind is OutcomeKind.DONE and outcome.data["stage"] == 4 - (walk.device.suite == "bird")
    assert walk.lab.now - began < 4.0, "each stage is announced at once"
    walk.drain_artifact, began = step.artifact, walk.lab.now
    undrained(walk)
    assert walk.lab.now - began < 5.0


def test_drain_restart_undrain(walk: Walk) -> None:
    drained(walk)
    outcome, _ = walk.go(walk.made("restart", {}))
    assert outcome.kind is OutcomeKind.DONE, outcome
    walk.lab.wait(90.0)
    assert flags(walk) == [True, True, True]
    undrained(walk)


def test_the_budget_is_seen_on_the_wire_between_suites() -> None:
    lab, suites = ring()
    first, second = Walk(lab, device(lab, suites["frr"])), Walk(lab, device(lab, suites["bird"]))
    for one, other in ((first, second), (second, first)):
        drained(one)
        lab.wait(5.0)
        outcome, _ = other.go(other.made("drain", DRAIN))
        assert outcome.kind is OutcomeKind.ERROR and outcome.data == {"hold": True}
        assert one.device.router_id in outcome.reasons[0].found
        undrained(one)
        lab.wait(5.0)


def test_what_somebody_else_drained_is_left_so() -> None:
    lab, suites = ring()
    walk = Walk(lab, device(lab, suites["frr"]))
    name = walk.device.name
    by_hand = "sudo -n vtysh -c 'configure terminal' -c 'router bgp 65000' -c 'bgp graceful-shutdown' -c end"
    lab.ok(name, by_hand)
    drained(walk)
    undrained(walk)
    assert lab.state(name)["drained"] == {"bgp": True, "igp4": False, "igp6": False}
    look = Undrain().precheck(SimSession(walk.device, lab), walk.made("undrain", {"group": "all"}))
    assert look.seen is Seen.ALREADY and look.data["prior_drain"] is True


@pytest.mark.parametrize("moment", ["drop_before", "drop_after"])
def test_a_session_that_ends_around_the_command_is_looked_at_and_finished(walk: Walk, moment: str) -> None:
    pattern = "configure terminal" if walk.device.suite == "frr" else "birdc configure$"
    walk.lab.inject(walk.device.name, moment, match=pattern)
    drained(walk)
    assert flags(walk) == [True, True, True]
    walk.lab.inject(walk.device.name, moment, match="systemd-run")
    outcome, _ = walk.go(walk.made("reboot", {}))
    assert outcome.kind is OutcomeKind.DONE, outcome
    assert len([e for e in walk.lab.journal if e.get("event") == "boot"]) == 1


def test_a_router_that_never_comes_back_is_an_error_in_time() -> None:
    lab, suites = ring()
    walk = Walk(lab, device(lab, suites["frr"]))
    lab.inject(walk.device.name, "reboot_never_returns")
    outcome, _ = walk.go(walk.made("reboot", {"within": "90s"}))
    assert outcome.kind is OutcomeKind.ERROR


def other_kind(verb: str, suite: str) -> dict[str, Any]:
    added = {
        "frr": "router bgp 65000\n bgp bestpath as-path multipath-relax\nexit\n",
        "bird": "define OPERATORS_LIMIT = 7;\n",
    }
    match verb:
        case "nic":
            return {"interface": "eth1", "queues": 3}
        case "sysctl":
            return {"set": {"net.core.netdev_max_backlog": 5000}}
        case _:
            return {"section": "test", "fragment": {suite: added[suite]}, "confirm": "30s"}


@pytest.mark.parametrize("verb", ["nic", "sysctl", "routing"])
def test_a_change_is_done_found_again_and_rolled_back(walk: Walk, verb: str) -> None:
    facts = walk.facts()
    step = walk.made(verb, other_kind(verb, walk.device.suite), facts)
    assert step.planned.diff and step.planned.commands
    drained(walk)
    outcome, done = walk.go(step)
    assert outcome.kind is OutcomeKind.DONE and outcome.changed, outcome
    again, _ = walk.go(walk.made(verb, other_kind(verb, walk.device.suite)))
    assert again.kind is OutcomeKind.DONE and not again.changed
    walk.lab.wait(60.0)
    again, _ = walk.go(walk.made(verb, other_kind(verb, walk.device.suite)))
    assert not again.changed, "it lasts: no timer put it back"
    back, _ = walk.go(done, rollback=True)
    assert back.kind is OutcomeKind.DONE, back
    last, _ = walk.go(walk.made(verb, other_kind(verb, walk.device.suite)))
    assert last.changed, "after the rollback there is something to do again"
    assert not walk.lab.net.routers[walk.device.name].unknown


def test_all_cards_are_those_that_have_queues_to_set(walk: Walk) -> None:
    step = walk.made("nic", {"interface": "all", "queues": 3}, walk.facts())
    assert "eth0 left alone: a maximum of 1, 3 wanted\n" in step.planned.diff
    outcome, _ = walk.go(step)
    assert outcome.kind is OutcomeKind.DONE and outcome.changed, outcome
    assert "eth0" in outcome.data["left_alone"] and {"eth1", "eth2"} <= set(outcome.data["interfaces"])


def test_a_router_cut_off_by_its_own_configuration_puts_itself_back(walk: Walk) -> None:
    drained(walk)
    step = walk.made("routing", other_kind("routing", walk.device.suite), walk.facts())
    cut = "multipath-relax" if walk.device.suite == "frr" else "OPERATORS_LIMIT"
    walk.lab.inject(walk.device.name, "mgmt_cut", match=cut)
    outcome, done = walk.go(step)
    assert outcome.kind is OutcomeKind.ERROR
    assert "the device put itself back" in outcome.reasons[0].found
    assert any(e.get("event") == "management" and e["cut"] for e in walk.lab.journal), "it was cut off indeed"
    back, _ = walk.go(done, rollback=True)
    assert back.kind is OutcomeKind.DONE, back


def test_a_configuration_that_moved_since_approval_is_not_touched(walk: Walk) -> None:
    step = walk.made("routing", other_kind("routing", walk.device.suite), walk.facts())
    name = walk.device.name
    if walk.device.suite == "frr":
        walk.lab.ok(
            name, "sudo -n vtysh -c 'configure terminal' -c 'router bgp 65000' -c 'bgp log-neighbor-changes' -c end"
        )
        walk.lab.ok(
            name, "sudo -n vtysh -c 'configure terminal' -c 'router bgp 65000' -c 'bgp always-compare-med' -c end"
        )
    else:
        text = walk.lab.net.routers[name].files["/etc/bird/bird.conf"]
        SimSession(walk.device, walk.lab).put("/etc/bird/bird.conf", text + "define SOMEBODYS = 1;\n")
    outcome, _ = walk.go(step)
    assert outcome.kind is OutcomeKind.ERROR and "as it was approved" in outcome.reasons[0].wanted
