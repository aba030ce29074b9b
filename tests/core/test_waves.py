"""Waves: which routers may be down together, against a brute-force reference, and that planning stays cheap."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core import cuts, redundancy, waves
from fleet.core.model import Budget, Finding, KeepConnected, Link, Severity, Strategy, Topology

RING = ("bly", "aebi", "dekker", "tarbell", "wells", "lang")
OUTWARD = (
    ("bly", "internet"), ("aebi", "internet"), ("dekker", "customer-1"), ("lang", "customer-1"),
    ("tarbell", "customer-2"), ("wells", "customer-2"),
)  # fmt: skip
EXTERNALS = frozenset({"internet", "customer-1", "customer-2"})


def ring_of_s0(floor_mbps: int = 10_000, ring_mbps: int = 10_000) -> Topology:
    """Six routers in a ring (story S0), two on the internet, two customers with a leg on two routers each."""
    circle = tuple(Link(a, b, ring_mbps) for a, b in zip(RING, RING[1:] + RING[:1], strict=True))
    outward = tuple(Link(a, b, 10_000) for a, b in OUTWARD)
    keep = KeepConnected(frozenset(RING) | EXTERNALS, floor_mbps)
    return Topology(dict.fromkeys(RING, "x"), EXTERNALS, circle + outward, (keep,))


def is_cut(topology: Topology, *drained: str) -> bool:
    return bool(waves.broken_promises(waves.prepare(topology), drained))


@pytest.mark.parametrize("name", RING)
def test_one_router_of_the_ring_cuts_nobody(name: str) -> None:
    assert not is_cut(ring_of_s0(), name)


def test_which_pairs_of_the_ring_cut() -> None:
    """Neighbours leave a line of four, which holds unless they are both legs of one external; others cut the ring."""
    safe = {frozenset(p) for p in itertools.combinations(RING, 2) if not is_cut(ring_of_s0(), *p)}
    neighbours = {frozenset(p) for p in zip(RING, RING[1:] + RING[:1], strict=True)}
    both_legs = {frozenset({"bly", "aebi"}), frozenset({"tarbell", "wells"})}
    assert safe == neighbours - both_legs


def test_the_reason_names_who_is_cut_off_and_what_was_promised() -> None:
    (reason,) = waves.broken_promises(waves.prepare(ring_of_s0()), ["bly", "aebi"])
    assert str(reason) == (
        "draining aebi, bly: found internet left with 0 Mb/s to dekker, wanted at least 10000 Mb/s between them "
        "(keep_connected). Drain fewer of these at once, wait until the others carry traffic again, or add capacity."
    )


def test_whoever_comes_back_first_must_find_the_others() -> None:
    """Three of a ring of four: whole without them; but undrain the wrong one first, and two are left apart."""
    circle = tuple(Link(x, y, 1) for x, y in ("ab", "bc", "cd", "da"))
    four = Topology(dict.fromkeys("abcd", "x"), frozenset(), circle, (KeepConnected(frozenset("abcd")),))
    (reason,) = waves.broken_promises(waves.prepare(four), ["a", "b", "d"])
    assert reason.found == "a, if it comes back first, with 0 Mb/s to c"
    assert not is_cut(four, "a", "b")


def test_somebody_must_be_left() -> None:
    """Every pair that is not drained is connected when all are drained; that is not what was promised."""
    routers_only = Topology({"a": "x", "b": "x"}, frozenset(), (Link("a", "b", 1),), (KeepConnected(frozenset("ab")),))
    assert not is_cut(routers_only, "a")
    assert is_cut(routers_only, "a", "b")


def test_externals_do_not_transit() -> None:
    """dekker and lang both lead to customer-1; that does not join what the ring no longer joins."""
    assert is_cut(ring_of_s0(), "aebi", "wells")
    customers_only = Topology(
        {"a": "x", "b": "x"},
        frozenset({"c"}),
        (Link("a", "c", 1), Link("b", "c", 1)),
        (KeepConnected(frozenset("ab")),),
    )
    assert is_cut(customers_only)


def test_the_floor_counts_capacity_not_links() -> None:
    """Two ways of 10G make 20G to every other router; with one router down only one way is left."""
    assert not is_cut(ring_of_s0(20_000))
    assert is_cut(ring_of_s0(20_000), "bly")
    assert is_cut(ring_of_s0(20_001))
    assert not is_cut(ring_of_s0(10_000), "bly")


def test_a_promise_between_externals_only_is_kept_through_any_routers() -> None:
    topology = Topology(
        {"a": "x", "b": "x"},
        frozenset({"internet", "customer"}),
        tuple(Link(r, e, 10) for r in "ab" for e in ("internet", "customer")),
        (KeepConnected(frozenset({"internet", "customer"}), 10),),
    )
    assert not is_cut(topology, "a")
    assert not is_cut(topology, "b")
    assert is_cut(topology, "a", "b")
    wave_of, findings = waves.build(["a", "b"], Strategy(waves=("100%",)), topology)
    assert not findings
    assert wave_of["a"] != wave_of["b"], "a and b share no link, but they carry the same promise"


# --- against a reference that tries everything ---------------------------------------------------------------------


def min_cut(topology: Topology, drained: frozenset[str], a: str, b: str) -> int:
    """The least capacity that parts a from b, over every division of the nodes that may carry it."""
    carries = [n for n in topology.domain_of if n not in drained and n not in {a, b}]
    best = None
    for size in range(len(carries) + 1):
        for chosen in itertools.combinations(carries, size):
            side, other = {a, *chosen}, {b, *carries} - set(chosen)
            parted = sum(
                link.capacity_mbps
                for link in topology.links
                if (link.a in side and link.b in other) or (link.b in side and link.a in other)
            )
            best = parted if best is None else min(best, parted)
    assert best is not None
    return best


def broken_by_reference(topology: Topology, drained: Sequence[str]) -> bool:
    """Does any part of this set, drained, break a promise? They come back in any order."""
    parts = [frozenset(p) for n in range(1, len(drained) + 1) for p in itertools.combinations(drained, n)]
    return any(
        (promise.names - topology.externals and promise.names - topology.externals <= down)
        or any(
            min_cut(topology, down, a, b) < max(promise.floor_mbps, 1)
            for a, b in itertools.combinations(sorted(promise.names - down), 2)
        )
        for promise in topology.keep_connected
        for down in parts or [frozenset()]
    )


@st.composite
def topologies(draw: st.DrawFn, routers: int = 5) -> Topology:
    names = [f"r{n}" for n in range(draw(st.integers(2, routers)))]
    externals = [f"x{n}" for n in range(draw(st.integers(0, 2)))]
    pairs = list(itertools.combinations(names, 2)) + [(r, x) for x in externals for r in names]
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=10))
    links = tuple(Link(a, b, draw(st.sampled_from([1, 10, 25]))) for a, b in chosen)
    promised = st.builds(
        KeepConnected,
        st.frozensets(st.sampled_from(names + externals), min_size=2),
        st.sampled_from([0, 1, 10, 20]),
    )
    keep = tuple(draw(st.lists(promised, min_size=1, max_size=2)))
    domain_of = {n: draw(st.sampled_from(["d0", "d1"])) for n in names}
    return Topology(domain_of, frozenset(externals), links, keep)


@given(topologies(), st.data())
def test_what_a_drained_set_breaks(topology: Topology, data: st.DataObject) -> None:
    drained = data.draw(st.lists(st.sampled_from(sorted(topology.domain_of)), unique=True))
    assert is_cut(topology, *drained) == broken_by_reference(topology, drained)


@given(topologies(), st.data())
def test_asking_about_one_router_finds_all_that_its_drain_adds(topology: Topology, data: st.DataObject) -> None:
    """`about` leaves out promises: never one that was kept without that router and is broken with it."""
    order = data.draw(st.permutations(sorted(topology.domain_of)))
    network = waves.prepare(topology)
    if waves.broken_promises(network, []):
        return
    for count in range(len(order)):
        if not waves.broken_promises(network, order[:count]) and waves.broken_promises(network, order[: count + 1]):
            near = [n for n in order[: count + 1] if network.component_of[n] == network.component_of[order[count]]]
            assert waves.broken_promises(network, near, about=order[count])


stages = st.lists(st.one_of(st.integers(1, 6), st.integers(1, 100).map(lambda n: f"{n}%")), max_size=3).map(tuple)


@given(topologies(6), stages)
def test_built_waves_are_safe_complete_and_in_order(topology: Topology, given_waves: tuple[int | str, ...]) -> None:
    names = sorted(topology.domain_of)
    wave_of, findings = waves.build(names, Strategy(waves=given_waves), topology)
    assert sorted(wave_of) == names, "every target is in exactly one wave"
    together = [[n for n in names if wave_of[n] == number] for number in range(max(wave_of.values()) + 1)]
    assert all(together), "no wave is empty"
    alone = [n for n in names if broken_by_reference(topology, [n])]
    for wave in together:
        if len(wave) > 1 and not any(n in alone for n in wave):
            assert not broken_by_reference(topology, wave), f"wave {wave} cuts"
    if not broken_by_reference(topology, []):
        assert {f.reason.subject for f in findings} == {f"draining {n}" for n in alone}
    assert all(f.severity is Severity.FATAL and f.code == "target-cuts" for f in findings)


@given(st.integers(1, 40), stages)
def test_stages_are_cumulative_and_end_with_everyone(count: int, given_waves: tuple[int | str, ...]) -> None:
    ends = waves.sizes(given_waves, count)
    assert list(ends) == sorted(set(ends))
    assert ends[-1] == count and ends[0] >= 1
    if given_waves and isinstance(given_waves[0], int):
        assert ends[0] == min(count, given_waves[0]), "the canary is as large as was said"


def test_sizes_by_example() -> None:
    assert waves.sizes((1, "25%", "100%"), 6) == (1, 2, 6)
    assert waves.sizes((1, "25%", "100%"), 1) == (1,)
    assert waves.sizes((1, "10%"), 100) == (1, 10, 100)
    assert waves.sizes((5, 3), 10) == (5, 10)
    assert waves.sizes((), 3) == (3,)
    assert waves.sizes(("7%",), 100) == (7, 100), "no rounding error makes it eight"


@given(st.permutations(RING), st.integers(1, 6))
def test_the_canary_is_the_first_that_was_named_and_order_is_kept(names: list[str], canary: int) -> None:
    wave_of, _ = waves.build(names, Strategy(waves=(canary, "100%")), ring_of_s0())
    first = names[:canary]
    assert wave_of[first[0]] == 0
    assert max(wave_of[n] for n in first) < min([wave_of[n] for n in names[canary:]], default=99)
    # Within one wave nobody was moved before somebody who was named earlier in an equally open wave: first fit.
    for number in set(wave_of.values()):
        members = [n for n in names if wave_of[n] == number]
        assert not is_cut(ring_of_s0(), *members) or len(members) == 1


# --- waves that a person wrote ------------------------------------------------------------------------------------


def codes(findings: Sequence[Finding]) -> list[str]:
    return sorted(f.code for f in findings)


def test_waves_by_name_are_taken_as_written() -> None:
    strategy = Strategy(waves=(("lang",), ("bly",), ("aebi", "dekker"), ("tarbell",), ("wells",)))
    wave_of, findings = waves.build(sorted(RING), strategy, ring_of_s0())
    assert findings == ()
    assert wave_of == {"lang": 0, "bly": 1, "aebi": 2, "dekker": 2, "tarbell": 3, "wells": 4}


def test_waves_by_name_that_cut_are_refused_with_the_cut() -> None:
    strategy = Strategy(waves=(("bly", "aebi"), ("dekker", "tarbell"), ("wells", "lang")))
    _, findings = waves.build(sorted(RING), strategy, ring_of_s0())
    assert codes(findings) == ["wave-cuts"]
    assert "draining aebi, bly: found internet" in str(findings[0].reason)


@pytest.mark.parametrize(
    ("given_waves", "words"),
    [
        ((("bly", "bly"), tuple(sorted(set(RING) - {"bly"}))), "bly named twice"),
        ((("bly",), ("ayres",)), "ayres not a target"),
        ((("bly",), "100%"), "100% not a target"),
        ((("bly",), 3), "aebi: found in no wave"),
    ],
)
def test_waves_by_name_name_each_target_once(given_waves: tuple[int | str | tuple[str, ...], ...], words: str) -> None:
    wave_of, findings = waves.build(sorted(RING), Strategy(waves=given_waves), ring_of_s0())
    assert sorted(wave_of) == sorted(RING)
    assert any(words in str(f.reason) and f.severity is Severity.FATAL for f in findings if f.code == "wave-names")


def test_a_target_whose_drain_alone_cuts_is_refused() -> None:
    single = Topology(
        {"a": "x", "b": "x"},
        frozenset({"customer"}),
        (Link("a", "b", 10), Link("a", "customer", 10)),
        (KeepConnected(frozenset({"a", "b", "customer"})),),
    )
    _, findings = waves.build(["a", "b"], Strategy(budget=Budget(2, 2)), single)
    assert [(f.code, f.reason.subject) for f in findings] == [("target-cuts", "draining a")]


# --- cost ---------------------------------------------------------------------------------------------------------


def pods(count: int, *, shared_internet: bool) -> Topology:
    """Pods of four, each with redundancy of its own; their internet is one external for all, or one for each."""
    links, keep, domains = [], [], {}
    externals = set()
    for number in range(count // 4):
        e1, e2, c1, c2 = (f"r{number * 4 + i:05}" for i in range(4))
        internet = "internet" if shared_internet else f"internet-{number}"
        externals.add(internet)
        domains |= {e1: f"{number}a", e2: f"{number}b", c1: f"{number}a", c2: f"{number}b"}
        links += [Link(a, b, 10) for a, b in itertools.product((e1, e2), (c1, c2))]
        links += [Link(c1, c2, 10), Link(c1, internet, 10), Link(c2, internet, 10)]
        keep.append(KeepConnected(frozenset({e1, e2, c1, c2, internet}), 10))
    return Topology(domains, frozenset(externals), tuple(links), tuple(keep))


class Count:
    """Counts the work of the planner: promises looked at and neighbours of routers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.promises = self.nodes = 0
        broken, says, near = cuts.broken, redundancy.Trial.says, redundancy.Trial._beside

        def counted(*args: Any) -> Any:
            self.promises += 1
            return broken(*args)

        def said(*args: Any) -> bool | None:
            self.promises += 1
            return says(*args)

        def looked(*args: Any) -> Any:
            found = near(*args)
            self.nodes += len(list(found))
            return found

        monkeypatch.setattr(cuts, "broken", counted)
        monkeypatch.setattr(redundancy, "broken", counted)
        monkeypatch.setattr(redundancy.Trial, "says", said)
        monkeypatch.setattr(redundancy.Trial, "_beside", looked)


@pytest.mark.parametrize("shared_internet", [False, True])
def test_planning_costs_the_same_for_each_router(shared_internet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    each = []
    for count in (100, 1000):
        topology = pods(count, shared_internet=shared_internet)
        work = Count(monkeypatch)
        wave_of, findings = waves.build(sorted(topology.domain_of), Strategy(waves=(1, "25%", "100%")), topology)
        monkeypatch.undo()
        assert not findings and len(wave_of) == count
        assert max(wave_of.values()) < 10, "pods do not hinder each other"
        each.append((work.promises / count, work.nodes / count))
    assert each[1][0] <= each[0][0] * 1.1 and each[1][1] <= each[0][1] * 1.1, each
