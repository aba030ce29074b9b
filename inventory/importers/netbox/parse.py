"""Rows of NetBox as values, or what is wrong with them, each named with NetBox's own address. Pure; never raises."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fleet.core.model import Json, Reason
from inventory.importers import kinds
from inventory.importers.kinds import Kind, Wrong
from inventory.importers.netbox.values import CableEnd, CableRow, Defaults, DeviceRow, SiteRow
from inventory.importers.problems import shown
from inventory.importers.yaml_tree import Tree
from inventory.models import DeviceKind, Suite

_INTERFACE = "dcim.interface"
# First word of a platform's slug -> what Slipway calls it. Anything else is named, or given with --platform.
PLATFORMS: Mapping[str, str] = {
    **dict.fromkeys(("linux", "debian", "ubuntu", "rhel", "centos", "rocky", "almalinux", "fedora"), "linux"),
    **dict.fromkeys(("alpine", "suse", "opensuse", "arch", "gentoo", "frr", "bird"), "linux"),
    "vyos": "vyos",
}
# 1000base-t, 2.5gbase-t, 100gbase-x-qsfp28, 1.6tbase-cr8: the number is Mb/s, or with g and t Gb/s and Tb/s.
_TYPE = re.compile(r"(\d{1,4}(?:\.\d)?)([gt]?)base-.*")
_UNIT = {"": 1, "g": 1_000, "t": 1_000_000}
_MOST_MBPS = 100_000_000
_REMEDY = "Correct it in NetBox, or leave the row out with --skip-wrong-rows."

SUITE = kinds.choice(*Suite.values)
KIND = kinds.choice(*DeviceKind.values)


def dig(value: Json, *path: str) -> Json:
    """The value at the end of a path of keys, None where it breaks off."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def listed(row: Json, key: str) -> list[Json]:
    value = dig(row, key)
    return value if isinstance(value, list) else []


def address_of(base: str, endpoint: str, row: Json) -> str:
    """Where a person finds the row: what NetBox says, if it lies below its address, else made from the id."""
    said = dig(row, "display_url")
    if isinstance(said, str) and said.startswith(f"{base}/") and len(said) < 300 and said.isprintable():
        return said
    return f"{base}/{endpoint}/{dig(row, 'id')}/"


def custom(row: Json, name: str) -> Json:
    """A custom field; a selection is its value. Empty is None."""
    value = dig(row, "custom_fields", f"slipway_{name}")
    value = value.get("value") if isinstance(value, dict) else value
    return None if value in ("", [], {}) else value


def mbps(interface: Json) -> int | None:
    """What an interface carries: its speed (kbit/s) where NetBox has one, else by its type. None: unknown."""
    speed, kind = dig(interface, "speed"), dig(interface, "type", "value")
    if type(speed) is int and 1_000 <= speed <= _MOST_MBPS * 1_000:
        return speed // 1_000
    match = _TYPE.fullmatch(kind) if isinstance(kind, str) else None
    return round(float(match[1]) * _UNIT[match[2]]) or None if match else None


def _ends(cable: Json) -> tuple[list[Json], list[Json]]:
    return listed(cable, "a_terminations"), listed(cable, "b_terminations")


def devices_of(cable: Json) -> set[int]:
    """Ids of the devices at its ends."""
    found = (dig(end, "object", "device", "id") for side in _ends(cable) for end in side)
    return {pk for pk in found if type(pk) is int}


def interfaces_of(cable: Json) -> set[int]:
    """Ids of the interfaces at its ends."""
    ends = (end for side in _ends(cable) for end in side if dig(end, "object_type") == _INTERFACE)
    return {pk for end in ends if type(pk := dig(end, "object_id")) is int}


class Parsed:
    """Takes rows as NetBox gave them; good ones become values, for the others there are reasons in `wrong`."""

    def __init__(self, base: str, defaults: Defaults) -> None:
        self.base, self.defaults = base, defaults
        self.sites: list[SiteRow] = []
        self.devices: list[DeviceRow] = []
        self.cables: list[CableRow] = []
        self.wrong: list[Reason] = []
        self.elsewhere: set[int] = set()

    def take_sites(self, rows: Iterable[Json]) -> None:
        for raw in rows:
            row = _Row(self, "dcim/sites", raw)
            name = row.text("slug", dig(raw, "slug"), kinds.NAME)
            zone = row.text("time_zone", dig(raw, "time_zone"), kinds.TIME_ZONE, may_lack=True)
            domain = row.own("failure_domain", kinds.NAME)
            if row.fine:
                self.sites.append(SiteRow(raw["id"], row.url, name, zone, domain))

    def take_devices(self, rows: Iterable[Json]) -> None:
        for raw in rows:
            row = _Row(self, "dcim/devices", raw)
            name = row.text("name", dig(raw, "name"), kinds.NAME)
            site = row.number("site", dig(raw, "site", "id"))
            role = row.text("role", dig(raw, "role", "slug"), kinds.NAME)
            platform = row.platform(dig(raw, "platform", "slug"), self.defaults.platforms)
            address = row.address(dig(raw, "primary_ip", "address"))
            tags = [row.text("tags", dig(tag, "slug"), kinds.NAME) for tag in listed(raw, "tags")]
            kind = row.own("kind", KIND) or (DeviceKind.BLADE.value if dig(raw, "parent_device", "id") else None)
            own = (kind, row.own("suite", SUITE), row.own("credential", kinds.NAME))
            router_id, port = row.own("router_id", kinds.ROUTER_ID), row.port()
            if row.fine:
                values = (raw["id"], row.url, name, site, role, platform, address, tuple(sorted(set(tags))))
                self.devices.append(DeviceRow(*values, *own, router_id, port))

    def take_cables(self, rows: Iterable[Json], speeds: Mapping[int, int | None]) -> None:
        for raw in rows:
            sides = _ends(raw)
            if any(dig(end, "object_type") != _INTERFACE for side in sides for end in side) or not all(sides):
                self.elsewhere.add(raw["id"])
                continue
            row = _Row(self, "dcim/cables", raw)
            if any(len(side) != 1 for side in sides):
                row.say("ends", f"{len(sides[0])} and {len(sides[1])} interfaces (a breakout)", "one at each end")
                continue
            ends = [row.end(side[0], speeds) for side in sides]
            kind = row.own("kind", kinds.NAME)
            a, b = ends
            if row.fine and a is not None and b is not None:
                self.cables.append(CableRow(raw["id"], row.url, a, b, kind))


class _Row:
    """One row being read: its address, and whether anything was wrong so far."""

    def __init__(self, parsed: Parsed, endpoint: str, raw: Json) -> None:
        self.parsed, self.raw = parsed, raw
        self.url = address_of(parsed.base, endpoint, raw)
        self.fine = True

    def say(self, field: str, found: str, wanted: str, remedy: str = _REMEDY) -> None:
        self.fine = False
        self.parsed.wrong.append(Reason(f"{self.url} {field}", found, wanted, remedy))

    def text(self, field: str, value: Json, kind: Kind, *, may_lack: bool = False) -> Any:
        """The value if it is of that kind. None after a problem was said, or where it may lack."""
        if value is None and may_lack:
            return None
        if not isinstance(value, str):
            self.say(field, "nothing" if value is None else shown(repr(value)), kind.form)
            return None
        found = kind(Tree(0, "text", value))
        if isinstance(found, Wrong):
            self.say(field, found.found, found.wanted, f"{found.remedy} {_REMEDY}".strip())
            return None
        return found

    def own(self, name: str, kind: Kind) -> Any:
        """A custom field of Slipway's, None where there is none."""
        return self.text(f"slipway_{name}", custom(self.raw, name), kind, may_lack=True)

    def number(self, field: str, value: Json) -> int:
        if type(value) is int:
            return value
        self.say(field, "nothing" if value is None else shown(repr(value)), "a row of NetBox")
        return 0

    def port(self) -> int | None:
        value = custom(self.raw, "port")
        if value is None or (type(value) is int and 1 <= value <= 65_535):
            return value
        self.say("slipway_port", shown(repr(value)), kinds.PORT.form)
        return None

    def address(self, value: Json) -> Any:
        if value is None:
            self.say("primary_ip", "nothing", "a primary IP address, under which SSH listens")
            return None
        return self.text("primary_ip", value.split("/")[0] if isinstance(value, str) else value, kinds.ADDRESS)

    def platform(self, slug: Json, given: Mapping[str, str]) -> str:
        name = slug if isinstance(slug, str) else ""
        known = given.get(name) or PLATFORMS.get(name.split("-")[0])
        if known:
            return known
        wanted = "a platform of " + ", ".join(sorted({*PLATFORMS, *given}))
        remedy = f"Say what it is with --platform {name or 'SLUG'}=linux, or leave the row out with --skip-wrong-rows."
        self.say("platform", shown(name) if name else "nothing", wanted, remedy[:300])
        return ""

    def end(self, raw: Json, speeds: Mapping[int, int | None]) -> CableEnd | None:
        device, name = dig(raw, "object", "device", "id"), dig(raw, "object", "device", "name")
        interface = dig(raw, "object", "name")
        if type(device) is not int or not isinstance(interface, str):
            self.say("ends", "an end without device and interface", "an interface of a device")
            return None
        known = speeds.get(dig(raw, "object_id"))
        label = str(name)[:63] if str(name).isprintable() else "?"
        return CableEnd(device, label, interface[:64] if interface.isprintable() else "?", known)
