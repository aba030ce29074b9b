"""Steps of interior costs in which no packet can loop, and the stages of a drain there and back."""

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from playbooks.drain import loop_free
from playbooks.drain.look import settling
from playbooks.drain.render import bird_values, frr_lines
from playbooks.drain.state import (
    Before,
    Group,
    Stage,
    State,
    Switch,
    from_artifact,
    of_stage,
    position,
    reached,
    stages_back,
    stages_to_drain,
    to_artifact,
)
from tests.playbooks.scripted import step as scripted_step

RING = [f"r{n}" for n in range(6)]


def ring(cost: int = 10) -> dict[str, dict[str, int]]:
    return {a: {RING[(n + 1) % 6]: cost, RING[n - 1]: cost} for n, a in enumerate(RING)}


def test_a_ring_of_equal_costs_is_drained_in_two_steps() -> None:
    assert loop_free.steps(ring(), "r0", 65525) == (19, 65525)
    assert not loop_free.safe(ring(), "r0", 0, 65525)


def test_a_router_at_the_end_of_a_line_needs_one_step() -> None:
    line = {"a": {"b": 10}, "b": {"a": 10, "c": 10}, "c": {"b": 10}}
    assert loop_free.steps(line, "c", 65525) == (65525,)


def test_what_cannot_be_computed_is_one_step() -> None:
    assert loop_free.steps({}, "r0", 65525) == (65525,)
    large = {f"n{n}": {f"n{(n + 1) % 100}": 1, f"n{n - 1}": 1} for n in range(100)}
    assert loop_free.steps(large, "n0", 65525) == (65525,)


costs = st.integers(1, 30)
graphs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), costs, costs), min_size=3, max_size=9)


@given(graphs)
def test_every_step_is_safe_and_the_last_one_is_the_drain(links: list[tuple[int, int, int, int]]) -> None:
    graph: dict[str, dict[str, int]] = {}
    for a, b, there, back in links:
        if a != b:
            graph.setdefault(f"r{a}", {})[f"r{b}"] = there
            graph.setdefault(f"r{b}", {})[f"r{a}"] = back
    found = loop_free.steps(graph, "r0", 65000)
    assert found[-1] == 65000 and list(found) == sorted(set(found))
    if len(found) > 1:
        for before, after in itertools.pairwise((0, *found)):
            assert loop_free.safe(graph, "r0", before, after)
            assert loop_free.safe(graph, "r0", after, before), "and the same backwards"


FRR = (
    Switch(Group.BGP, "weight", "router bgp 1 / address-family ipv4 unicast", False, "", 0, "192.0.2.2"),
    Switch(Group.BGP, "bgp", "router bgp 1", False),
    Switch(Group.IGP, "ospf", "router ospf", False),
    Switch(Group.IGP, "ospf-cost", "interface eth1", False, "ip ospf cost 10", 10),
    Switch(Group.IGP, "ospf6", "interface eth1", False, "", 10),
)
BEFORE = Before(FRR, (19,))
ORDER = ("exits", "bgp", "igp")


def test_the_stages_of_a_drain_and_the_way_back() -> None:
    assert [str(stage) for stage in stages_to_drain(BEFORE, ORDER)] == [
        "own exits preferred", "BGP drained", "interior costs raised by 19", "interior protocols drained",
    ]  # fmt: skip
    assert [str(stage) for stage in stages_back(BEFORE, Group.ALL)] == [
        "interior costs raised by 19", "interior protocols as before", "BGP as before", "own exits as before",
    ]  # fmt: skip


def test_stages_without_anything_to_set_are_left_out() -> None:
    only = Before((FRR[2], Switch(Group.BGP, "bgp", "router bgp 1", True)), ())
    assert [stage.name for stage in stages_to_drain(only, ORDER)] == ["igp"]
    assert [stage.name for stage in stages_back(only, Group.BGP)] == []


def test_lines_of_a_stage() -> None:
    on = [frr_lines(stage, of_stage(stage, BEFORE)) for stage in stages_to_drain(BEFORE, ORDER)]
    assert on[0] == (
        "router bgp 1", "address-family ipv4 unicast", "neighbor 192.0.2.2 weight 60000", "exit-address-family", "exit",
    )  # fmt: skip
    assert on[2] == ("interface eth1", "ip ospf cost 29", "exit", "interface eth1", "ipv6 ospf6 cost 29", "exit")
    assert on[3] == (
        "router ospf", "max-metric router-lsa administrative", "exit",
        "interface eth1", "ipv6 ospf6 cost 65535", "exit",
    )  # fmt: skip
    back = [frr_lines(stage, of_stage(stage, BEFORE)) for stage in stages_back(BEFORE, Group.IGP)]
    assert back[0][:3] == ("router ospf", "no max-metric router-lsa administrative", "exit")
    assert back[1][3:] == ("interface eth1", "ip ospf cost 10", "exit", "interface eth1", "no ipv6 ospf6 cost", "exit")


def test_a_position_is_read_off_the_device() -> None:
    there, back = stages_to_drain(BEFORE, ORDER), stages_back(BEFORE, Group.ALL)

    def now(weight: bool, gshut: bool, stub: bool, cost4: str, cost6: str) -> tuple[Switch, ...]:
        drained6 = cost6 == "65535"
        return (
            Switch(Group.BGP, "weight", FRR[0].where, weight, "", 0, "192.0.2.2"),
            Switch(Group.BGP, "bgp", "router bgp 1", gshut),
            Switch(Group.IGP, "ospf", "router ospf", stub),
            Switch(Group.IGP, "ospf-cost", "interface eth1", False, f"ip ospf cost {cost4}", 10),
            Switch(Group.IGP, "ospf6", "interface eth1", drained6,
                   "" if drained6 or not cost6 else f"ipv6 ospf6 cost {cost6}", 10),
        )  # fmt: skip

    walked = [
        (now(False, False, False, "10", ""), 0, 4),
        (now(True, False, False, "10", ""), 1, 3),
        (now(True, True, False, "10", ""), 2, 2),
        (now(True, True, False, "29", "29"), 3, 1),
        (now(True, True, True, "29", "65535"), 4, 0),
    ]
    for state, forward, backward in walked:
        assert (position(there, state, BEFORE), position(back, state, BEFORE)) == (forward, backward)
    half = now(True, True, False, "29", "")
    assert not reached(Stage("igp", on=True, extra=19), half, BEFORE), "both families have to be there"


def test_an_artifact_comes_back_as_it_was() -> None:
    assert from_artifact(to_artifact(FRR, suite="frr", extras=(19,))) == BEFORE
    for broken in (None, {}, {"switches": 7}, {"switches": [{}]}, {"switches": [{"group": "x"}]}):
        assert from_artifact(broken) is None


def test_constants_of_a_stage_of_bird() -> None:
    igp = Switch(Group.IGP, "bird", "SLIPWAY_EXTRA_COST", False, "7", 7)
    bgp = Switch(Group.BGP, "bird", "SLIPWAY_DRAIN_BGP", False, "false")
    before = Before((igp, bgp), (19,))
    there = [bird_values(stage, of_stage(stage, before)) for stage in stages_to_drain(before, ORDER)]
    assert there == [{"SLIPWAY_DRAIN_BGP": "true"}, {"SLIPWAY_EXTRA_COST": "26"}, {"SLIPWAY_EXTRA_COST": "60000"}]
    back = [bird_values(stage, of_stage(stage, before)) for stage in stages_back(before, Group.ALL)]
    assert back == [{"SLIPWAY_EXTRA_COST": "26"}, {"SLIPWAY_EXTRA_COST": "7"}, {"SLIPWAY_DRAIN_BGP": "false"}]


def test_a_cost_that_is_not_announced_yet_is_waited_for() -> None:
    stages = stages_to_drain(BEFORE, ORDER)
    quiet = State(FRR, FRR, graph={"10.255.0.1": {"10.255.0.2": 10}})
    told = State(FRR, FRR, graph={"10.255.0.1": {"10.255.0.2": 29}})
    held = scripted_step("drain", {}, waited_s=10.0)
    first = settling(held, stages, 3, BEFORE, quiet, 4.0)
    assert first is not None and "settled_since_s" not in first.data
    later = replace(held, waited_s=12.0, progress=first.data)
    seen = settling(later, stages, 3, BEFORE, told, 4.0)
    assert seen is not None and seen.data["settled_since_s"] == 12.0 and seen.after_s == 4.0
    assert settling(replace(held, waited_s=16.0, progress=seen.data), stages, 3, BEFORE, told, 4.0) is None
    gave_up = settling(replace(held, waited_s=16.0, progress=first.data), stages, 3, BEFORE, quiet, 4.0)
    assert gave_up is not None and gave_up.data["settled_since_s"] == 16.0, "what cannot be seen is not waited for"
