"""Risk of a plan, with its reasons; standard changes; facts that moved. All as values."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fleet.core import preconditions, standard
from fleet.core.model import (
    Budget,
    Finding,
    Impact,
    KeepConnected,
    Link,
    Plan,
    PlannedStep,
    PlannedTarget,
    Reason,
    Reversibility,
    Severity,
    Strategy,
    Topology,
)
from fleet.core.risk import Risk, assess
from fleet.core.standard import Standard, Wanted

NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
RING = Topology(
    {"a": "A", "b": "B", "c": "C"},
    frozenset({"up"}),
    (Link("a", "b", 1000), Link("b", "c", 1000), Link("c", "a", 1000), Link("a", "up", 1000)),
    (KeepConnected(frozenset({"a", "b", "c"})),),
)


def step(verb: str, way: Reversibility = Reversibility.NOTHING_TO_UNDO, *, disruptive: bool = False) -> PlannedStep:
    return PlannedStep(verb, {}, way, disruptive)


def plan(*steps: PlannedStep, names: tuple[str, ...] = ("a",), total: int = 1, **more: Any) -> Plan:
    targets = tuple(PlannedTarget(n, 0, n, steps) for n in names)
    return Plan("r", {}, Strategy(budget=Budget(total=total)), (), targets, **more)


DRAINED = (step("drain", disruptive=True), step("nic", Reversibility.IN_PLACE, disruptive=True), step("undrain"))


@pytest.mark.parametrize(
    ("steps", "impact", "risk", "why"),
    [
        ((step("baseline"),), Impact.NO_IMPACT, Risk.LOW, "nothing is drained"),
        (DRAINED, Impact.REDUCED_REDUNDANCY, Risk.MEDIUM, "1 device is drained within the budget"),
        (DRAINED[1:2], Impact.DEGRADED, Risk.HIGH, "nic on a while it carries traffic"),
        ((step("firmware", Reversibility.BY_REFLASH),), Impact.NO_IMPACT, Risk.HIGH, "firmware is reversible"),
        ((step("fuse", Reversibility.NOT_AT_ALL),), Impact.NO_IMPACT, Risk.VERY_HIGH, "fuse is reversible not at all"),
    ],
)  # fmt: skip
def test_impact_and_way_back(steps: tuple[PlannedStep, ...], impact: Impact, risk: Risk, why: str) -> None:
    found = assess(plan(*steps), RING)
    assert (found.impact, found.risk) == (impact, risk)
    assert any(why in text for text in found.why), found.why


def test_a_drain_that_cuts_a_promise_is_an_outage() -> None:
    line = replace(RING, links=(Link("a", "b", 1000), Link("b", "c", 1000)))
    found = assess(plan(*DRAINED, names=("b",)), line)
    assert (found.impact, found.risk) == (Impact.OUTAGE, Risk.VERY_HIGH)


def test_a_wave_that_may_fall_as_a_whole_counts_its_cuts() -> None:
    star = Topology({"hub": "H", "a": "A", "b": "B"}, frozenset(), (Link("hub", "a", 1), Link("hub", "b", 1)),
                    (KeepConnected(frozenset({"a", "b"})),))  # fmt: skip
    found = assess(plan(step("sysctl", Reversibility.IN_PLACE), names=("hub", "a"), total=2), star)
    assert (found.blast_radius == 2 and found.risk is Risk.MEDIUM) or found.risk is Risk.HIGH


@pytest.mark.parametrize(("count", "risk"), [(10, Risk.LOW), (11, Risk.MEDIUM), (100, Risk.MEDIUM), (101, Risk.HIGH)])
def test_many_devices(count: int, risk: Risk) -> None:
    names = tuple(f"r{n}" for n in range(count))
    topology = Topology({n: n for n in names})
    assert assess(plan(step("sysctl", Reversibility.IN_PLACE), names=names), topology).risk is risk


@pytest.mark.parametrize(("severity", "risk"), [(Severity.WARN, Risk.MEDIUM), (Severity.FATAL, Risk.VERY_HIGH)])
def test_findings(severity: Severity, risk: Risk) -> None:
    finding = Finding("odd", severity, Reason("a", "b", "c"))
    assert assess(plan(step("baseline"), findings=(finding,)), RING).risk is risk


def test_an_empty_plan_has_a_low_risk() -> None:
    assert assess(plan(names=()), Topology({})).risk is Risk.LOW


# --- standard changes ------------------------------------------------------------------------------------------------

FITS = Standard(
    "queues", "nic-queues", "f" * 64, {"queues": {"min": 1, "max": 8}, "mode": {"one_of": ["a", True]}}, 2,
    NOW.replace(year=2027), frozenset({"MA1"}), frozenset({"edge"}), author=9, approvers=frozenset({2, 3}),
)  # fmt: skip
WANTED = Wanted("nic-queues", "f" * 64, {"queues": 8, "mode": "a"}, {"bly": ("MA1", "edge")}, authors={1})


def test_within_its_bounds_it_is_the_standard_change() -> None:
    assert standard.misfits(FITS, WANTED, NOW) == ()


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"recipe": "kernel"}, "recipe"),
        ({"recipe_digest": "0" * 64}, "recipe of standard change queues"),
        ({"inputs": {"queues": 9}}, "input queues"),
        ({"inputs": {"queues": True}}, "input queues"),
        ({"inputs": {"queues": "8"}}, "input queues"),
        ({"inputs": {"mode": 1}}, "input mode"),
        ({"inputs": {"other": 1}}, "input other"),
        ({"devices": {"x": ("MA1", "edge"), "y": ("MA1", "edge"), "z": ("MA1", "edge")}}, "devices"),
        ({"devices": {"bly": ("LON", "edge")}}, "site of devices"),
        ({"devices": {"bly": ("MA1", "core")}}, "role of devices"),
        ({"authors": {2}}, "standard change queues"),
        ({"fatal": 1}, "findings"),
    ],
)
def test_outside_of_them_it_is_not(change: dict[str, Any], subject: str) -> None:
    (reason,) = standard.misfits(FITS, replace(WANTED, **change), NOW)
    assert reason.subject == subject


@pytest.mark.parametrize(
    "change", [{"expires_at": NOW}, {"withdrawn": True}, {"approvers": frozenset({2})}, {"author": 2}]
)
def test_what_is_not_in_force_is_not_used(change: dict[str, Any]) -> None:
    assert standard.misfits(replace(FITS, **change), WANTED, NOW)


@pytest.mark.parametrize(
    "bounds",
    [
        [],
        {"q": 8},
        {"q": {"min": 1}},
        {"q": {"min": 8, "max": 1}},
        {"q": {"one_of": []}},
        {"q": {"max": True, "min": 0}},
    ],
)
def test_bounds_that_are_none(bounds: Any) -> None:
    assert standard.wrong_bounds(bounds)


# --- facts that moved ------------------------------------------------------------------------------------------------

FACTS = {"kernel": "6.1", "routing": {"suite": "frr", "version": "8.4"}, "uptime_s": 3.0,
         "queues": {"eth0.100": {"combined": 4, "max": {"combined": 8}}, "lo": None}}  # fmt: skip


def test_what_a_plan_depends_on() -> None:
    expected = preconditions.expected_of(FACTS)
    assert expected == {
        "kernel": "6.1",
        "queues.eth0.100.combined": 4,
        "routing.suite": "frr",
        "routing.version": "8.4",
    }
    assert preconditions.moved("bly", expected, {**FACTS, "uptime_s": 9.0}, since="now") == ()


def test_what_moved_is_named_and_what_cannot_be_told_holds() -> None:
    now = {**FACTS, "kernel": "6.5", "queues": {}}
    found = [str(r) for r in preconditions.moved("bly", preconditions.expected_of(FACTS), now, since="on the device")]
    assert found[0].startswith("bly, kernel: found 6.5 (on the device), wanted 6.1 as it was approved.")
    assert found[1].startswith("bly, queues.eth0.100.combined: found unknown (on the device), wanted 4")
    assert len(found) == 2


def test_no_facts_no_expectations() -> None:
    assert preconditions.expected_of({}) == {}
    assert preconditions.expected_of({"queues": "??", "routing": 3}) == {}
