"""Looks that repeat what stays are forgotten with time; every state keeps its first and its last."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from inventory import discovery
from inventory.models import Observation
from playbooks.base import Device

pytestmark = pytest.mark.django_db
Fleet = Callable[[int], None]


def collected(names: Sequence[str], kernel: str, at: datetime) -> None:
    def reach(devices: Sequence[Device], *, workers: int, done: Callable[[str], None]) -> Mapping[str, Any]:
        return {device.name: {"version": 1, "kernel": kernel, "interfaces": {}} for device in devices}

    discovery.collect(names, now=at, workers=1, reach=reach)


def kept(name: str) -> list[tuple[str, float]]:
    """Kernel, and how many hours after the first look."""
    rows = list(Observation.objects.filter(router__name=name).order_by("observed_at"))
    return [(row.facts["kernel"], (row.observed_at - rows[0].observed_at).total_seconds() / 3600) for row in rows]


KERNELS = ["a", "a", "a", "b", "b", "a", "b", "b", "b", "b"]


def test_of_old_looks_the_first_and_the_last_of_every_state_stay(fleet: Fleet, now: datetime) -> None:
    fleet(2)
    for hour, kernel in enumerate(KERNELS):
        collected(["r0", "r1"], kernel, now + timedelta(hours=hour))
    assert len(kept("r0")) == len(KERNELS), "nothing is old yet"
    collected(["r0"], "b", now + timedelta(days=7, hours=8, minutes=30))
    assert kept("r0") == [
        ("a", 0), ("a", 2), ("b", 3), ("b", 4), ("a", 5), ("b", 6), ("b", 8), ("b", 9), ("b", 176.5)
    ]  # fmt: skip
    assert len(kept("r1")) == len(KERNELS), "who was not looked at is left alone"


def test_what_a_change_had_in_its_hands_stays_and_days_can_be_without_end(
    fleet: Fleet, now: datetime, settings: Any
) -> None:
    fleet(2)
    for hour in range(5):
        collected(["r0"], "a", now + timedelta(hours=hour))
    middle = Observation.objects.order_by("observed_at")[2]
    Observation._base_manager.filter(pk=middle.pk).update(during_change=True)
    settings.SLIPWAY_OBSERVATION_DAYS = 0
    collected(["r0"], "a", now + timedelta(days=900))
    assert len(kept("r0")) == 6
    settings.SLIPWAY_OBSERVATION_DAYS = 7
    collected(["r0"], "a", now + timedelta(days=901))
    assert [hours for _, hours in kept("r0")] == [0, 2, 4, 900 * 24, 901 * 24]
