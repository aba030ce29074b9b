"""What changes between two FRR configurations, and what frr-reload.py is not trusted with."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks import frr_change, frr_tree
from playbooks.frr_change import Change

RECORDED = Path(__file__).parent / "recordings" / "facts-frr-ring-facts" / "running_config.txt"
RUNNING = frr_change.running(RECORDED.read_text()) or ""
V4 = "router bgp 65000\n address-family ipv4 unicast\n"
NEW_MAP = (
    "ip prefix-list NEW seq 5 permit 10.0.0.0/8\nroute-map NEW permit 10\n match ip address prefix-list NEW\nexit\n"
    f"{V4}  neighbor 10.77.101.2 route-map NEW in\n"
)
SECRET = "router bgp 65000\n neighbor 192.0.2.1 remote-as 65001\n neighbor 192.0.2.1 password hunter2\nexit\n"


def lines(part: str, config: str = RUNNING) -> list[str]:
    return list(frr_change.change(config, frr_change.merged(config, part)).lines)


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        ("interface lo\n ip ospf area 0\nexit\n", []),
        ("route-map TRANSIT-IN permit 10\n set community 65000:9 additive\n",
         ["- route-map TRANSIT-IN permit 10 / set community 65000:20 additive",
          "+ route-map TRANSIT-IN permit 10 / set community 65000:9 additive"]),
        ("interface eth1\n no ip ospf cost\n", ["- interface eth1 / ip ospf cost 10"]),
        ("no ip route 192.0.2.0/24 eth0\n", []),
        ("router bgp 65000\n no bgp graceful-shutdown\n", []),
        ("router bgp 65000\n no bgp ebgp-requires-policy\n", ["+ router bgp 65000 / no bgp ebgp-requires-policy"]),
        (f"{V4}  no neighbor 10.77.101.2 route-map TRANSIT-IN in\n",
         ["- router bgp 65000 / address-family ipv4 unicast / neighbor 10.77.101.2 route-map TRANSIT-IN in"]),
        ("ip prefix-list TO-CUSTOMER seq 5 permit 10.9.0.0/16\n",
         ["- ip prefix-list TO-CUSTOMER seq 5 permit 10.65.1.0/24",
          "+ ip prefix-list TO-CUSTOMER seq 5 permit 10.9.0.0/16"]),
    ],
)  # fmt: skip
def test_a_part_is_merged_as_it_would_be_typed(part: str, changed: list[str]) -> None:
    assert lines(part) == changed
    merged = frr_change.merged(RUNNING, part)
    assert frr_change.merged(merged, part) == merged, "twice is as once"


def test_a_neighbour_goes_with_everything_that_is_said_of_it() -> None:
    gone = lines("router bgp 65000\n no neighbor 10.77.101.2\n")
    assert len(gone) >= 8 and all(line.startswith("- ") and "neighbor 10.77.101.2 " in line for line in gone)
    left = frr_change.merged(RUNNING, "router bgp 65000\n no neighbor 10.77.101.2\n")
    assert "neighbor 10.77.101.2 " not in left and "neighbor 10.255.77.3 " in left


def test_a_change_made_to_a_drained_router_leaves_the_drain_alone() -> None:
    what = frr_change.change(RUNNING, frr_change.merged(RUNNING, NEW_MAP))
    drained = frr_change.merged(
        RUNNING, "router bgp 65000\n bgp graceful-shutdown\ninterface eth1\n ip ospf cost 65535\n"
    )
    made = frr_change.carried(drained, what)
    assert "bgp graceful-shutdown" in made and "ip ospf cost 65535" in made and "route-map NEW in" in made
    assert frr_change.digest(drained) == frr_change.digest(RUNNING) != frr_change.digest(made)


def test_secrets_stay_on_the_router_and_are_found_without_being_known() -> None:
    known = frr_change.redacted(SECRET)
    assert "hunter2" not in known and "password (redacted)" in known
    what = frr_change.change(known, frr_change.merged(known, "router bgp 65000\n no neighbor 192.0.2.1 password\n"))
    assert what.lines == ("- router bgp 65000 / neighbor 192.0.2.1 password (redacted)",)
    assert "hunter2" not in frr_change.carried(SECRET, what)
    kept = frr_change.change(known, frr_change.merged(known, "router bgp 65000\n neighbor 192.0.2.1 description x\n"))
    assert "password hunter2" in frr_change.carried(SECRET, kept)
    assert frr_change.digest(SECRET) == frr_change.digest(known)


def test_filters_come_before_what_uses_them_and_go_after() -> None:
    """frr-reload.py of 8.4.4 changes blocks that are there before it adds new ones, and removes whole blocks first."""
    first, second = frr_change.stages(RUNNING, frr_change.merged(RUNNING, NEW_MAP))
    assert "route-map NEW permit 10" in first and "neighbor 10.77.101.2 route-map NEW in" not in first
    assert "neighbor 10.77.101.2 route-map NEW in" in second
    without = (
        f"no route-map TRANSIT-IN permit 10\n{V4}  no neighbor 10.77.101.2 route-map TRANSIT-IN in\n"
        " address-family ipv6 unicast\n  no neighbor 2001:db8:77:101::2 route-map TRANSIT-IN in\n"
    )
    first, second = frr_change.stages(RUNNING, frr_change.merged(RUNNING, without))
    assert "route-map TRANSIT-IN permit 10" in first and "route-map TRANSIT-IN in" not in first
    assert "TRANSIT-IN" not in second
    assert len(frr_change.stages(RUNNING, frr_change.merged(RUNNING, "interface eth1\n description x\n"))) == 1


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        ("", "no routing process"),
        ("frr version 8.4.4\nfrr defaults traditional\nhostname x\n", "without router bgp 65000"),
        (RUNNING.replace("frr defaults traditional", "frr defaults datacenter"), "frr defaults datacenter"),
        (RUNNING.replace("service integrated-vtysh-config\n", ""), "without service integrated-vtysh-config"),
        (RUNNING.replace("router bgp 65000", "router bgp 65001"), "without router bgp 65000"),
    ],
)
def test_what_frr_reload_would_make_of_it_is_refused(candidate: str, words: str) -> None:
    assert words in " ".join(map(str, frr_change.refusals(RUNNING, candidate)))


def test_a_filter_is_not_rewritten_where_bgpd_follows_at_once() -> None:
    part = "ip prefix-list TO-CUSTOMER seq 5 permit 10.9.0.0/16\n"
    at_once = frr_change.merged(RUNNING, "bgp route-map delay-timer 0\n")
    assert frr_change.refusals(RUNNING, frr_change.merged(RUNNING, part)) == ()
    assert "delay-timer" in str(frr_change.refusals(at_once, frr_change.merged(at_once, part))[0])


def test_what_went_beyond_what_was_asked_is_named() -> None:
    candidate = frr_change.merged(RUNNING, NEW_MAP)
    assert frr_change.outcome(RUNNING, candidate, candidate) == ()
    lost = frr_change.merged(candidate, f"{V4}  no neighbor 10.77.101.2 activate\n")
    lost = lost.replace("  no neighbor 10.77.101.2 activate\n", "")
    assert "took it away too" in str(frr_change.outcome(RUNNING, candidate, lost)[0])
    assert "not in the running configuration" in str(frr_change.outcome(RUNNING, candidate, RUNNING)[0])
    fewer = frr_change.merged(RUNNING, "interface eth1\n no ip ospf cost\n")
    assert "still in" in str(frr_change.outcome(RUNNING, fewer, RUNNING)[0])


def test_a_drains_own_statements_are_told() -> None:
    what = frr_change.change(RUNNING, frr_change.merged(RUNNING, "interface eth1\n ip ospf cost 20\n"))
    assert len(frr_change.drained_by_it(what)) == 2
    assert frr_change.drained_by_it(Change((), (("router bgp 65000", "no bgp graceful-shutdown"),))) != ()
    assert frr_change.drained_by_it(Change((), (("interface eth1", "description x"),))) == ()


@given(st.text(alphabet=st.sampled_from(" \n!abno/:.1\t%é"), max_size=200), st.text(max_size=100))
def test_no_text_makes_any_of_it_raise(config: str, part: str) -> None:
    merged = frr_change.merged(config, part)
    what = frr_change.change(config, merged)
    frr_change.carried(config, what)
    frr_change.stages(config, merged)
    frr_change.outcome(config, merged, config)
    frr_change.refusals(config, merged)
    frr_change.diff(config, merged)
    assert frr_change.digest(config) == frr_change.digest(frr_tree.text(frr_tree.parse(config)))
