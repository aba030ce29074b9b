"""Reads what a preview needs from a NetBox: sites, devices, cables, and the interfaces at their ends."""

from typing import Any

from fleet.core.model import Reason
from inventory.importers.netbox import parse
from inventory.importers.netbox.client import Client, NotRead
from inventory.importers.netbox.values import Defaults, Filters, Snapshot

# Only what is used: without `fields` a NetBox renders the config context of every device, which takes most of the time.
_SITE = "id,display_url,name,slug,time_zone,custom_fields"
_DEVICE = "id,display_url,name,site,role,platform,primary_ip,tags,custom_fields,parent_device"
_CABLE = "id,display_url,a_terminations,b_terminations,custom_fields"
_INTERFACE = "id,type,speed"


def snapshot(client: Client, filters: Filters, defaults: Defaults) -> Snapshot:
    """Everything of this selection, read to its end. Raises NotRead; then nothing may be concluded."""
    version = client.version()
    by_site: dict[str, Any] = {"site": list(filters.sites)} if filters.sites else {}
    slugs: dict[str, Any] = {"slug": list(filters.sites)} if filters.sites else {}
    asked: dict[str, Any] = {**by_site, "status": list(filters.statuses)}
    if filters.roles:
        asked["role"] = list(filters.roles)
    if filters.tags:
        asked["tag"] = list(filters.tags)
    raw_sites = client.rows("sites", fields=_SITE, **slugs)
    raw_devices = client.rows("devices", fields=_DEVICE, **asked)
    _obeyed(client, raw_devices, filters)
    raw_cables = client.rows("cables", fields=_CABLE, status=["connected"], **by_site)
    devices = {row["id"] for row in raw_devices}
    cables = [cable for cable in raw_cables if devices & parse.devices_of(cable)]
    ids = sorted({pk for cable in cables for pk in parse.interfaces_of(cable)})
    speeds = {row["id"]: parse.mbps(row) for row in client.by_ids("interfaces", ids, fields=_INTERFACE)}
    found = parse.Parsed(client.url, defaults)
    found.take_sites(raw_sites)
    found.take_devices(raw_devices)
    found.take_cables(cables, speeds)
    return Snapshot(
        url=client.url,
        version=version,
        sites=tuple(found.sites),
        devices=tuple(found.devices),
        cables=tuple(found.cables),
        wrong=tuple(found.wrong),
        present_sites=frozenset(row["id"] for row in raw_sites),
        present_devices=frozenset(devices),
        present_cables=frozenset(row["id"] for row in raw_cables),
        roles=frozenset(row.role for row in found.devices),
        cables_elsewhere=frozenset(found.elsewhere),
    )


def _obeyed(client: Client, devices: list[dict[str, Any]], filters: Filters) -> None:
    """NetBox ignores filters that it does not know: what came must be what was asked for."""
    for row in devices:
        where = parse.address_of(client.url, "dcim/devices", row)
        site = parse.dig(row, "site", "slug")
        tags = {parse.dig(tag, "slug") for tag in parse.listed(row, "tags")}
        if filters.sites and site not in filters.sites:
            found, wanted = f"site {site!r}", f"only devices of {', '.join(filters.sites)}"
        elif not set(filters.tags) <= tags:
            found, wanted = "a device without the tags", f"only devices with {', '.join(filters.tags)}"
        else:
            continue
        remedy = "This NetBox ignores the filter: what is missing from its list cannot be told."
        raise NotRead(Reason(where, found[:200], wanted, remedy))
