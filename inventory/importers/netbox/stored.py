"""What the inventory has, as plain rows that a NetBox is compared with: seven queries, whatever the size."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from inventory import models

SOURCE = "netbox"  # Router.source of what came from here
LinkEnds = frozenset[tuple[int | None, str]]  # (pk of the router, interface) or (None, name of the external)


@dataclass(frozen=True)
class StoredSite:
    pk: int
    name: str
    time_zone: str
    netbox_id: int | None
    stale_since: str | None


@dataclass(frozen=True)
class StoredRouter:
    pk: int
    name: str
    site: int
    kind: str
    role: str
    platform: str
    suite: str
    address: str
    port: int
    credential: str
    router_id: str | None
    tags: tuple[str, ...]
    source: str
    source_id: str
    stale_since: str | None

    @property
    def netbox_id(self) -> int | None:
        return int(self.source_id) if self.source == SOURCE and self.source_id.isdecimal() else None


@dataclass(frozen=True)
class StoredLink:
    pk: int
    kind: str
    capacity_mbps: int
    ends: LinkEnds
    netbox_id: int | None
    stale_since: str | None


@dataclass(frozen=True)
class Stored:
    """The inventory at one moment."""

    sites: tuple[StoredSite, ...] = ()
    routers: tuple[StoredRouter, ...] = ()
    links: tuple[StoredLink, ...] = ()
    externals: frozenset[str] = frozenset()
    credentials: frozenset[str] = frozenset()
    failure_domains: frozenset[str] = frozenset()
    site_names: Mapping[int, str] = field(default_factory=dict)


_ROUTER = (
    "pk", "name", "site_id", "kind", "role", "platform", "suite", "address", "port", "credential__name", "router_id",
    "tags", "source", "source_id", "stale_since",
)  # fmt: skip


def _router(row: Mapping[str, Any]) -> StoredRouter:
    own = {"site": row["site_id"], "credential": row["credential__name"]}
    rest = {key: value for key, value in row.items() if key not in {"site_id", "credential__name"}}
    more = {"tags": tuple(sorted(row["tags"])), "stale_since": _iso(row["stale_since"])}
    return StoredRouter(**{**rest, **own, **more})


def _iso(when: datetime | None) -> str | None:
    return when.isoformat() if when else None


def load() -> Stored:
    """Read it. Seven queries."""
    sites, links = _objects()
    site_rows = list(models.Site.objects.values_list("pk", "name", "time_zone"))
    return Stored(
        sites=tuple(StoredSite(pk, name, zone, *sites.get(pk, (None, None))) for pk, name, zone in site_rows),
        routers=tuple(_router(row) for row in models.Router.objects.values(*_ROUTER)),
        links=tuple(_links(links)),
        externals=frozenset(models.External.objects.values_list("name", flat=True)),
        credentials=frozenset(models.Credential.objects.values_list("name", flat=True)),
        failure_domains=frozenset(models.FailureDomain.objects.values_list("name", flat=True)),
        site_names={pk: name for pk, name, _ in site_rows},
    )


_Known = dict[int, tuple[int, str | None]]  # pk -> id in NetBox, stale since


def _objects() -> tuple[_Known, _Known]:
    sites: _Known = {}
    links: _Known = {}
    rows = models.NetboxObject.objects.values_list("netbox_id", "site_id", "link_id", "stale_since")
    for netbox_id, site, link, stale in rows:
        known = (netbox_id, _iso(stale))
        if site is not None:
            sites[site] = known
        elif link is not None:
            links[link] = known
    return sites, links


def _links(known: _Known) -> list[StoredLink]:
    ends: dict[int, list[tuple[int | None, str]]] = {}
    about: dict[int, tuple[str, int]] = {}
    rows = models.LinkEnd.objects.values_list(
        "link_id", "link__kind", "link__capacity_mbps", "router_id", "interface", "external__name"
    )
    for link, kind, mbps, router, interface, external in rows:
        ends.setdefault(link, []).append((router, interface) if router is not None else (None, external))
        about[link] = (kind, mbps)
    return [StoredLink(pk, *about[pk], frozenset(found), *known.get(pk, (None, None))) for pk, found in ends.items()]
