"""NAPALM on the ring of real FRR routers: its own getter suite live, and a BGP policy on all of them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lab import netns
from lab.netns.topology import MANAGEMENT_BRIDGE_ADDRESS
from tests.playbooks import napalm_recorded, test_napalm_frr_getters
from tests.stories.stage import Stage, targets, wait_ended

FRR = tuple(router.name for router in netns.ROUTERS if router.suite == "frr")
CUT = "tarbell"
CONTROLLER = MANAGEMENT_BRIDGE_ADDRESS.partition("/")[0]
# One policy for all four. The route is one that somebody takes for a leftover: on one router it carries management.
POLICY = (
    "route-map TRANSIT-IN permit 10\n set community 65000:20 65000:201 additive\nexit\n"
    f"no ip route {CONTROLLER}/32 eth0\n"
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.lab, pytest.mark.sqlite, pytest.mark.timeout(1500)]


def vtysh(name: str, *lines: str) -> str:
    done = netns.exec_on(name, ["vtysh", *(word for line in lines for word in ("-c", line))])
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def ip(name: str, *words: str) -> None:
    done = netns.exec_on(name, ["ip", *words])
    assert done.returncode == 0, done.stderr


@pytest.fixture
def managed_by_a_route(ring: netns.Lab) -> Iterator[None]:
    """The way of one router to us is a static route of FRR, as behind a routed management network."""
    router = next(r for r in netns.ROUTERS if r.name == CUT)
    connected = ("198.18.77.0/24", "dev", "eth0")
    vtysh(CUT, "configure terminal", f"ip route {CONTROLLER}/32 eth0", "end", "write memory")
    ip(CUT, "route", "del", *connected)
    # Without this its answers would find us by way of the other routers, which all have a leg in this network.
    ip(CUT, "route", "add", "unreachable", connected[0])
    try:
        yield
    finally:
        ip(CUT, "route", "del", "unreachable", connected[0])
        ip(CUT, "route", "add", *connected, "proto", "kernel", "scope", "link", "src", router.management_address)
        vtysh(CUT, "configure terminal", f"no ip route {CONTROLLER}/32 eth0", "end", "write memory")


def test_napalms_own_suite_passes_on_a_live_router(ring: netns.Lab) -> None:
    router = next(r for r in netns.ROUTERS if r.name == "bly")
    options = napalm_recorded.live_options(router.name)
    environment = {
        **os.environ, "NAPALM_TEST_MOCK": "0", "NAPALM_HOSTNAME": router.management_address, "NAPALM_USERNAME": "ops",
        "NAPALM_PASSWORD": "", "NAPALM_OPTIONAL_ARGS": json.dumps(options),
    }  # fmt: skip
    napalm_recorded.announced("lang")
    try:
        netns.wait_converged(ring, print)
        # The suite wants a VRF named TEST with a neighbour in it; a kernel without VRFs has none.
        which = "Getters and not with_vrf"
        command = [sys.executable, "-m", "pytest", "-q", "-rs", str(test_napalm_frr_getters.__file__), "-k", which]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    finally:
        napalm_recorded.announced("lang", off=True)
    assert done.returncode == 0 and "skipped" not in done.stdout, done.stdout[-3000:]


def test_a_bgp_policy_on_all_frr_routers_and_the_one_it_cuts_off_puts_itself_back(
    managed_by_a_route: None, ring_stage: Stage
) -> None:
    before = vtysh(CUT, "show running-config")
    inputs = {"config": POLICY, "confirm": "20s", "soak": "2s"}
    change = ring_stage.start("napalm-config", inputs, FRR)
    wait_ended(change, within_s=1200)
    seen = targets(change)
    others = [name for name in FRR if name != CUT]
    assert seen[CUT].state == "rolled_back", (seen[CUT].state, seen[CUT].reasons)
    assert "put itself back" in " ".join(seen[CUT].reasons)
    # What comes after a router that was put back is not begun; it follows by a change of its own.
    assert {seen[n].state for n in others} <= {"done", "pending"}, {n: seen[n].reasons for n in others}
    rest = [n for n in others if seen[n].state == "pending"]
    assert len(rest) < len(others)
    for name in rest:
        assert "65000:201" not in vtysh(name, "show running-config")
    if rest:
        again = ring_stage.start("napalm-config", inputs, rest)
        wait_ended(again, within_s=600)
        assert again.state == "succeeded", {t.name: t.reasons for t in targets(again).values()}
    for name in others:
        assert "65000:201" in vtysh(name, "show running-config") and "65000:201" in saved(name)
    assert vtysh(CUT, "show running-config") == before and "65000:201" not in saved(CUT)


def saved(name: str) -> str:
    return str(netns.exec_on(name, ["cat", "/etc/frr/frr.conf"]).stdout)
