"""Devices of NetBox beside the inventory's: known by NetBox id, so that a rename is an update. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from fleet.core.model import Json, Reason
from inventory.importers.netbox.compare_sites import Sites
from inventory.importers.netbox.outcome import GONE, OUTSIDE, REMEDY, Claim, Outcome, clashes
from inventory.importers.netbox.stored import SOURCE, Stored, StoredRouter
from inventory.importers.netbox.values import Defaults, DeviceRow, Filters, Snapshot
from inventory.importers.rows import RowKind

_LEFT_OUT = "Correct what is named first, or leave the row out with --skip-wrong-rows."


def missing(stored: Stored, snapshot: Snapshot, filters: Filters) -> list[StoredRouter]:
    """Devices that came from NetBox, belong to this selection by what is known of them, and were not in its answer."""
    sites, roles = set(filters.sites), set(filters.roles) | snapshot.roles
    return [
        router
        for router in stored.routers
        if router.netbox_id is not None
        and router.netbox_id not in snapshot.present_devices
        and (not filters.sites or stored.site_names[router.site] in sites)
        and (not filters.roles or router.role in roles)
        and set(filters.tags) <= set(router.tags)
    ]


def namesakes(stored: Stored, snapshot: Snapshot) -> list[StoredRouter]:
    """Devices from NetBox that were not in its answer, while another id with their name was."""
    names = {row.name for row in snapshot.devices}
    return [r for r in stored.routers if r.name in names and r.netbox_id not in {None, *snapshot.present_devices}]


class Devices:
    """Which device of NetBox is which of the inventory. `good`: NetBox id -> row that can be taken."""

    def __init__(self, snapshot: Snapshot, stored: Stored, filters: Filters, defaults: Defaults, sites: Sites) -> None:
        self._snapshot, self._stored, self._filters = snapshot, stored, filters
        self._defaults, self._sites = defaults, sites
        self._wrong: list[Reason] = []
        self.match = self._matches()
        self.good = {row.id: row for row in snapshot.devices if self._complete(row)}
        self._settle()

    def _matches(self) -> dict[int, StoredRouter]:
        by_id = {r.netbox_id: r for r in self._stored.routers if r.netbox_id is not None}
        by_name = {r.name: r for r in self._stored.routers}
        replaced = {r.netbox_id for r in namesakes(self._stored, self._snapshot)} - self._snapshot.devices_outside
        found: dict[int, StoredRouter] = {}
        for row in self._snapshot.devices:
            same = by_id.get(row.id) or by_name.get(row.name)
            # By name: entered by hand or file before, or a device that NetBox has under a new id.
            if same is not None and (same.netbox_id == row.id or not same.source or same.netbox_id in replaced):
                found[row.id] = same
        return found

    def _complete(self, row: DeviceRow) -> bool:
        """Can it be written at all? What NetBox does not know is wanted of new ones only."""
        before = len(self._wrong)
        if row.site not in self._sites.good:
            self._say(row, "site", "a site that is left out or not there", "a site that is imported", _LEFT_OUT)
        if row.id not in self.match:
            credential = row.credential or self._defaults.credential
            if credential not in self._stored.credentials:
                wanted = "a credential of Slipway: " + (", ".join(sorted(self._stored.credentials)[:8]) or "make one")
                remedy = "Give one with --credential, or as custom field slipway_credential."
                self._say(row, "slipway_credential", credential or "nothing", wanted, remedy)
            if not (row.suite or self._defaults.suite):
                remedy = "Give one with --suite, or as custom field slipway_suite."
                self._say(row, "slipway_suite", "nothing", "frr, bird or none", remedy)
        return len(self._wrong) == before

    def _say(self, row: DeviceRow, field: str, found: str, wanted: str, remedy: str) -> None:
        self._wrong.append(Reason(f"{row.url} {field}", found, wanted, remedy))

    def _settle(self) -> None:
        """Leave out what wants a taken name or address, until nothing does: who is left out keeps what it has."""
        while True:
            moving = {self.match[pk].pk for pk in self.good if pk in self.match}
            rest = [router for router in self._stored.routers if router.pk not in moving]
            found = {**self._router_ids(), **self._addresses(rest), **self._names(rest)}
            if not found:
                return
            self._wrong += found.values()
            for pk in found:
                del self.good[pk]

    def _names(self, rest: Iterable[StoredRouter]) -> dict[int, Reason]:
        held: dict[Any, str] = {name: f"the external {name} of Slipway" for name in self._stored.externals}
        held |= {r.name: f"the device {r.name} of Slipway{_origin(r)}" for r in rest}
        claims = [Claim(row.id, f"{row.url} name", row.name) for row in self.good.values()]
        return clashes(claims, held, lambda c, who: Reason(c.url, f"{c.value}, as {who}", "each name once", REMEDY))

    def _addresses(self, rest: Iterable[StoredRouter]) -> dict[int, Reason]:
        held: dict[Any, str] = {(r.address, r.port): f"the device {r.name} of Slipway" for r in rest}
        claims = [Claim(row.id, f"{row.url} primary_ip", (row.address, self._port(row))) for row in self.good.values()]
        wanted = "each address with its port once"

        def say(claim: Claim, who: str) -> Reason:
            address, port = claim.value
            return Reason(claim.url, f"[{address}]:{port}, as {who}", wanted, REMEDY)

        return clashes(claims, held, say)

    def _router_ids(self) -> dict[int, Reason]:
        held: dict[Any, str] = {r.router_id: f"the device {r.name} of Slipway" for r in self._stored.routers}
        fresh = [row for row in self.good.values() if row.id not in self.match and row.router_id is not None]
        claims = [Claim(row.id, f"{row.url} slipway_router_id", row.router_id) for row in fresh]
        return clashes(
            claims, held, lambda c, who: Reason(c.url, f"{c.value}, as {who}", "each router id once", REMEDY)
        )

    def _port(self, row: DeviceRow) -> int:
        before = self.match.get(row.id)
        return before.port if before else row.port or self._defaults.port

    def sites_in_use(self) -> frozenset[int]:
        return frozenset(row.site for row in self.good.values())

    def name_and_pk(self) -> dict[int, tuple[str, int | None]]:
        """NetBox id -> name after the import and row of the inventory (None: new), of every device it will have."""
        known = {r.netbox_id: (r.name, r.pk) for r in self._stored.routers if r.netbox_id is not None}
        return {**known, **{pk: (row.name, self._pk(pk)) for pk, row in self.good.items()}}

    def _pk(self, netbox_id: int) -> int | None:
        found = self.match.get(netbox_id)
        return found.pk if found else None

    def read_whole(self) -> set[int]:
        """Rows of the inventory all of whose cables were read, or that NetBox no longer has."""
        lost = {r.pk for r in missing(self._stored, self._snapshot, self._filters) if not self._outside(r)}
        return lost | {self.match[pk].pk for pk in self.good if pk in self.match}

    def _outside(self, router: StoredRouter) -> bool:
        return router.netbox_id in self._snapshot.devices_outside

    def outcome(self) -> Outcome:
        found = Outcome(wrong=list(self._wrong))
        for row in self.good.values():
            before = self.match.get(row.id)
            if before is None:
                found.create(RowKind.ROUTER, row.name, {**self._known(row), **self._own(row)})
                continue
            # The same site under its new name is no change of the device.
            stays = self._sites.pk_of(row.site) == before.site
            site = self._sites.name_of(row.site) if stays else self._stored.site_names[before.site]
            after = {**self._known(row), "stale_since": None}
            found.compare(RowKind.ROUTER, row.name, before.pk, before=_was(before, site), after=after)
            found.keep(row.url, ((name, getattr(row, name), getattr(before, name)) for name in _OWN))
        matched = {router.pk for router in self.match.values()}
        for router in missing(self._stored, self._snapshot, self._filters):
            if router.pk not in matched and router.stale_since is None:
                why = OUTSIDE if self._outside(router) else GONE
                found.lost(RowKind.ROUTER, router.name, router.pk, why)
        return found

    def _known(self, row: DeviceRow) -> dict[str, Json]:
        """What NetBox says of it: every import brings it up to date."""
        return {
            "name": row.name,
            "site": self._sites.name_of(row.site),
            "role": row.role,
            "platform": row.platform,
            "address": row.address,
            "tags": list(row.tags),
            "source": SOURCE,
            "source_id": str(row.id),
        }

    def _own(self, row: DeviceRow) -> dict[str, Json]:
        """What Slipway alone knows from then on."""
        given = self._defaults
        return {
            "kind": row.kind or given.kind,
            "suite": row.suite or given.suite,
            "credential": row.credential or given.credential,
            "port": row.port or given.port,
            "router_id": row.router_id,
        }


_OWN = ("kind", "suite", "credential", "port", "router_id")


def _origin(router: StoredRouter) -> str:
    return f" (NetBox id {router.source_id}, which is not in this selection)" if router.source else ""


def _was(router: StoredRouter, site: str) -> Mapping[str, Json]:
    same = {
        f: getattr(router, f) for f in ("name", "role", "platform", "address", "source", "source_id", "stale_since")
    }
    return {**same, "site": site, "tags": list(router.tags)}
