"""The routing daemon around VPP: what of it is held back, set and taken away; what its sessions and tables are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fleet.core.model import Json, Reason
from playbooks.base import Device, Impossible, Session
from playbooks.vpp.holds import Hold


@dataclass(frozen=True)
class Said:
    """What a daemon says of itself; None: it cannot be told.

    `full`: by group, router ids with a Full adjacency. `sessions`: peer > (Established, prefixes received). `bfd`:
    PEER%INTERFACE > status, keys as the baseline has them. `routes`: by family, those that the kernel was given.
    """

    full: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    sessions: Mapping[str, tuple[bool, int]] | None = None
    bfd: Mapping[str, str] | None = None
    routes: Mapping[str, int | None] = field(default_factory=dict)


class Daemon(Protocol):
    """FRR or BIRD. What touches the device raises as a session does; what acts raises Refused."""

    conf: str  # its configuration, as it is started

    def holds(self, config: str, *, members: str = "") -> tuple[Hold, ...]:
        """What would hold every session back, by its configuration. Pure."""
        ...

    def against(self, config: str) -> tuple[Reason, ...]:
        """Why its sessions cannot be held back, by its configuration. Pure."""
        ...

    def present(self, session: Session) -> tuple[Hold, ...] | Reason:
        """What would have to be held back on the device as it is."""
        ...

    def shut(self, session: Session, chosen: Iterable[Hold]) -> tuple[Hold, ...] | Reason:
        """Those that are held back, or half so."""
        ...

    def open(self, session: Session, chosen: Iterable[Hold]) -> tuple[Hold, ...] | Reason:
        """Those that are not wholly held back."""
        ...

    def configure(self, session: Session, chosen: Iterable[Hold], *, hold: bool, timeout_s: float) -> None:
        """Shut or open them, now and for the daemon's next start."""
        ...

    def planned(self, chosen: Iterable[Hold]) -> tuple[str, ...]:
        """What opens them, for people."""
        ...

    def asked(self, session: Session) -> Said:
        """Its neighbours, sessions and tables now."""
        ...


def of(device: Device) -> Daemon:
    """The daemon of a device. Raises Impossible."""
    from playbooks.vpp.bird import Bird
    from playbooks.vpp.frr import Frr

    match device.suite:
        case "frr":
            return Frr()
        case "bird":
            return Bird()
        case _:
            raise Impossible(Reason(f"VPP on {device.name}", f"routing suite {device.suite}", "frr or bird"))


def config_of(facts: Mapping[str, Json]) -> str:
    """The daemon's configuration of the facts; empty where they have none."""
    routing = facts.get("routing")
    text = routing.get("running_config") if isinstance(routing, Mapping) else None
    return text if isinstance(text, str) else ""
