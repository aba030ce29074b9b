"""Facts, baseline and verify against the virtual routers, and what they see when those misbehave."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from fleet.core.checks import judge
from fleet.core.model import CheckSpec, Verdict
from playbooks import wire
from playbooks.base import Answer, Device, Session
from playbooks.facts.driver import collect, measure, measure_first
from tests.playbooks.simlab import REBOOT, SimLab

TOKEN = "@@slipway-0123456789abcdef"
CHECKS = ("bgp_sessions", "route_counts", "ospf", "ospf3", "bfd", "daemons", "rib_fib", "slab", "queues", "version")


@dataclass
class SimSession(Session):
    """A batch through the virtual router's machine: the wire format without SSH."""

    lab: SimLab
    device: Device

    def batch(
        self,
        commands: Mapping[str, list[str]],
        *,
        per_interface: Mapping[str, list[str]] | None = None,
        timeout_s: float = 30.0,
        root: bool = False,
    ) -> dict[str, Answer]:
        script = wire.batch_script(commands, per_interface or {}, token=TOKEN)
        request = wire.command(wire.BATCH_SHELL, root=root, become="sudo")
        made = wire.batch_answers(self.lab.ok(self.device.name, request, script), token=TOKEN)
        assert set(commands) <= set(made)
        return made


def session(lab: SimLab, name: str) -> SimSession:
    suite = lab.net.routers[name].spec.suite
    return SimSession(lab, Device(name, "127.0.0.1", 22, "ops", "file:/k", "", suite, "sudo"))


def verdicts(baseline: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Verdict]:
    return {name: judge(CheckSpec(name), baseline, now).verdict for name in CHECKS}


@pytest.mark.parametrize("name", ["bly", "aebi"])
def test_facts_and_baseline_know_everything(lab: SimLab, name: str) -> None:
    facts = collect(session(lab, name))
    assert facts["unknown"] == {}
    assert facts["routing"]["running_config"] and facts["kernel"] and facts["interfaces"]["eth1"]["channels"]
    baseline = measure_first(session(lab, name))
    assert baseline["unknown"] == {} and len(baseline["samples"]) >= 8
    assert set(verdicts(baseline, baseline).values()) == {Verdict.PASS}


@pytest.mark.parametrize("name", ["bly", "aebi"])
def test_equal_facts_while_nothing_changes(lab: SimLab, name: str) -> None:
    before = collect(session(lab, name))
    lab.wait(3600)
    assert collect(session(lab, name)) == before


def test_a_rebooted_router_passes_only_when_it_has_converged(lab: SimLab) -> None:
    at = session(lab, "bly")
    baseline = measure_first(at)
    lab.ok("bly", REBOOT)
    while lab.run("bly", "uname -r")[0] != 0 or measure(at)["boot_id"] == baseline["boot_id"]:
        lab.wait(1)
    early = verdicts(baseline, measure(at, baseline["samples"]))
    assert early["bgp_sessions"] is Verdict.FAIL and early["route_counts"] is Verdict.FAIL
    lab.wait(120)
    now = measure(at, baseline["samples"])
    assert set(verdicts(baseline, now).values()) == {Verdict.PASS}
    assert judge(CheckSpec("boot_id", "changed"), baseline, now).verdict is Verdict.PASS


@pytest.mark.parametrize("name", ["bly", "aebi"])
def test_a_kernel_that_does_not_do_what_the_daemon_says_is_seen(lab: SimLab, name: str) -> None:
    baseline = measure_first(session(lab, name))
    lab.inject(name, "rib_fib_mismatch")
    now = measure(session(lab, name), baseline["samples"])
    assert verdicts(baseline, now)["rib_fib"] is Verdict.FAIL


def test_a_leak_is_seen(lab: SimLab) -> None:
    baseline = measure_first(session(lab, "bly"))
    lab.inject("bly", "slab_leak", rate=100_000)
    lab.wait(60)
    assert verdicts(baseline, measure(session(lab, "bly")))["slab"] is Verdict.FAIL


@pytest.mark.parametrize("name", ["bly", "aebi"])
def test_garbage_is_no_pass(lab: SimLab, name: str) -> None:
    baseline = measure_first(session(lab, name))
    for pattern, check in (("bgp summary|protocols all", "bgp_sessions"), ("neighbor", "ospf"), ("bfd", "bfd")):
        lab.inject(name, "garbage_output", match=pattern)
        now = measure(session(lab, name), baseline["samples"])
        assert verdicts(baseline, now)[check] is Verdict.INCONCLUSIVE, (pattern, check)
