"""From the kernel to VPP on simulated routers: prepared, launched, opened group by group, changed, and back."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from playbooks import registry
from playbooks.base import Impossible, Refused, Seen, Step
from playbooks.engine import OutcomeKind
from playbooks.facts import driver as facts_driver
from playbooks.vpp import render
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import FullDisk, SimSession, Walk, device

NAME = "bly"
PARAMS: Mapping[str, Any] = {
    "keep": "eth0", "workers": 2, "routes": 10_000, "buffers": 16_384, "loopback6_on": "eth1", "confirm": "60s",
}  # fmt: skip
LINE = "root=/dev/vda1 ro quiet isolcpus=2-3,6-7 hugepages=512"


@pytest.fixture
def lab() -> SimLab:
    made = SimLab()
    made.net.routers[NAME].loader.cmdline = LINE
    made.wait(10)
    return made


@pytest.fixture
def legs(lab: SimLab) -> Walk:
    return Walk(lab, device(lab, NAME), drain_artifact={})


def kernels_view(lab: SimLab, name: str = NAME) -> tuple[str, str]:
    return lab.ok(name, "ip -j -d link show"), lab.ok(name, "ip -j addr show")


def planned(legs: Walk, verb: str, params: Mapping[str, Any], **more: Any) -> Step:
    return legs.made(verb, params, legs.facts(), **more)


def done(legs: Walk, step: Step) -> Step:
    outcome, after = legs.go(step)
    assert outcome.kind is OutcomeKind.DONE, (step.verb, step.params.get("group"), outcome.reasons)
    return after


def launched(legs: Walk) -> tuple[Step, Step]:
    facts = legs.facts()
    prepare, launch = (legs.made("vpp", {**PARAMS, "stage": stage}, facts) for stage in ("prepare", "launch"))
    return done(legs, prepare), done(legs, launch)


def sessions(legs: Walk, facts: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[Step]:
    return [
        legs.made("vpp-sessions", {"group": group, "gate": "2s", "within": "30s"}, facts, baseline=baseline)
        for group in ("ospf", "ospf3", "ibgp", "members", "ebgp")
    ]


def test_the_plan_is_the_configuration_of_the_kernel_and_the_commands_that_vppcfg_makes_of_it(legs: Walk) -> None:
    step = planned(legs, "vpp", {**PARAMS, "stage": "launch"})
    rendered = step.params["rendered"]
    assert rendered["isolated"] == "2-3,6-7" and "corelist-workers 2-3" in rendered["startup"]
    assert "dev 0000:3b:00.0 { name eth1 }" in rendered["startup"] and "eth0" not in rendered["yaml"]
    assert "lcp create eth1 host-if eth1" in step.planned.commands and rendered["pairs"]["loop0"] == "loop0"
    assert [c for c in step.planned.commands if c.startswith("comment")] == []
    assert step.planned.diff.startswith("-forwards with the kernel\n+forwards with VPP\n")


def test_ipv6_on_the_loopback_in_ospf3_is_not_planned(legs: Walk) -> None:
    with pytest.raises(Impossible, match="vpp-loopback-ospf3-stub"):
        planned(legs, "vpp", {**PARAMS, "loopback6_on": "", "stage": "launch"})
    planned(legs, "vpp", {**PARAMS, "loopback6_on": "", "loopback6_known_good": True, "stage": "launch"})


def test_a_machine_without_its_cores_and_pages_is_not_prepared(lab: SimLab, legs: Walk) -> None:
    lab.net.routers[NAME].loader.cmdline = "quiet"
    outcome, _ = legs.go(planned(legs, "vpp", {**PARAMS, "stage": "prepare"}))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE
    said = " ".join(map(str, outcome.reasons))
    assert "isolcpus=2-3,6-7" in said and "hugepages=" in said
    assert not [e for e in lab.journal if e.get("mutated")]


def test_to_vpp_opened_group_by_group_and_all_of_it_back(lab: SimLab, legs: Walk, baseline: Mapping[str, Any]) -> None:
    before, facts = kernels_view(lab), legs.facts()
    files = dict(lab.net.routers[NAME].files)
    prepared, launch = launched(legs)
    router = lab.net.routers[NAME]
    assert router.vpp.running and router.vpp.taken == {n for n in router.nics if n != "eth0"}
    assert router.vpp.ran == list(launch.params["rendered"]["commands"]), "what was approved, command by command"
    assert "slipway-confirm" not in " ".join(lab.state(NAME)["timers"]), "confirmed"
    lab.wait(10)
    assert json.loads(lab.ok(NAME, "vtysh -c 'show ip ospf neighbor json'"))["neighbors"] == {}, "held back"
    again, _ = legs.go(replace(launch, progress={}), sent=True)
    assert again.kind is OutcomeKind.DONE

    opened = [done(legs, step) for step in sessions(legs, facts, baseline)]
    assert (router.running_text().count("passive"), router.shut) == (2, frozenset()), "those of lo, as ever"
    for step in (*reversed([s for s in opened if s.artifact]), launch, prepared):
        back, _ = legs.go(replace(step, progress={}), rollback=True)
        assert back.kind is OutcomeKind.DONE, (step.verb, step.params.get("group"), back.reasons)
    assert kernels_view(lab) == before and not router.vpp.running and not router.vpp.taken
    lab.wait(10)
    after = facts_driver.measure(SimSession(legs.device, lab))
    assert (after["bgp"], after["ospf"], after["ospf3"]) == (baseline["bgp"], baseline["ospf"], baseline["ospf3"])
    left = {p for p, text in router.files.items() if files.get(p) != text and not p.startswith(render.STATE)}
    assert not [p for p in left if "vpp" in p or "slipway" in p], left
    assert not [e for e in lab.journal if e.get("unknown")]


def test_the_hang_at_ospf3_fails_that_groups_gate_and_everything_goes_back(
    lab: SimLab, legs: Walk, baseline: Mapping[str, Any]
) -> None:
    from lab.sim.behaviours import behaviour

    before, facts = kernels_view(lab), legs.facts()
    prepared, launch = launched(legs)
    lab.net.routers[NAME].behaviours.append(behaviour("vpp_hangs", {}, now=lab.now))
    ospf, ospf3, *_ = sessions(legs, facts, baseline)
    ospf = done(legs, ospf)
    outcome, ospf3 = legs.go(ospf3)
    assert outcome.kind is OutcomeKind.ERROR
    assert "no answer, and it forwards on" in " ".join(map(str, outcome.reasons))
    for step in (ospf3, ospf, launch, prepared):
        back, _ = legs.go(replace(step, progress={}), rollback=True)
        assert back.kind is OutcomeKind.DONE, (step.verb, back.reasons)
    assert kernels_view(lab) == before and not lab.net.routers[NAME].vpp.running


@pytest.mark.parametrize(
    ("failing", "external", "six"), [("ospf", False, False), ("ospf3", False, True), ("ebgp", True, True)]
)
def test_bfd_that_stays_down_fails_the_gate_of_its_group_and_everything_goes_back(
    lab: SimLab, legs: Walk, baseline: Mapping[str, Any], failing: str, external: bool, six: bool
) -> None:
    port = next(p for p in lab.net.routers[NAME].ports if p.external is external)
    peer = port.remote6 if six else port.remote4
    before, facts = kernels_view(lab), legs.facts()
    prepared, launch = launched(legs)
    lab.inject(NAME, "bfd_stays_down", match=f"^{re.escape(peer)}$")
    ended, walked = {}, []
    for step in sessions(legs, facts, baseline):
        outcome, after = legs.go(step)
        walked.append(after)
        ended[step.params["group"]] = outcome
        if outcome.kind is not OutcomeKind.DONE:
            break
    assert list(ended)[-1] == failing and ended[failing].kind is OutcomeKind.ERROR, ended
    (reason,) = ended[failing].reasons
    assert (reason.subject, reason.found) == (f"BFD session {peer}%{port.ifname}", "down")
    for step in (*reversed([s for s in walked if s.artifact]), launch, prepared):
        back, _ = legs.go(replace(step, progress={}), rollback=True)
        assert back.kind is OutcomeKind.DONE, (step.verb, back.reasons)
    assert kernels_view(lab) == before and not lab.net.routers[NAME].vpp.running


def test_a_command_that_vpp_refuses_ends_the_launch_whatever_its_exit_status(lab: SimLab, legs: Walk) -> None:
    before, facts = kernels_view(lab), legs.facts()
    done(legs, legs.made("vpp", {**PARAMS, "stage": "prepare"}, facts))
    step = legs.made("vpp", {**PARAMS, "stage": "launch"}, facts)
    rendered = dict(step.params["rendered"])
    rendered["commands"] = [*rendered["commands"], "set interface state nope up"]
    step = replace(step, params={**step.params, "rendered": rendered})
    outcome, step = legs.go(step)
    assert outcome.kind is OutcomeKind.IMPOSSIBLE
    assert "unknown interface `nope up'" in " ".join(map(str, outcome.reasons))
    back, _ = legs.go(replace(step, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and kernels_view(lab) == before


def test_unreached_in_time_the_device_goes_back_by_itself(lab: SimLab, legs: Walk) -> None:
    before, facts = kernels_view(lab), legs.facts()
    done(legs, legs.made("vpp", {**PARAMS, "stage": "prepare"}, facts))
    step = legs.made("vpp", {**PARAMS, "stage": "launch"}, facts)
    look = registry.driver("vpp").precheck(SimSession(legs.device, lab), step)
    step = replace(step, artifact=look.artifact)
    registry.driver("vpp").apply(SimSession(legs.device, lab), step, deadline_s=60.0)
    lab.wait(90)  # nobody came
    assert kernels_view(lab) == before and not lab.net.routers[NAME].vpp.running
    outcome, step = legs.go(step, sent=True)
    assert outcome.kind is OutcomeKind.IMPOSSIBLE and "back to its kernel" in str(outcome.reasons[0])
    back, _ = legs.go(replace(step, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE


CHANGE = """\
interfaces:
  eth2:
    sub-interfaces:
      300: {lcp: eth2.300, mtu: 1500, addresses: [2001:DB8:300::1/64]}
"""


def test_a_small_change_is_executed_as_approved_and_nothing_is_left_to_plan(lab: SimLab, legs: Walk) -> None:
    launched(legs)
    router = lab.net.routers[NAME]
    ran = len(router.vpp.ran)
    step = planned(legs, "vpp-change", {"config": CHANGE})
    assert "set interface ip address eth2.300 2001:db8:300::1/64" in step.planned.commands
    step = done(legs, step)
    assert router.vpp.ran[ran:] == list(step.planned.commands)
    assert lab.ok(NAME, f"sudo -n vppcfg -q plan -c {render.CONFIG} -o -") == "", "a plan is empty after it was applied"
    same, _ = legs.go(planned(legs, "vpp-change", {"config": CHANGE}))
    assert same.kind is OutcomeKind.DONE and not same.changed
    back, _ = legs.go(replace(step, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and "eth2.300" not in router.vpp.ports


def test_a_small_change_that_nobody_confirms_is_taken_back_by_the_router(lab: SimLab, legs: Walk) -> None:
    """The way back that was approved, and the files of a restart; the worker is cut off after it has sent."""
    launched(legs)
    router, driver = lab.net.routers[NAME], registry.driver("vpp-change")
    files, ports = dict(router.files), set(router.vpp.ports)
    session, step = SimSession(legs.device, lab), planned(legs, "vpp-change", {"config": CHANGE, "confirm": "20s"})
    held = replace(step, artifact=driver.precheck(session, step).artifact)
    driver.apply(session, held, deadline_s=30)
    assert "eth2.300" in router.vpp.ports and lab.state(NAME)["timers"]
    lab.wait(21)
    assert set(router.vpp.ports) == ports
    assert all(router.files[path] == files[path] for path in (render.CONFIG, render.BOOT))
    look = driver.observe(session, held)
    assert look.seen is Seen.IMPOSSIBLE and "put itself back" in str(look.reasons[0])
    back, _ = legs.go(held, rollback=True)
    assert back.kind is OutcomeKind.DONE and not [c for c in lab.journal if c.get("unknown")]


@pytest.mark.parametrize("no_room", [render.BOOT, render.CONFIG])
def test_a_change_that_a_restart_of_vpp_would_lose_is_no_success(lab: SimLab, legs: Walk, no_room: str) -> None:
    launched(legs)
    router, driver = lab.net.routers[NAME], registry.driver("vpp-change")
    files, ports = dict(router.files), set(router.vpp.ports)
    step = planned(legs, "vpp-change", {"config": CHANGE, "confirm": "20s"})
    session = FullDisk(legs.device, lab, re.escape(no_room))
    held = replace(step, artifact=driver.precheck(session, step).artifact)
    with pytest.raises(Refused, match=rf"{re.escape(no_room)} on bly.*No space left on device"):
        driver.apply(session, held, deadline_s=30)
    assert driver.observe(session, held).seen is Seen.NOT_DONE
    back, _ = legs.go(held, rollback=True)
    assert back.kind is OutcomeKind.DONE and set(router.vpp.ports) == ports
    assert all(router.files[path] == files[path] for path in (render.CONFIG, render.BOOT))


def test_a_difference_at_the_start_holds(lab: SimLab, legs: Walk) -> None:
    launched(legs)
    step = planned(legs, "vpp-change", {"config": CHANGE})
    lab.ok(NAME, "sudo -n vppctl set interface ip address eth1 192.0.2.77/32")
    ran = len(lab.net.routers[NAME].vpp.ran)
    outcome, _ = legs.go(step)
    assert outcome.kind is OutcomeKind.ERROR and outcome.data.get("hold") is True
    assert "also set interface ip address del eth1 192.0.2.77/32" in str(outcome.reasons[0])
    assert len(lab.net.routers[NAME].vpp.ran) == ran, "nothing was sent"


def test_a_launch_holds_when_vppcfg_on_the_router_plans_something_else(lab: SimLab, legs: Walk) -> None:
    facts = legs.facts()
    done(legs, legs.made("vpp", {**PARAMS, "stage": "prepare"}, facts))
    step = legs.made("vpp", {**PARAMS, "stage": "launch"}, facts)
    step.params["rendered"]["novpp"].append("set interface state eth9 up")  # as another version of vppcfg would
    outcome, _ = legs.go(step)
    assert outcome.kind is OutcomeKind.ERROR and outcome.data.get("hold") is True
    assert not lab.net.routers[NAME].vpp.starts
