"""Two looks at the queues of a device, asked for by a page or a command, carried out by a worker.

ask(router, by=, now=, ...) -> row      a worker looks, waits some seconds, looks again; the row has both
"""

import threading
import time
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import connection
from django.db.models import Q

from fleet import clock
from fleet.celery import app
from fleet.core.model import Json, Reason
from fleet.core.rss_stored import to_rows
from inventory.models import QueueLook, Router
from inventory.storable import storable
from playbooks import transport
from playbooks.base import Device, DeviceError
from playbooks.nic import capture as captures
from playbooks.nic import reading

TAKEN_FOR = timedelta(seconds=90)  # then another worker may look: the first one died


def take_up(now: datetime) -> int:
    """Have a worker carry out what was asked for; how many. Called beside the tick; one query when nothing waits."""
    free = Q(taken_at__isnull=True) | Q(taken_at__lt=now - TAKEN_FOR)
    waiting = list(QueueLook.objects.filter(free, ended_at__isnull=True).order_by("asked_at").values_list("pk")[:50])
    for (look_id,) in waiting:
        if settings.SLIPWAY_DISPATCH == "celery":
            app.send_task("slipway.look_at_queues", args=[look_id])
        else:
            threading.Thread(target=_apart, args=(look_id,), name=f"queue-look-{look_id}", daemon=True).start()
    return len(waiting)


def _apart(look_id: int) -> None:
    try:
        carry_out(look_id)
    finally:
        connection.close()


def carry_out(look_id: int, *, wait_s: float | None = None) -> None:
    """Look twice and keep both; what goes wrong is kept as reasons. Of two workers the second does nothing."""
    now = clock.now()
    free = QueueLook.objects.filter(pk=look_id, ended_at__isnull=True).exclude(taken_at__gt=now - TAKEN_FOR)
    if not free.update(taken_at=now):
        return
    row = QueueLook.objects.select_related("router").get(pk=look_id)
    device = Router.objects.devices([row.router.name])[row.router.name]
    found = transport.run_shard([device], partial(_looks, row=row, wait_s=wait_s), 1)[device.name]
    if isinstance(found, Exception):
        found = {"reasons": [str(_why(device.name, found))]}
    values = {key: storable(value) for key, value in found.items()}
    QueueLook.objects.filter(pk=look_id, ended_at__isnull=True).update(
        before=values.get("before", row.before),
        after=values.get("after", row.after),
        flows=values.get("flows", row.flows),
        reasons=values.get("reasons", row.reasons),
        ended_at=clock.now(),
    )


def _looks(device: Device, *, row: QueueLook, wait_s: float | None) -> dict[str, Json]:
    session = transport.leg_session(device)
    made: dict[str, Json] = {"before": reading.look(session)}
    began = time.monotonic()
    if row.capture and row.interface:
        captured = captures.capture(session, row.interface)
        if isinstance(captured, Reason):
            made["reasons"] = [str(captured)]
        else:
            made["flows"] = to_rows(captured.flows)
    time.sleep(max(0.0, (row.seconds if wait_s is None else wait_s) - (time.monotonic() - began)))
    return {**made, "after": reading.look(session)}


def _why(name: str, error: Exception) -> Reason:
    if isinstance(error, DeviceError):
        return error.reason
    found = f"{type(error).__name__}: {error}"[:300]
    return Reason(f"queues of {name}", found, "two looks", "This is a fault of Slipway: please report it.")
