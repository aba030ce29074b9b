"""Opens a NAPALM driver for a device, with a checked host key: over the open session where the driver is ours."""

import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from napalm.base import NetworkDriver, exceptions, get_network_driver

from fleet.core.model import Reason
from playbooks.base import (
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
        with tempfile.TemporaryDirectory(prefix="slipway-napalm-") as folder:
            password, login = _login(device, name, Path(folder))
            driver = made(device.address, device.username, password, timeout=_TIMEOUT_S, optional_args=login)
            driver.open()
            try:
                yield driver
            finally:
                driver.close()


def _login(device: Device, name: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """Password and optional arguments. The recorded host key is the only one that netmiko will accept."""
    if name not in CHECKED:
        remedy = "Use a driver that logs in by SSH, or one of ours."
        wanted = f"one of {', '.join(sorted({*CHECKED, *OVER_SESSION}))}"
        raise Impossible(Reason(f"NAPALM driver {name} of {device.name}", "no check of the host key", wanted, remedy))
    if not device.host_key:
        remedy = "Record the key of the device in the inventory."
        raise Impossible(Reason(f"host key of {device.name}", "none recorded", "a recorded host key", remedy))
    known = folder / "known_hosts"
    host = device.address if device.port == 22 else f"[{device.address}]:{device.port}"
    known.write_text(f"{host} {device.host_key}\n", encoding="ascii")
    options: dict[str, Any] = {
        "port": device.port, "ssh_strict": True, "system_host_keys": False, "alt_host_keys": True,
        "alt_key_file": str(known), **CHECKED[name],
    }  # fmt: skip
    kind, _, where = device.credential.partition(":")
    match kind:
        case "file":
            return "", {**options, "use_keys": True, "key_file": where}
        case "env" if os.environ.get(where):
            return os.environ[where], options
        case _:
            wanted = "file:/path/of/private/key or env:NAME of a variable that is set"
            raise LoginRefused(Reason(f"credential of {device.name}", "nothing usable", wanted))


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
