"""When a verification is over, and whether traffic has gone: rounds of verdicts and differences of counters."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.checks import (
    Decision,
    Policy,
    Rounds,
    decide_verification,
    is_quiet,
    traffic,
)
from fleet.core.model import Verdict
from tests.core.measured import MEASURED, changed

PASS, FAIL, DOUBT, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR

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
