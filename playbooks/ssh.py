"""The session that drivers get: commands, batches and files over exec channels, each with a deadline."""

import hashlib
import secrets
import time
from collections.abc import Mapping

import paramiko

from fleet.core.model import Reason
from playbooks import either_address, wire
from playbooks.base import Answer, Device, Refused, Unreachable, Unsure
from playbooks.deadlines import deadline, too_late
from playbooks.ssh_connection import CONNECT_TIMEOUT_S, ExecConnection, why

# A full routing table as JSON is some 500 bytes a prefix; what we ask for are summaries of kilobytes. 32 MiB is far
# beyond any of them and still harmless times 40 worker threads.
OUTPUT_LIMIT = 32 * 1024 * 1024
CUT_STATUS = 255
# OpenSSH and paramiko take 32 KiB of data in one packet: it arrives whole or not at all.
ONE_PACKET = 30_000
_CHUNK = 256 * 1024
_STDERR_LOOK_S = 0.25  # how often a command that is silent on stdout has its stderr emptied (its window is shared)


class SshSession:
    """`base.Session` over one connection. Not for use by several threads at once."""

    def __init__(self, connection: ExecConnection) -> None:
        self.device = connection.device
        self._connection = connection

    @property
    def address(self) -> str:
        """At which of the device's addresses it was reached."""
        return self._connection.address

    @property
    def alive(self) -> bool:
        """False once the connection was lost or closed, or a deadline passed on it."""
        return self._connection.is_alive()

    def close(self) -> None:
        """Close the connection; harmless when it is closed already."""
        self._connection.disconnect()

    def run(self, argv: list[str], *, stdin: str = "", timeout_s: float = 30.0, root: bool = False) -> Answer:
        """Run one command; an output beyond 32 MiB is cut and has status 255.

        Raises Unreachable (nothing was sent) or Unsure (sent, no exit status: the connection was lost or the deadline
        passed; it is closed then).
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
        if len(text.encode()) <= ONE_PACKET:
            return self._put(path, text, mode=mode)
        # A connection that is lost in the middle looks like the end of the file to the shell over there, which would
        # put half of it in place: what does not arrive in one piece is compared before it gets its name.
        beside = f"{path}.slipway-part"
        answer = self._put(beside, text, mode=mode)
        if not answer.ok:
            return answer
        digest = self.run(["sha256sum", beside], root=True)
        if digest.out.split()[:1] != [hashlib.sha256(text.encode()).hexdigest()]:
            return Answer(status=1, out="", err=f"{beside} is not what was sent: {digest.out}{digest.err}"[:300])
        return self.run(["mv", beside, path], root=True)

    def _put(self, path: str, text: str, *, mode: str) -> Answer:
        line = wire.command(wire.put_argv(path, mode), root=True, become=self.device.become)
        return self._exec(line, stdin=text, timeout_s=60.0, name=f"writing {path}")

    def _exec(self, line: str, *, stdin: str, timeout_s: float, name: str) -> Answer:
        # Cutting the connection is the one thing that wakes every wait inside paramiko.
        with deadline(timeout_s, self._connection.disconnect) as ends_at:
            channel = self._open(timeout_s, name)
            try:
                return self._converse(channel, line, stdin=stdin, ends_at=ends_at, name=name)
            except (paramiko.SSHException, EOFError, OSError):
                # A refused request looks like a channel that was closed after the command ran: both are unsure.
                found = (
                    "the channel was closed without one" if self.alive else "the connection was lost before one came"
                )
                found = "none within its time" if time.monotonic() >= ends_at else found
                self.close()  # also when the loop noticed the end of the time before the timer did
                remedy = "It may have run: look before repeating"
                raise Unsure(Reason(f"{name} on {self.device.name}", found, "an exit status", remedy)) from None
            finally:
                channel.close()

    def _open(self, timeout_s: float, name: str) -> paramiko.Channel:
        client = self._connection.remote_conn_pre
        transport = client.get_transport() if client else None
        try:
            if transport is None:
                raise EOFError
            return transport.open_session(timeout=timeout_s)
        except (paramiko.SSHException, EOFError, OSError) as error:
            found = "the connection is lost" if isinstance(error, EOFError) else str(error) or type(error).__name__
            raise Unreachable(why(self.device, found, f"a channel for {name}", "Nothing was sent")) from None

    def _converse(self, channel: paramiko.Channel, line: str, *, stdin: str, ends_at: float, name: str) -> Answer:
        if too_late():  # asked last of all: a stop of this process before here can have taken any time
            found, wanted = "no claim on the step any more", f"to send {name}"
            raise Unreachable(why(self.device, found, wanted, "Nothing was sent; whoever has the step now looks first"))
        channel.exec_command(line)
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
    """Open a session; the caller closes it. Raises Unreachable, HostKeyRefused, LoginRefused, Impossible.

    A device with a second address is tried there as well, see either_address.py; `timeout_s` is for both together.
    """

    def attempt(address: str, seconds: float) -> SshSession:
        return SshSession(ExecConnection(device, timeout_s=seconds, address=address))

    return either_address.reached(device, attempt, timeout_s=timeout_s)
