"""Sections whose entries are rows of one table: what they want, what the database has, how they are written."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db.models import F, Model

from fleet.core.model import Json
from inventory import models
from inventory.importers.document import Document, Entry
from inventory.importers.row_kind import ID, Fields, RowKind

if TYPE_CHECKING:
    from inventory.importers.preview import Change

_BATCH = 1_000
# Above every real port, so that two rows can trade addresses within one transaction.
_PARKING_PORT = 100_000


@dataclass(frozen=True)
class Plain:
    """One such section. `key`: what tells its entries apart. `columns`: all keys of an entry."""

    kind: RowKind
    section: str
    model: type[Model]
    key: tuple[str, ...]
    columns: tuple[str, ...]
    refers: Mapping[str, str] = field(default_factory=dict)  # key of an entry -> section whose names it takes
    once: tuple[str, ...] = ()  # keys that together belong to one entry; entries without one of them are not meant
    park: str = ""  # the column that updated rows give up until all are written: two may trade

    def name(self, values: Fields) -> str:
        return " ".join(str(values[key]) for key in self.key if values[key] is not None)

    def claim(self, values: Fields) -> tuple[Json, ...] | None:
        """What no other entry may have; None where this one claims nothing. A Redfish service may hold a chassis."""
        found = tuple(values.get(key) for key in self.once)
        return None if not found or None in found or values.get("kind") == "redfish" else found


_ADDRESS = ("address", "port")
PLAIN: Sequence[Plain] = (
    Plain(
        RowKind.CONSOLE, "consoles", models.Console, ("router", "kind"),
        ("router", "kind", "address", "port", "credential"),
        {"router": "routers", "credential": "credentials"}, _ADDRESS, "port",
    ),
    Plain(
        RowKind.BEACON, "beacons", models.Beacon, ("prefix",), ("prefix", "router", "test_address"),
        {"router": "routers"},
    ),
    Plain(RowKind.CARD, "cards", models.Card, ("serial",), ("serial", "router", "model"), {"router": "routers"}),
    Plain(
        RowKind.ARTIFACT, "artifacts", models.Artifact, ("kind", "name", "version"),
        ("kind", "name", "version", "sha256", "location", "brings"),
    ),
    Plain(
        RowKind.PROFILE, "profiles", models.Profile, ("name",), ("name", "kind", "parent", "weight", "settings"),
        {"parent": "profiles"},
    ),
    Plain(
        RowKind.ASSIGNMENT, "assignments", models.Assignment, ("profile", "level", "target"),
        ("profile", "level", "target"), {"profile": "profiles"},
    ),
    Plain(
        RowKind.UCS_DOMAIN, "ucs_domains", models.UcsDomain, ("name",),
        ("name", "site", "address", "port", "credential"), {"site": "sites", "credential": "credentials"},
        _ADDRESS, "port",
    ),
    Plain(
        RowKind.ADAPTER_POLICY, "adapter_policies", models.AdapterPolicy, ("domain", "dn"),
        ("domain", "dn", "name", "rx_queues", "rx_ring", "tx_queues", "tx_ring", "completion_queues", "interrupts",
         "rss"),
        {"domain": "ucs_domains"},
    ),
    Plain(
        RowKind.SERVICE_PROFILE, "service_profiles", models.ServiceProfile, ("domain", "dn"),
        ("domain", "dn", "name", "template", "adapter_policy", "maintenance_policy", "router"),
        {"domain": "ucs_domains", "router": "routers"}, ("router",), "router",
    ),
)  # fmt: skip
BY_KIND: Mapping[RowKind, Plain] = {spec.kind: spec for spec in PLAIN}

_NAMED: Mapping[str, type[Model]] = {
    "router": models.Router, "credential": models.Credential, "site": models.Site, "profile": models.Profile,
    "parent": models.Profile, "domain": models.UcsDomain,
}  # fmt: skip
_BY_DN: Mapping[str, type[Model]] = {"adapter_policy": models.AdapterPolicy, "template": models.ServiceProfile}
_WITHIN = ("parent", "template")  # refer to rows of their own table: written when all of those are there


def wanted(document: Document) -> dict[RowKind, Mapping[str, Fields]]:
    """The rows that the entries ask for."""
    return {
        spec.kind: {
            spec.name(entry.values): {column: entry.values[column] for column in spec.columns}
            for entry in document.entries(spec.section)
        }
        for spec in PLAIN
    }


def stored(sections: Collection[str]) -> dict[RowKind, Mapping[str, Fields]]:
    """The rows of the database; of the other sections none. One query a section."""
    return {spec.kind: dict(_stored(spec)) if spec.section in sections else {} for spec in PLAIN}


def _stored(spec: Plain) -> Iterator[tuple[str, Fields]]:
    if spec.kind is RowKind.ASSIGNMENT:
        yield from _stored_assignments(spec)
        return
    lookups = [
        f"{column}__name" if column in _NAMED else f"{column}__dn" if column in _BY_DN else column
        for column in spec.columns
    ]
    for pk, *values in spec.model._default_manager.order_by("pk").values_list("pk", *lookups):
        fields = dict(zip(spec.columns, values, strict=True))
        yield spec.name(fields), {**fields, ID: pk}


def _stored_assignments(spec: Plain) -> Iterator[tuple[str, Fields]]:
    rows = models.Assignment.objects.order_by("pk").values_list(
        "pk", "profile__name", "level", "role", "site__name", "nic_model", "router__name"
    )
    for pk, profile, level, role, site, nic_model, router in rows:
        fields = {"profile": profile, "level": level, "target": role or site or nic_model or router or None}
        yield spec.name(fields), {**fields, ID: pk}


def entry_of(spec: Plain, fields: Fields) -> Entry:
    """A row of the database as an entry without a line."""
    values = {column: fields[column] for column in spec.columns}
    return Entry(spec.section, spec.name(values), 0, values, {})


def write(spec: Plain, creates: Sequence["Change"], updates: Sequence["Change"]) -> None:
    """Write the rows of one section; a number of queries that does not depend on how many there are."""
    ids = _Ids()
    have = spec.model._default_manager.in_bulk([change.row_id for change in updates])
    match spec.park:
        case "port":
            spec.model._default_manager.filter(pk__in=have).update(port=F("pk") + _PARKING_PORT)
        case "router":
            spec.model._default_manager.filter(pk__in=have).update(router=None)
    rows: list[Model] = []
    within: list[tuple[Model, str, Json, Json]] = []
    for change in (*updates, *creates):
        row = have[change.row_id] if change.row_id in have else spec.model()
        values: Fields = change.after()
        domain = change.name.partition(" ")[0]  # of what lies in a UCS domain: the first part of its name
        if isinstance(row, models.Assignment):
            values = _assignment(values)
        for column, value in values.items():
            if column in _WITHIN:
                within.append((row, column, domain, value))
            elif column in _NAMED or column in _BY_DN:
                setattr(row, f"{column}_id", ids.of(column, domain, value))
            else:
                setattr(row, column, value)
        rows.append(row)
    names = [f"{c}_id" if c in _NAMED or c in _BY_DN else c for c in spec.columns if c not in _WITHIN]
    if have:
        spec.model._default_manager.bulk_update(rows[: len(updates)], [n.removesuffix("_id") for n in names], _BATCH)
    spec.model._default_manager.bulk_create(rows[len(updates) :], batch_size=_BATCH)
    for row, column, domain, value in within:
        setattr(row, f"{column}_id", ids.of(column, domain, value))
    for column in {column for _, column, _, _ in within}:
        spec.model._default_manager.bulk_update([row for row, c, _, _ in within if c == column], [column], _BATCH)


def _assignment(values: Fields) -> Fields:
    level = models.Level(values["level"])
    made: dict[str, Json] = {"profile": values["profile"], "level": level.value}
    if level is not models.Level.FLEET:
        made["router" if level is models.Level.DEVICE else level.value] = values["target"]
    return made


class _Ids:
    """Primary keys by name, read once per table when first asked for."""

    def __init__(self) -> None:
        self._known: dict[str, dict[Json, int]] = {}

    def of(self, column: str, domain: Json, name: Json) -> int | None:
        if name is None:
            return None
        if column not in self._known:
            self._known[column] = self._read(column)
        return self._known[column][(domain, name) if column in _BY_DN else name]

    def _read(self, column: str) -> dict[Json, int]:
        if column in _NAMED:
            return dict(_NAMED[column]._default_manager.values_list("name", "pk"))
        rows = _BY_DN[column]._default_manager.values_list("domain__name", "dn", "pk")
        return {(domain, dn): pk for domain, dn, pk in rows}
