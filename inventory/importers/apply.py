"""Writes a previewed import in one transaction; a constant number of queries per kind of row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.db.models import F, Model

from fleet.core.model import Reason
from inventory import models
from inventory.importers import plain
from inventory.importers import preview as previews
from inventory.importers.preview import Change, Preview
from inventory.importers.rows import CREDENTIAL_FIELDS, ROUTER_FIELDS, SITE_FIELDS, RowKind

# Rows per statement; on SQLite Django makes it fewer (999 values).
_BATCH = 1_000
# Above every real port, so that two routers can trade addresses within one transaction.
_PARKING_PORT = 100_000


class NotApplied(Exception):
    """The preview may not be applied; nothing was written."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


def write(preview: Preview, *, now: datetime) -> None:
    """Write what the preview says, all or nothing. Raises NotApplied when it has errors or the database moved on."""
    if preview.errors:
        count = f"{len(preview.errors)} error(s)"
        raise NotApplied(Reason("inventory import", count, "a file without errors", "Correct the file."))
    with transaction.atomic():
        again = previews.of_document(preview.document, accept_new_host_keys=preview.accept_new_host_keys)
        if replace(again, skipped=preview.skipped) != preview:
            found, wanted = "a database that changed after the preview", "what was previewed"
            raise NotApplied(Reason("inventory import", found, wanted, "Look at a new preview, then apply that."))
        for kind in RowKind:
            creates = [change for change in preview.creates if change.kind is kind]
            updates = [change for change in preview.updates if change.kind is kind]
            _write_kind(kind, creates, updates, now)


def _write_kind(kind: RowKind, creates: Sequence[Change], updates: Sequence[Change], now: datetime) -> None:
    if not creates and not updates:
        return
    match kind:
        case RowKind.FAILURE_DOMAIN:
            models.FailureDomain.objects.bulk_create(models.FailureDomain(name=change.name) for change in creates)
        case RowKind.EXTERNAL:
            models.External.objects.bulk_create(models.External(name=change.name) for change in creates)
        case RowKind.SITE:
            _sites(creates, updates)
        case RowKind.CREDENTIAL:
            _credentials(creates, updates)
        case RowKind.ROUTER:
            _routers(creates, updates, now)
        case RowKind.HOST_KEY:
            _host_keys(creates, updates, now)
        case RowKind.LINK:
            _links(creates, updates)
        case RowKind.KEEP_CONNECTED:
            _promises(creates, updates)
        case _:
            plain.write(plain.BY_KIND[kind], creates, updates)


def _sites(creates: Sequence[Change], updates: Sequence[Change]) -> None:
    domains = {domain.name: domain for domain in models.FailureDomain.objects.all()}
    rows = models.Site.objects.in_bulk([change.name for change in updates], field_name="name")
    for change in (*updates, *creates):
        row = rows.setdefault(change.name, models.Site(name=change.name))
        for field, value in change.after().items():
            setattr(row, field, domains[value] if field == "failure_domain" else value)
    models.Site.objects.bulk_update([rows[change.name] for change in updates], SITE_FIELDS, batch_size=_BATCH)
    models.Site.objects.bulk_create([rows[change.name] for change in creates], batch_size=_BATCH)


def _credentials(creates: Sequence[Change], updates: Sequence[Change]) -> None:
    rows = models.Credential.objects.in_bulk([change.name for change in updates], field_name="name")
    for change in updates:
        for field, value in change.after().items():
            setattr(rows[change.name], field, value)
    models.Credential.objects.bulk_update(rows.values(), CREDENTIAL_FIELDS, batch_size=_BATCH)
    models.Credential.objects.bulk_create(models.Credential(name=c.name, **c.after()) for c in creates)


def _routers(creates: Sequence[Change], updates: Sequence[Change], now: datetime) -> None:
    sites = {site.name: site for site in models.Site.objects.all()}
    credentials = {credential.name: credential for credential in models.Credential.objects.all()}
    named: dict[str, Mapping[str, Model]] = {"site": sites, "credential": credentials}
    moving = [c.name for c in updates if {"address", "port", "router_id"} & c.after().keys()]
    rows = models.Router.objects.in_bulk([change.name for change in updates], field_name="name")
    models.Router.objects.filter(name__in=moving).update(port=F("pk") + _PARKING_PORT, router_id=None)
    for change in (*updates, *creates):
        row = rows.setdefault(change.name, models.Router(name=change.name, created_at=now))
        for field, value in change.after().items():
            setattr(row, field, named[field][value] if field in named else value)
    models.Router.objects.bulk_update([rows[c.name] for c in updates], ROUTER_FIELDS, batch_size=_BATCH)
    models.Router.objects.bulk_create([rows[c.name] for c in creates], batch_size=_BATCH)


def _host_keys(creates: Sequence[Change], updates: Sequence[Change], now: datetime) -> None:
    changes = (*creates, *updates)
    routers = models.Router.objects.in_bulk([change.name for change in changes], field_name="name")
    models.HostKey.objects.filter(router__name__in=[c.name for c in updates], retired_at__isnull=True).update(
        retired_at=now
    )
    rows = []
    for change in changes:
        algorithm, key = change.after()["key"].split()
        rows.append(models.HostKey(router=routers[change.name], algorithm=algorithm, key=key, added_at=now))
    models.HostKey.objects.bulk_create(rows, batch_size=_BATCH)


def _links(creates: Sequence[Change], updates: Sequence[Change]) -> None:
    rows = models.Link.objects.in_bulk([change.row_id for change in updates])
    ends: list[tuple[models.Link, list[str]]] = []
    for change in updates:
        assert change.row_id is not None
        row, after = rows[change.row_id], change.after()
        row.kind = after.get("kind", row.kind)
        row.capacity_mbps = after.get("capacity_mbps", row.capacity_mbps)
        if "ends" in after:
            ends.append((row, after["ends"]))
    # All ends that move are taken out first: two links may trade interfaces.
    models.LinkEnd.objects.filter(link__in=[row for row, _ in ends]).delete()
    models.Link.objects.bulk_update(rows.values(), ("kind", "capacity_mbps"), batch_size=_BATCH)
    fresh = [models.Link(kind=c.after()["kind"], capacity_mbps=c.after()["capacity_mbps"]) for c in creates]
    models.Link.objects.bulk_create(fresh, batch_size=_BATCH)
    ends += [(row, change.after()["ends"]) for row, change in zip(fresh, creates, strict=True)]
    _link_ends(ends)


def _link_ends(ends: Sequence[tuple[models.Link, list[str]]]) -> None:
    routers = dict(models.Router.objects.values_list("name", "pk"))
    externals = dict(models.External.objects.values_list("name", "pk"))
    rows = []
    for link, names in ends:
        for side, name in zip(models.Side, names, strict=True):
            device, _, interface = name.partition(":")
            rows.append(
                models.LinkEnd(link=link, side=side, router_id=routers[device], interface=interface)
                if interface
                else models.LinkEnd(link=link, side=side, external_id=externals[device])
            )
    models.LinkEnd.objects.bulk_create(rows, batch_size=_BATCH)


def _promises(creates: Sequence[Change], updates: Sequence[Change]) -> None:
    rows = models.KeepConnected.objects.in_bulk([change.row_id for change in updates])
    for change in updates:
        assert change.row_id is not None
        rows[change.row_id].floor_mbps = change.after()["floor_mbps"]
    models.KeepConnected.objects.bulk_update(rows.values(), ("floor_mbps",))
    models.KeepConnected.objects.bulk_create(models.KeepConnected(**change.after()) for change in creates)
