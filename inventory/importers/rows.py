"""The inventory as plain rows: what a file wants, and what the database has. Compared by `preview`."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from fleet.core.model import Json
from inventory import models
from inventory.importers.document import Document, Entry


class RowKind(StrEnum):
    """Kinds of rows, in the order in which they can be written."""

    FAILURE_DOMAIN = "failure domain"
    SITE = "site"
    CREDENTIAL = "credential"
    ROUTER = "router"
    HOST_KEY = "host key"
    EXTERNAL = "external"
    LINK = "link"
    KEEP_CONNECTED = "keep connected"


ID = "id"  # key of rows that have no name of their own; never compared
Fields = Mapping[str, Json]
Rows = Mapping[RowKind, Mapping[str, Fields]]  # kind -> name -> fields

SITE_FIELDS = ("failure_domain", "time_zone")
CREDENTIAL_FIELDS = ("username", "reference", "become")
ROUTER_FIELDS = ("site", "role", "platform", "suite", "address", "port", "credential", "router_id")


def end_name(device: str, interface: str) -> str:
    """An end of a link as people write it: ROUTER:INTERFACE or the name of an external."""
    return f"{device}:{interface}" if interface else device


def link_name(ends: tuple[str, str]) -> str:
    """The same for both directions."""
    return " -- ".join(sorted(ends))


def wanted(document: Document) -> Rows:
    """The rows that a document without problems asks for."""
    routers = document.names("routers")
    return {
        RowKind.FAILURE_DOMAIN: {name: {} for name in document.names("failure_domains")},
        RowKind.SITE: {n: _pick(e, SITE_FIELDS) for n, e in document.names("sites").items()},
        RowKind.CREDENTIAL: {n: _pick(e, CREDENTIAL_FIELDS) for n, e in document.names("credentials").items()},
        RowKind.ROUTER: {n: _pick(e, ROUTER_FIELDS) for n, e in routers.items()},
        RowKind.HOST_KEY: {n: {"key": e.values["host_key"]} for n, e in routers.items() if e.values["host_key"]},
        RowKind.EXTERNAL: {name: {} for name in document.names("externals")},
        RowKind.LINK: dict(_wanted_link(entry) for entry in document.entries("links")),
        RowKind.KEEP_CONNECTED: {
            promise_name(name for name, _ in e.values["between"]): {
                "names": sorted(name for name, _ in e.values["between"]),
                "floor_mbps": e.values["floor"],
            }
            for e in document.entries("keep_connected")
        },
    }


def promise_name(names: Iterable[str]) -> str:
    """The name of a keep-connected set: its sorted members."""
    return ", ".join(sorted(names))


def _pick(entry: Entry, names: tuple[str, ...]) -> Fields:
    return {name: entry.values[name] for name in names}


def _wanted_link(entry: Entry) -> tuple[str, Fields]:
    ends = (end_name(*entry.values["a"]), end_name(*entry.values["b"]))
    fields = {"ends": sorted(ends), "kind": entry.values["kind"], "capacity_mbps": entry.values["capacity"]}
    return link_name(ends), fields


def stored() -> Rows:
    """The rows of the database. Eight queries, whatever the size of the fleet."""
    routers = models.Router.objects.values_list(
        "name", "site__name", "role", "platform", "suite", "address", "port", "credential__name", "router_id"
    )
    keys = models.HostKey.objects.filter(retired_at__isnull=True).values_list("router__name", "algorithm", "key")
    credentials = models.Credential.objects.values_list("name", *CREDENTIAL_FIELDS)
    return {
        RowKind.FAILURE_DOMAIN: {n: {} for n in models.FailureDomain.objects.values_list("name", flat=True)},
        RowKind.SITE: {
            name: {"failure_domain": domain, "time_zone": zone}
            for name, domain, zone in models.Site.objects.values_list("name", "failure_domain__name", "time_zone")
        },
        RowKind.CREDENTIAL: {name: dict(zip(CREDENTIAL_FIELDS, rest, strict=True)) for name, *rest in credentials},
        RowKind.ROUTER: {name: dict(zip(ROUTER_FIELDS, rest, strict=True)) for name, *rest in routers},
        RowKind.HOST_KEY: {name: {"key": f"{algorithm} {key}"} for name, algorithm, key in keys},
        RowKind.EXTERNAL: {n: {} for n in models.External.objects.values_list("name", flat=True)},
        RowKind.LINK: _stored_links(),
        RowKind.KEEP_CONNECTED: {
            promise_name(names): {"names": sorted(names), "floor_mbps": floor, ID: pk}
            for pk, names, floor in models.KeepConnected.objects.values_list("pk", "names", "floor_mbps")
        },
    }


def _stored_links() -> dict[str, Fields]:
    """Both ends by name; an interface lets two halves be told apart, so a link with one end is kept too."""
    ends: dict[int, list[str]] = {}
    about: dict[int, tuple[str, int]] = {}
    rows = models.LinkEnd.objects.values_list(
        "link_id", "link__kind", "link__capacity_mbps", "router__name", "interface", "external__name"
    )
    for link, kind, mbps, router, interface, external in rows:
        ends.setdefault(link, []).append(end_name(router, interface) if router is not None else external)
        about[link] = (kind, mbps)
    return {
        " -- ".join(sorted(names)): {
            "ends": sorted(names),
            "kind": about[link][0],
            "capacity_mbps": about[link][1],
            ID: link,
        }
        for link, names in ends.items()
    }
