"""Commit-confirm on the simulated ring: what is looked at, in which order, and who puts what back."""

from dataclasses import replace
from typing import Any

import pytest

from playbooks import registry
from playbooks.base import Refused, Seen, Step
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, Walk, device

FRAGMENT = {
    "frr": "router bgp 65000\n bgp bestpath as-path multipath-relax\nexit\n",
    "bird": "define OPERATORS_LIMIT = 7;\n",
}
BAD = {"frr": "router bgp 65000\n nonsense here\nexit\n", "bird": "nonsense here\n"}
DRIVER = registry.driver("routing")


@pytest.fixture(params=["frr", "bird"])
def walk(request: pytest.FixtureRequest) -> Walk:
    lab = SimLab()
    lab.wait(120.0)
    name = next(n for n, router in lab.net.routers.items() if router.spec.suite == request.param)
    return Walk(lab, device(lab, name))


def applied(walk: Walk, fragment: dict[str, str] = FRAGMENT) -> tuple[SimSession, Step]:
    params: dict[str, Any] = {"section": "test", "fragment": fragment, "confirm": "30s"}
    step, session = walk.made("routing", params, walk.facts()), SimSession(walk.device, walk.lab)
    step = replace(step, artifact=DRIVER.precheck(session, step).artifact)
    DRIVER.apply(session, step, deadline_s=60.0)
    walk.lab.wait(3.0)
    return session, step


def test_it_is_confirmed_only_by_the_visit_after_the_one_that_saw_it_applied(walk: Walk) -> None:
    session, step = applied(walk)
    first = DRIVER.observe(session, step)
    assert (first.seen, first.data) == (Seen.WAITING, {"applied": True})
    assert DRIVER.observe(session, step).seen is Seen.WAITING, "whoever does not know it looks again"
    assert DRIVER.observe(session, replace(step, progress=first.data)).seen is Seen.DONE


def test_what_is_never_confirmed_goes_back(walk: Walk) -> None:
    session, step = applied(walk)
    first = DRIVER.observe(session, step)
    walk.lab.wait(35.0)
    look = DRIVER.observe(session, replace(step, progress=first.data))
    assert look.seen is Seen.NOT_DONE and "put itself back" in look.reasons[0].found
    assert DRIVER.observe_rollback(session, step).seen is Seen.DONE


def test_a_router_that_restarts_unconfirmed_comes_up_as_it_was(walk: Walk) -> None:
    session, step = applied(walk)
    walk.lab.ok(walk.device.name, "sudo -n systemctl reboot")
    walk.lab.wait(120.0)
    assert DRIVER.observe(session, replace(step, progress={"applied": True})).seen is Seen.NOT_DONE
    assert DRIVER.observe_rollback(session, step).seen is Seen.DONE


def test_what_the_checker_refuses_changes_nothing_and_arms_nothing(walk: Walk) -> None:
    with pytest.raises(Refused):
        applied(walk, BAD)
    assert not [e for e in walk.lab.journal if e.get("argv", [""])[0] == "systemd-run"]
    assert not [e for e in walk.lab.journal if "timeout" in e.get("argv", [])]


def test_a_crash_before_anything_was_sent_is_told_as_that(walk: Walk) -> None:
    params = {"section": "test", "fragment": FRAGMENT}
    step, session = walk.made("routing", params, walk.facts()), SimSession(walk.device, walk.lab)
    step = replace(step, artifact=DRIVER.precheck(session, step).artifact)
    look = DRIVER.observe(session, step)
    assert look.seen is Seen.NOT_DONE and look.reasons[0].found == "never sent"
