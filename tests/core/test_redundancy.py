"""Proofs that are kept and mended say what a walk over the network says, and cost what the neighbourhood costs."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core import cuts, waves
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
from fleet.core.redundancy import Part, Redundancy
from fleet.core.risk import assess
from tests.core.test_waves import topologies


@settings(max_examples=40)
@given(topologies(8), st.data())
def test_who_may_be_down_together_is_what_the_walk_says(topology: Topology, data: st.DataObject) -> None:
    """One after the other into one part, in any order: the slow definition decides what is right."""
    network = cuts.prepare(topology)
    proofs, part, down = Redundancy(network), Part(), list[str]()
    for name in data.draw(st.permutations(sorted(topology.domain_of))):
        near = [n for n in down if network.component_of[n] == network.component_of[name]]
        wanted = not cuts.broken_promises(network, [*near, name], about=name)
        assert proofs.joins(name, part) == wanted, (name, down)
        if wanted:
            down.append(name)


@settings(max_examples=20)
@given(topologies(8))
def test_who_may_be_down_alone_is_what_the_walk_says(topology: Topology) -> None:
    network = cuts.prepare(topology)
    proofs = Redundancy(network)
    for name in topology.domain_of:
        wanted = cuts.broken_promises(network, [name], about=name)
        assert proofs.spares(name) == (not wanted)
        assert proofs.reasons(name) == wanted


def first_fit(names: list[str], topology: Topology) -> list[list[str]]:
    """The parts of one stage as they are defined: each name into the first that is not cut by it."""
    network = cuts.prepare(topology)
    parts: list[list[str]] = []
    for name in names:
        for part in parts:
            near = [n for n in part if network.component_of[n] == network.component_of[name]]
            if not cuts.broken_promises(network, [*near, name], about=name):
                part.append(name)
                break
        else:
            parts.append([name])
    return parts


@settings(max_examples=20)
@given(topologies(8), st.data())
def test_the_waves_are_those_of_the_definition(topology: Topology, data: st.DataObject) -> None:
    names = data.draw(st.permutations(sorted(topology.domain_of)))
    wave_of, _ = waves.build(names, Strategy(waves=("100%",)), topology)
    built = [[n for n in names if wave_of[n] == number] for number in range(max(wave_of.values()) + 1)]
    assert built == first_fit(names, topology)


# --- cost ---------------------------------------------------------------------------------------------------------


def rings(count: int) -> Topology:
    """One network: eight cores, all joined, and rings of ten between two of them; 1 Gb/s promised to everybody."""
    names = [f"r{n:05}" for n in range(count)]
    core, rest = names[:8], names[8:]
    links = [Link(a, b, 100_000) for a, b in itertools.combinations(core, 2)]
    links += [Link(core[0], "internet", 100_000), Link(core[4], "internet", 100_000)]
    for start in range(0, len(rest), 10):
        number = start // 10
        path = [core[number % 8], *rest[start : start + 10], core[(number + 3) % 8]]
        links += [Link(a, b, 10_000) for a, b in itertools.pairwise(path)]
    return one_network(names, links, 1_000)


def fabric(count: int) -> Topology:
    """One network: eight cores, everybody else on four of them with 10 Gb/s each; 20 Gb/s promised to everybody."""
    names = [f"r{n:05}" for n in range(count)]
    core = names[:8]
    links = [Link(a, b, 100_000) for a, b in itertools.combinations(core, 2)]
    links += [Link(core[0], "internet", 100_000), Link(core[4], "internet", 100_000)]
    links += [Link(n, core[(i + k) % 8], 10_000) for i, n in enumerate(names[8:]) for k in range(4)]
    return one_network(names, links, 20_000)


def one_network(names: list[str], links: list[Link], floor: int) -> Topology:
    keep = KeepConnected(frozenset(names) | {"internet"}, floor)
    return Topology({n: n[:5] for n in names}, frozenset({"internet"}), tuple(links), (keep,))


def drained(topology: Topology, wave_of: dict[str, int]) -> Plan:
    steps = tuple(PlannedStep(v, {}, Reversibility.IN_PLACE, disruptive=False) for v in ("drain", "reboot", "undrain"))
    targets = tuple(PlannedTarget(n, w, topology.domain_of[n], steps) for n, w in wave_of.items())
    return Plan("a-recipe", {}, Strategy(budget=Budget(20, 20)), (), targets)


@pytest.mark.parametrize("network", [rings, fabric])
def test_no_walk_for_each_router(network: Callable[[int], Topology], monkeypatch: pytest.MonkeyPatch) -> None:
    """Waves and risk of 300 routers of one network: walks over all of it can be counted on two hands."""
    walks = 0
    joined = cuts._joined

    def counted(*args: object) -> object:
        nonlocal walks
        walks += 1
        return joined(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(cuts, "_joined", counted)
    topology = network(300)
    wave_of, findings = waves.build(sorted(topology.domain_of), Strategy(waves=(1, "25%", "100%")), topology)
    assessment = assess(drained(topology, wave_of), topology)
    assert not findings and assessment.impact is Impact.REDUCED_REDUNDANCY
    assert walks <= 10, walks
