"""Commit-confirm of what is set in place: a setting that cuts the router off, and the router that puts itself back."""

import re
from dataclasses import replace
from typing import Any

import pytest

from fleet.core.model import Reversibility
from playbooks import confirm, registry
from playbooks.base import Refused
from playbooks.engine import OutcomeKind
from playbooks.way_in import WAY_IN, Guard
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import FullDisk, SimSession, Walk

FORWARD = "net.ipv4.ip_forward"
NEW = "8.5.2-1~deb12u1"


def sysctl(**more: Any) -> tuple[str, dict[str, Any]]:
    return "sysctl", {"set": {FORWARD: "0", "net.core.netdev_max_backlog": "4321"}, "confirm": "20s", **more}


def nic(**more: Any) -> tuple[str, dict[str, Any]]:
    return "nic", {"interface": "eth1", "queues": 8, "confirm": "20s", **more}


def packages(**more: Any) -> tuple[str, dict[str, Any]]:
    return "packages", {"versions": {"frr": NEW, "frr-pythontools": NEW}, "confirm": "20s", **more}


STEPS = [(sysctl, rf"{FORWARD} = 0"), (nic, r"eth1 combined 8"), (packages, r"package frr 8\.5")]


def settings(lab: SimLab) -> tuple[Any, ...]:
    state = lab.state("bly")
    files = [path for path in state["files"] if not path.startswith((confirm.STATE, "/sys/fs/pstore"))]
    versions = lab.ok("bly", "dpkg-query -W -f=${Package} frr frr-pythontools"), lab.ok("bly", "apt-mark showhold")
    return state["nics"], state["sysctls"], files, state["enabled"], versions


@pytest.mark.parametrize(("made", "cut"), STEPS, ids=["sysctl", "nic", "packages"])
def test_what_cuts_the_way_in_is_put_back_by_the_router_itself(lab: SimLab, legs: Walk, made: Any, cut: str) -> None:
    before = settings(lab)
    lab.inject("bly", "mgmt_cut", match=cut)
    outcome, held = legs.go(legs.made(*made()))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE, outcome
    assert "put itself back: nobody came in" in str(outcome.reasons[0])
    assert settings(lab) == before and 20 <= lab.now < 90
    assert [c for c in lab.journal if c["event"] == "management"], "it was cut off"
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and settings(lab) == before
    assert not [c for c in lab.journal if c.get("unknown")]


@pytest.mark.parametrize(("made", "cut"), STEPS, ids=["sysctl", "nic", "packages"])
def test_a_router_that_crashes_of_it_and_comes_up_cut_off_puts_itself_back(
    lab: SimLab, legs: Walk, made: Any, cut: str
) -> None:
    """Settings and packages lie on the disk: the timer that ran is gone with the boot, another counts from it."""
    before = settings(lab)
    driver, session, step = registry.driver(made()[0]), SimSession(legs.device, lab), legs.made(*made())
    held = replace(step, artifact=driver.precheck(session, step).artifact)
    driver.apply(session, held, deadline_s=30)
    for _ in range(3):  # packages: once its way back lies there it is armed, by a look
        driver.observe(session, held)
        lab.wait(1)
    lab.inject("bly", "mgmt_cut", match=cut)
    assert lab.state("bly")["cut"]
    router = lab.machines["bly"].router
    router.panic(lab.now, "Kernel panic - not syncing")
    lab.wait(router.timing.boot_s + 10)
    assert lab.state("bly")["cut"] and lab.state("bly")["boots"] == 2, "it came up with it, cut off again"
    lab.wait(15)
    assert settings(lab) == before and not lab.state("bly")["cut"]
    back, _ = legs.go(held, rollback=True)
    assert back.kind is OutcomeKind.DONE, back.reasons
    assert not lab.state("bly")["timers"] and not [c for c in lab.journal if c.get("unknown")]


@pytest.mark.parametrize(("made", "cut"), STEPS, ids=["sysctl", "nic", "packages"])
def test_what_is_reached_over_a_new_connection_stays(lab: SimLab, legs: Walk, made: Any, cut: str) -> None:
    verb, params = made()
    assert verb in registry.OWN_CONNECTION
    before = settings(lab)
    outcome, held = legs.go(legs.made(verb, params))
    assert outcome.kind is OutcomeKind.DONE and outcome.changed, outcome
    assert [o.kind for o in legs.looks] == [*[OutcomeKind.WAIT] * (len(legs.looks) - 1), OutcomeKind.DONE], (
        "confirmed by the next visit"
    )
    assert legs.looks[-2].data["reached"] is True
    after = settings(lab)
    assert after != before and not lab.state("bly")["timers"]
    lab.wait(120)
    assert settings(lab) == after, "nothing is left that would put it back"
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and settings(lab) == before


@pytest.mark.parametrize(("made", "cut"), STEPS, ids=["sysctl", "nic", "packages"])
def test_an_armed_router_is_disarmed_by_its_way_back(lab: SimLab, legs: Walk, made: Any, cut: str) -> None:
    """Armed, and the worker died before it changed anything: a timer that is left would undo a later change."""
    session, step = SimSession(legs.device, lab), legs.made(*made())
    held = replace(step, artifact=registry.driver(step.verb).precheck(session, step).artifact)
    man = confirm.of(held)
    assert man is not None
    confirm.arm(session, man, [["sysctl", "-w", f"{FORWARD}=1"]], within_s=60)
    assert confirm.armed(session, man)
    back, _ = legs.go(held, rollback=True)
    assert back.kind is OutcomeKind.DONE, back.reasons
    assert not lab.state("bly")["timers"] and not confirm.armed(session, man)


@pytest.mark.parametrize("no_room", [r"/confirm-\w+\.script$", r"-boot\.service$", r"-boot\.timer$"])
@pytest.mark.parametrize(("made", "cut"), STEPS, ids=["sysctl", "nic", "packages"])
def test_a_router_without_room_for_its_way_back_is_not_changed(
    lab: SimLab, legs: Walk, made: Any, cut: str, no_room: str
) -> None:
    session, step = FullDisk(legs.device, lab, no_room), legs.made(*made())
    driver, before = registry.driver(step.verb), settings(lab)
    held = replace(step, artifact=driver.precheck(session, step).artifact)
    with pytest.raises(Refused, match="No space left on device") as refused:
        driver.apply(session, held, deadline_s=30)
        for _ in range(3):  # packages: armed by a look
            driver.observe(session, held)
            lab.wait(1)
    assert re.search(no_room, refused.value.reason.subject.split()[0])
    after = settings(lab)
    left = [path for path in after[2] if not path.startswith(confirm.UNITS)]  # what no unit starts may lie there
    assert (*after[:2], left, *after[3:]) == before and not lab.state("bly")["timers"]


def test_a_file_that_cannot_be_put_back_is_refused(lab: SimLab, legs: Walk) -> None:
    session, man = FullDisk(legs.device, lab, r"\.file1$"), confirm.DeadMan("abcd1234")
    with pytest.raises(Refused, match="No space left on device"):
        confirm.files_back(session, man, {"/etc/new": None, "/etc/old": "as before\n"})


def test_every_step_that_acts_says_what_puts_a_device_back_that_it_cut_off() -> None:
    acting = {verb for verb in registry.verbs() if registry.driver(verb).acts}
    assert set(WAY_IN) == acting, "one row each, none too many"
    assert {verb for verb, one in WAY_IN.items() if one.guard is Guard.ARMED} == registry.OWN_CONNECTION
    for verb, one in WAY_IN.items():
        driver = registry.driver(verb)
        assert one.how and "\n" not in one.how and len(one.how) < 200, verb
        if one.guard is Guard.ONCE:
            assert driver.reversibility is Reversibility.BY_REBOOT, verb
        if one.guard is Guard.HARMLESS and driver.disruptive:
            assert driver.reversibility is Reversibility.NOTHING_TO_UNDO, f"{verb} sets something"


@pytest.mark.parametrize("verb", sorted(v for v in registry.OWN_CONNECTION if v not in {"netmiko", "napalm"}))
def test_what_is_armed_says_so_in_its_plan_or_has_the_time_among_its_parameters(verb: str) -> None:
    assert "confirm" in registry.params_model(verb).model_fields
