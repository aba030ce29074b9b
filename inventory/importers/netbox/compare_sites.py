"""Sites of NetBox beside those of the inventory: known by NetBox id, else by name. Pure."""

from collections.abc import Set

from fleet.core.model import Reason
from inventory.importers.netbox.outcome import GONE, REMEDY, Claim, Outcome, clashes
from inventory.importers.netbox.stored import Stored, StoredSite
from inventory.importers.netbox.values import Filters, SiteRow, Snapshot
from inventory.importers.rows import RowKind


class Sites:
    """Which site of NetBox is which of the inventory. `good`: NetBox id -> row that can be taken."""

    def __init__(self, snapshot: Snapshot, stored: Stored, filters: Filters) -> None:
        self._snapshot, self._stored, self._filters = snapshot, stored, filters
        self._wrong: list[Reason] = []
        self.good = {row.id: row for row in snapshot.sites}
        by_id = {site.netbox_id: site for site in stored.sites if site.netbox_id is not None}
        by_name = {site.name: site for site in stored.sites}
        self.match: dict[int, StoredSite] = {}
        for row in snapshot.sites:
            found = by_id.get(row.id) or by_name.get(row.name)
            # By name only what no other site of NetBox is: the same place, entered again or never imported.
            if found is not None and (found.netbox_id in {None, row.id} or self._gone(found)):
                self.match[row.id] = found
        self._settle()

    def _gone(self, site: StoredSite) -> bool:
        """Told only where every site was read: elsewhere it may have another name now."""
        return not self._filters.sites and site.netbox_id not in self._snapshot.present_sites

    def _settle(self) -> None:
        """Leave out what wants a taken name, until nothing does: who is left out keeps its old name."""
        while True:
            moving = {self.match[pk].pk for pk in self.good if pk in self.match}
            held = {s.name: f"the site {s.name} of Slipway" for s in self._stored.sites if s.pk not in moving}
            claims = [Claim(row.id, f"{row.url} slug", row.name) for row in self.good.values()]
            found = clashes(claims, held, lambda c, who: Reason(c.url, f"{c.value}, as {who}", "a free name", REMEDY))
            if not found:
                return
            for pk, reason in found.items():
                self._wrong.append(reason)
                del self.good[pk]

    def name_of(self, netbox_id: int) -> str:
        return self.good[netbox_id].name

    def pk_of(self, netbox_id: int) -> int | None:
        """The row of the inventory; None: it would be new."""
        found = self.match.get(netbox_id)
        return found.pk if found else None

    def outcome(self, in_use: Set[int]) -> Outcome:
        """`in_use`: NetBox ids of sites with devices in this selection; other new sites are not taken."""
        found = Outcome(wrong=list(self._wrong))
        domains = set(self._stored.failure_domains)
        for row in self.good.values():
            before = self.match.get(row.id)
            if before is not None:
                self._update(found, row, before, adopt=row.id in in_use)
            elif row.id in in_use:
                domain = row.failure_domain or row.name
                if domain not in domains:
                    domains.add(domain)
                    found.create(RowKind.FAILURE_DOMAIN, domain, {})
                zone = row.time_zone or "UTC"
                after = {"name": row.name, "failure_domain": domain, "time_zone": zone, "netbox_id": row.id}
                found.create(RowKind.SITE, row.name, after)
        self._stale(found)
        return found

    def _update(self, found: Outcome, row: SiteRow, before: StoredSite, *, adopt: bool) -> None:
        if before.netbox_id is None and not adopt:
            return
        after = {"name": row.name, "time_zone": row.time_zone or before.time_zone, "netbox_id": row.id}
        was = {"name": before.name, "time_zone": before.time_zone, "netbox_id": before.netbox_id}
        stale = {"stale_since": before.stale_since}
        found.compare(RowKind.SITE, row.name, before.pk, before={**was, **stale}, after={**after, "stale_since": None})

    def _stale(self, found: Outcome) -> None:
        matched = {site.pk for site in self.match.values()}
        for site in self._stored.sites:
            asked = not self._filters.sites or site.name in self._filters.sites
            missing = site.netbox_id is not None and site.netbox_id not in self._snapshot.present_sites
            if missing and asked and site.pk not in matched and site.stale_since is None:
                found.lost(RowKind.SITE, site.name, site.pk, GONE)
