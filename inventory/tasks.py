"""The Celery tasks of the inventory: they carry ids, are short, and may run twice or never (DESIGN rule 9)."""

import logging

from django.conf import settings

from fleet import clock
from fleet.celery import app
from inventory import discovery
from inventory.models import Router

log = logging.getLogger(__name__)


@app.task(name="slipway.collect")  # type: ignore[untyped-decorator]  # celery has no types
def collect(router_ids: list[int]) -> None:
    """Collect the facts of a shard. Routers that are gone by now are passed over; failures are logged by name."""
    names = list(Router.objects.filter(pk__in=router_ids).values_list("name", flat=True))
    collected = discovery.collect(names, now=clock.now(), workers=settings.SLIPWAY_SHARD_SIZE)
    for failure in collected.failures:
        log.warning("facts were not collected: %s", failure.reason)


@app.task(name="slipway.collect_all")  # type: ignore[untyped-decorator]  # celery has no types
def collect_all() -> None:
    """Ring for every shard of the fleet."""
    ids = list(Router.objects.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(ids), settings.SLIPWAY_SHARD_SIZE):
        collect.delay(ids[start : start + settings.SLIPWAY_SHARD_SIZE])
