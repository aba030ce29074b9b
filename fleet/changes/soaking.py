"""Samples of devices, taken beside the tick; thinned with age; and what they say during a soak.

A worker takes the samples of a shard and is free again: what soaks for hours occupies none. `Sampled.due_at` is moved
by whoever takes a device up, so that two workers never sample it twice.
"""

import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median

from django.conf import settings
from django.db import connection

from fleet import clock
from fleet.celery import app
from inventory.models import Router, Sample, Sampled
from inventory.samples import COUNTERS
from playbooks import transport
from playbooks.base import Device, DeviceError
from playbooks.nic import light

log = logging.getLogger(__name__)

# Raw for two days (what a soak of a day is compared with), then five minutes for a month, then hours for 400 days.
AGES: Sequence[tuple[timedelta, int]] = ((timedelta(days=2), 300), (timedelta(days=31), 3600))
FORGOTTEN_AFTER = timedelta(days=400)
SLICE = timedelta(hours=6)
_busy = threading.Lock()


def watch(names: Collection[str], *, every_s: float, until: datetime, why: str, now: datetime) -> int:
    """Have these devices sampled until then; a shorter interval and a later end win. Two queries and one a change."""
    rows = {row.router.name: row for row in Sampled.objects.filter(router__name__in=names).select_related("router")}
    fresh = [
        Sampled(router=router, every_s=every_s, due_at=now, until=until, why=why[:200])
        for router in Router.objects.filter(name__in=set(names) - set(rows))
    ]
    Sampled.objects.bulk_create(fresh, ignore_conflicts=True)
    for row in rows.values():
        if row.every_s > every_s or row.until < until:
            Sampled.objects.filter(pk=row.pk).update(
                every_s=min(row.every_s, every_s), until=max(row.until, until), due_at=min(row.due_at, now)
            )
    return len(fresh)


def take_up(now: datetime) -> int:
    """Have samples taken of whatever is due; how many devices. Called beside the tick: one query when nothing is."""
    due = list(Sampled.objects.filter(due_at__lte=now).values_list("pk", flat=True)[: settings.SLIPWAY_SHARD_SIZE * 8])
    if not due:
        return 0
    size = settings.SLIPWAY_SHARD_SIZE
    shards = [due[start : start + size] for start in range(0, len(due), size)]
    if settings.SLIPWAY_DISPATCH == "celery":
        for shard in shards:
            app.send_task("slipway.sample", args=[shard], expires=60)
    elif _busy.acquire(blocking=False):  # one at a time in this process: the legs of changes come first
        threading.Thread(target=_apart, args=(due,), name="samples", daemon=True).start()
    return len(due)


def _apart(ids: list[int]) -> None:
    try:
        take(ids, clock.now())
    except Exception:
        log.exception("samples")
    finally:
        connection.close()
        _busy.release()


def take(ids: Collection[int], now: datetime) -> int:
    """Sample those of these rows that are still due; returns how many brought something. Ends what is over."""
    Sampled.objects.filter(pk__in=ids, until__lt=now).delete()
    mine: dict[str, Sampled] = {}
    for row in Sampled.objects.filter(pk__in=ids, due_at__lte=now).select_related("router"):
        due = now + timedelta(seconds=row.every_s)
        if Sampled.objects.filter(pk=row.pk, due_at=row.due_at).update(due_at=due):
            mine[row.router.name] = row
    devices = list(Router.objects.devices(list(mine)).values()) if mine else []
    found = transport.run_shard(devices, _look, max(1, min(len(devices), settings.SLIPWAY_SHARD_SIZE)))
    samples, failed = [], {}
    for name, answer in found.items():
        if isinstance(answer, Exception):
            failed[name] = str(answer.reason if isinstance(answer, DeviceError) else answer)[:300]
        else:
            samples += rows_of(mine[name].router_id, answer, now)
    Sample.objects.bulk_create(samples, ignore_conflicts=True, batch_size=500)
    _thin_hourly(now)
    for name, row in mine.items():
        if row.failed != failed.get(name, ""):
            Sampled.objects.filter(pk=row.pk).update(failed=failed.get(name, ""))
    return len(found) - len(failed)


_thinned: dict[str, int] = {}  # hour of the epoch in which this process has thinned


def _thin_hourly(now: datetime) -> None:
    hour = int(now.timestamp() // 3600)
    if _thinned.setdefault("hour", hour) != hour:
        _thinned["hour"] = hour
        thin(now)


def _look(device: Device) -> tuple[str, dict[str, float]]:
    return light.look(transport.leg_session(device))


def rows_of(router_id: int, answer: tuple[str, Mapping[str, float]], now: datetime) -> list[Sample]:
    """The rows of one look."""
    boot, metrics = answer
    return [Sample(router_id=router_id, metric=m, at=now, value=v, boot=boot) for m, v in metrics.items()]


def thin(now: datetime) -> int:
    """Replace what has just got too old for its fineness by one sample for each stretch of time; how many went.

    Medians of levels, the last value of counters. Called every hour; what comes twice, or six hours late, does no harm.
    """
    gone = Sample.objects.filter(at__lt=now - FORGOTTEN_AFTER).delete()[0]
    for age, width in AGES:
        edge = datetime.fromtimestamp((now - age).timestamp() // width * width, UTC)
        rows = Sample.objects.filter(at__lt=edge, at__gte=edge - SLICE).order_by("at")
        groups: dict[tuple[int, str, int, str], list[tuple[int, float]]] = {}
        for pk, router, metric, at, value, boot in rows.values_list(
            "pk", "router_id", "metric", "at", "value", "boot"
        ).iterator(chunk_size=5000):
            groups.setdefault((router, metric, int(at.timestamp() // width), boot), []).append((pk, value))
        gone += _merge(groups)
    return gone


def _merge(groups: Mapping[tuple[int, str, int, str], list[tuple[int, float]]]) -> int:
    removed: list[int] = []
    for (_, metric, _, _), group in groups.items():
        if len(group) > 1:
            value = group[-1][1] if metric in COUNTERS else median(v for _, v in group)
            Sample.objects.filter(pk=group[-1][0]).update(value=value)
            removed += [pk for pk, _ in group[:-1]]
    for start in range(0, len(removed), 900):
        Sample.objects.filter(pk__in=removed[start : start + 900]).delete()
    return len(removed)
