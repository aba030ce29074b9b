"""How libraries that log in by netmiko themselves (NAPALM's drivers, netmiko) reach a device: by the recorded host key.

They take a known_hosts file: one is written for the time of the connection, with the device's key and no other.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleet.core.model import Reason
from playbooks.base import Device, HostKeyRefused, LoginRefused


@contextmanager
def login(device: Device) -> Iterator[tuple[str, dict[str, Any]]]:
    """Password ("" with a key) and netmiko's options. Raises HostKeyRefused, LoginRefused; nothing was sent."""
    if not device.host_key:
        remedy = "Compare the fingerprint on the device's console and record the key in the inventory."
        raise HostKeyRefused(Reason(f"host key of {device.name}", "none recorded", "a recorded host key", remedy))
    hosts = [a if device.port == 22 else f"[{a}]:{device.port}" for a in (device.address, device.fallback_address) if a]
    with tempfile.TemporaryDirectory(prefix="slipway-known-") as folder:
        known = Path(folder) / "known_hosts"
        known.write_text("".join(f"{host} {device.host_key}\n" for host in hosts), encoding="ascii")
        options: dict[str, Any] = {
            "port": device.port, "ssh_strict": True, "system_host_keys": False, "alt_host_keys": True,
            "alt_key_file": str(known),
        }  # fmt: skip
        password = _password(device)
        kind, _, where = device.credential.partition(":")
        yield password, {**options, "use_keys": True, "key_file": where} if kind == "file" else options


def _password(device: Device) -> str:
    """The password of a credential reference; "" for one that names a key."""
    kind, _, where = device.credential.partition(":")
    if kind == "file":
        return ""
    if kind == "env" and os.environ.get(where):
        return os.environ[where]
    wanted = "file:/path/of/private/key, or env:NAME of a variable that is set"
    raise LoginRefused(Reason(f"credential of {device.name}", "nothing usable", wanted))
