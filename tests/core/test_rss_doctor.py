"""The RSS doctor: the stories S1 and S4, every verdict, and what it says where it cannot tell."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.repair import Repair
from fleet.core.rss import ESP, MICROSOFT_KEY, TCP, UDP, Flow, Rss, equal_table, predict
from fleet.core.rss_doctor import Diagnosis, Says, diagnose
from fleet.core.rss_load import Card, Load, Machine
from fleet.core.rss_report import title, together
from fleet.core.rss_spread import Spread, best, entropy, expected_effective

HASHES = {"udp4": "sdfn", "tcp4": "sdfn", "esp4": "sd"}
X722 = Card("eth0", "i40e", queues=8, most=64, rss=Rss(MICROSOFT_KEY, equal_table(8, 512), HASHES))
ROUTER = Machine(cpus=40, cores=20, irqbalance=True, kernel="4.19.28")
HERE = ip_address("1.99.99.1").packed


def peer(number: int) -> Flow:
    """ESP in UDP from a peer of the seed's network (S1-3)."""
    return Flow(ip_address(f"1.99.99.{number}").packed, HERE, UDP, 4500, 4500)


def peers(count: int) -> dict[Flow, int]:
    return {peer(n): 1000 for n in range(2, 2 + count)}


def on(packets: Mapping[int, int], seconds: float = 10.0) -> Load:
    return Load(seconds, packets={q: packets.get(q, 0) for q in range(8)})


def says(found: Diagnosis) -> list[Says]:
    return [one.says for one in found.findings]


def words(found: Diagnosis) -> str:
    return " ".join([one.words for one in found.findings] + [a for one in found.findings for a in one.advice])


# -- S1: ESP in UDP on an X722


def test_one_peer_on_the_queue_that_the_hash_gives_is_no_fault_of_the_card() -> None:
    """S1-3, S1-5: bucket 124, queue 4."""
    found = diagnose("gw1", X722, ROUTER, flows={peer(2): 5000}, load=on({4: 5000}))
    assert says(found) == [Says.NO_ENTROPY]
    assert "one peer" in words(found)
    assert "one queue is expected" in words(found)
    assert "encapsulator" in words(found)
    assert found.predicted is not None and found.predicted.busiest == 4
    assert found.best is not None and found.best.effective == 1.0
    assert found.repairs == ()


def test_one_peer_on_queue_0_where_the_hash_says_4_is_both() -> None:
    """S1-7: with one peer too, queue 0 while table[124] is not 0 tells that there is no hash."""
    found = diagnose("gw1", X722, ROUTER, flows={peer(2): 5000}, load=on({0: 5000}))
    assert says(found) == [Says.NOT_HASHED, Says.NO_ENTROPY]
    assert "should be on queue(s) 4 and are on queue 0" in words(found)


def test_twenty_peers_that_all_land_on_0_are_not_hashed() -> None:
    found = diagnose("gw1", X722, ROUTER, flows=peers(20), load=on({0: 20_000}))
    assert says(found) == [Says.NOT_HASHED]
    assert "does not hash this traffic (ESP in UDP, IPv4 (port 4500))" in words(found)
    assert "firmware" in words(found)
    assert found.predicted is not None and found.predicted.effective > 4


def test_twenty_peers_that_spread_as_predicted_are_fine() -> None:
    seen = predict(X722.rss or Rss(b"", ()), peers(20)).packets
    found = diagnose("gw1", X722, ROUTER, flows=peers(20), load=on(seen))
    assert says(found) == [Says.FINE]
    assert found.is_fine
    assert "as key and table of the card say" in words(found)


def test_of_mixed_traffic_the_kind_that_is_not_hashed_is_named() -> None:
    """S1-2: other UDP and TCP spread well, ESP in UDP is all on 0."""
    others = {Flow(ip_address(f"10.0.0.{n}").packed, HERE, TCP, 40_000 + n, 443): 1000 for n in range(1, 60)}
    spread = dict(predict(X722.rss or Rss(b"", ()), others).packets)
    spread[0] += 40 * 1000
    found = diagnose("gw1", X722, ROUTER, flows={**others, **peers(40)}, load=on(spread))
    assert says(found) == [Says.NOT_HASHED]
    assert found.findings[0].words.startswith("The card does not hash this traffic (ESP in UDP, IPv4 (port 4500))")


def test_one_heavy_flow_among_many_is_said_as_such() -> None:
    flows = {**peers(20), peer(200): 60_000}
    found = diagnose("gw1", X722, ROUTER, flows=flows, load=on(predict(X722.rss or Rss(b"", ()), flows).packets))
    assert says(found) == [Says.NO_ENTROPY]
    assert "75% of the packets are one flow" in words(found)


# -- S4: the half that is on the host

CACHE = Card("eth5", "ixgbe", queues=1, most=63, rss=None)
STARVED = Load(
    10.0,
    packets={0: 4_000_000},
    interrupts={0: {3: 80_000}},
    missed={"rx_no_bufs": 52_000},
    softirq={n: 1.0 if n == 3 else 0.02 for n in range(40)},
)


def test_one_queue_with_rx_no_bufs_and_a_saturated_core_gets_eight_with_rss() -> None:
    """S4-12: 40 cores, "missed" explained by rx_no_bufs, softirq just over 100 % of one core."""
    found = diagnose("cache1", CACHE, ROUTER, load=STARVED)
    assert says(found) == [Says.TOO_FEW_QUEUES]
    assert "CPU 3 spends 100% of its time on softirqs" in words(found)
    assert "52000 packets were lost for want of a buffer (rx_no_bufs)" in words(found)
    wanted = {"interface": "eth5", "queues": 8, "spread": True, "interrupts": "local", "irqbalance": False}
    assert found.repairs == (Repair("nic-rss", wanted, ("cache1",), ()),)


def test_on_a_vic_the_adapter_policy_has_to_do_it_and_its_numbers_are_given() -> None:
    """S4-15, S4-16: completion queues = rx + tx, interrupts = completion + 2, RSS switched on by hand."""
    vic = replace(CACHE, driver="enic", most=None, settable=False)
    found = diagnose("cache1", vic, replace(ROUTER, kernel="3.16.0"), load=STARVED)
    assert says(found) == [Says.TOO_FEW_QUEUES]
    assert found.repairs == (Repair("ucs-queues", {"queues": 8}, ("cache1",), ()),)
    for value in ("recv-queue 8", "trans-queue 8", "comp-queue 16", "interrupt 18", "receivesidescaling enabled"):
        assert value in words(found)


def test_vnics_of_many_blades_are_one_change_and_each_blade_reboots_once() -> None:
    """Two vNICs that want different numbers: the blade gets as many as either needs."""

    def asks(device: str, queues: int) -> Repair:
        return Repair("ucs-queues", {"queues": queues}, (device,), ())

    other = Repair("nic-rss", {"interface": "eth1", "queues": 8}, ("r1",), ())
    made = together([asks("c1", 4), asks("c1", 8), asks("c2", 8), other, asks("c3", 4)])
    assert [(one.recipe, one.inputs["queues"], one.targets) for one in made] == [
        ("ucs-queues", 8, ("c1", "c2")), ("nic-rss", 8, ("r1",)), ("ucs-queues", 4, ("c3",)),
    ]  # fmt: skip
    assert title(made[0]) == "8 queues by adapter policy for the vNICs of c1, c2"


def test_idle_queues_are_not_answered_with_more_queues() -> None:
    lonely = Load(
        10.0, packets={0: 9000, **dict.fromkeys(range(1, 8), 0)}, softirq={0: 0.99}, missed={"rx_missed_errors": 5}
    )
    assert Says.TOO_FEW_QUEUES not in says(diagnose("r1", X722, ROUTER, load=lonely))


# -- tables, ports, interrupts


def test_a_table_that_leaves_queues_out() -> None:
    """S: channels raised while the table was set by hand (domain notes 3.4)."""
    card = replace(X722, rss=Rss(MICROSOFT_KEY, equal_table(2, 512), HASHES))
    found = diagnose("r1", card, ROUTER)
    assert says(found) == [Says.TABLE_SKEWED]
    assert "leaves out queue(s) 2, 3, 4, 5, 6, 7" in words(found)
    assert found.repairs[0].inputs == {"interface": "eth0", "spread": True}


def test_a_table_of_an_82599_with_63_rings_is_not_skewed() -> None:
    """Domain notes 3.2: it uses 0 to 15, which is all that its RSS reaches."""
    card = Card("eno5", "ixgbe", queues=63, most=63, rss=Rss(MICROSOFT_KEY, equal_table(16), HASHES))
    assert Says.TABLE_SKEWED not in says(diagnose("r1", card, ROUTER))


def test_ports_that_would_spread_are_switched_on() -> None:
    """ixgbe's udp4 is sd by default: two servers that talk over many ports are one input."""
    a = ip_address("192.0.2.9").packed
    flows = {Flow(a, HERE, UDP, 1000 + n, 53): 100 for n in range(64)}
    card = replace(X722, driver="ixgbe", rss=Rss(MICROSOFT_KEY, equal_table(8), {"udp4": "sd"}))
    found = diagnose("r1", card, ROUTER, flows=flows)
    assert says(found) == [Says.NO_ENTROPY, Says.PORTS_NOT_HASHED]
    assert found.repairs[0].inputs["udp"] == "sdfn"
    assert Says.PORTS_NOT_HASHED not in says(diagnose("r1", X722, ROUTER, flows=flows))


@pytest.mark.parametrize(
    ("irqbalance", "pinned", "verdict"),
    [(False, False, Says.IRQBALANCE_OFF), (True, False, Says.ONE_CORE), (False, True, Says.ONE_CORE)],
)
def test_queues_whose_interrupts_all_go_to_one_core(*, irqbalance: bool, pinned: bool, verdict: Says) -> None:
    """S4-18."""
    cpus = {q: frozenset({0}) if pinned else frozenset(range(40)) for q in range(8)}
    load = Load(10.0, packets=dict.fromkeys(range(8), 5000), interrupts={q: {0: 900} for q in range(8)})
    found = diagnose("r1", replace(X722, cpus=cpus), replace(ROUTER, irqbalance=irqbalance), load=load)
    assert says(found) == [verdict]
    assert "CPU 0 takes 100% of the interrupts of 8 busy receive queues" in words(found)
    assert found.repairs[0].inputs["interrupts"] == "local"


def test_interrupts_stand_in_for_packets_where_a_driver_counts_none() -> None:
    """enic and new virtio_net have no packets per queue."""
    load = Load(10.0, packets=None, interrupts={q: {q: 500} for q in range(8)})
    found = diagnose("r1", replace(X722, driver="enic"), ROUTER, load=load)
    assert (found.seen_by, says(found)) == ("interrupts", [Says.FINE])


# -- what cannot be told


def test_what_is_missing_is_named() -> None:
    found = diagnose("r1", Card("eth0"), Machine())
    assert says(found) == [Says.CANNOT_TELL]
    assert len(found.findings[0].reasons) == 2
    short = diagnose("r1", X722, ROUTER, load=on({0: 9000}, seconds=3.0))
    assert says(short) == [Says.CANNOT_TELL]
    quiet = diagnose("r1", X722, ROUTER, load=on({0: 900}))
    assert says(quiet) == [Says.CANNOT_TELL]


def test_a_spread_that_nothing_explains_is_not_called_fine() -> None:
    found = diagnose("r1", X722, ROUTER, load=on({5: 90_000}))
    assert says(found) == [Says.CANNOT_TELL]
    assert "Flow Director" in words(found)


def test_without_the_hashed_fields_nothing_is_predicted() -> None:
    blind = replace(X722, rss=Rss(MICROSOFT_KEY, equal_table(8), {}))
    found = diagnose("gw1", blind, ROUTER, flows=peers(20), load=on({0: 20_000}))
    assert found.predicted is None
    assert says(found) == [Says.CANNOT_TELL]


# -- spreads


def test_effective_queues() -> None:
    assert Spread({0: 5, 1: 5}).effective == 2.0
    assert Spread({0: 5, 1: 0}).effective == 1.0
    assert Spread({}).effective == 0.0


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60), st.integers(1, 16))
def test_the_best_spread_loses_nothing_and_is_no_worse_than_what_a_hash_gives(weights: list[int], queues: int) -> None:
    spread = best(weights, queues)
    assert spread.total == pytest.approx(sum(weights))
    assert max(spread.packets.values()) <= 4 / 3 * max(max(weights), sum(weights) / queues) + max(weights) / 3
    assert spread.effective >= expected_effective(weights, queues) - 1e-6


def test_a_million_equal_inputs_are_poured_evenly() -> None:
    assert best([1] * 100_000, 8).effective == pytest.approx(8.0)


def kinds() -> Iterable[Flow]:
    return (peer(2), Flow(HERE, HERE, ESP), Flow(HERE, HERE, TCP, 1, 2), Flow(HERE, HERE, UDP, fragment=True))


@given(
    st.dictionaries(st.sampled_from(list(kinds())), st.integers(0, 10**6)),
    st.dictionaries(st.integers(0, 9), st.integers(0, 10**6)),
    st.one_of(st.none(), st.integers(0, 64)),
    st.binary(max_size=52),
    st.lists(st.integers(0, 70), max_size=70),
)
def test_nothing_makes_it_raise(
    flows: dict[Flow, int], seen: dict[int, int], queues: int | None, key: bytes, table: list[int]
) -> None:
    card = Card("eth0", "x", queues, queues, rss=Rss(key, tuple(table), HASHES))
    load = Load(10.0, packets=seen, interrupts={q: {0: n} for q, n in seen.items()}, softirq={0: 1.0})
    assert diagnose("r1", card, Machine(4), load=load, flows=flows).findings
    assert entropy(flows).packets == sum(flows.values())
