"""What the neighbours forward is a check of some recipes; a router that has none on record is no reason to wait."""

from dataclasses import replace

import pytest

from fleet.changes import neighbours
from fleet.core.model import CheckSpec, Link, Topology
from playbooks.base import Device, Step
from tests.playbooks.scripted import FRR, step

FIBS = (CheckSpec("bgp_sessions"), CheckSpec(neighbours.CHECK))


def verify(*checks: CheckSpec, verb: str = "verify") -> Step:
    return replace(step(verb, {}), checks=checks, baseline={"samples": ["203.0.113.7"]})


def test_a_router_that_has_none_is_judged_by_the_other_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert neighbours.beside(verify(*FIBS), ()).checks == FIBS[:1]
    assert neighbours.beside(verify(FIBS[1]), ()).checks == FIBS[1:], "nothing else to judge by: inconclusive"

    def measured(devices: tuple[Device, ...], samples: list[str]) -> dict[str, object]:
        return {device.name: samples for device in devices}

    monkeypatch.setattr(neighbours, "measure_around", measured)
    seen = neighbours.beside(verify(*FIBS), (FRR,))
    assert seen.checks == FIBS and seen.progress["neighbours"] == {FRR.name: ["203.0.113.7"]}
    for other in (verify(FIBS[0]), verify(*FIBS, verb="kernel"), replace(verify(*FIBS), baseline=None)):
        assert neighbours.beside(other, (FRR,)) == other


def test_its_approver_is_told() -> None:
    routers = dict.fromkeys(["aebi", "bly", "dekker"], "fd0")
    topology = Topology(routers, frozenset({"transit"}), (Link("aebi", "bly", 1), Link("dekker", "transit", 1)))
    (finding,) = neighbours.none_on_record(["aebi", "bly", "dekker"], topology, FIBS)
    assert (finding.severity, finding.reason.subject) == ("warn", "neighbours of dekker")
    assert neighbours.none_on_record(["aebi", "bly"], topology, FIBS) == ()
    assert neighbours.none_on_record(["dekker"], topology, FIBS[:1]) == ()
    names = [f"r{n}" for n in range(9)]
    assert "r4 and 4 more" in neighbours.none_on_record(names, topology, FIBS)[0].reason.subject
