"""What the drain reads, from recordings of FRR 8.4.4 and BIRD 2.0.12, and from anything at all."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.drain import parse
from playbooks.drain.state import Group

RECORDINGS = Path(__file__).parent / "recordings"


def recorded(state: str, name: str) -> str:
    return (RECORDINGS / f"drain-{state}" / name).read_text()


def drained(config: str) -> set[str]:
    return {switch.protocol for switch in parse.frr_switches(config) if switch.drained}


def test_it_finds_everything_that_draws_traffic() -> None:
    switches = parse.frr_switches(recorded("frr-01-baseline", "running_config.txt"))
    four, six = ("router bgp 65000 / address-family ipv4 unicast", "router bgp 65000 / address-family ipv6 unicast")
    assert {(s.group, s.protocol, s.where, s.subject) for s in switches} == {
        (Group.IGP, "ospf-cost", "interface eth-b1", ""),
        (Group.IGP, "ospf-cost", "interface eth-p1", ""),
        (Group.IGP, "ospf6", "interface eth-b1", ""),
        (Group.IGP, "ospf6", "interface eth-p1", ""),
        (Group.BGP, "bgp", "router bgp 65000", ""),
        (Group.BGP, "weight", four, "10.0.13.2"),
        (Group.BGP, "weight", four, "192.0.2.2"),
        (Group.BGP, "weight", four, "192.0.2.130"),
        (Group.BGP, "weight", six, "2001:db8:1::2"),
        (Group.IGP, "ospf", "router ospf", ""),
        (Group.IGP, "isis", "router isis CORE", ""),
    }
    assert not any(switch.drained for switch in switches)


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("frr-01-baseline", set()),
        ("frr-02-bgp-graceful-shutdown", {"bgp"}),
        # The recording drained OSPFv3 by stub-router, which is not what we do: its cost is as before.
        ("frr-03-igp-drained", {"bgp", "ospf", "isis"}),
        ("frr-05-undrained", set()),
    ],
)
def test_it_sees_what_is_drained(state: str, wanted: set[str]) -> None:
    assert drained(recorded(state, "running_config.txt")) == wanted


def test_an_interface_cost_is_kept_to_be_put_back() -> None:
    config = "frr version 8.4.4\ninterface eth1\n ipv6 ospf6 area 0\n ipv6 ospf6 cost 100\nexit\n"
    (switch,) = parse.frr_switches(config)
    assert (switch.drained, switch.was, switch.base) == (False, "ipv6 ospf6 cost 100", 100)
    (switch,) = parse.frr_switches(config.replace("cost 100", "cost 65535"))
    assert (switch.drained, switch.was) == (True, "")


def test_interfaces_of_old_releases_and_the_global_switch_are_seen() -> None:
    config = (
        "bgp graceful-shutdown\nrouter bgp 65000 vrf RED\n bgp router-id 1.1.1.1\n"
        "router ospf6\n interface eth1 area 0.0.0.0\n"
    )
    switches = {(s.where, s.drained) for s in parse.frr_switches(config)}
    assert switches == {("router bgp 65000 vrf RED", True), ("interface eth1", False)}


def test_a_heading_that_is_not_frrs_own_is_not_sent_back() -> None:
    config = "interface eth1;reboot\n ipv6 ospf6 area 0\nrouter bgp 65000 vrf $(reboot)\n no bgp x\n"
    assert parse.frr_switches(config) == ()


def test_external_neighbours_are_those_that_a_family_has_and_another_as() -> None:
    config = (
        "router bgp 65000\n no bgp default ipv4-unicast\n neighbor UP peer-group\n neighbor UP remote-as 65010\n"
        " neighbor 192.0.2.1 peer-group UP\n neighbor 192.0.2.2 remote-as 65000\n"
        " neighbor 192.0.2.3 remote-as external\n"
        " neighbor 2001:db8::9 remote-as 65011\n address-family ipv4 unicast\n  neighbor 192.0.2.1 activate\n"
        "  neighbor 192.0.2.2 activate\n  neighbor 192.0.2.3 activate\n  neighbor 192.0.2.3 weight 7\n"
        " exit-address-family\n address-family ipv6 unicast\n  neighbor 2001:db8::9 activate\n"
        " exit-address-family\nexit\n"
    )
    weights = {(s.subject, s.was) for s in parse.frr_switches(config) if s.protocol == "weight"}
    assert weights == {("192.0.2.1", ""), ("192.0.2.3", "neighbor 192.0.2.3 weight 7"), ("2001:db8::9", "")}


def test_a_family_that_is_not_printed_has_its_neighbours_by_default() -> None:
    config = "router bgp 65000\n neighbor 192.0.2.1 remote-as 65010\n neighbor 192.0.2.7 remote-as\nexit\n"
    (weight,) = [s for s in parse.frr_switches(config) if s.protocol == "weight"]
    assert (weight.where, weight.subject) == ("router bgp 65000 / address-family ipv4 unicast", "192.0.2.1")


def stubs(graph: parse.Graph | None) -> frozenset[str]:
    assert graph is not None
    return parse.stub_routers(graph)


def test_routers_around_that_announce_maximum_metric() -> None:
    drained_router = {"10.255.0.1"}
    assert stubs(parse.frr_graph(recorded("frr-01-baseline", "ospf_db_router_self.json"))) == set()
    assert stubs(parse.frr_graph(recorded("frr-03-igp-drained", "on_neighbour_database.json"))) == drained_router
    assert stubs(parse.frr_graph(recorded("bird-03-igp-drained", "on_frr_neighbour_database.json"))) == {"10.255.0.4"}
    assert stubs(parse.bird_graph(recorded("bird-01-baseline", "ospf_state.txt"))) == set()
    assert stubs(parse.bird_graph(recorded("bird-03-igp-drained", "ospf_state.txt"))) == drained_router
    assert stubs(parse.bird_graph(recorded("bird-03-igp-drained", "own_ospf_state.txt"))) == {"10.255.0.4"}


def test_routers_on_one_network_are_joined() -> None:
    link = {"linkType": "a Transit Network", "designatedRouterAddress": "10.0.0.1", "tos0Metric": 10}
    lsas = {name: {"advertisingRouter": name, "routerLinks": {"link0": link}} for name in ("1.1.1.1", "2.2.2.2")}
    graph = parse.frr_graph(json.dumps({"Router Link States": {"0.0.0.0": lsas}}))
    assert graph == {
        "1.1.1.1": {"network 10.0.0.1": 10}, "2.2.2.2": {"network 10.0.0.1": 10},
        "network 10.0.0.1": {"1.1.1.1": 0, "2.2.2.2": 0},
    }  # fmt: skip


def test_the_costs_that_a_router_announces_for_its_interfaces() -> None:
    lsdb, neighbours = (recorded("frr-01-baseline", n) for n in ("ospf_db_router_self.json", "ospf_neighbor.json"))
    assert parse.frr_own_costs(lsdb, neighbours, "10.255.0.1") == {"eth-b1": 10, "eth-p1": 10}
    assert parse.frr_own_costs("", "{}", "10.255.0.1") == {}


@pytest.mark.parametrize("text", ["", "ospfd is not running\n", "{}", "[]", '{"Router Link States": 7}'])
def test_what_is_no_database_is_unknown_and_not_empty(text: str) -> None:
    assert parse.frr_graph(text) is None


def test_several_protocols_without_a_name_are_unknown() -> None:
    assert parse.bird_graph("BIRD 2.0.12 ready.\nThere are multiple OSPF protocols running\n") is None


def test_neighbours_that_are_full() -> None:
    found = parse.frr_neighbours(
        recorded("frr-01-baseline", "ospf_neighbor.json"), recorded("frr-01-baseline", "ospf6_neighbor.json")
    )
    assert found == {"ospf": {"10.255.0.4", "10.255.0.2"}, "ospf3": {"10.255.0.4", "10.255.0.2"}}
    assert parse.bird_neighbours(recorded("bird-01-baseline", "ospf_neighbors.txt")) == {
        "ospf": {"10.255.0.1", "10.255.0.2"}
    }
    assert parse.frr_neighbours("ospfd is not running", "") == {}


def test_ospfd_says_itself_that_it_is_a_stub() -> None:
    assert parse.frr_ospf_is_stub(recorded("frr-01-baseline", "ospf.json")) is False
    assert parse.frr_ospf_is_stub(recorded("frr-03-igp-drained", "ospf.json")) is True
    assert parse.frr_ospf_is_stub("{}") is None


def test_forwarded_packets_by_the_header_line() -> None:
    text = recorded("frr-01-baseline", "forwarding_counters.txt")
    rows = [line for line in text.splitlines() if line.startswith("Ip:")]
    six = [line for line in text.splitlines() if line.startswith("Ip6")]
    before = parse.forwarded("\n".join(rows[0:2]), six[0], "100.00 50.00\n")
    after = parse.forwarded("\n".join(rows[2:4]), six[1], "102.00 51.00\n")
    assert parse.rates(before, after) == {"ipv4": 20.0, "ipv6": 10.0}


def test_a_counter_that_went_back_or_is_missing_says_nothing() -> None:
    high = parse.Forwarded(10, 10, 1.0)
    assert parse.rates(high, parse.Forwarded(9, 10, 2.0)) is None
    assert parse.rates(high, parse.Forwarded(10, None, 2.0)) is None
    assert parse.rates(high, parse.Forwarded(10, 10, 1.0)) is None


def test_somebodys_unsaved_work_is_named_without_secrets() -> None:
    saved = recorded("frr-01-baseline", "running_config.txt")
    running = saved.replace(
        " bgp router-id 10.255.0.1\n", " bgp router-id 10.255.0.1\n neighbor 192.0.2.2 password hush\n"
    )
    assert parse.unsaved(saved, saved) is None
    reason = parse.unsaved(running, saved)
    assert reason is not None
    assert "1 lines only in the running configuration" in reason.found
    assert "hush" not in str(reason)


@given(st.text() | st.from_regex(r"(router (bgp|ospf|isis)|interface|area|Ip:|\trouter)[ -~\n\t]{0,80}"))
def test_no_text_makes_a_parser_raise(text: str) -> None:
    parse.frr_switches(text)
    parse.frr_graph(text)
    parse.bird_graph(text)
    parse.frr_own_costs(text, text, "10.255.0.1")
    parse.frr_neighbours(text, text)
    parse.bird_neighbours(text)
    parse.frr_ospf_is_stub(text)
    parse.forwarded(text, text, text)
    parse.unsaved(text, "")


def test_a_configuration_is_the_same_whatever_vtysh_prints_around_it() -> None:
    saved = recorded("frr-01-baseline", "running_config.txt")
    bare = saved[saved.index("frr version") :]
    bare = bare[: bare.rindex("\nend")] if bare.rstrip().endswith("\nend") else bare
    around = f"Building configuration...\n\nCurrent configuration:\n!\n{bare.rstrip()}\n!\nend\n"
    assert parse.unsaved(around, bare) is None
    assert parse.frr_switches(around) == parse.frr_switches(bare) != ()
    # What stands before the heading in a file written by hand is part of it.
    by_hand = f"router ospf\n max-metric router-lsa administrative\n!\n{bare}"
    assert parse.unsaved(around, by_hand) is not None
    assert any(switch.protocol == "ospf" and switch.drained for switch in parse.frr_switches(by_hand))


def test_ages_of_a_database_do_not_matter_and_costs_do() -> None:
    text = recorded("frr-01-baseline", "ospf_db_router_self.json")
    older = text.replace('"lsaAge": ', '"lsaAge": 1')
    assert older != text and parse.frr_graph(older) == parse.frr_graph(text) is not None
    dearer = text.replace('"tos0Metric": 10', '"tos0Metric": 65535')
    assert dearer != text and parse.frr_graph(dearer) != parse.frr_graph(text)
