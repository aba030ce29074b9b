"""Writes a previewed import from NetBox in one transaction, in batches: the number of queries is that of batches."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat

from fleet.core.model import Json, Reason
from inventory import models
from inventory.importers.apply import NotApplied
from inventory.importers.netbox import stored
from inventory.importers.netbox.preview import Preview, compare
from inventory.importers.preview import Change
from inventory.importers.rows import RowKind

# Rows per statement; on SQLite Django makes it fewer (999 values).
_BATCH = 1_000
# Above every real port: two devices can trade addresses within one transaction. Names are parked as "~" and the id.
_PARKING_PORT = 100_000
_SITE_FIELDS = ("name", "time_zone", "failure_domain")
_ROUTER_FIELDS = (
    "name", "site", "kind", "role", "platform", "suite", "address", "port", "credential", "router_id", "tags",
    "source", "source_id", "stale_since",
)  # fmt: skip


def write(preview: Preview, *, now: datetime, skip_wrong_rows: bool = False) -> None:
    """Write what the preview says, all or nothing. Raises NotApplied: wrong rows, or the database moved on."""
    subject = f"import from {preview.snapshot.url}"
    if preview.wrong and not skip_wrong_rows:
        remedy = "Correct them in NetBox, or import the rest with --skip-wrong-rows."
        raise NotApplied(Reason(subject, f"{len(preview.wrong)} wrong row(s)", "none", remedy))
    with transaction.atomic():
        again = compare(preview.snapshot, stored.load(), preview.filters, preview.defaults)
        if again != preview:
            found, wanted = "a database that changed after the preview", "what was previewed"
            raise NotApplied(Reason(subject, found, wanted, "Look at a new preview, then apply that."))
        creates, updates, lost = (_by_kind(rows) for rows in (preview.creates, preview.updates, preview.stale))
        domains = [models.FailureDomain(name=change.name) for change in creates[RowKind.FAILURE_DOMAIN]]
        models.FailureDomain.objects.bulk_create(domains, batch_size=_BATCH)
        _sites(creates[RowKind.SITE], updates[RowKind.SITE])
        _routers(creates[RowKind.ROUTER], updates[RowKind.ROUTER], now)
        _links(creates[RowKind.LINK], updates[RowKind.LINK])
        _mark(lost, now)


def _by_kind(changes: Sequence[Change]) -> dict[RowKind, list[Change]]:
    return {kind: [change for change in changes if change.kind is kind] for kind in RowKind}


def _batches(keys: Sequence[int]) -> Iterator[list[int]]:
    """A statement takes so many values: 32,766 on SQLite."""
    for start in range(0, len(keys), _BATCH * 10):
        yield list(keys[start : start + _BATCH * 10])


def _sites(creates: Sequence[Change], updates: Sequence[Change]) -> None:
    domains = {domain.name: domain for domain in models.FailureDomain.objects.all()}
    rows = models.Site.objects.in_bulk([_pk(change) for change in updates])
    renamed = [_pk(change) for change in updates if "name" in change.after()]
    models.Site.objects.filter(pk__in=renamed).update(name=_parked())
    fresh = [models.Site() for _ in creates]
    for change, site in zip((*updates, *creates), (*(rows[_pk(c)] for c in updates), *fresh), strict=True):
        for name, value in change.after().items():
            if name in _SITE_FIELDS:
                setattr(site, name, domains[value] if name == "failure_domain" else value)
    models.Site.objects.bulk_update([rows[_pk(c)] for c in updates], ("name", "time_zone"), batch_size=_BATCH)
    models.Site.objects.bulk_create(fresh, batch_size=_BATCH)
    known = models.NetboxObject.objects.filter(site__in=[_pk(change) for change in updates])
    objects = {found.site_id: found for found in known}
    for change in updates:
        objects.setdefault(_pk(change), models.NetboxObject(site=rows[_pk(change)]))
    _objects([(objects[_pk(c)], c.after()) for c in updates])
    new = zip(fresh, creates, strict=True)
    _objects([(models.NetboxObject(site=site), change.after()) for site, change in new])


def _objects(rows: Sequence[tuple[models.NetboxObject, dict[str, Json]]]) -> None:
    """Bring up to date which row of NetBox each is; it is there, so it is not stale."""
    for found, after in rows:
        found.netbox_id = after.get("netbox_id", found.netbox_id)
        found.stale_since = None
    old = [found for found, _ in rows if found.pk is not None]
    models.NetboxObject.objects.bulk_update(old, ("netbox_id", "stale_since"), batch_size=_BATCH)
    models.NetboxObject.objects.bulk_create([found for found, _ in rows if found.pk is None], batch_size=_BATCH)


def _pk(change: Change) -> int:
    assert change.row_id is not None
    return change.row_id


def _parked() -> Concat:
    return Concat(Value("~"), Cast(F("pk"), CharField()))


def _routers(creates: Sequence[Change], updates: Sequence[Change], now: datetime) -> None:
    sites = {site.name: site for site in models.Site.objects.all()}
    credentials = {credential.name: credential for credential in models.Credential.objects.all()}
    rows: dict[int, models.Router] = {}
    for keys in _batches([_pk(change) for change in updates]):
        rows |= models.Router.objects.in_bulk(keys)
    written = sorted({name for change in updates for name in change.after()})
    for keys in _batches([_pk(change) for change in updates if "name" in change.after()]):
        models.Router.objects.filter(pk__in=keys).update(name=_parked())
    for keys in _batches([_pk(change) for change in updates if "address" in change.after()]):
        models.Router.objects.filter(pk__in=keys).update(port=F("pk") + _PARKING_PORT)
        written = sorted({*written, "port"})
    fresh = [models.Router(created_at=now) for _ in creates]
    for change, router in zip((*updates, *creates), (*(rows[_pk(c)] for c in updates), *fresh), strict=True):
        for name, value in change.after().items():
            match name:
                case "site":
                    router.site = sites[value]
                case "credential":
                    router.credential = credentials[value]
                case _:
                    assert name in _ROUTER_FIELDS
                    setattr(router, name, value)
    if written:  # no more than that: 5,000 renamed devices took 43 s with every field
        models.Router.objects.bulk_update(rows.values(), written, batch_size=_BATCH)
    models.Router.objects.bulk_create(fresh, batch_size=_BATCH)


def _links(creates: Sequence[Change], updates: Sequence[Change]) -> None:
    rows: dict[int, models.Link] = {}
    objects: dict[int | None, models.NetboxObject] = {}
    for keys in _batches([_pk(change) for change in updates]):
        rows |= models.Link.objects.in_bulk(keys)
        objects |= {found.link_id: found for found in models.NetboxObject.objects.filter(link__in=keys)}
    for change in updates:
        link = rows[_pk(change)]
        link.capacity_mbps = change.after().get("capacity_mbps", link.capacity_mbps)
        objects.setdefault(link.pk, models.NetboxObject(link=link))
    ends = [(rows[_pk(change)], change.after()["ends"]) for change in updates if "ends" in change.after()]
    # All ends that move are taken out first: two links may trade interfaces.
    for keys in _batches([link.pk for link, _ in ends]):
        models.LinkEnd.objects.filter(link__in=keys).delete()
    models.Link.objects.bulk_update(rows.values(), ("capacity_mbps",), batch_size=_BATCH)
    fresh = [models.Link(kind=c.after()["kind"], capacity_mbps=c.after()["capacity_mbps"]) for c in creates]
    models.Link.objects.bulk_create(fresh, batch_size=_BATCH)
    ends += [(link, change.after()["ends"]) for link, change in zip(fresh, creates, strict=True)]
    _link_ends(ends)
    _objects([(objects[_pk(change)], change.after()) for change in updates])
    new = zip(fresh, creates, strict=True)
    _objects([(models.NetboxObject(link=link), change.after()) for link, change in new])


def _link_ends(ends: Sequence[tuple[models.Link, list[str]]]) -> None:
    if not ends:
        return
    routers = dict(models.Router.objects.values_list("name", "pk"))
    rows = []
    for link, names in ends:
        for side, name in zip(models.Side, names, strict=True):
            device, _, interface = name.partition(":")
            rows.append(models.LinkEnd(link=link, side=side, router_id=routers[device], interface=interface))
    models.LinkEnd.objects.bulk_create(rows, batch_size=_BATCH)


def _mark(lost: dict[RowKind, list[Change]], now: datetime) -> None:
    """Nothing is deleted because it is missing."""
    for keys in _batches([_pk(change) for change in lost[RowKind.ROUTER]]):
        models.Router.objects.filter(pk__in=keys).update(stale_since=now)
    for keys in _batches([_pk(change) for change in lost[RowKind.SITE]]):
        models.NetboxObject.objects.filter(site__in=keys).update(stale_since=now)
    for keys in _batches([_pk(change) for change in lost[RowKind.LINK]]):
        models.NetboxObject.objects.filter(link__in=keys).update(stale_since=now)
