"""What the long run calls flat, growing, explained: it must see a leak, and none where there is none."""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from proof.long import trends, weather

HOUR_S = 3600


def sampled(grows_mb: float, *, boots: int = 1) -> list[tuple[float, float, str]]:
    """Memory every 15 s of an hour, noisy, so many MB more at its end; each boot begins anew with a warm-up."""
    rng, made = random.Random(7), []
    for at in range(0, HOUR_S, 15):
        piece = at * boots // HOUR_S
        since = at - piece * HOUR_S / boots
        warm = 20.0 * min(since, 240.0) / 240.0
        made.append((float(at), 100 + warm + grows_mb * since / HOUR_S + rng.gauss(0, 0.5), f"pid {piece}"))
    return made


@pytest.mark.parametrize(
    ("grows_mb", "boots", "verdict"),
    [(0.0, 1, "flat"), (0.0, 3, "flat"), (30.0, 1, "grows"), (60.0, 3, "grows"), (2.0, 1, "flat")],
)
def test_a_leak_is_seen_and_a_start_is_none(grows_mb: float, boots: int, verdict: str) -> None:
    assert trends.series("memory", sampled(grows_mb, boots=boots)).verdict == verdict


def test_too_few_samples_say_nothing() -> None:
    assert trends.series("memory", sampled(0.0)[:40]).verdict == "too few"


def counted(*rows: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"targets": 30 * n, "postgresql": {"rows": dict(one)}} for n, one in enumerate(rows)]


def test_rows_that_grow_with_what_is_done_are_explained_and_others_are_not() -> None:
    begin, middle = {"event": 0, "leak": 0, "few": 1}, {"event": 900, "leak": 60}
    end = {"event": 1800, "leak": 900, "few": 3}
    found = {t.name: t for t in trends.tables(counted(begin, middle, end))}
    assert found["event"].grows and found["event"].explained
    assert found["leak"].grows and not found["leak"].explained
    assert not found["few"].grows


def test_a_server_that_was_away_while_rows_were_counted_is_left_out() -> None:
    lines = counted({"event": 0}, {"event": 900}, {"event": 1800})
    lines.insert(1, {"targets": 10, "postgresql": None})
    assert [t.name for t in trends.tables(lines)] == ["event"]


def test_a_seed_gives_the_same_faults_and_every_kind_in_turn() -> None:
    one = weather.drawn(3, minutes=60, every_s=60, small=True)
    assert one == weather.drawn(3, minutes=60, every_s=60, small=True)
    assert {fault.kind for fault in one[: len(weather.KINDS)]} == set(weather.KINDS)
    assert "disk full" not in {fault.kind for fault in weather.drawn(3, minutes=60, every_s=60, small=False)}
