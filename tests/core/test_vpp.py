"""VPP from what the kernel has: configuration, rules, cores, checks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core import vpp, vpp_host, vpp_judge, vpp_rules
from fleet.core.checks import judge
from fleet.core.model import CheckSpec, Verdict
from fleet.core.vpp import Dataplane, Wish


def nic(bus: str, driver: str = "i40e") -> dict[str, str]:
    return {"bus": bus, "driver": driver}


# Story S2-11, shortened: a card with a VLAN, a bond of two with a VLAN and one in it, lo; management stays.
FACTS: dict[str, Any] = {
    "loopback": ["94.142.241.1/32", "2A02:898:0:300::1/128"],
    "interfaces": {
        "eth0": {
            "kind": "",
            "mac": "02:00:00:00:00:01",
            "mtu": 1500,
            "addresses": ["10.0.0.1/24"],
            "nic": nic("0000:00:03.0"),
        },
        "eno1": {
            "kind": "",
            "mac": "02:00:00:00:00:02",
            "permanent_mac": "02:00:00:00:00:02",
            "mtu": 9216,
            "addresses": [],
            "nic": nic("0000:05:00.0", "igb"),
        },
        "eno1.205": {
            "kind": "vlan",
            "mac": "02:00:00:00:00:02",
            "mtu": 1500,
            "addresses": ["62.115.144.33/31", "2001:2000:3080:0EBC::2/126"],
            "vlan": {"parent": "eno1", "id": 205, "protocol": "802.1Q"},
        },
        "xe0": {
            "kind": "",
            "mac": "64:9d:99:b1:31:af",
            "permanent_mac": "64:9d:99:b1:31:ad",
            "mtu": 9216,
            "addresses": [],
            "nic": nic("0000:01:00.0"),
            "master": "bond0",
        },
        "xe1": {
            "kind": "",
            "mac": "64:9d:99:b1:31:af",
            "permanent_mac": "64:9d:99:b1:31:ae",
            "mtu": 9216,
            "addresses": [],
            "nic": nic("0000:01:00.1"),
            "master": "bond0",
        },
        "bond0": {
            "kind": "bond",
            "mac": "64:9D:99:B1:31:AF",
            "mtu": 9216,
            "addresses": [],
            "bond": {"mode": "802.3ad", "policy": "layer3+4"},
            "nic": nic("", "bonding"),
        },
        "bond0.100": {
            "kind": "vlan",
            "mtu": 1500,
            "addresses": ["94.142.241.50/24"],
            "vlan": {"parent": "bond0", "id": 100},
        },
        "inner": {"kind": "vlan", "mtu": 1500, "addresses": ["192.0.2.1/24"], "vlan": {"parent": "bond0.100", "id": 7}},
    },
}


def test_names_addresses_macs_and_mtus_are_those_of_the_kernel() -> None:
    made = vpp.from_kernel(FACTS, Wish(keep=("eth0",), loopback6_on="eno1"))
    assert made.wrong == () and [phy.pci for phy in made.phys] == ["0000:05:00.0", "0000:01:00.0", "0000:01:00.1"]
    assert vpp.pairs(made.config) == {
        "eno1": "eno1",
        "eno1.205": "eno1.205",
        "BondEthernet0": "bond0",
        "BondEthernet0.100": "bond0.100",
        "BondEthernet0.1000007": "inner",
        "loop0": "loop0",
    }
    bond = made.config["bondethernets"]["BondEthernet0"]
    assert bond == {"mode": "lacp", "load-balance": "l34", "interfaces": ["xe0", "xe1"], "mac": "64:9d:99:b1:31:af"}
    interfaces = made.config["interfaces"]
    assert interfaces["eno1"]["addresses"] == ["2a02:898:0:300::1/128"] and interfaces["eno1"]["mtu"] == 9216
    assert interfaces["eno1"]["sub-interfaces"][205]["addresses"] == ["62.115.144.33/31", "2001:2000:3080:ebc::2/126"]
    assert interfaces["xe0"] == {"device-type": "dpdk", "mtu": 9216}, "members have no name in Linux"
    inner = interfaces["BondEthernet0"]["sub-interfaces"][1000007]
    assert inner["encapsulation"] == {"dot1q": 100, "inner-dot1q": 7, "exact-match": True}
    assert made.config["loopbacks"] == {"loop0": {"lcp": "loop0", "addresses": ["94.142.241.1/32"]}}
    assert vpp_rules.violations(made.config) == ()


def test_without_dpdk_the_kernel_keeps_the_cards_and_vpp_is_told_their_addresses() -> None:
    made = vpp.from_kernel(FACTS, Wish(Dataplane.AF_PACKET, keep=("eth0",)))
    assert made.config["interfaces"]["host-eno1"]["mac"] == "02:00:00:00:00:02"
    assert vpp.from_kernel(FACTS, Wish(Dataplane.AF_XDP, keep=("eth0",))).phys[0].vpp == "xdp-eno1"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"eno1": {**FACTS["interfaces"]["eno1"], "nic": nic("virtio0")}}, "PCI address virtio0"),
        (
            {"bond0": {**FACTS["interfaces"]["bond0"], "bond": {"mode": "balance-alb", "policy": "layer2"}}},
            "no such bond",
        ),
        ({"br0": {"kind": "bridge", "addresses": ["192.0.2.9/24"]}}, "a bridge with addresses"),
        ({"v": {"kind": "vlan", "addresses": [], "vlan": {"parent": "eth0", "id": 9}}}, "VLAN 9 on eth0"),
    ],
)
def test_what_cannot_be_carried_over_is_said(change: dict[str, Any], said: str) -> None:
    facts = {**FACTS, "interfaces": {**FACTS["interfaces"], **change}}
    assert said in " ".join(map(str, vpp.from_kernel(facts, Wish(keep=("eth0",))).wrong))


def test_unknown_facts_are_no_intent() -> None:
    for facts in ({}, {"interfaces": None}, {"interfaces": {"a": {}}}, {"interfaces": {"a": None}}):
        assert vpp.from_kernel(facts, Wish()).wrong
    assert "no such interface" in str(vpp.from_kernel(FACTS, Wish(keep=("nope",))).wrong)
    assert "which VPP does not take" in str(vpp.from_kernel(FACTS, Wish(keep=("eth0",), loopback6_on="eth0")).wrong)


def test_addresses_are_compared_as_values() -> None:
    assert vpp.canonical("2001:DB8::00C/64") == "2001:db8::c/64" and vpp.canonical("192.0.2.1") is None
    config = {
        "interfaces": {"a": {"sub-interfaces": {5: {"addresses": ["2001:DB8::1/64", "2001:db8:0::1/64", "odd"]}}}}
    }
    assert vpp.normalised(config)["interfaces"]["a"]["sub-interfaces"][5]["addresses"] == ["2001:db8::1/64", "odd"]
    said = " ".join(map(str, vpp_rules.violations(config)))
    assert "found 2001:DB8::1/64, wanted 2001:db8::1/64" in said and "'odd'" in said


def test_a_change_is_laid_over_and_null_takes_away() -> None:
    base = {"interfaces": {"a": {"mtu": 1500, "addresses": ["192.0.2.1/24"], "sub-interfaces": {5: {"lcp": "a.5"}}}}}
    change = {"interfaces": {"a": {"addresses": ["192.0.2.2/24"], "sub-interfaces": {5: None, 6: {"lcp": "a.6"}}}}}
    after = {"mtu": 1500, "addresses": ["192.0.2.2/24"], "sub-interfaces": {6: {"lcp": "a.6"}}}
    assert vpp.merged(base, change) == {"interfaces": {"a": after}}


def test_our_rules() -> None:
    config = {
        "interfaces": {
            "a b": {},
            "a": {"mtu": 9500, "addresses": ["192.0.2.1/24"]},
            "b": {"lcp": "much-too-long-a-name"},
            "c": {
                "lcp": "x",
                "mtu": 1500,
                "sub-interfaces": {
                    5: {"lcp": "x", "mtu": 9000},
                    6: {"lcp": "y", "encapsulation": {"dot1q": 9, "inner-dot1q": 1}},
                },
            },
            "d": {"lcp": "d", "addresses": ["192.0.2.1/25", "::ffff:192.0.2.7/128"]},
        },
        "bondethernets": {
            "BondEthernet0": {"interfaces": ["a"]},
            "BondEthernet1": {"interfaces": ["a"]},
            "BondEthernet2": {},
        },
    }
    said = "\n".join(map(str, vpp_rules.violations(config)))
    for words in (
        "cannot carry",
        "without a name in Linux",
        "much-too-long",
        "lcp x: found on c and c.5",
        "at most 9216",
        "MTU of c.5",
        "dot1q 9 on c with an lcp",
        "address 192.0.2.1: found on a and d",
        "an IPv4 address in IPv6",
        "no members",
        "in BondEthernet0 and BondEthernet1",
    ):
        assert words in said, words


def test_ipv6_on_a_loopback_with_an_ospf3_stub_blocks() -> None:
    frr = "interface lo\n ip ospf area 0\n ipv6 ospf6 area 0\n ipv6 ospf6 passive\nexit\n"
    frr += "interface e\n ipv6 ospf6 area 0\nexit\n"
    bird = 'protocol ospf v2 a { area 0 { interface "x" { stub yes; }; }; }\n'
    bird += 'protocol ospf v3 b { area 0 {\n interface "loop0" { stub yes; }; }; }\n'
    assert vpp_rules.ospf3_stubs(frr) == {"lo"} and vpp_rules.ospf3_stubs(bird) == {"loop0"}
    on_loop = vpp.from_kernel(FACTS, Wish(keep=("eth0",))).config
    for stubs in (frozenset({"lo"}), frozenset({"loop0"})):
        (reason,) = vpp_rules.loopback_hang(on_loop, ospf3_stubs=stubs, known_good=False)
        assert "2a02:898:0:300::1/128" in reason.found and "vpp-loopback-ospf3-stub" in reason.remedy
        assert not vpp_rules.loopback_hang(on_loop, ospf3_stubs=stubs, known_good=True)
    moved = vpp.from_kernel(FACTS, Wish(keep=("eth0",), loopback6_on="eno1")).config
    assert not vpp_rules.loopback_hang(moved, ospf3_stubs=frozenset({"lo"}), known_good=False)
    assert not vpp_rules.loopback_hang(on_loop, ospf3_stubs=frozenset({"eno1"}), known_good=False)


def test_cores_with_their_siblings_as_in_story_s2() -> None:
    made = vpp_host.cores([[n, n + 6] for n in range(6)], 4)
    assert isinstance(made, vpp_host.Cores)
    assert made == vpp_host.Cores(1, (2, 3, 4, 5), (2, 3, 4, 5, 8, 9, 10, 11))
    assert vpp_host.cpu_list(made.isolated) == "2-5,8-11"
    assert "at most 4" in str(vpp_host.cores([[n, n + 6] for n in range(6)], 5))
    assert "no topology" in str(vpp_host.cores([], 1))
    assert vpp_host.siblings_of({"cpu": {"siblings": [[0, 6], None, "x"]}}) == [[0, 6]]
    assert vpp_host.parse_cpu_list("2-5,8") == {2, 3, 4, 5, 8} and vpp_host.parse_cpu_list("") == frozenset()
    assert [vpp_host.parse_cpu_list(odd) for odd in ("5-2", "x", "1-", "-1")] == [None] * 4


def test_pages_and_heap() -> None:
    assert vpp_host.heap_mb(1_000_000) == 1536 and vpp_host.heap_mb(6_200_000) == 6144 and vpp_host.heap_mb(0) == 512
    assert vpp_host.hugepages(buffers=128_000, heap_mb=1536, stats_mb=128, numa_nodes=1) == 1021
    cpus = vpp_host.Cores(1, (2,), (2, 6))
    assert vpp_host.ready(cpus, 100, {"isolated": "2,6", "hugepages_free": 100}) == ()
    said = " ".join(map(str, vpp_host.ready(cpus, 100, {"isolated": "2", "hugepages_free": None})))
    assert "isolcpus=2,6" in said and "unknown" in said and "hugepages=100" in said


def test_checks_pass_fail_and_cannot_tell() -> None:
    j = vpp_judge
    verdicts = {
        "pass": [
            j.control_plane(0.1, forwarding=True),
            j.lcp_pairs({"a": "e"}, {"a": "e"}),
            j.bonds({"B": 2}, {"B": (2, 2)}),
            j.lacp({"a": {"mux": "COLLECTING_DISTRIBUTING"}}, ["a"]),
            j.load({"w": 5.0}),
            j.fib("ipv4", daemon=907_650, kernel=907_650, found=908_375),
            j.errors({"n no buffers": 1}, {"n no buffers": 2}),
            j.same_process({"pid": "1"}, {"pid": "1"}),
        ],
        "fail": [
            j.control_plane(None, forwarding=True),
            j.lcp_pairs({"a": "e"}, {}),
            j.lcp_pairs({}, {"a": "e"}),
            j.bonds({"B": 2}, {"B": (1, 2)}),
            j.lacp({"a": {"mux": "DETACHED"}}, ["a"]),
            j.lacp({}, ["a"]),
            j.load({"w": 255.0}),
            j.fib("ipv4", daemon=100, kernel=100, found=99),
            j.errors({}, {"n no buffers": 200}),
            j.fib("ipv4", daemon=100, kernel=90, found=150),
            j.fib("ipv4", daemon=1, kernel=1, found=9_000),
            j.errors({"n x": 5}, {"n x": 1}),
            j.same_process({"pid": "1"}, {"pid": "2"}),
        ],
        "inconclusive": [
            j.lcp_pairs({"a": "e"}, None),
            j.bonds({"B": 2}, None),
            j.load(None),
            j.errors(None, {}),
            j.lacp(None, ["a"]),
            j.fib("ipv6", daemon=None, kernel=None, found=3),
            j.same_process(None, {}),
        ],
    }
    for verdict, results in verdicts.items():
        assert [r.verdict for r in results] == [Verdict(verdict)] * len(results), verdict
    assert all(r.reasons for r in verdicts["fail"] + verdicts["inconclusive"])


_KEYS = ("interfaces", "a", "a.5", "sub-interfaces", "addresses", "lcp", "bondethernets", "loopbacks", "mtu")
_LEAVES = st.none() | st.integers() | st.text(max_size=9) | st.lists(st.text(max_size=4))
_ODD = st.recursive(
    _LEAVES,
    lambda inner: st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(_ODD)
def test_no_configuration_makes_our_rules_raise(odd: Any) -> None:
    config = odd if isinstance(odd, dict) else {"interfaces": odd}
    vpp_rules.violations(config)
    vpp.normalised(config)
    vpp.pairs(config)


def test_the_check_of_vpp_passes_with_the_kernel_and_fails_when_it_hangs_or_is_gone() -> None:
    kernel = {"vpp": {"running": False, "version": None}}
    there, hangs = ({"vpp": {"running": True, "version": version}} for version in ("24.06-release", None))
    cases: list[tuple[Any, Any, Verdict]] = [
        (kernel, kernel, Verdict.PASS), (kernel, there, Verdict.PASS), (there, there, Verdict.PASS),
        (there, kernel, Verdict.FAIL), (there, hangs, Verdict.FAIL), (kernel, hangs, Verdict.FAIL),
        (kernel, {}, Verdict.INCONCLUSIVE), ({}, kernel, Verdict.INCONCLUSIVE),
    ]  # fmt: skip
    for baseline, now, verdict in cases:
        assert judge(CheckSpec("vpp"), baseline, now).verdict is verdict, (baseline, now)
    assert judge(CheckSpec("vpp", 1), {}, {}).verdict is not Verdict.PASS


def test_bfd_that_is_not_up_fails_and_what_cannot_be_read_is_no_pass() -> None:
    wanted = {"192.0.2.2%eth1", "192.0.2.6%eth2"}
    assert vpp_judge.bfd(wanted, dict.fromkeys(wanted, "up")).verdict is Verdict.PASS
    failed = vpp_judge.bfd(wanted, {"192.0.2.2%eth1": "up", "192.0.2.6%eth2": "down"})
    assert failed.verdict is Verdict.FAIL and [r.subject for r in failed.reasons] == ["BFD session 192.0.2.6%eth2"]
    assert "no such session" in str(vpp_judge.bfd(wanted, {}).reasons)
    assert vpp_judge.bfd(wanted, None).verdict is Verdict.INCONCLUSIVE
    assert vpp_judge.bfd((), None).verdict is Verdict.PASS, "none was asked for"


@pytest.mark.parametrize(
    ("state", "verdict"), [("up", Verdict.PASS), ("down", Verdict.FAIL), (None, Verdict.INCONCLUSIVE)]
)
def test_the_check_asks_for_bfd_where_vpp_forwards_and_only_there(state: str | None, verdict: Verdict) -> None:
    before = {"vpp": {"running": False, "version": None}, "bfd": {"peers": {"192.0.2.2%eth1": "up"}}}
    found = {"peers": {"192.0.2.2%eth1": state}} if state else None
    now = {"vpp": {"running": True, "version": "24.06-release"}, "bfd": found}
    assert judge(CheckSpec("vpp"), before, now).verdict is verdict
    assert judge(CheckSpec("vpp"), before, {**now, "vpp": before["vpp"]}).verdict is Verdict.PASS
