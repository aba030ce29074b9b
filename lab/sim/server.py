"""SSH front of the fleet: one process, one listening socket per router; exec channels, and a shell for scripts."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import asyncssh

from lab.sim.behaviours import Kind, active
from lab.sim.inventory import USER
from lab.sim.journal import Journal
from lab.sim.keys import Keys
from lab.sim.machine import Effect, Machine
from lab.sim.network import Network

# Measured here against paramiko 4.0, processor time of this process, 200 connections: 2.4 ms for a connection, 8.6 ms
# for a connection and ten commands with aes128-ctr, 9.4 ms with aes128-gcm (noise: 0.5 ms), a connection and one batch
# of facts 6.1 ms. (asyncssh's own process_factory instead of callbacks: 15.1 ms with ctr, 14.0 with gcm.) Elliptic
# curves: curve25519 is 1 ms cheaper than nistp256. The client's order decides; both ciphers are offered.
CIPHERS = ("aes128-ctr", "aes128-gcm@openssh.com")
KEX = ("curve25519-sha256", "curve25519-sha256@libssh.org")
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-256")
# Below the range from which outgoing connections take their ports, so that nobody gets one of ours by chance.
FIRST_PORT, LAST_PORT = 20001, 32767

logging.getLogger("asyncssh").setLevel(logging.CRITICAL)


class Clock:
    """Seconds since the fleet started; can be advanced by hand."""

    def __init__(self) -> None:
        self._zero = time.monotonic()
        self.wall = time.time()

    def __call__(self) -> float:
        return time.monotonic() - self._zero

    def advance(self, seconds: float) -> None:
        self._zero -= seconds
        self.wall -= seconds


class Door:
    """Where one router can be reached: its socket, its connections, its timer."""

    def __init__(self, machine: Machine, sock: socket.socket, keys: Keys, journal: Journal) -> None:
        self.machine, self.sock, self.keys, self.journal = machine, sock, keys, journal
        self.port: int = sock.getsockname()[1]
        self.open = False
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.stalled: list[Callable[[], None]] = []  # what goes on when management is back
        self._options: dict[bool, asyncssh.SSHServerConnectionOptions] = {}
        self._timer: asyncio.TimerHandle | None = None

    def options(self) -> asyncssh.SSHServerConnectionOptions:
        """Made when somebody first connects; another host key while that behaviour is injected."""
        wrong = active(self.machine.router.behaviours, Kind.WRONG_HOST_KEY) is not None
        if wrong not in self._options:
            name = self.machine.router.name
            self._options[wrong] = asyncssh.SSHServerConnectionOptions(
                server_factory=partial(Login, self),
                server_host_keys=[self.keys.private(f"{name}/wrong" if wrong else name)],
                encryption_algs=list(CIPHERS),
                kex_algs=list(KEX),
                mac_algs=list(MACS),
                compression_algs=["none"],
                encoding=None,
                line_editor=False,
                allow_scp=False,
                agent_forwarding=False,
                x11_forwarding=False,
            )
        return self._options[wrong]

    def settle(self) -> None:
        """After anything that happened: let what is due happen, open or close, set the timer for the next."""
        machine = self.machine
        machine.advance()
        self.journal.flush()
        if not machine.router.powered:
            for connection in list(self.connections):
                connection.abort()
            self.stalled.clear()
        if machine.router.reachable != self.open:
            self._unlock() if machine.router.reachable else self._lock()
        if self.stalled and not machine.router.cut:
            waiting, self.stalled = self.stalled, []
            for go_on in waiting:
                asyncio.get_running_loop().call_soon(go_on)
        due = machine.router.next_due()
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = None if due is None else loop.call_later(max(0.0, due - machine.clock()) + 0.001, self.settle)

    def _unlock(self) -> None:
        self.sock.listen(128)
        asyncio.get_running_loop().add_reader(self.sock.fileno(), self._accept)
        self.open = True

    def _lock(self) -> None:
        """Stop listening but keep the port: connecting is refused, and no other process can take it meanwhile."""
        asyncio.get_running_loop().remove_reader(self.sock.fileno())
        self.open = False
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self.machine.note("accept", error=str(error))
                return
            sock.setblocking(False)  # noqa: FBT003
            loop = asyncio.get_running_loop()
            factory = partial(asyncssh.SSHServerConnection, loop, self.options())
            task = loop.create_task(_hand_over(loop, factory, sock))
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.open:
            asyncio.get_running_loop().remove_reader(self.sock.fileno())
        self.sock.close()
        for connection in list(self.connections):
            connection.abort()


_tasks: set[asyncio.Task[None]] = set()


async def _hand_over(
    loop: asyncio.AbstractEventLoop, factory: "partial[asyncssh.SSHServerConnection]", sock: socket.socket
) -> None:
    try:
        await loop.connect_accepted_socket(factory, sock)
    except OSError:
        sock.close()


class Login(asyncssh.SSHServer):
    """One connection: who may log in, and a session for every exec channel."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self.door.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self.door.connections.discard(self._connection)

    def _allowed(self, username: str) -> bool:
        refused = active(self.door.machine.router.behaviours, Kind.REFUSE_LOGIN) is not None
        return username == USER and not refused

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        shown = key.export_public_key("openssh").decode().split()[:2]
        return self._allowed(username) and shown == self.door.keys.public_line("/login").split()

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return self._allowed(username) and password == self.door.keys.password

    def session_requested(self) -> "asyncssh.SSHServerSession[bytes]":
        return Exec(self.door, self._connection)


class Exec(asyncssh.SSHServerSession[bytes]):
    """One exec request: drives the machine's effects. Or a shell: a prompt, and each line such a request.

    Slipway never asks for a shell; scripts that read prompts do (netmiko's `send_command`). It knows plain commands.
    """

    def __init__(self, door: Door, connection: asyncssh.SSHServerConnection | None) -> None:
        self.door, self._connection = door, connection
        self._command = ""
        self._input = bytearray()
        self._chan: asyncssh.SSHServerChannel[bytes] | None = None
        self._effects: Iterator[Effect] | None = None
        self._wants_input = False
        self._is_shell = False

    def connection_made(self, chan: "asyncssh.SSHServerChannel[bytes]") -> None:
        self._chan = chan

    def pty_requested(self, term_type: str, term_size: object, term_modes: object) -> bool:
        return True

    def shell_requested(self) -> bool:
        self._is_shell = self._wants_input = True
        return True

    def exec_requested(self, command: str) -> bool:
        self._command = command
        self._wants_input = command.endswith("/bin/sh -s") or " slipway-put " in command
        return True

    def session_started(self) -> None:
        if self._is_shell:
            self._prompt()
        elif not self._wants_input:
            self._start()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._input += data
        if self._is_shell:
            self._next_line()

    def eof_received(self) -> bool:
        if self._is_shell:
            return False
        if self._wants_input and self._effects is None:
            self._start()
        return True

    def _prompt(self) -> None:
        if self._chan is not None and not self._chan.is_closing():
            self._chan.write(f"{USER}@{self.door.machine.router.name}:~$ ".encode())
        self._next_line()

    def _next_line(self) -> None:
        """The next complete line of a shell, when none is being carried out: echoed as a terminal does, and run."""
        if self._effects is not None or self._chan is None or b"\n" not in self._input:
            return
        line, _, rest = bytes(self._input).partition(b"\n")
        self._input[:] = rest
        self._chan.write(line + b"\r\n")
        self._command = line.decode("utf-8", "replace").strip()
        if not self._command:
            self._prompt()
            return
        if self._command == "exit":
            self._chan.exit(0)
            return
        self._effects = self.door.machine.request(self._command, str)
        self._go_on()

    def _start(self) -> None:
        text = partial(bytes.decode, bytes(self._input), "utf-8", "replace")
        self._effects = self.door.machine.request(self._command, text)
        self._go_on()

    def _go_on(self) -> None:
        """Take effects until something must be waited for or the channel ends."""
        chan = self._chan
        if self._effects is None or chan is None or chan.is_closing():
            return None
        out: list[str] = []
        for effect in self._effects:
            match effect.what:
                case "out":
                    out.append(effect.data)
                case "err" if self._is_shell:
                    out.append(effect.data)
                case "err":
                    self._send(chan, out)
                    chan.write_stderr(effect.data.encode("utf-8", "replace"))
                case "sleep":
                    self._send(chan, out)
                    self.door.settle()
                    asyncio.get_running_loop().call_later(effect.seconds, self._go_on)
                    return None
                case "drop":
                    self.door.journal.flush()
                    if self._connection is not None:
                        self._connection.abort()
                    return self.door.settle()
                case "cut":
                    self.door.stalled.append(self._go_on)
                    return self.door.settle()
                case "hang":
                    return self.door.settle()
                case _:
                    self._send(chan, out)
                    self._end(chan, effect.status)
                    return self.door.settle()
        return None

    def _end(self, chan: "asyncssh.SSHServerChannel[bytes]", status: int) -> None:
        if self._is_shell:
            self._effects = None
            self._prompt()
        else:
            chan.exit(status)

    def _send(self, chan: "asyncssh.SSHServerChannel[bytes]", out: list[str]) -> None:
        """The journal is on disk before the answer leaves."""
        self.door.journal.flush()
        if out:
            text = "".join(out)
            chan.write((text.replace("\n", "\r\n") if self._is_shell else text).encode("utf-8", "replace"))
            out.clear()


class Fleet:
    """All doors of one process."""

    def __init__(self, net: Network, clock: Clock, keys: Keys, journal: Journal, *, first_port: int) -> None:
        self.clock, self.journal = clock, journal
        self.doors: dict[str, Door] = {}
        candidates = iter(range(first_port, LAST_PORT + 1))
        for name, router in net.routers.items():
            machine = Machine(router, net, clock=clock, wall=clock.wall, journal=journal.add)
            self.doors[name] = Door(machine, _bind(candidates), keys, journal)

    def ports(self) -> dict[str, int]:
        return {name: door.port for name, door in self.doors.items()}

    def settle(self) -> None:
        for door in self.doors.values():
            door.settle()

    def close(self) -> None:
        for door in self.doors.values():
            door.close()
        self.journal.flush()


def _bind(candidates: Iterator[int]) -> socket.socket:
    """A bound socket on the next free port. Raises OSError when there is none left.

    Bound without SO_REUSEADDR, so that two fleets never share a port; set afterwards, so that a router whose old
    connections linger can listen again when it comes back.
    """
    for port in candidates:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            sock.close()
            continue
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)  # noqa: FBT003
        return sock
    raise OSError(f"no free port left on 127.0.0.1 up to {LAST_PORT}; stop another fleet or choose --first-port")
