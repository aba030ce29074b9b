"""A router that VPP forwards on already is drained by VPP's counters, rebooted, undrained; without a proof it holds."""

import shlex
from collections.abc import Callable
from typing import Any

import pytest

from lab.sim import SimFleet, oracle
from playbooks import wire
from tests.stories.stage import Stage, targets, wait_ended

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
NAME = "bly"
STARTUP = "unix { exec /etc/vpp/boot }\ndpdk { dev 0000:3b:00.0 { name eth1 } }\nlinux-cp { default netns dataplane }\n"
BOOT = "lcp create eth1 host-if eth1\nset interface state eth1 up\n"


@pytest.fixture
def fleet(sim_fleet: Callable[..., SimFleet]) -> SimFleet:
    """Six routers; on one of them VPP forwards, now and after a boot."""
    made = sim_fleet(routers=6, timing={"boot_s": 1.0})
    for path, text in (("/etc/vpp/startup.conf", STARTUP), ("/etc/vpp/boot", BOOT)):
        status, said = made.console(NAME, shlex.join(["sudo", "-n", *wire.put_argv(path, "0644")]), stdin=text)
        assert status == 0, said
    for words in ("ip link set dev eth1 down", "systemctl start vpp", "systemctl enable vpp"):
        assert made.console(NAME, f"sudo -n {words}")[0] == 0
    return made


def proof(change: Any) -> Any:
    """What the drain's last look says of the traffic."""
    return next(s.data for s in targets(change)[NAME].steps.all() if s.verb == "drain" and not s.back)["forwarded"]


def test_the_machine_of_a_router_with_vpp_is_rebooted_behind_a_drain_that_vpp_proves(
    inline: None, fleet: SimFleet, stage: Stage
) -> None:
    lost, begun = fleet.state(NAME)["lost"], len(fleet.journal())
    change = stage.start("quick-vpp-restart", {}, [NAME])
    wait_ended(change)
    assert change.state == "succeeded", (targets(change)[NAME].reasons, fleet.state(NAME)["vpp"])
    assert set(proof(change)) == {"ipv4", "ipv6", "vpp"} and proof(change)["vpp"] < 300
    state = fleet.state(NAME)
    assert state["vpp"]["running"] and state["boots"] == 2 and not any(state["drained"].values())
    assert state["lost"] == lost, "no packet"
    journal = fleet.journal()[begun:]  # VPP was started by hand before
    assert not oracle.disrupted_undrained(journal) and not oracle.unknown_commands(journal)


def test_traffic_that_does_not_cease_is_not_proven_and_nothing_is_rebooted(
    inline: None, fleet: SimFleet, stage: Stage
) -> None:
    change = stage.start("quick-vpp-restart", {"below": "2pps", "within": "3s"}, [NAME])
    wait_ended(change)
    assert change.state == "rolled_back", targets(change)[NAME].reasons
    assert "vpp through bly" in " ".join(targets(change)[NAME].reasons)
    state = fleet.state(NAME)
    assert state["boots"] == 1 and not any(state["drained"].values()), "undrained again"
