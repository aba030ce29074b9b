"""Asks for two looks at the queues of a device. Writes a row; a worker finds it (queue_looks.py)."""

from collections.abc import Mapping
from datetime import datetime

from fleet.core.rss import Flow
from fleet.core.rss_stored import to_rows
from inventory.models import QueueLook, Router

SECONDS = 11.0  # above rss_load.LEAST_SECONDS, whatever the two clocks round away
KEPT = 100  # looks of one device: what the picture over time is made of


def ask(
    router: Router,
    *,
    by: str,
    now: datetime,
    interface: str = "",
    flows: Mapping[Flow, int] | None = None,
    capture: bool = False,
) -> QueueLook:
    """Note that two looks are wanted. `flows`: what arrives on `interface`, or `capture` it. Old looks go."""
    row = QueueLook.objects.create(
        router=router, interface=interface, asked_by=by, asked_at=now, seconds=SECONDS, capture=capture,
        flows=to_rows(flows or {}),
    )  # fmt: skip
    old = QueueLook.objects.filter(router=router).order_by("-asked_at", "-pk").values_list("pk", flat=True)[KEPT:]
    QueueLook.objects.filter(pk__in=list(old)).delete()
    return row
