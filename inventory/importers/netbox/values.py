"""What was asked of a NetBox, and what it said, as frozen values. Pure; JSON and back without loss."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fleet.core.model import Json, Reason


@dataclass(frozen=True)
class Source:
    """One NetBox: its address, the environment variable that holds the token, and the CA that signed it, if private."""

    url: str
    token_env: str
    ca_file: str = ""


@dataclass(frozen=True)
class Filters:
    """Which devices, by slugs: any of the sites and roles (a role brings those below it), all of the tags."""

    sites: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ("active",)

    @classmethod
    def from_json(cls, value: Json) -> "Filters":
        return cls(**{key: tuple(names) for key, names in value.items()})


@dataclass(frozen=True)
class Defaults:
    """What new rows get that NetBox does not know. A custom field `slipway_*` on the row goes before it."""

    credential: str = ""
    suite: str = ""
    kind: str = "router"
    port: int = 22
    link_kind: str = "core"
    platforms: Mapping[str, str] = field(default_factory=dict)  # NetBox's slug -> platform of Slipway


@dataclass(frozen=True)
class SiteRow:
    """A site. None: NetBox does not say."""

    id: int
    url: str
    name: str
    time_zone: str | None
    failure_domain: str | None


@dataclass(frozen=True)
class DeviceRow:
    """A device. The values that may be None are Slipway's own (`slipway_*`): taken when the row is new."""

    id: int
    url: str
    name: str
    site: int
    role: str
    platform: str
    address: str
    tags: tuple[str, ...]
    kind: str | None
    suite: str | None
    credential: str | None
    router_id: str | None
    port: int | None


@dataclass(frozen=True)
class CableEnd:
    """An interface at the end of a cable; `name` is the device's, for messages. `mbps` None: NetBox does not say."""

    device: int
    name: str
    interface: str
    mbps: int | None


@dataclass(frozen=True)
class CableRow:
    """A cable between two interfaces."""

    id: int
    url: str
    a: CableEnd
    b: CableEnd
    kind: str | None


_SETS = ("present_sites", "present_devices", "present_cables", "devices_outside", "roles", "cables_elsewhere")


@dataclass(frozen=True)
class Snapshot:
    """All that was read, once. `wrong`: rows that cannot be taken; `present`: ids of every row, wrong or not."""

    url: str
    version: str
    sites: tuple[SiteRow, ...] = ()
    devices: tuple[DeviceRow, ...] = ()
    cables: tuple[CableRow, ...] = ()
    wrong: tuple[Reason, ...] = ()
    present_sites: frozenset[int] = frozenset()
    present_devices: frozenset[int] = frozenset()
    present_cables: frozenset[int] = frozenset()
    # Known to Slipway and not in this selection, but there: asked for by id.
    devices_outside: frozenset[int] = frozenset()
    roles: frozenset[str] = frozenset()  # of the devices read: a role of the filter brings those below it
    # Cables of these devices that do not join two interfaces: power, console, patch panels, circuits.
    cables_elsewhere: frozenset[int] = frozenset()

    @classmethod
    def from_json(cls, value: Json) -> "Snapshot":
        """The snapshot that `to_json` wrote."""
        cables = [CableRow(**{**c, "a": CableEnd(**c["a"]), "b": CableEnd(**c["b"])}) for c in value["cables"]]
        more: dict[str, Any] = {
            "sites": tuple(SiteRow(**row) for row in value["sites"]),
            "devices": tuple(DeviceRow(**{**row, "tags": tuple(row["tags"])}) for row in value["devices"]),
            "cables": tuple(cables),
            "wrong": tuple(Reason(**reason) for reason in value["wrong"]),
            **{key: frozenset(value[key]) for key in _SETS},
        }
        return cls(**{**value, **more})
