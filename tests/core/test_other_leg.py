"""While a provider works on one line, the router that carries the other leg is not drained; all others may be."""

from datetime import UTC, datetime, timedelta

import pytest

from fleet.core import link_impact, other_leg
from fleet.core.model import (
    Budget,
    Impact,
    KeepConnected,
    Link,
    Plan,
    PlannedStep,
    PlannedTarget,
    Reversibility,
    Strategy,
    Topology,
)
from fleet.core.other_leg import Outage, Providers
from fleet.core.waves import prepare

NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
# Two edge routers, each with a line to the same exchange and to a transit of its own; a core behind them.
LINKS = (
    Link("e1", "exchange", 1000),
    Link("e2", "exchange", 1000),
    Link("e1", "transit1", 1000),
    Link("e2", "transit2", 1000),
    Link("e1", "c1", 1000),
    Link("e2", "c1", 1000),
    Link("c1", "c2", 1000),
    Link("e1", "e2", 1000),
)
EXTERNALS = frozenset({"exchange", "transit1", "transit2"})
WAYS = (("e1", "transit1"), ("e2", "transit2"))
ROUTERS = {"e1": "a", "e2": "b", "c1": "a", "c2": "b"}


def network(*promises: KeepConnected, links: tuple[Link, ...] = LINKS):
    return prepare(Topology(ROUTERS, EXTERNALS, links, promises))


def outage(a: str, b: str, *, begins: timedelta = -HOUR, length: timedelta = 4 * HOUR) -> Outage:
    return Outage(a, b, 1000, NOW + begins, NOW + begins + length, "Example Telecom WO-1, CONFIRMED")


def asked(name: str, *outages: Outage, down: tuple[str, ...] = (), worst_case_s: float = 600.0, ways: bool = True):
    providers = Providers(outages, WAYS if ways else ())
    return other_leg.other_leg(name, worst_case_s, NOW, network(), providers, down)


def test_the_other_leg_of_the_same_external_is_not_drained() -> None:
    (reason,) = asked("e2", outage("e1", "exchange"))
    assert "draining e2: found e1 and exchange left without a way to each other" in str(reason)
    assert "Example Telecom WO-1, CONFIRMED" in str(reason)
    assert "2026-01-05 08:00 UTC" in str(reason)


def test_the_router_with_the_dead_line_itself_and_those_beside_may_be_drained() -> None:
    assert asked("e1", outage("e1", "exchange")) == ()
    assert asked("c1", outage("e1", "exchange")) == ()
    assert asked("c2", outage("e1", "exchange")) == ()


def test_the_last_way_out_is_kept_also_where_the_providers_differ() -> None:
    (reason,) = asked("e2", outage("e1", "transit1"))
    assert "the last way out" in str(reason)
    assert asked("e2", outage("e1", "transit1"), ways=False) == ()


def test_a_line_within_the_network_counts_as_well() -> None:
    ring = (Link("e1", "e2", 100), Link("e2", "c2", 100), Link("c2", "c1", 100), Link("c1", "e1", 100))
    providers = Providers((outage("e1", "e2"),))
    for name, cut in (("c1", True), ("c2", True), ("e1", False), ("e2", False)):
        said = other_leg.other_leg(name, 60, NOW, network(links=ring), providers)
        assert bool(said) is cut, name


@pytest.mark.parametrize(
    ("begins", "held"), [(-4 * HOUR, False), (-HOUR, True), (0.5 * HOUR, True), (HOUR, False), (5 * HOUR, False)]
)
def test_only_what_overlaps_the_worst_case_counts(begins: timedelta, held: bool) -> None:
    assert bool(asked("e2", outage("e1", "exchange", begins=begins), worst_case_s=3600.0)) is held


def test_what_others_drained_counts_and_what_was_cut_before_does_not() -> None:
    assert asked("c1", outage("e1", "e2"))
    assert asked("c1", outage("e1", "e2"), down=("e1",)) == ()
    ends = (("e1", "exchange"), ("e2", "exchange"), ("e1", "transit1"), ("e2", "transit2"))
    assert asked("e2", *(outage(a, b) for a, b in ends)) == ()


def test_a_promise_with_a_floor_is_kept() -> None:
    promise = KeepConnected(frozenset({"e1", "c1"}), 1500)
    wide = (
        Link("e1", "c1", 1000),
        Link("e1", "e2", 1000),
        Link("e2", "c1", 1000),
        Link("e1", "c2", 1000),
        Link("c2", "c1", 1000),
    )
    on = network(promise, links=wide)
    assert other_leg.other_leg("e2", 60, NOW, on, Providers()) == ()
    (reason,) = other_leg.other_leg("e2", 60, NOW, on, Providers((outage("e1", "c1"),)))
    assert "Mb/s" in str(reason)


def test_parallel_lines_keep_each_other() -> None:
    twice = (*LINKS, Link("e1", "exchange", 1000))
    assert other_leg.other_leg("e2", 60, NOW, network(links=twice), Providers((outage("e1", "exchange"),), WAYS)) == ()


def test_an_approver_is_told_of_what_is_ahead() -> None:
    providers = Providers(
        (outage("e1", "exchange", begins=48 * HOUR), outage("e1", "exchange", begins=-9 * HOUR)), WAYS
    )
    (finding,) = other_leg.find(["e1", "e2"], NOW, network(), providers)
    assert (finding.code, finding.severity) == ("other-leg", "warn")
    assert finding.reason.subject == "draining e2"
    assert "Run it before or after" in finding.reason.remedy


def test_unknown_devices_and_ends_are_nobodys_other_leg() -> None:
    assert asked("nobody", outage("e1", "exchange")) == ()
    assert asked("e1", outage("nobody", "nowhere")) == ()


# --- what a plan does to who is at the end of a link -----------------------------------------------------------------


def step(verb: str, *, disruptive: bool = False) -> PlannedStep:
    return PlannedStep(verb, {}, Reversibility.IN_PLACE, disruptive)


def plan(*waves: tuple[str, ...], drains: bool = True, total: int = 2) -> Plan:
    steps = (
        (step("drain"), step("nic", disruptive=True), step("undrain")) if drains else (step("nic", disruptive=True),)
    )
    targets = tuple(PlannedTarget(n, number, "", steps) for number, wave in enumerate(waves) for n in wave)
    return Plan("r", {}, Strategy(budget=Budget(total, 1)), (), targets)


@pytest.mark.parametrize(
    ("made", "link", "impact"),
    [
        (plan(("e1",)), ("e1", "exchange"), Impact.REDUCED_REDUNDANCY),
        (plan(("e1",)), ("transit1", "e1"), Impact.OUTAGE),
        (plan(("e1",)), ("e2", "transit2"), None),
        (plan(("e1",), ("e2",)), ("e1", "exchange"), Impact.REDUCED_REDUNDANCY),
        (plan(("e1", "e2")), ("e1", "exchange"), Impact.OUTAGE),
        (plan(("e1", "e2"), total=1), ("e1", "exchange"), Impact.REDUCED_REDUNDANCY),
        (plan(("e1",), drains=False), ("e1", "exchange"), Impact.DEGRADED),
        (plan(("c1",)), ("c1", "e1"), Impact.REDUCED_REDUNDANCY),
        (plan(("c1",)), ("c1", "c2"), Impact.OUTAGE),
        (plan(()), ("e1", "exchange"), None),
    ],
)
def test_the_impact_on_a_link(made: Plan, link: tuple[str, str], impact: Impact | None) -> None:
    assert link_impact.on_link(*link, link_impact.of_plan(made), network()) == impact
