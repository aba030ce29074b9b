"""What an import from NetBox would do, before it does it: creates, updates, stale; what is left out and why. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from fleet.core.model import Json, Reason, to_json
from inventory.importers.netbox.compare_devices import Devices
from inventory.importers.netbox.compare_links import Links
from inventory.importers.netbox.compare_sites import Sites
from inventory.importers.netbox.stored import Stored
from inventory.importers.netbox.values import Defaults, Filters, Snapshot
from inventory.importers.preview import Change, FieldChange
from inventory.importers.rows import RowKind
from inventory.models import digest_of


@dataclass(frozen=True)
class Preview:
    """The answer of `preview_of`; `digest` is what a person agrees to.

    `stale`: rows that NetBox no longer has in this selection; they stay, marked. `wrong`: rows of NetBox that are left
    out. `kept`: where a custom field says otherwise than Slipway, which goes on as it is.
    """

    snapshot: Snapshot
    filters: Filters
    defaults: Defaults
    creates: tuple[Change, ...] = ()
    updates: tuple[Change, ...] = ()
    stale: tuple[Change, ...] = ()
    unchanged: int = 0
    wrong: tuple[Reason, ...] = ()
    kept: tuple[Reason, ...] = ()
    cables_elsewhere: int = 0

    @property
    def changes(self) -> int:
        """How many rows would be written."""
        return len(self.creates) + len(self.updates) + len(self.stale)

    @property
    def digest(self) -> str:
        """SHA-256 over everything: what was read and what would be done with it."""
        return digest_of(self.as_json())

    def as_json(self) -> Json:
        value = to_json(self)
        value["changes"] = self.changes
        return value

    @classmethod
    def from_json(cls, value: Json) -> "Preview":
        """The preview that `as_json` wrote."""
        rest: dict[str, Json] = {key: value[key] for key in ("unchanged", "cables_elsewhere")}
        return cls(
            snapshot=Snapshot.from_json(value["snapshot"]),
            filters=Filters.from_json(value["filters"]),
            defaults=Defaults(**value["defaults"]),
            creates=_changes(value["creates"]),
            updates=_changes(value["updates"]),
            stale=_changes(value["stale"]),
            wrong=tuple(Reason(**reason) for reason in value["wrong"]),
            kept=tuple(Reason(**reason) for reason in value["kept"]),
            **rest,
        )


def _changes(rows: list[Mapping[str, Json]]) -> tuple[Change, ...]:
    return tuple(
        Change(RowKind(row["kind"]), row["name"], tuple(FieldChange(**f) for f in row["fields"]), row["row_id"])
        for row in rows
    )


def compare(snapshot: Snapshot, stored: Stored, filters: Filters, defaults: Defaults) -> Preview:
    """What makes the inventory say what NetBox says. The same snapshot against its own result: no changes."""
    sites = Sites(snapshot, stored, filters)
    devices = Devices(snapshot, stored, filters, defaults, sites)
    links = Links(snapshot, stored, defaults, devices)
    parts = (sites.outcome(devices.sites_in_use()), devices.outcome(), links.outcome())
    return Preview(
        snapshot=snapshot,
        filters=filters,
        defaults=defaults,
        creates=tuple(change for part in parts for change in part.creates),
        updates=tuple(change for part in parts for change in part.updates),
        stale=tuple(change for part in parts for change in part.stale),
        unchanged=sum(part.unchanged for part in parts),
        wrong=(*snapshot.wrong, *(reason for part in parts for reason in part.wrong)),
        kept=tuple(reason for part in parts for reason in part.kept),
        cables_elsewhere=len(snapshot.cables_elsewhere) + len(links.leading_out),
    )
