"""Inventory from NetBox, read-only: preview it, then apply the preview. What is taken and what not: docs/netbox.md."""

import dataclasses
from datetime import datetime

from fleet.core.model import Reason
from inventory import models
from inventory.importers.apply import NotApplied
from inventory.importers.netbox import read, session, stored, write
from inventory.importers.netbox.client import Client, NotRead, Progress, check_url
from inventory.importers.netbox.compare_devices import missing, namesakes
from inventory.importers.netbox.preview import Preview, compare
from inventory.importers.netbox.values import Defaults, Filters, Source

__all__ = ["Defaults", "Filters", "NotApplied", "NotRead", "Preview", "Source", "apply", "check_url", "preview_of"]


def _quietly(what: str, read_so_far: int, of: int) -> None:
    """No progress."""


def preview_of(
    source: Source,
    filters: Filters,
    defaults: Defaults | None = None,
    *,
    progress: Progress = _quietly,
    another_netbox: bool = False,
    read_s: float = session.READ_S,
    page_s: float = session.PAGE_S,
) -> Preview:
    """What importing this selection would do. Reads NetBox and the database, writes nothing.

    Raises NotRead when NetBox was not read to its end, or is another one than before (`another_netbox`: let it be).
    """
    client = Client.open(source, progress=progress, read_s=read_s, page_s=page_s)
    if not another_netbox:
        _the_same_netbox(client.url)
    defaults = defaults or Defaults()
    snapshot = read.snapshot(client, filters, defaults)
    have = stored.load()
    # Before a device is called gone, or replaced by one of its name, NetBox is asked for it by its id.
    doubtful = {r.netbox_id for r in (*missing(have, snapshot, filters), *namesakes(have, snapshot))} - {None}
    outside = client.by_ids("devices", sorted(pk for pk in doubtful if pk is not None), fields="id")
    snapshot = dataclasses.replace(snapshot, devices_outside=frozenset(row["id"] for row in outside))
    return compare(snapshot, have, filters, defaults)


def apply(preview: Preview, *, now: datetime, skip_wrong_rows: bool = False) -> None:
    """Write a preview, all or nothing. Raises NotApplied when rows are wrong or the database moved on."""
    write.write(preview, now=now, skip_wrong_rows=skip_wrong_rows)


def _the_same_netbox(url: str) -> None:
    """Ids of one NetBox mean nothing in another: device 7 of a test copy would rename device 7."""
    applied = models.NetboxImport.objects.filter(applied_at__isnull=False).order_by("-applied_at")
    before = applied.values_list("url", flat=True).first()
    if before is not None and before != url:
        remedy = "If NetBox moved (the ids are the same), say --another-netbox."
        raise NotRead(Reason("NetBox URL", url, f"{before}, which the inventory came from", remedy))
