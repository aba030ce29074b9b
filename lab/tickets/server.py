"""An HTTP server in a thread, with moods: down, slow, failing, lying; what the fakes of real systems are built on."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> Any:
        return json.loads(self.body) if self.body else {}


@dataclass(frozen=True)
class Said:
    """What is answered. `body`: bytes as they are, anything else as JSON."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Mood = Callable[[Asked], Said | None]


def failing(status: int = 503, *, retry_after: str = "", times: int = 10**9) -> Mood:
    """Answers so many requests with an error page, as a proxy in front of a dead server does."""
    left = [times]

    def mood(asked: Asked) -> Said | None:
        if left[0] <= 0:
            return None
        left[0] -= 1
        headers = {"Retry-After": retry_after} if retry_after else {}
        return Said(status, b"<html><body>The service is unavailable.</body></html>", headers)

    return mood


def slow(seconds: float) -> Mood:
    """Thinks before it answers."""

    def mood(asked: Asked) -> Said | None:
        time.sleep(seconds)
        return None

    return mood


class Cut(Exception):
    """Hang up without an answer."""


def acted_but_cut(system: "Fake", *, method: str, times: int = 1) -> Mood:
    """Does what it is asked and hangs up before it answers: the asker cannot know."""
    left = [times]

    def mood(asked: Asked) -> Said | None:
        if asked.method != method or left[0] <= 0:
            return None
        left[0] -= 1
        system.answer(asked)
        raise Cut

    return mood


class Fake:
    """What is behind the server: a subclass answers. `moods`: asked first, the first answer counts."""

    def __init__(self) -> None:
        self.moods: list[Mood] = []
        self.asked: list[Asked] = []
        self.lock = threading.RLock()

    def answer(self, asked: Asked) -> Said:
        raise NotImplementedError

    def take(self, asked: Asked) -> Said:
        self.asked.append(asked)
        for mood in self.moods:
            if (said := mood(asked)) is not None:
                return said
        with self.lock:
            return self.answer(asked)


class Site:
    """A fake that is served. It can be stopped and started again on the same port."""

    def __init__(self, fake: Fake) -> None:
        self.fake, self.port = fake, 0
        self._server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Come up, at the port that it had before."""
        server = _Server(("127.0.0.1", self.port), _handler(self.fake))
        self.port, self._server = server.server_address[1], server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Go down: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hung up is not worth a line."""


def _handler(fake: Fake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            parts = urlsplit(self.path)
            query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {k.lower(): v for k, v in self.headers.items()}
            try:
                said = fake.take(Asked(self.command, parts.path, query, headers, self.rfile.read(length)))
            except Cut:
                self.close_connection = True
                return
            body = said.encoded()
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Type", "application/json" if not isinstance(said.body, bytes) else "text/html")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    return Handler


@contextmanager
def served(fake: Fake) -> Iterator[Site]:
    """The fake on a port of this machine, until the end of the block."""
    site = Site(fake)
    try:
        yield site
    finally:
        site.stop()
