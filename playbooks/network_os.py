"""Network operating systems through NAPALM: their drivers, opened with a checked host key, and what getters measure."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from napalm.base import NetworkDriver, exceptions, get_network_driver

from fleet.core.model import Json, Reason
from playbooks import cli_login, either_address
from playbooks.base import (
    Answer,
    Device,
    DeviceError,
    Impossible,
    LoginRefused,
    Refused,
    Session,
    Unreachable,
    Unsure,
)

OVER_SESSION = frozenset({"frr", "vyos"})
# Their drivers log in by netmiko, which checks a host key that it is given. NAPALM's other transports (eAPI and NX-API
# over HTTPS, NETCONF) check neither a host key nor, by default, a certificate.
CHECKED: dict[str, dict[str, Any]] = {"ios": {}, "iosxr": {}, "nxos_ssh": {}, "eos": {"transport": "ssh"}}
_WHOLE_MINUTES = frozenset({"ios", "vyos"})
_TIMEOUT_S = 60
_CONNECT_S = 10.0  # as netmiko has it


class NoShell(Session):
    """The session of a device whose driver connects by itself: who it is, and no commands."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        raise self._none()

    def batch(
        self,
        commands: Mapping[str, list[str]],
        *,
        per_interface: Mapping[str, list[str]] | None = None,
        timeout_s: float = 30.0,
        root: bool = False,
    ) -> dict[str, Answer]:
        raise self._none()

    def put(self, path: str, text: str, *, mode: str = "0644") -> Answer:
        raise self._none()

    def _none(self) -> Impossible:
        return Impossible(Reason(f"shell of {self.device.name}", "none on this platform", "a shell"))


def driver_name(device: Device, asked: str | None = None) -> str:
    """NAPALM's name of the device's driver: what a step asks for, the suite of a Linux, or the platform."""
    if asked:
        return asked
    return device.suite if device.platform == "linux" else device.platform.replace("-", "").lower()


def driver_class(device: Device, name: str) -> type[NetworkDriver]:
    """The driver's class. Raises Impossible where NAPALM has none of that name."""
    try:
        found: type[NetworkDriver] = get_network_driver(name)
    except exceptions.ModuleImportError:
        remedy = "Install NAPALM's driver of this platform, or use the kind netmiko."
        raise Impossible(
            Reason(f"platform of {device.name}", name, "a platform with a NAPALM driver", remedy)
        ) from None
    return found


def confirms(made: type[NetworkDriver]) -> bool:
    """Has this driver a commit-confirm of its own?"""
    return made.confirm_commit is not NetworkDriver.confirm_commit


def revert_in(name: str, seconds: float) -> int:
    """Seconds as the driver takes them: some platforms count whole minutes."""
    return math.ceil(seconds / 60.0) * 60 if name in _WHOLE_MINUTES else math.ceil(seconds)


@contextmanager
def opened(session: Session, name: str, *, allow_removal: bool = False) -> Iterator[NetworkDriver]:
    """The device's driver, open. NAPALM's exceptions come out as DeviceErrors, each with what NAPALM said."""
    device = session.device
    made = driver_class(device, name)
    with _as_device_errors(device):
        if name in OVER_SESSION:
            options = {"session": session, "allow_removal": allow_removal}
            over = getattr(made, "over", None)
            yield over(session) if over is not None else made(device.address, device.username, "", 60, options)
            return
        if name not in CHECKED:
            wanted = f"one of {', '.join(sorted({*CHECKED, *OVER_SESSION}))}"
            remedy = "Use a driver that logs in by SSH, or one of ours."
            found = "it checks no host key"
            raise Impossible(Reason(f"NAPALM driver {name} of {device.name}", found, wanted, remedy))
        with cli_login.login(device) as (password, options):
            options |= CHECKED[name]

            def attempt(address: str, seconds: float) -> NetworkDriver:
                asked = {**options, "conn_timeout": seconds}
                driver = made(address, device.username, password, timeout=_TIMEOUT_S, optional_args=asked)
                with _as_device_errors(device):
                    driver.open()
                return driver

            driver = either_address.reached(device, attempt, timeout_s=_CONNECT_S)
            try:
                yield driver
            finally:
                driver.close()


@contextmanager
def _as_device_errors(device: Device) -> Iterator[None]:
    try:
        yield
    except (DeviceError, NotImplementedError):
        raise
    except exceptions.ConnectAuthError as error:
        raise LoginRefused(_why(device, error, "a login")) from error
    except (exceptions.ConnectionClosedException, exceptions.CommandTimeoutException) as error:
        raise Unsure(_why(device, error, "an answer")) from error
    except exceptions.ConnectionException as error:
        raise Unreachable(_why(device, error, "a connection")) from error
    except exceptions.NapalmException as error:
        raise Refused(_why(device, error, "a configuration that the device takes")) from error


def _why(device: Device, error: Exception, wanted: str) -> Reason:
    said = " ".join(str(error).split())[:300] or type(error).__name__
    return Reason(f"NAPALM on {device.name}", said, wanted)


def measured(session: Session) -> dict[str, Json]:
    """A measurement of a device without a shell, for `fleet.core.checks`: its BGP sessions, and nothing else."""
    about: dict[str, Json] = {"version": 1, "routing": {"suite": session.device.suite}}
    with opened(session, driver_name(session.device)) as driver:
        try:
            tables = driver.get_bgp_neighbors()
        except NotImplementedError:
            return {**about, "bgp": None, "unknown": {"bgp": "not told by this driver"}}
        except (
            ValueError,
            TypeError,
            KeyError,
            IndexError,
            AttributeError,
        ) as error:  # of what it parses
            return {**about, "bgp": None, "unknown": {"bgp": f"{type(error).__name__}: {error}"[:160]}}
    peers: dict[str, dict[str, Json]] = {}
    for vrf, table in tables.items():
        for address, peer in table.get("peers", {}).items():
            name = address if vrf == "global" else f"{address} in {vrf}"
            for family, counts in peer.get("address_family", {}).items():
                peers.setdefault(str(family)[:20], {})[name] = _session(peer, counts)
    told: Json = {"running": bool(tables), "peers": peers}
    return {**about, "bgp": told, "unknown": {}}


def _session(peer: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Json]:
    up, enabled = peer.get("is_up") is True, peer.get("is_enabled") is not False
    return {
        "state": "Established" if up else "Idle" if enabled else "Idle (Admin)",
        "received": _count(counts.get("received_prefixes")), "sent": _count(counts.get("sent_prefixes")),
        "dropped": None, "name": str(peer.get("description") or "")[:160],
    }  # fmt: skip


def _count(value: Any) -> int | None:
    """NAPALM says -1 for what is not told."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
