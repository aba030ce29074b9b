"""One SSH connection to one device: strict host key, exec channels with deadlines, errors that say what was sent.

A netmiko connection without its interactive channel: no prompt is scraped, every request is an exec channel of the
same connection.
"""

import base64
import binascii
import hashlib
import logging
import os
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import paramiko
from netmiko.base_connection import BaseConnection
from paramiko.ssh_exception import BadAuthenticationType, IncompatiblePeer

from fleet.core.model import Reason
from playbooks.base import (
    Device,
    DeviceError,
    HostKeyRefused,
    Impossible,
    LoginRefused,
    Unreachable,
)

CONNECT_TIMEOUT_S = 10.0
# How often paramiko's reader looks up whether it was closed. Its own 0.1 s wakes every connection ten times a second;
# `disconnect` shuts the socket, which wakes the reader at once. Also how late it sees the end of a handshake's time.
READER_LOOKS_S = 0.5
# paramiko 4's texts for a silent peer, in words that say so.
_FOUND = {
    "No existing session": "no end of the key exchange in time",
    "Error reading SSH protocol banner": "no SSH banner",
    "Authentication timeout.": "no answer to the login in time",
}

# Everything that paramiko has to say is returned as an error with reasons; without a handler it would write
# tracebacks to stderr.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


def fingerprint(blob: bytes) -> str:
    """SHA-256 fingerprint of a public key as OpenSSH writes it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _known_key(device: Device) -> tuple[str, bytes]:
    """Type and content of the recorded host key; ("", b"") when none can be read."""
    words = device.host_key.split()
    try:
        return words[0], base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error):
        return "", b""


class _OnlyThisKey(paramiko.MissingHostKeyPolicy):
    """Accepts the recorded key of the device and nothing else; nothing is sent before."""

    def __init__(self, device: Device, address: str) -> None:
        self._device, self._address = device, address

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        _, known = _known_key(self._device)
        shown = key.asbytes()
        if known and secrets.compare_digest(shown, known):
            return
        if known:
            wanted = f"{fingerprint(known)} ({self._device.host_key.split()[0]}, recorded in the inventory)"
            remedy = (
                "If the device was reinstalled, compare the fingerprint on its console and record the new key; if not,"
                " somebody may be between: do not connect"
            )
        else:
            wanted = "a recorded host key" if not self._device.host_key else "a readable recorded host key"
            remedy = (
                "Compare the fingerprint on the device's console (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub)"
                " and record the key in the inventory"
            )
        found = f"{fingerprint(shown)} ({key.get_name()})"
        raise HostKeyRefused(why(self._device, found, wanted, remedy, address=self._address))


def why(device: Device, found: str, wanted: str, remedy: str = "", *, address: str = "") -> Reason:
    return Reason(f"SSH of {device.name} ({address or device.address} port {device.port})", found, wanted, remedy)


@lru_cache(maxsize=64)
def _private_key(path: str, modified_ns: int) -> paramiko.PKey:
    """A private key, read again when the file changes: checking an RSA key costs 0.1 s, a shard uses it per device."""
    return paramiko.PKey.from_path(path)


def _login(device: Device) -> dict[str, Any]:
    """What the credential reference stands for. Raises LoginRefused when it holds nothing usable."""
    kind, _, where = device.credential.partition(":")

    def refuse(found: str, remedy: str) -> LoginRefused:
        subject = (
            f"credential {kind}:{where} of {device.name}" if kind in ("file", "env") else f"login of {device.name}"
        )
        return LoginRefused(Reason(subject, found, "a private key or a password", remedy))

    match kind:
        case "file":
            try:
                return {"pkey": _private_key(where, Path(where).stat().st_mtime_ns)}
            except OSError as error:
                raise refuse(
                    error.strerror or type(error).__name__, "Is the path right, may this user read it?"
                ) from None
            except (ValueError, TypeError, paramiko.SSHException):
                raise refuse("no private key that can be read without a passphrase", "Store it unencrypted") from None
        case "env":
            password = os.environ.get(where, "")
            if not password:
                raise refuse("an unset or empty variable", f"Set {where} for the process that runs the steps")
            return {"password": password}
        case _:
            # The text may be a secret that somebody put in the wrong field: it is not repeated.
            raise refuse("a reference of unknown kind", "Write file:/path/of/private/key or env:NAME")


def _dial(device: Device, address: str, timeout_s: float) -> socket.socket:
    try:
        sock = socket.create_connection((address, device.port), timeout=timeout_s)
    except TimeoutError:
        found, remedy = f"no answer in {timeout_s:g} s", "Is it up, is a filter between?"
    except ConnectionRefusedError:
        found, remedy = "connection refused", "Is sshd running there?"
    except socket.gaierror:
        found, remedy = "an address that no resolver knows", "Correct the address in the inventory"
    except OSError as error:
        found, remedy = error.strerror or type(error).__name__, "Is there a route to it?"
    else:
        # Requests are small writes in a row (exec, stdin, EOF): with Nagle the second waits for the peer's delayed
        # ACK. Measured against OpenSSH on one machine: a batch 48 ms without and 7 ms with it, five commands in a row
        # 300 and 105 ms. paramiko does not set it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    raise Unreachable(why(device, found, "an SSH server", remedy, address=address))


class ExecConnection(BaseConnection):
    """A netmiko connection that opens no interactive channel: `remote_conn_pre` is the logged-in SSH client.

    `address`: where, if not at the device's own; `login`: netmiko's words for it, if it is not to be looked up from the
    device's credential reference. Raises Unreachable, HostKeyRefused, LoginRefused or Impossible;
    nothing but the login has been sent then.
    """

    def __init__(
        self,
        device: Device,
        *,
        timeout_s: float = CONNECT_TIMEOUT_S,
        address: str = "",
        login: Mapping[str, Any] | None = None,
    ) -> None:
        self.device, self.address = device, address or device.address
        super().__init__(
            host=self.address,
            port=device.port,
            username=device.username,
            device_type="linux",
            conn_timeout=timeout_s,
            banner_timeout=timeout_s,
            auth_timeout=timeout_s,
            **(_login(device) if login is None else login),
        )

    def _build_ssh_client(self) -> paramiko.SSHClient:
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(_OnlyThisKey(self.device, self.address))
        return client

    def _transport(self, sock: Any, **options: Any) -> paramiko.Transport:
        transport = paramiko.Transport(sock, **options)
        transport.handshake_timeout = self.conn_timeout
        transport.sock.settimeout(READER_LOOKS_S)
        security = transport.get_security_options()
        known, _ = _known_key(self.device)
        # Ciphers that authenticate by themselves first; OpenSSH has them since 6.2. With paramiko's own order each
        # packet's HMAC is compared byte by byte in Python: a fifth of a leg's CPU (0.133 s a device, 0.108 with these).
        ciphers = tuple(security.ciphers)
        security.ciphers = tuple(sorted(ciphers, key=lambda name: "-gcm@" not in name))
        # paramiko's own order of the rest is right: curve25519 first (7 ms of our CPU for a whole leg; 77 with
        # diffie-hellman-group16), SHA-1 last but there, which old devices need.
        # Ask for the recorded type first: a device has several host keys and shows the one that we prefer.
        first = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa") if known == "ssh-rsa" else (known,)
        offered = tuple(security.key_types)
        security.key_types = tuple(t for t in first if t in offered) + tuple(t for t in offered if t not in first)
        return transport

    def establish_connection(self, width: int = 511, height: int = 1000) -> None:
        """Connect, check the host key, log in. Each of the two phases (up to the key, the login) has the timeout."""
        sock = _dial(self.device, self.address, self.conn_timeout)
        self.remote_conn_pre = self._build_ssh_client()
        try:
            self.remote_conn_pre.connect(
                **{**self._connect_params_dict(), "sock": sock}, transport_factory=self._transport
            )
        except BaseException as error:
            self.disconnect()
            sock.close()
            if isinstance(error, Exception) and not isinstance(error, DeviceError):
                raise self._refusal(error) from None
            raise

    def _refusal(self, error: Exception) -> DeviceError:
        """What a failed connect means. The texts are paramiko 4's own; it has no finer types."""
        device, text = self.device, str(error)
        match error:
            case IncompatiblePeer():
                what = text.partition("(")[2].rstrip(")") or "no common algorithms"
                return Impossible(
                    why(
                        device,
                        what,
                        "a common algorithm",
                        "The device is too old or too strict: change its sshd's list",
                    )
                )
            case BadAuthenticationType():
                allowed = ", ".join(error.allowed_types) or "nothing"
                how = "a key" if self.pkey else "a password"
                return LoginRefused(
                    why(
                        device,
                        f"logins by {allowed} only",
                        f"login of {device.username} by {how}",
                        "Change the credential",
                    )
                )
            case paramiko.AuthenticationException() if "timeout" not in text and "EOF" not in text:
                return LoginRefused(
                    why(device, "login refused", f"login of {device.username}", "Is the key or password known there?")
                )
            case _:
                found = _FOUND.get(text) or text or "the connection lost before login"
                return Unreachable(
                    why(device, found, "an SSH login", "Is sshd overloaded or something else listening?")
                )

    def _try_session_preparation(self, force_data: bool = True) -> None:  # noqa: FBT001, FBT002 - netmiko's signature
        """Nothing to prepare: there is no prompt."""

    def is_alive(self) -> bool:
        client = self.remote_conn_pre
        transport = client.get_transport() if client else None
        return bool(transport and transport.is_active())

    def disconnect(self) -> None:
        """Close at once (0.3 ms). paramiko's reader sleeps up to 0.1 s in recv; shutting the socket wakes it."""
        client = self.remote_conn_pre
        transport = client.get_transport() if client else None
        if transport:
            with suppress(OSError):
                transport.sock.shutdown(socket.SHUT_RDWR)
        super().disconnect()
