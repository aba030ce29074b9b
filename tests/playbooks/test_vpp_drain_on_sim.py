"""A router that VPP forwards on is drained, rebooted and undrained on the simulated network; a hang proves nothing."""

import pytest

from lab.sim.behaviours import behaviour
from playbooks.engine import OutcomeKind
from playbooks.facts import driver as facts_driver
from playbooks.vpp_counters import interfaces
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, Walk, device

NAME = "bly"
STARTUP = "unix { exec /etc/vpp/boot }\ndpdk { dev 0000:3b:00.0 { name eth1 } }\nlinux-cp { default netns dataplane }\n"
BOOT = "lcp create eth1 host-if eth1\nset interface state eth1 up\n"
DRAIN = {"settle": "2s", "below": "300pps", "gate": "1s", "within": "60s"}


@pytest.fixture
def lab() -> SimLab:
    """VPP as a boot starts it: one card, one pair, enabled."""
    made = SimLab(boot_s=5.0)
    router = made.net.routers[NAME]
    router.files |= {"/etc/vpp/startup.conf": STARTUP, "/etc/vpp/boot": BOOT}
    made.ok(NAME, "sudo -n ip link set dev eth1 down")
    made.ok(NAME, "sudo -n systemctl start vpp")
    made.ok(NAME, "sudo -n systemctl enable vpp")
    made.wait(10)
    return made


def carried(lab: SimLab) -> int:
    """What VPP's wire has sent."""
    found = interfaces(lab.ok(NAME, "sudo -n vppctl show interface"))
    assert found is not None
    sent: int = found["eth1"]["counters"]["tx packets"]
    return sent


def kernels(lab: SimLab) -> str:
    return lab.ok(NAME, "cat /proc/net/snmp")


def test_drained_by_vpps_counters_rebooted_and_traffic_is_back_in_vpp(lab: SimLab, legs: Walk) -> None:
    before, forwarded = carried(lab), [line.split()[6] for line in kernels(lab).splitlines()[:2]]
    lab.wait(5)
    assert carried(lab) - before > 5 * 3000, "VPP forwards"
    assert [line.split()[6] for line in kernels(lab).splitlines()[:2]] == forwarded, "the kernel does not"
    outcome, drain = legs.go(legs.made("drain", DRAIN, legs.facts(), baseline={"vpp": {"running": True}}))
    assert outcome.kind is OutcomeKind.DONE, outcome.reasons
    assert isinstance(outcome.data["forwarded"], dict) and outcome.data["forwarded"]["vpp"] < 20
    assert outcome.data["vpp_process"] == str(lab.net.routers[NAME].vpp.pid)

    done, _ = legs.go(legs.made("reboot", {}, legs.facts()))
    assert done.kind is OutcomeKind.DONE and lab.net.routers[NAME].vpp.running, "enabled: it is there after the boot"
    lab.wait(10)
    legs.drain_artifact = drain.artifact
    done, _ = legs.go(legs.made("undrain", {"gate": "1s", "group": "all"}, legs.facts()))
    assert done.kind is OutcomeKind.DONE
    lab.wait(5)
    before = carried(lab)
    lab.wait(5)
    assert carried(lab) - before > 5 * 3000, "and it carries traffic again"


def test_routes_are_compared_where_the_daemon_is(lab: SimLab, legs: Walk) -> None:
    """With VPP its namespace is not that of every session: what the kernel does is asked there, and only there."""
    other = Walk(lab, device(lab, "dekker"))
    for walk, there in ((legs, True), (other, False)):
        begun, session = len(lab.journal), SimSession(walk.device, lab)
        first = facts_driver.measure_first(session)
        assert first["samples"] and first["paths"]
        again = facts_driver.measure(session, first["samples"], checks={"rib_fib"})
        assert again["paths"] == first["paths"]
        asked = [entry["argv"][0] for entry in lab.journal[begun:] if "argv" in entry]
        assert asked.count("slipway-there") >= 2 * len(first["samples"]) if there else "slipway-there" not in asked
        begun = len(lab.journal)
        facts_driver.measure(session, first["samples"], checks={"ospf"})
        assert "slipway-there" not in str(lab.journal[begun:]), "only where a check looks at routes"


def test_traffic_that_does_not_cease_is_a_drain_that_is_not_proven(lab: SimLab, legs: Walk) -> None:
    step = legs.made("drain", {**DRAIN, "below": "2pps", "within": "10s"}, legs.facts())  # 6 packets/s never leave it
    outcome, _ = legs.go(step)
    assert outcome.kind is OutcomeKind.ERROR and outcome.reasons[0].subject == "vpp through bly", outcome.reasons


def test_a_hang_while_it_is_drained_is_never_quiet(lab: SimLab, legs: Walk) -> None:
    lab.net.routers[NAME].behaviours.append(behaviour("vpp_hangs", {}, now=lab.now))
    outcome, _ = legs.go(legs.made("drain", {**DRAIN, "within": "40s"}, legs.facts()))
    assert lab.net.routers[NAME].vpp.hung, "as OSPFv3's costs were set"
    assert outcome.kind is OutcomeKind.UNSURE and "no answer within 5 s" in str(outcome.reasons[0])
