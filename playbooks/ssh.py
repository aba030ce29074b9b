"""One SSH connection to one device: strict host key, exec channels with deadlines, errors that say what was sent.

A netmiko connection without its interactive channel: no prompt is scraped, every request is an exec channel of the
same connection. Measured on one machine against OpenSSH (3-10 commands per leg): see `tests/bench`.
"""

import base64
import binascii
import hashlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Timer
from typing import Any

import paramiko
from netmiko.base_connection import BaseConnection
from paramiko.ssh_exception import BadAuthenticationType, IncompatiblePeer

from fleet.core.model import Reason
from playbooks import wire
from playbooks.base import (
    Answer,
    Device,
    DeviceError,
    HostKeyRefused,
    Impossible,
    LoginRefused,
    Refused,
    Unreachable,
    Unsure,
)

CONNECT_TIMEOUT_S = 10.0
# A full routing table as JSON is some 500 bytes a prefix; what we ask for are summaries of kilobytes. 32 MiB is far
# beyond any of them and still harmless times 40 worker threads.
OUTPUT_LIMIT = 32 * 1024 * 1024
CUT_STATUS = 255
# paramiko 4's texts for a silent peer, in words that say so.
_FOUND = {
    "No existing session": "no end of the key exchange in time",
    "Error reading SSH protocol banner": "no SSH banner",
    "Authentication timeout.": "no answer to the login in time",
}
_CHUNK = 256 * 1024
_STDERR_LOOK_S = 0.25  # how often a command that is silent on stdout has its stderr emptied (its window is shared)

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

    def __init__(self, device: Device) -> None:
        self._device = device

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
        raise HostKeyRefused(_why(self._device, f"{fingerprint(shown)} ({key.get_name()})", wanted, remedy))


def _why(device: Device, found: str, wanted: str, remedy: str = "") -> Reason:
    return Reason(f"SSH of {device.name} ({device.address} port {device.port})", found, wanted, remedy)


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


def _dial(device: Device, timeout_s: float) -> socket.socket:
    try:
        sock = socket.create_connection((device.address, device.port), timeout=timeout_s)
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
        # ACK, up to 40 ms a request. paramiko does not set it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    raise Unreachable(_why(device, found, "an SSH server", remedy))


class ExecConnection(BaseConnection):
    """A netmiko connection that opens no interactive channel: `remote_conn_pre` is the logged-in SSH client.

    Raises Unreachable, HostKeyRefused, LoginRefused or Impossible; nothing but the login has been sent then.
    """

    def __init__(self, device: Device, *, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self.device = device
        super().__init__(
            host=device.address,
            port=device.port,
            username=device.username,
            device_type="linux",
            conn_timeout=timeout_s,
            banner_timeout=timeout_s,
            auth_timeout=timeout_s,
            **_login(device),
        )

    def _build_ssh_client(self) -> paramiko.SSHClient:
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(_OnlyThisKey(self.device))
        return client

    def _transport(self, sock: Any, **options: Any) -> paramiko.Transport:
        transport = paramiko.Transport(sock, **options)
        transport.handshake_timeout = self.conn_timeout
        security = transport.get_security_options()
        known, _ = _known_key(self.device)
        # Ask for the recorded type first: a device has several host keys and shows the one that we prefer.
        first = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa") if known == "ssh-rsa" else (known,)
        offered = tuple(security.key_types)
        security.key_types = tuple(t for t in first if t in offered) + tuple(t for t in offered if t not in first)
        return transport

    def establish_connection(self, width: int = 511, height: int = 1000) -> None:
        """Connect, check the host key, log in. Each of the two phases (up to the key, the login) has the timeout."""
        sock = _dial(self.device, self.conn_timeout)
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
                    _why(
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
                    _why(
                        device,
                        f"logins by {allowed} only",
                        f"login of {device.username} by {how}",
                        "Change the credential",
                    )
                )
            case paramiko.AuthenticationException() if "timeout" not in text and "EOF" not in text:
                return LoginRefused(
                    _why(device, "login refused", f"login of {device.username}", "Is the key or password known there?")
                )
            case _:
                found = _FOUND.get(text) or text or "the connection lost before login"
                return Unreachable(
                    _why(device, found, "an SSH login", "Is sshd overloaded or something else listening?")
                )

    def _try_session_preparation(self, force_data: bool = True) -> None:  # noqa: FBT001, FBT002 - netmiko's signature
        """Nothing to prepare: there is no prompt."""

    def is_alive(self) -> bool:
        client = self.remote_conn_pre
        transport = client.get_transport() if client else None
        return bool(transport and transport.is_active())

    def disconnect(self) -> None:
        """Close at once. paramiko's reader sleeps up to 0.1 s in recv; shutting the socket wakes it."""
        client = self.remote_conn_pre
        transport = client.get_transport() if client else None
        if transport:
            with suppress(OSError):
                transport.sock.shutdown(socket.SHUT_RDWR)
        super().disconnect()


class SshSession:
    """`base.Session` over one connection. Not for use by several threads at once."""

    def __init__(self, connection: ExecConnection) -> None:
        self.device = connection.device
        self._connection = connection

    @property
    def alive(self) -> bool:
        """False once the connection was lost or closed, or a deadline passed on it."""
        return self._connection.is_alive()

    def close(self) -> None:
        """Close the connection; harmless when it is closed already."""
        self._connection.disconnect()

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        """Run one command; an output beyond 32 MiB is cut and has status 255.

        Raises Unreachable (nothing was sent), Refused (the device takes no command) or Unsure (sent, no full answer:
        the connection was lost or the deadline passed; it is closed then).
        """
        line = wire.command(argv, root=root, become=self.device.become)
        return self._exec(line, stdin=stdin, timeout_s=timeout_s, name=wire.label(argv))

    def batch(
        self,
        commands: Mapping[str, list[str]],
        *,
        per_interface: Mapping[str, list[str]] | None = None,
        timeout_s: float = 30.0,
        root: bool = False,
    ) -> dict[str, Answer]:
        """Run many commands in one round trip; a failing one stops nothing. Standard error is merged into `out`.

        `per_interface` commands run with each interface but lo as last argument, answered as NAME:IFACE. Raises as
        `run`; Refused when nothing ran (no root, no shell), Unsure when the script ended before its last command.
        """
        token = f"@@slipway-{secrets.token_hex(8)}"
        script = wire.batch_script(commands, per_interface or {}, token=token)
        line = wire.command(wire.BATCH_SHELL, root=root, become=self.device.become)
        answer = self._exec(line, stdin=script, timeout_s=timeout_s, name=f"batch of {', '.join(commands)}"[:120])
        answers = wire.batch_answers(answer.out, token=token)
        missing = [name for name in commands if name not in answers]
        if not missing:
            return answers
        found = (answer.err or answer.out).strip()[:200] or f"status {answer.status} and no output"
        if token not in answer.out:
            remedy = "May the user run `sudo -n /bin/sh`?" if self.device.become else "Has the device a shell?"
            raise Refused(Reason(f"commands on {self.device.name}", found, "a shell that runs them", remedy))
        raise Unsure(Reason(f"commands on {self.device.name}", f"no end of {', '.join(missing)}"[:200], "every answer"))

    def put(self, path: str, text: str, *, mode: str = "0644") -> Answer:
        """Write a file atomically (temporary file beside it, fsync, rename), as root. Raises as `run`."""
        line = wire.command(wire.put_argv(path, mode), root=True, become=self.device.become)
        return self._exec(line, stdin=text, timeout_s=60.0, name=f"writing {path}")

    def _exec(self, line: str, *, stdin: str, timeout_s: float, name: str) -> Answer:
        with self._deadline(timeout_s) as ends_at:
            channel = self._open(timeout_s, name)
            try:
                return self._converse(channel, line, stdin=stdin, ends_at=ends_at, name=name)
            except (paramiko.SSHException, EOFError, OSError) as error:
                raise self._unsure(name, ends_at, error) from None
            finally:
                channel.close()

    @contextmanager
    def _deadline(self, timeout_s: float) -> Iterator[float]:
        """Cut the connection when the time is over: the one thing that wakes every wait inside paramiko."""
        timer = Timer(timeout_s, self._connection.disconnect)
        timer.daemon = True
        timer.start()
        try:
            yield time.monotonic() + timeout_s
        finally:
            timer.cancel()

    def _open(self, timeout_s: float, name: str) -> paramiko.Channel:
        client = self._connection.remote_conn_pre
        transport = client.get_transport() if client else None
        try:
            if transport is None:
                raise EOFError
            return transport.open_session(timeout=timeout_s)
        except (paramiko.SSHException, EOFError, OSError) as error:
            found = "the connection is lost" if isinstance(error, EOFError) else str(error) or type(error).__name__
            raise Unreachable(_why(self.device, found, f"a channel for {name}", "Nothing was sent")) from None

    def _converse(self, channel: paramiko.Channel, line: str, *, stdin: str, ends_at: float, name: str) -> Answer:
        try:
            channel.exec_command(line)
        except paramiko.SSHException:
            if self.alive:
                raise Refused(
                    _why(self.device, "no command allowed on the channel", name, "Is the login restricted?")
                ) from None
            raise
        channel.settimeout(_STDERR_LOOK_S)
        _send(channel, stdin.encode(), ends_at)
        channel.shutdown_write()
        out, err = _receive(channel, ends_at)
        status = channel.recv_exit_status()
        if status < 0:
            raise EOFError
        if len(out) + len(err) > OUTPUT_LIMIT:
            note = f"output cut at {OUTPUT_LIMIT} bytes; the command ended with status {status}"
            return Answer(status=CUT_STATUS, out=out[:OUTPUT_LIMIT].decode(errors="replace"), err=note)
        return Answer(status=status, out=out.decode(errors="replace"), err=err.decode(errors="replace"))

    def _unsure(self, name: str, ends_at: float, error: Exception) -> Unsure:
        late = time.monotonic() >= ends_at
        found = "no answer within its time" if late else "the connection ended before an exit status came"
        return Unsure(
            Reason(f"{name} on {self.device.name}", found, "an exit status", "It may have run: look before repeating")
        )


def _send(channel: paramiko.Channel, data: bytes, ends_at: float) -> None:
    view = memoryview(data)
    while view:
        try:
            sent = channel.send(view[:_CHUNK].tobytes())
        except TimeoutError:
            if time.monotonic() >= ends_at:
                raise
            continue
        except OSError:
            sent = 0
        if sent == 0:
            return  # it ended without reading all of it: its exit status will say why
        view = view[sent:]


def _receive(channel: paramiko.Channel, ends_at: float) -> tuple[bytes, bytes]:
    """All output up to one byte more than the limit; the rest is read and thrown away so that the command can end."""
    out, err = bytearray(), bytearray()

    def keep(into: bytearray, data: bytes) -> None:
        room = OUTPUT_LIMIT + 1 - len(out) - len(err)
        into += data[: max(room, 0)]

    while True:
        if time.monotonic() >= ends_at:
            raise TimeoutError
        try:
            data = channel.recv(_CHUNK)
        except TimeoutError:
            data = None
        while channel.recv_stderr_ready():
            keep(err, channel.recv_stderr(_CHUNK))
        if data == b"":
            break
        if data:
            keep(out, data)
    while tail := channel.recv_stderr(_CHUNK):
        keep(err, tail)
    return bytes(out), bytes(err)


def connect(device: Device, timeout_s: float = CONNECT_TIMEOUT_S) -> SshSession:
    """Open a session; the caller closes it. Raises Unreachable, HostKeyRefused, LoginRefused, Impossible."""
    return SshSession(ExecConnection(device, timeout_s=timeout_s))
