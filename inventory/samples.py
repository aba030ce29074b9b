"""Samples read back as the values that statistics take. Reads rows only: pages may use it."""

from collections.abc import Collection, Iterable
from datetime import datetime

from fleet.core import soak
from fleet.core.soak import Sample as Value
from inventory.models import Sample

METRICS = frozenset({"slab", "memory", "cpu", "bits", "packets", "lost", "errors"})
COUNTERS = frozenset({"cpu", "bits", "packets", "lost", "errors"})


def series(
    router_ids: Collection[int], metrics: Collection[str], *, since: datetime, until: datetime
) -> dict[tuple[int, str], list[Value]]:
    """(router, metric) -> its samples in order, in seconds of the epoch. One query."""
    rows = Sample.objects.filter(router__in=router_ids, metric__in=metrics, at__gte=since, at__lte=until)
    made: dict[tuple[int, str], list[Value]] = {}
    for router, metric, at, value, boot in rows.order_by("at").values_list(
        "router_id", "metric", "at", "value", "boot"
    ):
        made.setdefault((router, metric), []).append(Value(at.timestamp(), value, boot))
    return made


def per_gbps(cpu: Iterable[Value], bits: Iterable[Value], *, least_bps: float = 1e5) -> tuple[Value, ...]:
    """CPU seconds a second for each Gb/s carried, from sample to sample; left out where nearly nothing was carried.

    Ticks are hundredths of a second on every Linux that is met (USER_HZ).
    """
    busy = tuple(Value(s.at, s.value / 100, s.boot) for s in soak.rates(cpu))
    carried = tuple(Value(s.at, s.value / 1e9, s.boot) for s in soak.rates(bits))
    return soak.ratio(busy, carried, least=least_bps / 1e9)
