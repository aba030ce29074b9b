"""Commit-confirm of what is set in place: a setting that cuts the router off, and the router that puts itself back."""

from dataclasses import replace
from typing import Any

import pytest

from playbooks import confirm, registry
from playbooks.engine import OutcomeKind
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, Walk, device

FORWARD = "net.ipv4.ip_forward"


@pytest.fixture
def lab() -> SimLab:
    return SimLab()


@pytest.fixture
def legs(lab: SimLab) -> Walk:
    return Walk(lab, device(lab, "bly"))


def sysctl(**more: Any) -> tuple[str, dict[str, Any]]:
    return "sysctl", {"set": {FORWARD: "0", "net.core.netdev_max_backlog": "4321"}, "confirm": "20s", **more}


def nic(**more: Any) -> tuple[str, dict[str, Any]]:
    return "nic", {"interface": "eth1", "queues": 8, "confirm": "20s", **more}


STEPS = [(sysctl, rf"{FORWARD} = 0"), (nic, r"eth1 combined 8")]


def settings(lab: SimLab) -> tuple[Any, ...]:
    state = lab.state("bly")
    files = [path for path in state["files"] if not path.startswith(confirm.STATE)]
    return state["nics"], state["sysctls"], files, state["enabled"]


@pytest.mark.parametrize(("made", "cut"), STEPS, ids=["sysctl", "nic"])
def test_what_cuts_the_way_in_is_put_back_by_the_router_itself(lab: SimLab, legs: Walk, made: Any, cut: str) -> None:
    before = settings(lab)
    lab.inject("bly", "mgmt_cut", match=cut)
    outcome, held = legs.go(legs.made(*made()))
    assert outcome.kind is OutcomeKind.IMPOSSIBLE, outcome
    assert "put itself back: nobody came in" in str(outcome.reasons[0])
    assert settings(lab) == before and 20 <= lab.now < 60
    assert [c for c in lab.journal if c["event"] == "management"], "it was cut off"
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and settings(lab) == before
    assert not [c for c in lab.journal if c.get("unknown")]


@pytest.mark.parametrize(("made", "cut"), STEPS, ids=["sysctl", "nic"])
def test_what_is_reached_over_a_new_connection_stays(lab: SimLab, legs: Walk, made: Any, cut: str) -> None:
    verb, params = made()
    assert verb in registry.OWN_CONNECTION
    before = settings(lab)
    outcome, held = legs.go(legs.made(verb, params))
    assert outcome.kind is OutcomeKind.DONE and outcome.changed, outcome
    assert [o.kind for o in legs.looks] == [OutcomeKind.WAIT, OutcomeKind.DONE], "confirmed by the next visit"
    after = settings(lab)
    assert after != before and not lab.state("bly")["timers"]
    lab.wait(120)
    assert settings(lab) == after, "nothing is left that would put it back"
    back, _ = legs.go(replace(held, progress={}), rollback=True)
    assert back.kind is OutcomeKind.DONE and settings(lab) == before


@pytest.mark.parametrize(("made", "cut"), STEPS, ids=["sysctl", "nic"])
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
