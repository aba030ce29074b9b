"""The tables of a NetBox: rows as its REST API gives them, and a fleet of any size."""

from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

# Devices per site of a made fleet. A pod is a ring: every device has two cables to its neighbours.
PER_SITE = 50
ZONES = ("Europe/London", "Europe/Zurich", "America/Chicago", "Asia/Tokyo")
ROLES = ("edge", "core", "route-reflector")
TAGS = ("canary", "ipv6", "rack-7")


@dataclass
class Tables:
    """Endpoint below /api/ -> id -> row. Rows are changed in place by tests; `host` is filled in when served."""

    rows: dict[str, dict[int, Row]] = field(
        default_factory=lambda: {
            name: {}
            for name in (
                "dcim/sites",
                "dcim/device-roles",
                "dcim/platforms",
                "dcim/devices",
                "dcim/interfaces",
                "dcim/cables",
                "dcim/inventory-items",
                "ipam/ip-addresses",
                "ipam/prefixes",
                "ipam/vrfs",
                "extras/tags",
            )
        }
    )
    last: dict[str, int] = field(default_factory=dict)  # the highest id there ever was: ids are not used again

    def add(self, endpoint: str, /, **values: Any) -> Row:
        """A row with the next id (or the given one)."""
        table = self.rows[endpoint]
        pk = values.pop("id", None) or self.last.get(endpoint, 0) + 1
        self.last[endpoint] = max(pk, self.last.get(endpoint, 0))
        row: Row = {"id": pk, "url": f"/api/{endpoint}/{pk}/", "display_url": f"/{endpoint}/{pk}/"}
        row |= {"display": str(values.get("name") or f"#{pk}"), "tags": [], "custom_fields": {}, **values}
        table[pk] = row
        return row

    def site(self, slug: str, **values: Any) -> Row:
        defaults = {"name": slug.title(), "slug": slug, "status": choice("active"), "time_zone": "UTC"}
        return self.add("dcim/sites", **{**defaults, **values})

    def named(self, endpoint: str, slug: str) -> Row:
        """The row of that slug; made when it is new (roles, platforms, tags)."""
        for row in self.rows[endpoint].values():
            if row["slug"] == slug:
                return row
        return self.add(endpoint, name=slug.title(), slug=slug)

    def device(self, name: str | None, site: Row, **values: Any) -> Row:
        """A device; `role`, `platform`, `tags` as slugs, `address` as "10.0.0.1/32" or None."""
        platform, address = values.pop("platform", "debian-12"), values.pop("address", None)
        row = self.add(
            "dcim/devices",
            **{
                "name": name,
                "site": brief(site),
                "role": brief(self.named("dcim/device-roles", values.pop("role", "edge"))),
                "platform": brief(self.named("dcim/platforms", platform)) if platform else None,
                "tags": [brief(self.named("extras/tags", tag)) for tag in values.pop("tags", ())],
                "status": choice(values.pop("status", "active")),
                "parent_device": None,
                "primary_ip": None,
                "config_context": {"ntp": ["192.0.2.123"]},
                **values,
            },
        )
        if address is not None:
            self.address(row, address)
        return row

    def address(self, device: Row, address: str) -> None:
        """Give the device this primary address."""
        ip = self.add("ipam/ip-addresses", address=address, status=choice("active"))
        short = {"id": ip["id"], "url": ip["url"], "display": address, "address": address, "description": ""}
        family = 6 if ":" in address else 4
        device["primary_ip"] = {**short, "family": {"value": family, "label": f"IPv{family}"}}

    def interface(self, device: Row, name: str, **values: Any) -> Row:
        """An interface; `type` as NetBox's value, `speed` in kbit/s or None."""
        kind = values.pop("type", "10gbase-x-sfpp")
        about = {"device": brief(device), "name": name, "type": choice(kind), "speed": None, "enabled": True}
        return self.add("dcim/interfaces", **{**about, "cable": None, **values})

    def cable(self, *ends: Row | list[Row], **values: Any) -> Row:
        """A cable between two interfaces (or lists of them: a breakout)."""
        sides = [end if isinstance(end, list) else [end] for end in ends]
        a, b = ([termination(interface) for interface in side] for side in sides)
        row = self.add(
            "dcim/cables",
            **{"a_terminations": a, "b_terminations": b, "status": choice("connected"), "label": "", **values},
        )
        for interface in (i for side in sides for i in side):
            interface["cable"] = {"id": row["id"], "url": row["url"], "display": row["display"]}
        return row

    def remove(self, endpoint: str, row: Row) -> None:
        del self.rows[endpoint][row["id"]]


def choice(value: str) -> Row:
    """A field with choices as NetBox 4 writes it."""
    return {"value": value, "label": value.capitalize()}


def brief(row: Row) -> Row:
    """A row inside another: NetBox's nested form."""
    return {key: row[key] for key in ("id", "url", "display", "name", "slug") if key in row}


def termination(interface: Row) -> Row:
    """An end of a cable as NetBox 4 writes it."""
    about = {**brief(interface), "device": interface["device"], "cable": None}
    return {"object_type": "dcim.interface", "object_id": interface["id"], "object": about}


def fleet(devices: int) -> Tables:
    """Devices in rings of 50 per site, each with an address, a role, a platform, tags, and a cable to the next."""
    tables = Tables()
    for tag in TAGS:
        tables.named("extras/tags", tag)
    for start in range(0, devices, PER_SITE):
        number = start // PER_SITE
        site = tables.site(f"pod-{number}", time_zone=ZONES[number % len(ZONES)])
        ring = [_device(tables, site, n) for n in range(start, min(start + PER_SITE, devices))]
        ports = [(tables.interface(d, "eth1"), tables.interface(d, "eth2")) for d in ring]
        for here, there in zip(ports, [*ports[1:], ports[0]], strict=True):
            if len(ring) > 2 or here is ports[0] is not there:
                tables.cable(here[1], there[0])
    return tables


def _device(tables: Tables, site: Row, n: int) -> Row:
    row = tables.add(
        "dcim/devices",
        name=f"r{n}",
        site=brief(site),
        role=brief(tables.named("dcim/device-roles", ROLES[n % len(ROLES)])),
        platform=brief(tables.named("dcim/platforms", "debian-12")),
        tags=[brief(tables.named("extras/tags", TAGS[n % len(TAGS)]))],
        status=choice("active"),
        parent_device=None,
        custom_fields={"slipway_router_id": f"10.255.{n // 250}.{n % 250 + 1}"},
        config_context={"ntp": ["192.0.2.123"]},
    )
    tables.address(row, f"10.{n // 62_500}.{n // 250 % 250}.{n % 250 + 1}/32")
    return row
