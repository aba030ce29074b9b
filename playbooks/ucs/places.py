"""Where the blade of a device is, as the inventory knows it. The app that keeps the inventory tells."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fleet.core.model import Reason
from fleet.core.ucs import Limits, Policy
from playbooks.base import Impossible
from playbooks.ucs.rack import Vnic


@dataclass(frozen=True)
class Domain:
    """How a UCS Manager is reached. Holds a reference to the password, never the password.

    `certificate`: SHA-256 of the certificate that it shows, in hexadecimal; "" = not known, which refuses the
    connection.
    """

    name: str
    address: str
    port: int
    username: str
    credential: str  # "env:NAME" | "file:/path" (a file that holds the password)
    certificate: str


@dataclass(frozen=True)
class Place:
    """The service profile of a device, as it was last collected. `vnics`: name > dn of the resolved adapter policy.

    `counts`: dn > what the policy says. `limits`: of the adapter; None when nobody knows them. `template`: dn of an
    updating template that the profile is bound to, or "".
    """

    domain: Domain
    version: str
    profile: str
    blade: str
    adapter: str
    maintenance: str
    vnics: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, Policy] = field(default_factory=dict)
    limits: Limits | None = None
    template: str = ""
    pack: str = ""  # dn of the host firmware pack that it resolves to
    packs: Mapping[str, str] = field(default_factory=dict)  # dn > bundle of every pack of the domain
    bundles: tuple[str, ...] = ()  # that lie on the fabric interconnects; () when that is not known
    siblings: tuple[str, ...] = ()  # profiles bound to the same template, and when each of them would reboot


@dataclass(frozen=True)
class RackPlace:
    """A standalone server as it was last collected. `domain`: how its management controller is reached."""

    domain: Domain
    model: str
    vnics: tuple[Vnic, ...]
    limits: Limits | None = None


class Places(Protocol):
    """Where blades and standalone servers are looked up."""

    def of(self, device: str) -> Place | None: ...

    def rack(self, device: str) -> RackPlace | None: ...


_kept: Places | None = None


def tell(where: Places) -> None:
    """Register where they are kept. Called once, by the app that keeps them."""
    global _kept
    _kept = where


def rack(device: str) -> RackPlace:
    """A standalone server. Raises Impossible where the device is none that is known."""
    found = _kept.rack(device) if _kept is not None else None
    if found is None or not found.vnics:
        remedy = "Enter it (admin, Rack servers) and collect it: ./manage.py collect_ucs."
        raise Impossible(Reason(f"C-series server {device}", "not on record", "its management controller", remedy))
    return found


def place(device: str) -> Place:
    """The place of a device. Raises Impossible where no service profile is linked to it."""
    found = _kept.of(device) if _kept is not None else None
    if found is None:
        remedy = (
            "Collect its UCS domain (./manage.py collect_ucs), and its facts: they are matched by MAC addresses of "
            "vNICs, UUID and serial number. A standalone C-series server has a recipe of its own: ucs-rack-queues."
        )
        raise Impossible(Reason(f"UCS blade of {device}", "no service profile on record", "one linked to it", remedy))
    return found
