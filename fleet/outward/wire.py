"""One HTTP request to somebody outside: connected to the address that was looked at, bounded in time and size.

A name is resolved once and the connection goes to what was looked at, so that a second answer of the resolver (DNS
rebinding) is never asked for. Certificates are checked against the name.
"""

import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from fleet.core.model import Json, Reason
from fleet.outward import addresses
from fleet.outward.addresses import Network, Target

# What a receiver may take for a whole exchange. Standard Webhooks advises 15 to 30 s; a worker waits that long for it.
WITHIN_S = 15.0
CONNECT_S = 5.0
# Of what a receiver of a webhook answers only the beginning is kept; a ticket system answers with documents.
MOST_BYTES = 64 * 1024


class NoAnswer(Exception):
    """There is no answer that means anything. `sent`: the other side may have acted upon it."""

    def __init__(self, reason: Reason, *, sent: bool) -> None:
        super().__init__(str(reason))
        self.reason, self.sent = reason, sent


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are lower case; `body` is cut at what was asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool = True

    def text(self, most: int = 300) -> str:
        """The beginning of the body for people: printable, on one line."""
        said = self.body[: most * 4].decode("utf-8", "replace")
        return " ".join("".join(c if c.isprintable() else " " for c in said).split())[:most]

    def document(self) -> Json:
        """The body as JSON; None when it is none or was cut."""
        try:
            return json.loads(self.body) if self.whole else None
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True)
class Limits:
    """How long the whole exchange may take, and how much of the answer is read."""

    within_s: float = WITHIN_S
    most_bytes: int = MOST_BYTES


class _Timed:
    """A socket whose every wait ends when the whole exchange must: also when each byte comes just in time.

    As with any socket, what was made to read from it may still be read when it is closed: http.client closes at once
    where the other side says that it will (`Connection: close`, HTTP/1.0), before the answer's body was read.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.ends = sock, 0.0
        self._readers, self._closed = 0, False

    def left(self) -> float:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def sendall(self, data: Any) -> None:
        self.sock.settimeout(self.left())
        self.sock.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_Reading(self))

    def close(self) -> None:
        self._closed = True
        if not self._readers:
            self.sock.close()

    def read_up(self) -> None:
        """One of those who read from it has ended."""
        self._readers -= 1
        if self._closed and not self._readers:
            self.sock.close()


class _Reading(io.RawIOBase):
    def __init__(self, timed: _Timed) -> None:
        self.timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.timed.sock.settimeout(self.timed.left())
        return self.timed.sock.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self.timed.read_up()


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


class Line:
    """A connection to one origin, kept open between requests. Not for several threads."""

    def __init__(self, allowed: Sequence[Network], limits: Limits | None = None) -> None:
        self._allowed, self._limits = tuple(allowed), limits or Limits()
        self._open: tuple[Target, http.client.HTTPConnection, _Timed] | None = None

    def close(self) -> None:
        """Hang up."""
        if self._open is not None:
            self._open[1].close()
            self._open[2].close()
            self._open = None

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        limits: Limits | None = None,
        repeatable: bool = False,
    ) -> Answer:
        """One request. Raises NoAnswer. A redirect is an answer like any other: it is not followed.

        `repeatable`: asking twice does no harm. Only then is it asked again when a kept connection proves to be closed.
        """
        to = addresses.target(url)
        if isinstance(to, Reason):
            raise NoAnswer(to, sent=False)
        limits = limits or self._limits
        ends = time.monotonic() + limits.within_s
        kept = repeatable and self._open is not None and self._open[0].origin == to.origin
        if not repeatable:
            self.close()  # a new connection: whether a request was taken must not be a riddle of the old one
        try:
            return self._exchange(method, to, headers, body, ends=ends, limits=limits)
        except NoAnswer as error:
            # A kept connection that the other side had closed meanwhile: nothing was taken, so once more on a new one.
            if not kept or not isinstance(error.__cause__, http.client.RemoteDisconnected | BrokenPipeError):
                raise
        return self._exchange(method, to, headers, body, ends=ends, limits=limits)

    def _exchange(
        self, method: str, to: Target, headers: Mapping[str, str], body: bytes, *, ends: float, limits: Limits
    ) -> Answer:
        connection, timed = self._connected(to, ends)
        timed.ends = ends
        try:
            connection.request(method, to.path, body=body, headers={"User-Agent": "Slipway", **headers})
            response = connection.getresponse()
            content = response.read(limits.most_bytes + 1)
            whole = len(content) <= limits.most_bytes
            if not whole or not response.isclosed():
                self.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            found = _words(error, limits.within_s)
            raise NoAnswer(Reason(to.host, found, "an answer to a request", "Is it up?"), sent=True) from error
        known = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, known, content[: limits.most_bytes], whole)

    def _connected(self, to: Target, ends: float) -> tuple[http.client.HTTPConnection, _Timed]:
        if self._open is not None:
            if self._open[0].origin == to.origin:
                return self._open[1], self._open[2]
            self.close()
        timed = _Timed(self._dial(to, ends))
        connection = http.client.HTTPConnection(to.host, to.port)
        connection.sock = timed  # what http.client asks of a socket, and no more
        connection.auto_open = 0
        self._open = (to, connection, timed)
        return connection, timed

    def _dial(self, to: Target, ends: float) -> socket.socket:
        found = resolve(to, self._allowed)
        if isinstance(found, Reason):
            raise NoAnswer(found, sent=False)
        error: OSError | None = None
        for address in found:
            timeout = min(CONNECT_S, ends - time.monotonic())
            if timeout <= 0:
                break
            sock: socket.socket | None = None
            try:
                sock = socket.create_connection((address, to.port), timeout=timeout)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return _tls().wrap_socket(sock, server_hostname=to.host) if to.scheme == "https" else sock
            except OSError as caught:
                error = caught
                if sock is not None:
                    sock.close()
        reason = Reason(
            f"{to.host} port {to.port}", _words(error, CONNECT_S), "a connection", "Is it up and reachable?"
        )
        raise NoAnswer(reason, sent=False) from error


def resolve(to: Target, allowed: Sequence[Network]) -> tuple[str, ...] | Reason:
    """The addresses of a host, each of which may be asked, or why not. One internal address refuses them all."""
    try:
        rows = socket.getaddrinfo(to.host, to.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return Reason(f"host {to.host}", "a name that no resolver knows", "a host", "Correct the address.")
    found = tuple(dict.fromkeys(str(row[4][0]) for row in rows))
    for address in found:
        if reason := addresses.refuse(to.host, address, allowed):
            return reason
    if to.scheme == "http" and not all(addresses.allowed_by_name(a, allowed) for a in found):
        wanted = "https, or a network of SLIPWAY_OUTWARD_NETWORKS"
        return Reason(f"address of {to.host}", "http: anybody on the way can read it", wanted, "Write https://.")
    return found[:4]


def _words(error: BaseException | None, within_s: float) -> str:
    match error:
        case TimeoutError() | None:
            return f"nothing in {within_s:g} s"
        case ssl.SSLCertVerificationError():
            return f"a certificate that does not hold: {error.verify_message[:100]}"
        case ssl.SSLError():
            return "no TLS"
        case ConnectionRefusedError():
            return "connection refused"
        case http.client.RemoteDisconnected() | ConnectionResetError() | BrokenPipeError():
            return "a connection that was cut"
        case http.client.HTTPException() | ValueError():
            return f"no HTTP ({type(error).__name__})"
        case _:
            return str(getattr(error, "strerror", "") or type(error).__name__)[:100]
