"""Verdicts: what passes, what fails, what cannot be told, and that nothing passes by silence."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.checks import (
    CHECKS,
    CheckResult,
    judge,
    judge_all,
    overall,
)
from fleet.core.model import CheckSpec, Verdict
from tests.core.measured import MEASURED, changed, interface, peer

PASS, FAIL, DOUBT, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR


def verdict(name: str, now: Any, expect: Any = None, baseline: Any = MEASURED) -> Verdict:
    result = judge(CheckSpec(name, expect), baseline, now)
    assert result.reasons or result.verdict is PASS
    assert all(r.subject and r.found and r.wanted for r in result.reasons)
    return result.verdict


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_nothing_has_changed_passes(name: str) -> None:
    assert verdict(name, MEASURED) is PASS


SECTION_OF = {
    "bgp_sessions": "bgp", "route_counts": "bgp", "ospf": "ospf", "ospf3": "ospf3", "bfd": "bfd", "rib_fib": "paths",
    "rib_fib_neighbours": "neighbours", "drops": "interfaces", "interface_errors": "interfaces", "boot_id": "boot_id",
    "version": "kernel", "queues": "queues", "sysctl": "sysctl", "daemons": "daemons", "slab": "memory",
    "vpp": "vpp",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CHECKS))
@pytest.mark.parametrize("gone", [None, ...], ids=["null", "absent"])
def test_what_is_missing_now_is_inconclusive(name: str, gone: Any) -> None:
    assert verdict(name, changed(SECTION_OF[name], to=gone)) is DOUBT


@pytest.mark.parametrize("name", sorted(set(CHECKS) - {"rib_fib", "rib_fib_neighbours", "boot_id"}))
def test_what_is_missing_in_the_baseline_is_inconclusive(name: str) -> None:
    assert verdict(name, MEASURED, baseline=changed(SECTION_OF[name], to=None)) is DOUBT
    assert verdict(name, MEASURED, baseline=None) is DOUBT


@pytest.mark.parametrize(
    ("name", "path", "to", "wanted"),
    [
        ("bgp_sessions", ("bgp", "peers", "ipv4", "192.0.2.2", "state"), "Idle (Admin)", FAIL),
        ("bgp_sessions", ("bgp", "peers", "ipv6", "2001:db8::2"), ..., FAIL),
        ("bgp_sessions", ("bgp",), {"running": False, "peers": {}}, FAIL),
        ("bgp_sessions", ("bgp", "peers", "ipv4", "192.0.2.130"), ..., PASS),
        ("bgp_sessions", ("bgp", "peers", "ipv4", "198.51.100.9"), peer("Idle"), PASS),
        ("bgp_sessions", ("bgp", "peers", "ipv4", "192.0.2.2", "state"), None, FAIL),
        ("route_counts", ("bgp", "peers", "ipv4", "192.0.2.2", "received"), 980, PASS),
        ("route_counts", ("bgp", "peers", "ipv4", "192.0.2.2", "received"), 979, FAIL),
        ("route_counts", ("bgp", "peers", "ipv4", "192.0.2.2", "received"), 5000, PASS),
        ("route_counts", ("bgp", "peers", "ipv6", "2001:db8::2", "received"), 0, FAIL),
        ("route_counts", ("bgp", "peers", "ipv6", "2001:db8::2", "received"), None, DOUBT),
        ("route_counts", ("bgp", "peers", "ipv6", "2001:db8::2"), ..., FAIL),
        ("ospf", ("ospf", "neighbours", "r2", "full"), 1, FAIL),
        ("ospf", ("ospf", "neighbours", "r2", "full"), 3, PASS),
        ("ospf", ("ospf", "neighbours", "r2"), ..., FAIL),
        ("ospf", ("ospf", "neighbours", "r9"), ..., PASS),
        ("ospf", ("ospf",), {"running": False, "neighbours": {}}, FAIL),
        ("ospf", ("ospf", "neighbours", "r2", "full"), None, DOUBT),
        ("ospf3", ("ospf3", "neighbours", "r2", "full"), 0, FAIL),
        ("bfd", ("bfd", "peers", "192.0.2.2%eth1"), "down", FAIL),
        ("bfd", ("bfd", "peers", "192.0.2.2%eth1"), ..., FAIL),
        ("bfd", ("bfd", "peers", "192.0.2.130%eth1"), ..., PASS),
        ("daemons", ("daemons", "bgpd"), "unresponsive", FAIL),
        ("daemons", ("daemons", "bgpd"), ..., FAIL),
        ("daemons", ("daemons", "watchdog"), ..., PASS),
        ("daemons", ("daemons", "ospfd"), "up", PASS),
        ("daemons", ("daemons", "ospfd"), "down", FAIL),
        ("drops", ("interfaces", "eth1", "rx", "dropped"), 100, PASS),
        ("drops", ("interfaces", "eth1", "rx", "dropped"), 101, FAIL),
        ("drops", ("interfaces", "eth1", "rx", "dropped"), None, DOUBT),
        ("drops", ("interfaces", "eth9"), ..., PASS),
        ("interface_errors", ("interfaces", "eth1", "tx", "errors"), 1, FAIL),
        ("interface_errors", ("interfaces", "eth1", "state"), "DOWN", FAIL),
        ("interface_errors", ("interfaces", "eth1"), ..., FAIL),
        ("version", ("kernel",), "6.12.9-amd64", FAIL),
        ("version", ("routing", "version"), "10.1", FAIL),
        ("version", ("routing", "version"), None, DOUBT),
        ("queues", ("queues", "eth1", "combined"), 8, FAIL),
        ("queues", ("queues", "eth1"), ..., DOUBT),
        ("sysctl", ("sysctl", "net.ipv4.ip_forward"), "0", FAIL),
        ("slab", ("memory", "SUnreclaim"), 150_000, PASS),
        ("slab", ("memory", "SUnreclaim"), 150_001, FAIL),
        ("slab", ("memory", "MemTotal"), ..., DOUBT),
        ("rib_fib", ("paths", "203.0.113.7", "kernel"), {"gateway": "10.0.12.2", "dev": "eth1"}, FAIL),
        ("rib_fib", ("paths", "203.0.113.7", "kernel"), {"gateway": "192.0.2.2", "dev": "eth2"}, FAIL),
        ("rib_fib", ("paths", "203.0.113.7", "kernel"), {"none": "Network is unreachable"}, FAIL),
        ("rib_fib", ("paths", "203.0.113.7", "kernel"), {"local": True}, DOUBT),
        ("rib_fib", ("paths", "203.0.113.7", "kernel"), None, DOUBT),
        ("rib_fib", ("paths", "203.0.113.7", "rib"), None, DOUBT),
        ("rib_fib", ("paths", "203.0.113.7", "rib"), [], FAIL),
        ("rib_fib", ("paths", "203.0.113.7", "rib"), [["10.0.0.9", "eth3"], ["192.0.2.2", "eth1"]], PASS),
        ("rib_fib", ("paths", "203.0.113.7"), {"rib": [], "kernel": {"none": "unreachable"}}, PASS),
        ("rib_fib", ("paths", "203.0.113.7"), {"rib": [["", "blackhole"]], "kernel": {"none": "x"}}, PASS),
        ("rib_fib", ("paths", "203.0.113.7"), {"rib": [["", "lo"]], "kernel": {"local": True}}, PASS),
        ("rib_fib", ("paths", "198.51.100.1"), {"rib": None, "kernel": None}, PASS),
        ("rib_fib_neighbours", ("neighbours", "aebi", "paths", "203.0.113.7", "kernel"),
         {"gateway": "10.0.0.7", "dev": "eth1"}, FAIL),
        ("rib_fib_neighbours", ("neighbours", "wells"), None, DOUBT),
        ("rib_fib_neighbours", ("neighbours",), {}, DOUBT),
    ],
)  # fmt: skip
def test_one_change(name: str, path: tuple[Any, ...], to: Any, wanted: Verdict) -> None:
    assert verdict(name, changed(*path, to=to)) is wanted


@pytest.mark.parametrize(
    ("name", "expect", "wanted"),
    [
        ("boot_id", "unchanged", PASS), ("boot_id", "changed", FAIL), ("boot_id", "other", ERROR),
        ("queues", 4, PASS), ("queues", 8, FAIL), ("queues", 9, DOUBT), ("queues", {"eth0": 1}, PASS),
        ("queues", {"eth7": 1}, DOUBT), ("queues", "many", ERROR),
        ("sysctl", {"net.ipv4.ip_forward": 1}, PASS), ("sysctl", {"net.ipv4.ip_forward": " 0 "}, FAIL),
        ("sysctl", {"net.core.rmem_max": 1}, DOUBT), ("sysctl", ["x"], ERROR),
        ("version", {"kernel": "6.1.0-28-amd64"}, PASS), ("version", {"kernel": "6.12.9"}, FAIL),
        ("version", {"routing": "8.4.4"}, PASS), ("version", {"bios": "1"}, ERROR), ("version", "6.1", ERROR),
        ("route_counts", "50%", PASS), ("route_counts", 100, PASS), ("route_counts", "all", ERROR),
        ("route_counts", 101, ERROR), ("route_counts", "٥", ERROR),
        ("drops", 0, PASS), ("drops", "none", ERROR), ("interface_errors", 5, PASS),
        ("slab", "0%", PASS), ("slab", "much", ERROR),
    ],
)  # fmt: skip
def test_what_a_recipe_expects(name: str, expect: Any, wanted: Verdict) -> None:
    assert verdict(name, MEASURED, expect) is wanted


def test_a_boot_is_told_by_its_id() -> None:
    rebooted = changed("boot_id", to="b")
    assert verdict("boot_id", rebooted, "changed") is PASS
    assert verdict("boot_id", rebooted, "unchanged") is FAIL
    assert verdict("boot_id", rebooted) is PASS
    assert verdict("boot_id", MEASURED, "changed", baseline=None) is DOUBT


def test_counters_that_were_reset_count_from_zero() -> None:
    before = changed("interfaces", "eth1", "rx", "errors", to=70)
    assert verdict("interface_errors", MEASURED, baseline=before) is PASS
    after = changed("interfaces", "eth1", "rx", "errors", to=3)
    assert verdict("interface_errors", after, baseline=before) is FAIL
    rebooted = {**changed("interfaces", "eth1", "rx", "errors", to=71), "boot_id": "b"}
    assert "71 more" in judge(CheckSpec("interface_errors"), before, rebooted).reasons[0].found


def test_the_tolerated_drops_grow_with_what_was_received() -> None:
    busy = changed("interfaces", "eth1", to=interface(dropped=1000, packets=2_000_000))
    assert verdict("drops", busy) is PASS
    assert verdict("drops", busy, 100) is FAIL


def test_failures_come_before_doubts_and_all_reasons_are_given() -> None:
    now = changed("bgp", "peers", "ipv4", "192.0.2.2", "received", to=1)
    now["bgp"]["peers"]["ipv6"]["2001:db8::2"]["received"] = None
    result = judge(CheckSpec("route_counts"), MEASURED, now)
    assert result.verdict is FAIL and len(result.reasons) == 2


def test_an_unreadable_answer_is_quoted() -> None:
    now = {**changed("ospf", to=None), "unknown": {"ospf": "% Unknown command"}}
    assert "% Unknown command" in judge(CheckSpec("ospf"), MEASURED, now).reasons[0].found


def test_an_unknown_check_is_an_error_that_names_the_known_ones() -> None:
    result = judge(CheckSpec("bgp_session"), MEASURED, MEASURED)
    assert result.verdict is ERROR and "bgp_sessions" in result.reasons[0].wanted


@pytest.mark.parametrize(
    ("verdicts", "wanted"),
    [
        ((), DOUBT),
        ((PASS, PASS), PASS),
        ((PASS, DOUBT), DOUBT),
        ((DOUBT, FAIL), FAIL),
        ((FAIL, ERROR, PASS), ERROR),
    ],
)
def test_the_worst_verdict_counts(verdicts: tuple[Verdict, ...], wanted: Verdict) -> None:
    assert overall([CheckResult("x", v) for v in verdicts]) is wanted


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["UP", "up", "Full"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def damaged(draw: st.DrawFn) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The measurement with one part, anywhere, replaced by any JSON value or removed; and where."""
    made = deepcopy(MEASURED)
    at: Any = made
    path: list[Any] = []
    while isinstance(at, dict) and at and (not path or draw(st.booleans())):
        key = draw(st.sampled_from(sorted(at)))
        path.append(key)
        if not isinstance(at[key], dict) or draw(st.booleans()):
            if draw(st.booleans()):
                at[key] = draw(json_values)
            else:
                del at[key]
            break
        at = at[key]
    return tuple(path), made


@given(damaged(), st.sampled_from(sorted(CHECKS)), st.none() | json_values)
def test_no_measurement_and_no_expectation_makes_a_check_raise(
    part: tuple[tuple[Any, ...], dict[str, Any]], name: str, expect: Any
) -> None:
    for baseline, now in ((MEASURED, part[1]), (part[1], MEASURED), (part[1], part[1])):
        result = judge(CheckSpec(name, expect), baseline, now)
        assert result.reasons or result.verdict is PASS
        # Whatever the device says, it is no error of the check; only the recipe's expectation may be one.
        assert result.verdict is not ERROR or expect is not None


@given(json_values, json_values, st.sampled_from(sorted(CHECKS)))
def test_no_json_at_all_makes_a_check_raise(baseline: Any, now: Any, name: str) -> None:
    assert judge(CheckSpec(name), baseline, now).verdict in Verdict


@given(st.sets(st.sampled_from(sorted(MEASURED)), min_size=1), st.sampled_from(sorted(CHECKS)))
def test_removing_what_is_known_never_makes_a_failure_pass(gone: set[str], name: str) -> None:
    bad = deepcopy(MEASURED)
    bad["bgp"]["peers"]["ipv4"]["192.0.2.2"] = peer("Idle", 0)
    bad["ospf"]["neighbours"], bad["ospf3"]["neighbours"], bad["bfd"]["peers"] = {}, {}, {}
    bad |= {"kernel": "x", "daemons": {}, "sysctl": {"net.ipv4.ip_forward": "0"}}
    bad["interfaces"]["eth1"] = interface(dropped=10**6, errors=10**6)
    bad["memory"]["SUnreclaim"] = 10**6
    bad["queues"]["eth1"]["combined"] = 1
    bad["vpp"] = {"running": True, "version": None}
    bad["paths"]["203.0.113.7"]["kernel"] = {"none": "x"}
    bad["neighbours"]["aebi"]["paths"]["203.0.113.7"]["kernel"] = {"none": "x"}
    if name == "boot_id":
        return
    assert judge(CheckSpec(name), MEASURED, bad).verdict is FAIL
    less = {key: value for key, value in bad.items() if key not in gone}
    assert judge(CheckSpec(name), MEASURED, less).verdict is not PASS


def test_every_check_is_judged_even_after_one_failed() -> None:
    now = {**changed("ospf", "neighbours", to={}), "daemons": {}}
    results = judge_all([CheckSpec("ospf"), CheckSpec("daemons"), CheckSpec("bfd")], MEASURED, now)
    assert [r.verdict for r in results] == [FAIL, FAIL, PASS]
