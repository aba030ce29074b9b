"""Keeps the rows of drift up to date: since when which setting of which device is not as wanted."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice

from django.db import transaction
from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Greatest

from fleet.core.intent import Line, LineState
from fleet.core.model import Json
from inventory import intent
from inventory.models import Drift, Router
from inventory.running import in_running_change

_BATCH = 1_000  # rows per statement; on SQLite Django makes it fewer (999 values)
# The facts of so many devices are in memory at once; one with a full configuration has some 100 kB.
_DEVICES_AT_ONCE = 200


def refresh(routers: Collection[Router], now: datetime, *, facts: Mapping[str, Json] | None = None) -> None:
    """Compare these devices with their intent and open, keep or end rows of drift. Call it after each observation.

    `facts`: name -> the facts that were just recorded; without them the newest observations are read. A number of
    queries that does not depend on how many devices there are. What cannot be told opens and ends nothing; while a
    change has a device in its hands nothing is opened.
    """
    if not routers:
        return
    ids = {router.name: router.pk for router in routers}
    found = intent.of_devices(ids, facts=facts)
    busy = in_running_change(ids)
    with transaction.atomic():
        have: dict[int, dict[str, Drift]] = {}
        for row in Drift.objects.open().filter(router__in=ids.values()):
            have.setdefault(row.router_id, {})[row.setting] = row
        work = _Work()
        for name, one in found.items():
            work.look_at(ids[name], one.lines, have.get(ids[name], {}), now=now, may_open=name not in busy)
        work.write(now)


def refresh_all(now: datetime) -> Iterator[int]:
    """The whole fleet, so many devices at a time; yields how many are done. For when profiles were edited."""
    rows, done = Router.objects.order_by("pk").iterator(), 0
    while batch := list(islice(rows, _DEVICES_AT_ONCE)):
        refresh(batch, now)
        done += len(batch)
        yield done


class _Work:
    """The rows to open, to bring up to date and to end, of many devices."""

    def __init__(self) -> None:
        self.opened: list[Drift] = []
        self.updated: list[Drift] = []
        self.ended: list[int] = []

    def look_at(
        self, router: int, lines: Iterable[Line], have: Mapping[str, Drift], *, now: datetime, may_open: bool
    ) -> None:
        left = dict(have)
        for line in lines:
            row = left.pop(line.setting, None)
            match line.state:
                case LineState.DIFFERENT:
                    self._different(router, line, row, now=now, may_open=may_open)
                case LineState.UNKNOWN:
                    pass  # an open row stays: nobody has seen that it is as wanted
                case LineState.SAME | LineState.NOT_APPLICABLE:
                    self._end(row)
        for row in left.values():  # nobody wants these any more
            self._end(row)

    def _different(self, router: int, line: Line, row: Drift | None, *, now: datetime, may_open: bool) -> None:
        if row is not None and row.wanted == line.wanted:
            if (row.found, row.profile) != (line.found, line.profile):
                row.found, row.profile = line.found, line.profile
                self.updated.append(row)
            return
        self._end(row)  # something else is wanted now: that is another drift, from now on
        if may_open:
            self.opened.append(
                Drift(
                    router_id=router, setting=line.setting, wanted=line.wanted, found=line.found,
                    profile=line.profile, since=now,
                )
            )  # fmt: skip

    def _end(self, row: Drift | None) -> None:
        if row is not None:
            self.ended.append(row.pk)

    def write(self, now: datetime) -> None:
        # Clocks of two workers may differ: nothing ends before it began.
        end = Greatest(F("since"), Value(now, output_field=DateTimeField()))
        for batch in _batches(self.ended):
            Drift.objects.open().filter(pk__in=batch).update(ended_at=end)
        Drift.objects.bulk_update(self.updated, ("found", "profile"), batch_size=_BATCH)
        # Two observations of one device at once: the first one's row stays.
        Drift.objects.bulk_create(self.opened, batch_size=_BATCH, ignore_conflicts=True)


def _batches(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), 900):  # SQLite: 999 values a statement
        yield ids[start : start + 900]
