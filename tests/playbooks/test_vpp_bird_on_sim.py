"""A router with BIRD goes to VPP on the simulation: held back from its first moment, opened by group, and back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from playbooks import registry
from playbooks.base import Impossible, Step
from playbooks.engine import OutcomeKind
from playbooks.facts import driver as facts_driver
from playbooks.vpp.bird import CONF
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, Walk, device
from tests.playbooks.test_vpp_on_sim import LINE, done, kernels_view

NAME = "aebi"
PARAMS: Mapping[str, Any] = {
    "dataplane": "af_packet", "keep": "eth0", "workers": 2, "routes": 10_000, "loopback6_on": "eth1", "confirm": "60s",
}  # fmt: skip
GROUPS = ("ospf", "ospf3", "ibgp", "members", "ebgp")


@pytest.fixture
def lab() -> SimLab:
    made = SimLab()
    assert made.net.routers[NAME].spec.suite == "bird"
    made.net.routers[NAME].loader.cmdline = LINE
    made.wait(10)
    return made


@pytest.fixture
def legs(lab: SimLab) -> Walk:
    return Walk(lab, device(lab, NAME), drain_artifact={})


def launched(legs: Walk) -> tuple[Step, Step]:
    facts = legs.facts()
    prepare, launch = (legs.made("vpp", {**PARAMS, "stage": stage}, facts) for stage in ("prepare", "launch"))
    return done(legs, prepare), done(legs, launch)


def sessions(legs: Walk, facts: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[Step]:
    params = {"gate": "2s", "within": "30s", "members": "customer"}
    return [legs.made("vpp-sessions", {"group": group, **params}, facts, baseline=baseline) for group in GROUPS]


def states(lab: SimLab) -> dict[str, str]:
    """Protocol > state of those that speak to neighbours."""
    rows = [line.split() for line in lab.ok(NAME, "birdc show protocols").splitlines()]
    return {row[0]: row[3] for row in rows if len(row) > 3 and row[1] in ("BGP", "OSPF")}


def test_held_back_from_the_first_moment_opened_by_group_and_all_of_it_back(
    lab: SimLab, legs: Walk, baseline: Mapping[str, Any]
) -> None:
    before, facts, config = kernels_view_of(lab), legs.facts(), lab.net.routers[NAME].files[CONF]
    prepared, launch = launched(legs)
    lab.wait(10)
    assert set(states(lab).values()) == {"down"}, "the BIRD that was started in the namespace has said nothing"
    birdc_before = [e for e in lab.journal if e.get("argv", [""])[:2] == ["birdc", "enable"]]
    assert not birdc_before, "opened by the file, which every later configure reads"
    facts_of = {step.params["group"]: step for step in sessions(legs, facts, baseline)}
    opened, up = [], set[str]()
    for group in GROUPS:
        opened.append(done(legs, facts_of[group]))
        now = {name for name, state in states(lab).items() if state != "down"}
        mine = {row["section"].split()[-1] for row in facts_of[group].planned.expected["held"]}
        assert now == up | mine, (group, "this group and those before it, no other")
        up = now
        lab.ok(NAME, "sudo -n birdc configure")  # as undrain does: nothing of what is held back opens by it
        assert {name for name, state in states(lab).items() if state != "down"} == up
    assert lab.net.routers[NAME].files[CONF] == config, "all open: the file is as it was, to the byte"
    for step in (*reversed([s for s in opened if s.artifact]), launch, prepared):
        back, _ = legs.go(replace(step, progress={}), rollback=True)
        assert back.kind is OutcomeKind.DONE, (step.verb, step.params.get("group"), back.reasons)
    router = lab.net.routers[NAME]
    assert kernels_view_of(lab) == before and not router.vpp.running and router.files[CONF] == config
    lab.wait(10)
    after = facts_driver.measure(SimSession(legs.device, lab))
    assert (after["bgp"], after["ospf"], after["ospf3"]) == (baseline["bgp"], baseline["ospf"], baseline["ospf3"])
    assert not [p for p in router.files if p.startswith("/etc/bird/") and "slipway-vpp" in p]
    assert not [e for e in lab.journal if e.get("unknown")]


@pytest.mark.parametrize(("fault", "failing"), [("vpp_hangs", "ospf3"), ("bfd_stays_down", "ospf")])
def test_a_group_that_fails_its_gate_goes_back_to_the_kernel(
    lab: SimLab, legs: Walk, baseline: Mapping[str, Any], fault: str, failing: str
) -> None:
    before, facts, config = kernels_view_of(lab), legs.facts(), lab.net.routers[NAME].files[CONF]
    walked = list(launched(legs))
    port = next(p for p in lab.net.routers[NAME].ports if not p.external)
    lab.inject(NAME, fault, **({"match": port.remote4} if fault == "bfd_stays_down" else {}))
    for step in sessions(legs, facts, baseline):
        outcome, after = legs.go(step)
        walked.append(after)
        if outcome.kind is not OutcomeKind.DONE:
            break
    assert (step.params["group"], outcome.kind) == (failing, OutcomeKind.ERROR), outcome.reasons
    for step in (s for s in reversed(walked) if s.artifact):
        back, _ = legs.go(replace(step, progress={}), rollback=True)
        assert back.kind is OutcomeKind.DONE, (step.verb, back.reasons)
    router = lab.net.routers[NAME]
    assert kernels_view_of(lab) == before and not router.vpp.running and router.files[CONF] == config


def test_what_cannot_be_held_back_is_refused_when_it_is_planned_or_before_the_drain(lab: SimLab, legs: Walk) -> None:
    files = lab.net.routers[NAME].files
    good, facts = files[CONF], legs.facts()
    files[CONF] = good + "protocol bgp { local as 65000; neighbor 192.0.2.77 as 65001; }\n"
    with pytest.raises(Impossible, match="no name"):
        legs.made("vpp", {**PARAMS, "stage": "launch"}, legs.facts())
    # A protocol that runs and is in another file: found on the device, before anything is touched.
    files[CONF] = good
    step = legs.made("vpp", {**PARAMS, "stage": "launch"}, facts)
    lines = good.splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if line.startswith("protocol bgp"))
    files["/etc/bird/more.conf"] = "".join(lines[first : first + 3])
    files[CONF] = "".join(lines[:first]) + 'include "/etc/bird/more.conf";\n' + "".join(lines[first + 3 :])
    look = registry.driver("vpp").precheck(SimSession(legs.device, lab), step)
    assert "is not in /etc/bird/bird.conf" in " ".join(map(str, look.reasons)), look
    assert not [e for e in lab.journal if e.get("mutated") and "/etc/bird" in str(e)]


def kernels_view_of(lab: SimLab) -> tuple[str, str]:
    return kernels_view(lab, NAME)
