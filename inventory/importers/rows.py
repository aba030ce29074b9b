"""The inventory as plain rows: what a file wants, and what the database has. Compared by `preview`."""

from collections.abc import Collection, Iterable

from inventory import models
from inventory.importers import plain
from inventory.importers.document import Document, Entry
from inventory.importers.fields import SECTIONS
from inventory.importers.row_kind import ID, Fields, RowKind, Rows

__all__ = [
    "CREDENTIAL_FIELDS", "ID", "ROUTER_FIELDS", "SITE_FIELDS", "Fields", "RowKind", "Rows", "as_document", "end_name",
    "link_name", "promise_name", "stored", "wanted",
]  # fmt: skip


SITE_FIELDS = ("failure_domain", "time_zone")
CREDENTIAL_FIELDS = ("username", "reference", "become")
ROUTER_FIELDS = (
    "site", "kind", "role", "platform", "suite", "address", "port", "fallback_address", "credential", "router_id",
    "tags",
)  # fmt: skip


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
        **plain.wanted(document),
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


def stored(sections: Collection[str] = ()) -> Rows:
    """The rows of the database; of the sections that may be left out, those that are named.

    Eight queries and one for each such section, whatever the size of the fleet.
    """
    lookups = [f"{name}__name" if name in {"site", "credential"} else name for name in ROUTER_FIELDS]
    routers = models.Router.objects.values_list("name", *lookups)
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
        **plain.stored(sections),
    }


def as_document(have: Rows) -> Document:
    """The database as a document whose entries have no line: what a file that says only a part is added to."""

    def entries(section: str, values: Iterable[Fields]) -> tuple[Entry, ...]:
        return tuple(Entry(section, str(v.get("name", n)), 0, v, {}) for n, v in enumerate(values, 1))

    def named(kind: RowKind) -> list[Fields]:
        return [{"name": name, **{k: v for k, v in f.items() if k != ID}} for name, f in have[kind].items()]

    def end(text: str) -> tuple[str, str]:
        device, _, interface = text.partition(":")
        return device, interface

    keys = have[RowKind.HOST_KEY]
    routers = [{**f, "host_key": keys[f["name"]]["key"] if f["name"] in keys else None} for f in named(RowKind.ROUTER)]
    links = [
        {"a": end(f["ends"][0]), "b": end(f["ends"][1]), "kind": f["kind"], "capacity": f["capacity_mbps"]}
        for f in have[RowKind.LINK].values()
        if len(f["ends"]) == 2
    ]
    promises = [
        {"between": tuple((name, 0) for name in f["names"]), "floor": f["floor_mbps"]}
        for f in have[RowKind.KEEP_CONNECTED].values()
    ]
    made = {
        "failure_domains": entries("failure_domains", named(RowKind.FAILURE_DOMAIN)),
        "sites": entries("sites", named(RowKind.SITE)),
        "credentials": entries("credentials", named(RowKind.CREDENTIAL)),
        "routers": entries("routers", routers),
        "externals": entries("externals", named(RowKind.EXTERNAL)),
        "links": entries("links", links),
        "keep_connected": entries("keep_connected", promises),
    }
    for spec in plain.PLAIN:
        made[spec.section] = tuple(plain.entry_of(spec, fields) for fields in have[spec.kind].values())
    return Document({name: made[name] for name in SECTIONS}, partial=True)


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
