"""Soak statistics: trends beside the load, over reboots and resets; before and after; the canary beside the others."""

import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.core.model import Verdict
from fleet.core.soak import HOUR, Sample, rates, ratio, trend
from fleet.core.soak_compare import against_others, compare
from fleet.core.soak_judge import cost, growth, losses
from fleet.core.soak_power import Noise, half_width, hours_to_find
from tests.core.soak_days import day


def line(slope: float, hours: float, *, noise: float = 0.0, every: float = 300.0, seed: int = 1) -> list[Sample]:
    rng = random.Random(seed)
    steps = int(hours * HOUR / every)
    return [
        Sample(n * every, 1e6 * (1 + slope * n * every / HOUR) * (1 + rng.gauss(0, noise)), "a") for n in range(steps)
    ]


def test_the_slope_of_a_line_is_found_and_the_interval_holds_it() -> None:
    found = trend(line(0.02, 6, noise=0.01))
    assert found is not None
    assert found.slope == pytest.approx(0.02, abs=0.003)
    assert found.low < 0.02 < found.high


def test_wild_values_move_neither_slope_nor_verdict() -> None:
    samples = line(0.0, 12, noise=0.005)
    wild = [Sample(s.at, s.value * (50 if n % 17 == 3 else 1), s.boot) for n, s in enumerate(samples)]
    found = trend(wild)
    assert found is not None and abs(found.slope) < 0.002


def test_too_few_say_nothing() -> None:
    assert trend(line(0.5, 1)) is None
    assert trend([Sample(n, 5.0) for n in range(100)]) is None  # 99 s
    assert growth("slab", line(0.5, 1)).verdict is Verdict.INCONCLUSIVE
    assert "12 samples over 55 min" in growth("slab", line(0.5, 1)).words


def test_a_reboot_neither_hides_a_leak_nor_makes_one() -> None:
    """What was leaked is free again after it: the level falls, the growth goes on."""
    before, after = line(0.05, 6, noise=0.003), line(0.05, 6, noise=0.003, seed=2)
    both = [*before, *(Sample(s.at + 6 * HOUR, s.value, "b") for s in after)]
    found = trend(both)
    assert found is not None and found.boots == 2
    assert found.low > 0.03
    still = [
        *line(0.0, 6, noise=0.003),
        *(Sample(s.at + 6 * HOUR, 2 * s.value, "b") for s in line(0.0, 6, noise=0.003)),
    ]
    found = trend(still)
    assert found is not None and abs(found.slope) < 0.002


def test_counters_survive_resets_and_reboots() -> None:
    counter = [
        Sample(0, 100, "a"),
        Sample(10, 150, "a"),
        Sample(20, 30, "a"),
        Sample(30, 500, "b"),
        Sample(40, 510, "b"),
    ]
    assert [r.value for r in rates(counter)] == [5.0, 3.0, 50.0, 1.0]


@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from("ab")), max_size=40
    )
)
def test_a_rate_is_never_negative_and_nothing_raises(rows: list[tuple[float, float, str]]) -> None:
    samples = [Sample(*row) for row in rows]
    positive = [Sample(s.at, abs(s.value), s.boot) for s in samples]
    assert all(r.value >= 0 for r in rates(positive))
    for verdict in (
        growth("x", samples, samples),
        cost("x", samples, samples),
        losses("x", samples, samples, samples, samples),
    ):
        assert verdict.verdict in Verdict


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(1, 1e9), min_size=24, max_size=60), st.floats(1e-3, 1e3))
def test_the_unit_does_not_matter(values: list[float], factor: float) -> None:
    one, other = (trend([Sample(n * 300.0, v * f) for n, v in enumerate(values)]) for f in (1.0, factor))
    assert one is not None and other is not None
    assert one.slope == pytest.approx(other.slope, rel=1e-6, abs=1e-9)


# -- the day with its swing


def test_a_daily_swing_is_no_leak_and_a_leak_beside_it_is_found() -> None:
    """Slab that follows the load by +-15 % over a day: up to 4 % an hour in the morning."""
    for seed in range(6):
        slab, load = day(random.Random(seed), leak=0.0)
        for hours in (3, 6, 12, 24):
            said = growth("slab", slab[: hours * 12], load[: hours * 12])
            assert said.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE), (seed, hours, said.words)
        leaking, load = day(random.Random(seed), leak=0.01)
        assert growth("slab", leaking, load).verdict is Verdict.FAIL


def test_after_a_day_a_router_without_a_leak_passes() -> None:
    slab, load = day(random.Random(3), leak=0.0)
    said = growth("slab", slab, load)
    assert said.verdict is Verdict.PASS, said.words


def test_without_its_load_the_swing_is_allowed_for_but_the_leak_of_the_seed_is_found() -> None:
    """S0-12 lost 9 % an hour."""
    slab, _ = day(random.Random(4), leak=0.0, start=6.0)
    assert growth("slab", slab[:72]).verdict is Verdict.INCONCLUSIVE
    leaking, _ = day(random.Random(4), leak=0.09, start=12.0)
    said = growth("slab", leaking[:144])
    assert said.verdict is Verdict.FAIL
    assert "load was not measured" in said.reasons[0].found


def test_what_cannot_be_told_yet_says_when_it_can() -> None:
    slab, load = day(random.Random(5), leak=0.0)
    said = growth("slab", slab[:48], load[:48])
    assert said.verdict is Verdict.INCONCLUSIVE
    assert "A leak of 1 % an hour is found after" in said.reasons[0].remedy


def test_a_dry_run_measures_and_never_alarms() -> None:
    said = growth("slab", line(0.2, 6), decides=False)
    assert (said.verdict, said.is_alarm) == (Verdict.FAIL, False)
    assert growth("slab", line(0.2, 6)).is_alarm


# -- power


def test_power_falls_with_time_and_rises_with_noise() -> None:
    noise = Noise(0.01, 0.8, 300.0)
    widths = [half_width(noise, h) for h in (4, 8, 16, 32)]
    assert widths == sorted(widths, reverse=True)
    hours = [hours_to_find(leak, noise, tolerated=0.003) or math.inf for leak in (0.005, 0.01, 0.05)]
    assert hours == sorted(hours, reverse=True)
    assert hours_to_find(0.003, noise, tolerated=0.003) is None


# -- before and after


def costs(rng: random.Random, factor: float, count: int, *, begin: float = 0.0, every: float = 300.0) -> list[Sample]:
    return [Sample(begin + n * every, factor * math.exp(rng.gauss(0, 0.1)), "") for n in range(count)]


def test_a_ratio_is_found_with_its_interval() -> None:
    rng = random.Random(7)
    found = compare(costs(rng, 1.0, 60), costs(rng, 0.42, 60))
    assert found is not None
    assert found.low < 0.42 < found.high
    assert found.high - found.low < 0.08
    assert found.p < 1e-6
    assert found.in_words.startswith("58% less") or found.in_words.startswith("57% less") or "less" in found.in_words


def test_verdicts_on_cost() -> None:
    rng = random.Random(8)
    base = costs(rng, 1.0, 40)
    assert cost("cpu", base, costs(rng, 0.42, 40)).verdict is Verdict.PASS
    assert cost("cpu", base, costs(rng, 1.5, 40)).verdict is Verdict.FAIL
    assert cost("cpu", base, costs(rng, 1.0, 7)).verdict is Verdict.INCONCLUSIVE
    assert cost("cpu", base[:8], costs(rng, 1.15, 8)).verdict is Verdict.INCONCLUSIVE


def test_no_difference_is_said_as_such_at_the_promised_rate() -> None:
    """99 %: of 300 pairs of equal sides at most 3 % are called different."""
    rng = random.Random(9)
    wrong = 0
    for _ in range(300):
        found = compare(costs(rng, 1.0, 20), costs(rng, 1.0, 20))
        assert found is not None
        wrong += not found.low <= 1 <= found.high
    assert wrong <= 9


def shifted(rng: random.Random, factor: float, *, days: int = 2, changed: bool) -> list[Sample]:
    """Cost by hour with a daily curve; from the second day on everybody's is 30 % up, the changed one's by `factor`."""
    made = []
    for n in range(days * 48):
        at = n * 1800.0
        curve = (1 + 0.4 * math.sin(2 * math.pi * at / 86_400)) * (1.3 if at >= 86_400 else 1.0)
        made.append(Sample(at, curve * (factor if changed and at >= 86_400 else 1.0) * math.exp(rng.gauss(0, 0.05))))
    return made


def test_the_canary_is_judged_by_what_the_others_did_at_the_same_hours() -> None:
    rng = random.Random(10)
    others = [shifted(rng, 1.0, changed=False) for _ in range(3)]
    canary = shifted(rng, 1.0, changed=True)
    alone = compare(canary[:48], canary[48:])
    beside = against_others(canary, others, changed_at=86_400)
    assert alone is not None and beside is not None
    assert alone.ratio == pytest.approx(1.3, abs=0.1)
    assert beside.low < 1 < beside.high
    worse = against_others(shifted(rng, 1.5, changed=True), others, changed_at=86_400)
    assert worse is not None and worse.low > 1.3
    said = cost("cpu", canary[:48], canary[48:], others=others, changed_at=86_400)
    assert said.verdict is Verdict.PASS
    assert "beyond 3 that were not changed" in said.words


# -- losses


def counted(per_interval: Sequence[float], *, begin: float = 0.0) -> list[Sample]:
    made, total = [Sample(begin, 0.0)], 0.0
    for n, grown in enumerate(per_interval, 1):
        total += grown
        made.append(Sample(begin + n * 60.0, total))
    return made


def test_losses_are_judged_by_the_packets_carried() -> None:
    packets = counted([1_000_000] * 20)
    none, some, many = counted([0] * 20), counted([3000, 2500] * 10), counted([20_000, 30_000] * 10)
    assert losses("rx_no_bufs", none, none, packets, packets).verdict is Verdict.PASS
    assert losses("rx_no_bufs", none, many, packets, packets).verdict is Verdict.FAIL
    assert losses("rx_no_bufs", some, some, packets, packets).verdict is Verdict.PASS
    assert losses("rx_no_bufs", none, counted([0] * 3), packets, counted([5] * 3)).verdict is Verdict.INCONCLUSIVE


def test_a_metric_by_another() -> None:
    cpu, gbps = [Sample(n, 50.0) for n in range(3)], [Sample(0, 5.0), Sample(1, 0.0), Sample(3, 5.0)]
    assert ratio(cpu, gbps) == (Sample(0, 10.0),)
