"""The SSH session of the FRR driver: strict host key, exec channels, the errors that NAPALM's users expect."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
from napalm.base import exceptions

from fleet.core.model import Reason
from playbooks.base import Device, DeviceError, HostKeyRefused, LoginRefused, Refused, Unreachable
from playbooks.ssh import SshSession
from playbooks.ssh_connection import ExecConnection

CONNECT_S = 10.0


def opened(device: Device, *, password: str, key_file: str, timeout_s: float = CONNECT_S) -> SshSession:
    """Connect, check the host key, log in by key where one is given, else by password. Raises DeviceError."""
    try:
        login = {"pkey": paramiko.PKey.from_path(Path(key_file).expanduser())} if key_file else {"password": password}
    except (OSError, ValueError, TypeError, paramiko.SSHException) as error:
        found = f"no private key that can be read ({type(error).__name__})"
        raise LoginRefused(Reason(f"key_file of {device.name}", found, "a private key without passphrase")) from None
    return SshSession(ExecConnection(device, login=login, timeout_s=timeout_s))


def known_host_key(hostname: str, port: int, known_hosts: str) -> str:
    """The recorded host key as "type base64" from a known_hosts file; "" where it has none, which refuses."""
    name = hostname if port == 22 else f"[{hostname}]:{port}"
    try:
        keys = paramiko.HostKeys(str(Path(known_hosts).expanduser())).lookup(name)
    except (OSError, paramiko.SSHException):
        return ""
    found = next(iter(keys.items()), None) if keys is not None else None
    return f"{found[0]} {found[1].get_base64()}" if found is not None else ""


@contextmanager
def napalm_errors() -> Iterator[None]:
    """A DeviceError as the exception that users of NAPALM catch; its reasons are the text."""
    try:
        yield
    except LoginRefused as error:
        raise exceptions.ConnectAuthError(str(error)) from error
    except (Unreachable, HostKeyRefused) as error:
        raise exceptions.ConnectionException(str(error)) from error
    except Refused as error:
        raise exceptions.CommandErrorException(str(error)) from error
    except DeviceError as error:
        raise exceptions.ConnectionClosedException(str(error)) from error
