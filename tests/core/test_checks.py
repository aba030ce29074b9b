"""Verdicts: what passes, what fails, what cannot be told, and that nothing passes by silence."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.checks import (
    CHECKS,
    CheckResult,
    Decision,
    Policy,
    Rounds,
    decide_verification,
    is_quiet,
    judge,
    judge_all,
    overall,
    traffic,
)
from fleet.core.model import CheckSpec, Verdict

PASS, FAIL, DOUBT, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR


def peer(state: str = "Established", received: int | None = 1000) -> dict[str, Any]:
    return {"state": state, "received": received, "sent": 5, "dropped": 0, "name": "transit x1"}


def interface(state: str = "UP", dropped: int = 0, errors: int = 0, packets: int = 1000) -> dict[str, Any]:
    side = {"packets": packets, "dropped": dropped, "errors": errors}
    return {"state": state, "rx": dict(side), "tx": {"packets": packets, "dropped": 0, "errors": 0}}


MEASURED: dict[str, Any] = {
    "version": 1,
    "boot_id": "a",
    "kernel": "6.1.0-28-amd64",
    "routing": {"suite": "frr", "version": "8.4.4"},
    "bgp": {
        "running": True,
        "peers": {
            "ipv4": {"192.0.2.2": peer(), "192.0.2.130": peer("Active", 0)},
            "ipv6": {"2001:db8::2": peer(received=200)},
        },
    },
    "ospf": {"running": True, "neighbours": {"r2": {"state": "Full/-", "full": 2, "interfaces": ["eth1", "eth2"]},
                                             "r9": {"state": "Init", "full": 0, "interfaces": ["eth9"]}}},
    "ospf3": {"running": True, "neighbours": {"r2": {"state": "Full", "full": 1, "interfaces": ["eth1"]}}},
    "vpp": {"running": False, "version": None},
    "bfd": {"running": True, "peers": {"192.0.2.2%eth1": "up", "192.0.2.130%eth1": "down"}},
    "daemons": {"zebra": "up", "bgpd": "up", "watchdog": "down"},
    "interfaces": {"eth1": interface(), "eth9": interface("DOWN")},
    "memory": {"MemTotal": 1_000_000, "SUnreclaim": 50_000},
    "queues": {"eth1": {"combined": 4, "max": {"combined": 8}}, "eth0": {"rx": 1, "tx": 1, "max": {"rx": 1, "tx": 1}}},
    "sysctl": {"net.ipv4.ip_forward": "1"},
    "forwarded": {"ipv4": 1000, "ipv6": 500},
    "paths": {"203.0.113.7": {"rib": [["192.0.2.2", "eth1"]], "kernel": {"gateway": "192.0.2.2", "dev": "eth1"}}},
    "neighbours": {"aebi": {"paths": {"203.0.113.7": {
        "rib": [["10.0.0.1", "eth1"]], "kernel": {"gateway": "10.0.0.1", "dev": "eth1"}}}}},
}  # fmt: skip


def changed(*path: Any, to: Any) -> dict[str, Any]:
    """The measurement with one value replaced; `to` Ellipsis removes it."""
    made = deepcopy(MEASURED)
    at: Any = made
    for key in path[:-1]:
        at = at[key]
    if to is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    return made


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


POLICY = Policy(interval_s=5, passes=3, within_s=60)


def rounds(*verdicts: Verdict) -> Rounds:
    made = Rounds()
    for one in verdicts:
        made = made.plus(one)
    return made


@pytest.mark.parametrize(
    ("policy", "seen", "elapsed", "decision", "after"),
    [
        (POLICY, (), 0, Decision.CONTINUE, 5),
        (POLICY, (PASS, PASS), 10, Decision.CONTINUE, 5),
        (POLICY, (PASS, PASS, PASS), 10, Decision.PASS, 0),
        (POLICY, (PASS, PASS, FAIL, PASS), 20, Decision.CONTINUE, 5),
        (POLICY, (PASS, PASS, DOUBT, PASS, PASS), 20, Decision.CONTINUE, 5),
        (POLICY, (FAIL, FAIL, PASS, PASS, PASS), 59, Decision.PASS, 0),
        (POLICY, (PASS, PASS, PASS), 3600, Decision.PASS, 0),
        (POLICY, (PASS, PASS), 60, Decision.FAIL, 0),
        (POLICY, (DOUBT,) * 9, 60, Decision.FAIL, 0),
        (POLICY, (PASS, PASS, ERROR), 1, Decision.FAIL, 0),
        (Policy(5, 3, 60, initial_delay_s=30), (), 10, Decision.CONTINUE, 20),
        (Policy(5, 3, 60, initial_delay_s=30), (FAIL,), 89, Decision.CONTINUE, 5),
        (Policy(5, 3, 60, initial_delay_s=30), (FAIL,), 90, Decision.FAIL, 0),
        (Policy(5, 3, 60, failure_limit=0), (FAIL,), 1, Decision.FAIL, 0),
        (Policy(5, 3, 60, failure_limit=1), (FAIL, PASS), 1, Decision.CONTINUE, 5),
        (Policy(5, 3, 60, failure_limit=1), (FAIL, PASS, FAIL), 1, Decision.FAIL, 0),
        (Policy(5, 3, 60, failure_limit=0), (DOUBT,), 1, Decision.CONTINUE, 5),
    ],
)
def test_when_a_verification_is_over(
    policy: Policy, seen: tuple[Verdict, ...], elapsed: float, decision: Decision, after: float
) -> None:
    decided = decide_verification(rounds(*seen), policy, elapsed)
    assert (decided.decision, decided.after_s) == (decision, after)
    assert bool(decided.reasons) is (decision is Decision.FAIL)


@given(
    st.lists(st.sampled_from([PASS, FAIL, DOUBT]), max_size=12),
    st.integers(1, 5), st.none() | st.integers(0, 4), st.floats(0, 120),
)  # fmt: skip
def test_a_verification_passes_only_on_good_rounds_in_a_row_and_always_ends(
    seen: list[Verdict], passes: int, limit: int | None, elapsed: float
) -> None:
    policy = Policy(5, passes, 60, 0, limit)
    decided = decide_verification(rounds(*seen), policy, elapsed)
    if decided.decision is Decision.PASS:
        assert seen[-passes:] == [PASS] * passes
    if decided.decision is Decision.CONTINUE:
        assert decided.after_s > 0 and elapsed < 60
    # An error is never taken back by what came before it.
    assert decide_verification(rounds(*seen, ERROR), policy, elapsed).decision is Decision.FAIL


def test_traffic_is_the_difference_of_forwarded_packets() -> None:
    after = changed("forwarded", to={"ipv4": 3000, "ipv6": 500})
    assert traffic(MEASURED, after, 2.0) == {"ipv4": 1000.0, "ipv6": 0.0}


@pytest.mark.parametrize(
    "after",
    [
        changed("forwarded", "ipv4", to=999),
        changed("forwarded", "ipv4", to=None),
        changed("forwarded", to=None),
        {**changed("forwarded", to={"ipv4": 9000, "ipv6": 9000}), "boot_id": "b"},
    ],
)
def test_traffic_over_a_reset_cannot_be_told_and_is_no_proof_of_quiet(after: dict[str, Any]) -> None:
    rates = traffic(MEASURED, after, 2.0)
    assert rates["ipv4"] is None
    assert is_quiet(rates, 1000)[0] is DOUBT
    assert traffic(MEASURED, MEASURED, 0)["ipv4"] is None


@pytest.mark.parametrize(
    ("rates", "wanted"),
    [
        ({"ipv4": 999.9, "ipv6": 0.0}, PASS),
        ({"ipv4": 1000.0, "ipv6": 0.0}, FAIL),
        ({"ipv4": 5.0, "ipv6": 5000.0}, FAIL),
        ({"ipv4": 5000.0, "ipv6": None}, FAIL),
        ({"ipv4": 5.0}, DOUBT),
        ({}, DOUBT),
    ],
)
def test_quiet_means_both_families(rates: dict[str, float | None], wanted: Verdict) -> None:
    found, reasons = is_quiet(rates, 1000)
    assert found is wanted and (reasons or found is PASS)
