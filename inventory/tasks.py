"""The Celery tasks of the inventory: they carry ids, are short, and may run twice or never (DESIGN rule 9)."""

import logging
from datetime import timedelta

from django.conf import settings

from fleet import clock
from fleet.celery import app
from inventory import discovery, queue_looks, ucs
from inventory.importers.netbox import asks
from inventory.models import CollectionRun, RackServer, Router, UcsDomain

log = logging.getLogger(__name__)


@app.task(name="slipway.collect")  # type: ignore[untyped-decorator]  # celery has no types
def collect(router_ids: list[int], run_id: int | None = None) -> None:
    """Collect the facts of a shard. Routers that are gone by now are passed over; failures are logged by name."""
    run = CollectionRun.objects.filter(pk=run_id or 0).first()
    names = list(Router.objects.filter(pk__in=router_ids).values_list("name", flat=True))
    collected = discovery.collect(names, now=clock.now(), workers=settings.SLIPWAY_SHARD_SIZE, run=run)
    for failure in collected.failures:
        log.warning("facts were not collected: %s", failure.reason)
    for reason in collected.claimed:
        log.warning("%s", reason)


@app.task(name="slipway.collect_all")  # type: ignore[untyped-decorator]  # celery has no types
def collect_all(why: str = "schedule") -> None:
    """Ring for every shard of the fleet. One collection at a time: while one goes on, another is not begun.

    One that has not ended after two intervals lost messages: it is ended as it is, and its row shows how many.
    """
    now = clock.now()
    given_up = now - timedelta(seconds=2 * max(settings.SLIPWAY_COLLECT_SECONDS, 60.0))
    CollectionRun.objects.open().filter(started_at__lt=given_up).update(ended_at=now)
    if CollectionRun.objects.open().exists():
        log.info("facts are being collected already")
        return
    ids = list(Router.objects.order_by("pk").values_list("pk", flat=True))
    if not ids:
        return
    run = CollectionRun.objects.create(why=why, asked=len(ids), started_at=now)
    for start in range(0, len(ids), settings.SLIPWAY_SHARD_SIZE):
        collect.delay(ids[start : start + settings.SLIPWAY_SHARD_SIZE], run.pk)


# A NetBox of 5,000 devices is asked 60 times, a busy one takes seconds each: longer than other tasks may take. The
# message is not sent again to a second worker meanwhile; if it is lost, whoever waits rings again.
@app.task(  # type: ignore[untyped-decorator]  # celery has no types
    name="slipway.netbox_preview", acks_late=False, soft_time_limit=840, time_limit=900
)
def netbox_preview(import_id: int) -> None:
    """Read NetBox for the preview of this import."""
    asks.run_preview(import_id)


@app.task(  # type: ignore[untyped-decorator]  # celery has no types
    name="slipway.netbox_apply", acks_late=False, soft_time_limit=240, time_limit=300
)
def netbox_apply(import_id: int) -> None:
    """Write the preview of this import that was agreed to."""
    asks.run_apply(import_id)


# A domain of 160 blades answers its 16 questions in some seconds each, when it is busy.
@app.task(  # type: ignore[untyped-decorator]  # celery has no types
    name="slipway.collect_ucs", acks_late=False, soft_time_limit=600, time_limit=660
)
def collect_ucs(domain_id: int = 0, rack_id: int = 0) -> None:
    """Collect one UCS domain, or one standalone server. What is gone by now is passed over."""
    now = clock.now()
    domain = UcsDomain.objects.select_related("credential").filter(pk=domain_id).first()
    rack = RackServer.objects.select_related("credential", "router").filter(pk=rack_id).first()
    found = [] if domain is None else [(collected := ucs.collect(domain, now=now)).failed, *collected.unlinked]
    found += [] if rack is None else [ucs.collect_rack(rack, now=now)]
    for reason in found:
        if reason is not None:
            log.warning("%s", reason)


@app.task(name="slipway.collect_ucs_all")  # type: ignore[untyped-decorator]  # celery has no types
def collect_ucs_all() -> None:
    """Ring for every UCS domain and standalone server: a message each, so that one that is away holds up no other."""
    for pk in UcsDomain.objects.order_by("pk").values_list("pk", flat=True):
        collect_ucs.delay(domain_id=pk)
    for pk in RackServer.objects.order_by("pk").values_list("pk", flat=True):
        collect_ucs.delay(rack_id=pk)


@app.task(name="slipway.look_at_queues")  # type: ignore[untyped-decorator]  # celery has no types
def look_at_queues(look_id: int) -> None:
    """Look twice at the queues of a device, some seconds apart."""
    queue_looks.carry_out(look_id)
