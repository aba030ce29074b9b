"""A restarted router of which distant routers have not heard: announced anew while it is drained, and only then."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fleet.core.model import CheckSpec, Json
from playbooks import engine, registry
from playbooks.base import Step
from playbooks.drain import remedy
from playbooks.engine import Outcome, OutcomeKind
from playbooks.remedy import AFTER_S, mend
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, Walk, device

DRAIN = {"settle": "2s", "below": "1kpps", "within": "60s"}
VERIFY = {"interval": "1s", "passes": 2, "within": "5m"}
CHECKS = tuple(CheckSpec(name) for name in ("bgp_sessions", "route_counts", "ospf", "ospf3", "daemons", "rib_fib"))


class Verified(Walk):
    """A walk that also hands a verification to the driver that drained, as a leg does."""

    begun: list[str]

    def baseline(self) -> Json:
        outcome, _ = self.go(self.made("baseline", {}))
        return dict(outcome.data)

    def verified(self, baseline: Json, *, mends: bool = True) -> tuple[Outcome, float]:
        """How the verification ended, and after how long."""
        assert isinstance(baseline, dict)
        step = self.made("verify", VERIFY, baseline=baseline, checks=CHECKS)
        began, self.begun = self.lab.now, []
        while True:
            now = replace(step, waited_s=self.lab.now - began)
            outcome = self.visit(now, mends=mends)
            if outcome.kind is not OutcomeKind.WAIT:
                return outcome, self.lab.now - began
            step = replace(step, progress=outcome.data)
            self.lab.wait(max(0.1, outcome.after_s))

    def visit(self, step: Step, *, mends: bool = True, deadline_s: float = 60.0, may: bool = True) -> Outcome:
        session = SimSession(self.device, self.lab)

        def begin(what: str) -> bool:
            self.begun.append(what)
            return may

        driver = registry.driver("verify")
        outcome = engine.perform(driver, session, step, sent=False, deadline_s=60.0, write_ahead=lambda _: True)
        if not mends:
            return outcome
        return mend(registry.driver("drain"), session, step, outcome, deadline_s=deadline_s, begin=begin)


@pytest.fixture(params=["frr", "bird"])
def walk(request: pytest.FixtureRequest) -> Verified:
    lab = SimLab()
    lab.wait(120.0)
    name = next(n for n, router in lab.net.routers.items() if router.spec.suite == request.param)
    return Verified(lab, device(lab, name))


def restarted(walk: Verified, *, unheard: bool = True) -> Json:
    """Measured, drained, daemons restarted. Returns the baseline."""
    baseline = walk.baseline()
    outcome, step = walk.go(walk.made("drain", DRAIN))
    assert outcome.kind is OutcomeKind.DONE, outcome
    walk.drain_artifact = step.artifact
    if unheard:
        walk.lab.inject(walk.device.name, "loses_ospf6_lsas_after_restart")
    outcome, _ = walk.go(walk.made("restart", {}))
    assert outcome.kind is OutcomeKind.DONE, outcome
    walk.lab.journal.clear()
    return baseline


def test_it_never_ends_well_without_the_remedy(walk: Verified) -> None:
    outcome, took = walk.verified(restarted(walk), mends=False)
    assert outcome.kind is OutcomeKind.ERROR and took > 299.0
    assert any("BGP ipv6" in r.subject for r in outcome.reasons)


def test_a_router_that_was_not_heard_of_is_announced_anew_once(walk: Verified) -> None:
    outcome, took = walk.verified(restarted(walk))
    assert outcome.kind is OutcomeKind.DONE and AFTER_S <= took < AFTER_S + 15.0
    kept = outcome.data["remedy"]
    assert isinstance(kept, dict) and kept["times"] == 1 and kept["what"] == walk.begun[0] and len(walk.begun) == 1
    assert walk.lab.state(walk.device.name)["drained"] == {"bgp": True, "igp4": True, "igp6": True}
    running = walk.lab.net.routers[walk.device.name].running_text()
    assert "65534" not in running and "59999" not in running, "and put back"


def test_a_router_that_was_heard_of_is_left_alone(walk: Verified) -> None:
    outcome, took = walk.verified(restarted(walk, unheard=False))
    assert outcome.kind is OutcomeKind.DONE and took < AFTER_S
    assert "remedy" not in outcome.data and not walk.begun


def late(walk: Verified, baseline: Json, **more: Any) -> Step:
    assert isinstance(baseline, dict)
    return replace(walk.made("verify", VERIFY, baseline=baseline, checks=CHECKS), waited_s=40.0, **more)


def untouched(walk: Verified, visit: Callable[[], Outcome]) -> bool:
    walk.lab.wait(30.0)
    walk.begun, walk.lab.journal[:] = [], []
    outcome = visit()
    assert outcome.kind is OutcomeKind.WAIT, outcome
    return not any(entry.get("changes") for entry in walk.lab.journal)


def test_nothing_is_sent_before_its_time_or_twice_in_it_or_at_the_end_of_a_lease(walk: Verified) -> None:
    step = late(walk, restarted(walk))
    assert untouched(walk, lambda: walk.visit(replace(step, waited_s=20.0)))
    again = replace(step, progress={"remedy": {"at_s": 15.0, "times": 1, "what": "x"}})
    assert untouched(walk, lambda: walk.visit(again))
    assert walk.visit(again).data["remedy"] == {"at_s": 15.0, "times": 1, "what": "x"}, "it stays visible"
    assert untouched(walk, lambda: walk.visit(step, deadline_s=10.0))
    assert untouched(walk, lambda: walk.visit(step, may=False)) and walk.begun
    assert not untouched(walk, lambda: walk.visit(step)), "else it would have been"


def test_a_router_that_is_not_drained_any_more_is_not_touched(walk: Verified) -> None:
    step = late(walk, restarted(walk))
    for group in ("igp", "bgp"):
        walk.go(walk.made("undrain", {"group": group, "gate": "1s"}))
    walk.lab.net.routers[walk.device.name].unheard6 = walk.lab.net.routers[walk.device.name].costs6()
    assert untouched(walk, lambda: walk.visit(replace(step, drain_artifact=walk.drain_artifact)))
    assert not walk.begun


def test_a_router_whose_neighbour_is_away_is_not_touched(walk: Verified) -> None:
    step = late(walk, restarted(walk))
    ports = walk.lab.net.routers[walk.device.name].ports
    neighbour = next(port.peer for port in ports if not port.external)
    walk.lab.net.routers[neighbour].halt(walk.lab.now)
    checks = tuple(check for check in CHECKS if check.name == "bgp_sessions")
    walk.begun, walk.lab.journal[:] = [], []
    assert walk.visit(replace(step, checks=checks)).kind is OutcomeKind.WAIT
    assert not walk.begun, "the adjacencies are asked of the router, whatever the recipe checks"


def test_a_remedy_that_is_cut_off_in_the_middle_is_put_right(walk: Verified, monkeypatch: pytest.MonkeyPatch) -> None:
    step = late(walk, restarted(walk))
    walk.lab.wait(30.0)
    walk.begun = []
    suite = remedy.suite_of(walk.device)
    monkeypatch.setattr(SimSession, "run", died_at_sleep(SimSession.run))
    with pytest.raises(KeyboardInterrupt):
        walk.visit(step)
    monkeypatch.undo()
    running = walk.lab.net.routers[walk.device.name].running_text()
    assert str(suite.almost) in running, "left one less than drained"
    assert walk.lab.state(walk.device.name)["drained"]["bgp"]
    walk.visit(step)
    assert str(suite.almost) not in walk.lab.net.routers[walk.device.name].running_text()
    with monkeypatch.context() as again, pytest.raises(KeyboardInterrupt):
        again.setattr(SimSession, "run", died_at_sleep(SimSession.run))
        walk.visit(step)
    for group in ("igp", "bgp"):
        outcome, _ = walk.go(walk.made("undrain", {"group": group, "gate": "1s"}))
        assert outcome.kind is OutcomeKind.DONE, outcome
    assert str(suite.almost) not in walk.lab.net.routers[walk.device.name].running_text()
    assert walk.lab.state(walk.device.name)["drained"] == {"bgp": False, "igp4": False, "igp6": False}


def died_at_sleep(run: Callable[..., Any]) -> Callable[..., Any]:
    def dying(self: SimSession, argv: list[str], **more: Any) -> Any:
        if argv[0] == "sleep":
            raise KeyboardInterrupt
        return run(self, argv, **more)

    return dying
