"""Collects the facts of devices again once a run has left them: what it changed is what the inventory should show.

take_up(now)        ring for the devices that are due; called beside the tick
heard(observed)     what was observed of a device since its leg ended settles it
"""

import logging
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import connection

from fleet import clock
from fleet.celery import app
from fleet.changes.models import TargetRun
from inventory import discovery
from inventory.models import Observation, Router

log = logging.getLogger(__name__)

# One round rings for at most so many: a wave of 500 that ends at once is four rounds, 8 s.
AT_ONCE = 125
# A look takes a second, behind 10,000 others some minutes. Not heard of by then, its message may be lost.
AGAIN_AFTER = timedelta(minutes=5)
# So long after its leg ended a device is asked once more (it was stuck, and is released now), then left to the
# collection of the whole fleet, which names those that do not answer.
GIVEN_UP_AFTER = timedelta(hours=1)

_lock = threading.Lock()


def take_up(now: datetime) -> int:
    """Ring for the devices that a run has left since they were last seen; how many. One query when there are none."""
    due = TargetRun.objects.filter(look_due_at__lte=now, engaged=False)
    rows = list(due.order_by("look_due_at").values_list("pk", "router_id", "ended_at")[:AT_ONCE])
    if not rows:
        return 0
    last = [pk for pk, _, ended_at in rows if ended_at is None or now - ended_at > GIVEN_UP_AFTER]
    due.filter(pk__in=[pk for pk, _, _ in rows if pk not in last]).update(look_due_at=now + AGAIN_AFTER)
    TargetRun.objects.filter(pk__in=last).update(look_due_at=None)
    asked = sorted({router for _, router, _ in rows})
    for start in range(0, len(asked), settings.SLIPWAY_SHARD_SIZE):
        _ring(asked[start : start + settings.SLIPWAY_SHARD_SIZE])
    return len(asked)


def _ring(router_ids: list[int]) -> None:
    if settings.SLIPWAY_DISPATCH == "celery":
        app.send_task("slipway.collect", args=[router_ids])
    else:
        threading.Thread(target=partial(_apart, router_ids), name="facts-again", daemon=True).start()


def _apart(router_ids: list[int]) -> None:
    """Of the in-process engine; one at a time, so that the legs keep the machine."""
    try:
        with _lock:
            names = list(Router.objects.filter(pk__in=router_ids).values_list("name", flat=True))
            collected = discovery.collect(names, now=clock.now(), workers=settings.SLIPWAY_SHARD_SIZE)
        for failure in collected.failures:
            log.warning("facts were not collected after a change: %s", failure.reason)
    finally:
        connection.close()


def heard(observations: Sequence[Observation]) -> None:
    """What was observed while no change held the device, after its leg had ended, settles it. One query."""
    free = [one for one in observations if not one.during_change]
    if free:
        earliest = min(one.observed_at for one in free)
        due = TargetRun.objects.filter(look_due_at__isnull=False, router__in=[one.router_id for one in free])
        due.filter(ended_at__lte=earliest).update(look_due_at=None)
