"""A recorded VPP 24.06 and a recorded vppcfg 1.2.4, read; and vppcfg's own planner here against its recorded plans."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.vpp import normalised
from playbooks.facts import parse_vpp
from playbooks.vpp import look, parse, present, vppcfg_tool
from playbooks.vpp.holds import held, holds, lines

VPP = Path(__file__).parent / "recordings/vpp-24.06"
VPPCFG = Path(__file__).parent / "recordings/vppcfg-1.2.4"


def text(name: str) -> str:
    return (VPP / f"{name}.txt").read_text()


def recorded(name: str) -> Any:
    return yaml.safe_load((VPPCFG / name).read_text())


def running() -> present.Present:
    """VPP as vppcfg dumped it."""
    return present.in_force({key: value for key, value in recorded("dump.yaml").items() if value})


def test_what_vpp_printed_is_read() -> None:
    assert parse.version(text("version")) == "24.06-release"
    seen = parse.interfaces(text("interface"))
    assert seen is not None and seen["BondEthernet0.100"]["mtu"] == 1500 and seen["local0"]["up"] is False
    assert seen["host-cvC"]["counters"]["rx packets"] == 34 and seen["host-cvC"]["counters"]["ip6"] == 12
    assert parse.addresses(text("interface_addr")) == {
        "BondEthernet0": [], "BondEthernet0.100": ["198.51.100.1/24", "2001:db8:64::1/64"], "host-cvA": [],
        "host-cvB": [], "host-cvC": ["192.0.2.1/24", "2001:db8:c::1/64"], "local0": [], "loop0": ["203.0.113.1/32"],
    }  # fmt: skip
    assert parse.bond_details(text("bond_details")) == {"BondEthernet0": (0, 2)}
    lacp = parse.lacp(text("lacp"))
    assert {name: row["mux"] for name, row in lacp.items()} == {"host-cvA": "DETACHED", "host-cvB": "DETACHED"}
    assert (parse.fib_total(text("ip_fib_summary")), parse.fib_total(text("ip6_fib_summary"))) == (16, 8)
    assert parse.fib_total(text("ip_fib_summary"), table=7) is None
    errors = parse.errors(text("errors"))
    assert errors is not None and errors["ip4-icmp-input echo replies sent"] == 20
    assert parse.runtime(text("runtime")) == {"vpp_main": 1.22}
    assert parse.lcp(text("lcp")) == {}
    pair = "itf-pair: [0] GigabitEthernet5/0/0 tap1 eno1 6 type tap netns dataplane\n"
    broken = "itf-pair: [1] <no-phy-if> tap2 eno2 7 type tap netns dataplane\n"
    assert parse.lcp(pair + broken) == {"GigabitEthernet5/0/0": ("eno1", "dataplane")}


@pytest.mark.parametrize("name", ["cli_unknown", "cli_bad_intf", "cli_dup_addr", "cli_bad_addr", "cli_lcp_no_vhost"])
def test_every_recorded_error_is_one_though_vppctl_exits_0(name: str) -> None:
    assert parse.complaint(text(name)) and parse.is_error(text(name))


def test_success_is_silence_or_the_name_of_what_was_created() -> None:
    assert (
        parse.complaint("") is None
        and parse.complaint("loop0\n", parse.expected("create loopback interface instance 0")) is None
    )
    assert parse.expected("create sub BondEthernet0 101 dot1q 101 exact-match") == "BondEthernet0.101"
    assert parse.expected("create host-interface name eth1") == "host-eth1"
    assert parse.complaint("", "loop0") == "nothing, wanted loop0"
    assert parse.complaint(text("exec_with_error").splitlines()[0]) is not None


def test_the_planner_here_plans_what_vppcfg_planned_on_that_router() -> None:
    tags = ("set interface tag host-", "set interface tag loop0", "set interface tag BondEthernet0 ",
            "set interface tag BondEthernet0.100")  # fmt: skip
    there = vppcfg_tool.meant((VPPCFG / "plan_after_apply_lowercase.vpp").read_text().splitlines())
    # The recorded VPP was touched by vppcfg for the first time: it tags what it finds. A dump does not show tags.
    wanted = tuple(line for line in there if not f"{line} ".startswith(tags))
    assert vppcfg_tool.commands(normalised(recorded("want.yaml")), running()) == wanted


def test_upper_case_ipv6_gives_no_diff_on_sub_interfaces_either() -> None:
    raw = (VPPCFG / "plan.vpp").read_text()
    assert "set interface ip address del BondEthernet0.100 2001:db8:64::1/64" in raw, "vppcfg itself would"
    assert not [line for line in vppcfg_tool.meant(raw.splitlines()) if "BondEthernet0.100 2001" in line]
    made = vppcfg_tool.commands(recorded("want.yaml"), running())
    assert made == vppcfg_tool.commands(normalised(recorded("want.yaml")), running())
    assert not [line for line in made if "2001:" in str(line)]


def test_a_plan_is_empty_after_it_was_applied() -> None:
    config = normalised(recorded("want.yaml"))
    assert vppcfg_tool.commands(config, present.in_force(config)) == ()
    # vppcfg 1.2.4 would delete and add again the address of a bond itself, at each run.
    config["interfaces"]["BondEthernet0"]["addresses"] = ["192.0.2.9/24"]
    assert vppcfg_tool.commands(config, present.in_force(config)) == ()


def test_a_real_move_of_an_address_is_no_idle_one() -> None:
    kept = ["set interface ip address del a 192.0.2.1/24", "set interface ip address b 192.0.2.1/24"]
    assert vppcfg_tool.meant([*kept, "comment { x }", ""]) == tuple(kept)


def test_a_difference_of_plans_is_named() -> None:
    assert look.same_plan(("a", "b"), ["a", "b"], "r") == ()
    assert "also c" in str(look.same_plan(("a", "c"), ["a", "b"], "r")[0])
    assert "another order" in str(look.same_plan(("b", "a"), ["a", "b"], "r")[0])


FRR = """\
interface eth1
 ip ospf area 0
 ipv6 ospf6 area 0
exit
!
interface lo
 ip ospf area 0
 ip ospf passive
exit
!
router bgp 65000
 neighbor RR peer-group
 neighbor RR remote-as 65000
 neighbor 192.0.2.1 peer-group RR
 neighbor 192.0.2.2 remote-as 65001
 neighbor 192.0.2.2 description member: example
 neighbor 2001:db8::3 remote-as 65002
 neighbor 192.0.2.4 remote-as 65003
 neighbor 192.0.2.4 shutdown
 !
 address-family ipv4 unicast
  neighbor 192.0.2.2 activate
 exit-address-family
exit
!
"""


def test_sessions_are_held_back_by_group_and_what_is_shut_already_is_not_ours() -> None:
    made = holds(FRR, members="^member")
    assert {(one.group, one.line) for one in made} == {
        ("ospf", "ip ospf passive"), ("ospf3", "ipv6 ospf6 passive"), ("ibgp", "neighbor 192.0.2.1 shutdown"),
        ("members", "neighbor 192.0.2.2 shutdown"), ("ebgp", "neighbor 2001:db8::3 shutdown"),
    }  # fmt: skip
    assert held(FRR, made) == ()
    assert lines(made[:1], hold=False) == ("interface eth1", "no ip ospf passive", "exit")


@given(st.text(max_size=400))
def test_no_text_makes_a_parser_raise(odd: str) -> None:
    for parser in (
        parse.version,
        parse.lcp,
        parse.interfaces,
        parse.addresses,
        parse.bond_details,
        parse.lacp,
        parse.fib_total,
        parse.errors,
        parse.runtime,
        parse.complaint,
        parse.expected,
        parse_vpp.facts,
        holds,
    ):
        parser(odd)  # type: ignore[operator]
