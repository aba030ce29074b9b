"""The HTTP side: tokens and their refusals, lists, and every behaviour that can be switched on."""

import json
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from lab.netbox import answers
from lab.netbox.behaviours import Behaviours
from lab.netbox.data import Tables

VERSION = "4.4.5"
V1_TOKEN = "0123456789abcdef0123456789abcdef01234567"
V2_TOKEN = "nbt_Aa0Bb1Cc2Dd3.eYzxWvUtSrQpOnMlKjIhGfEdCbA9876543210zyx"
# Tokens that are refused, with the words of NetBox.
REFUSED: Mapping[str, str] = {
    "expired-token": "Token expired",
    "inactive-user": "User inactive",
    "wrong-address": "Source IP 127.0.0.1 is not permitted to authenticate using this token.",
}
NO_PERMISSION = "no-permission"  # a good token whose user may see nothing


@dataclass(frozen=True)
class Seen:
    """One request as the server saw it."""

    method: str
    endpoint: str
    query: Mapping[str, list[str]]
    status: int


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: "NetBoxServer"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm: ClassVar[bool] = True  # a body after its headers waits 40 ms for an ACK otherwise

    def do_GET(self) -> None:
        owner, parts = self.server.owner, urlsplit(self.path)
        query = parse_qs(parts.query)
        endpoint = parts.path.removeprefix("/api/").strip("/")
        if not parts.path.startswith("/api/"):
            return self._answer(endpoint, query, 404, {"detail": "Not found."})
        if detail := self._refused():
            return self._answer(endpoint, query, 403, {"detail": detail})
        if endpoint == "status":
            return self._answer(endpoint, query, 200, {"netbox-version": owner.version, "plugins": {}})
        if endpoint not in owner.tables.rows:
            return self._answer(endpoint, query, 404, {"detail": "No such endpoint."})
        behaviours = owner.behaviours
        if behaviours.concern(endpoint, int(query.get("offset", ["0"])[-1])) and self._misbehave(endpoint, query):
            return None
        if not behaviours.ignore_filters and (wrong := answers.refusal(owner.tables, query)):
            return self._answer(endpoint, query, 400, wrong)
        return self._answer(endpoint, query, 200, self._page(endpoint, query))

    def do_POST(self) -> None:
        """Nothing here is written: the token is read-only."""
        detail = "You do not have permission to perform this action."
        self._answer(self.path, {}, 403, {"detail": detail})

    do_PUT = do_PATCH = do_DELETE = do_POST

    def _refused(self) -> str:
        owner = self.server.owner
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if not token:
            return "Authentication credentials were not provided."
        if token in REFUSED:
            return REFUSED[token]
        if token == NO_PERMISSION:
            return "" if "status" in self.path else "You do not have permission to perform this action."
        good = (scheme == "Token" and token == owner.token) or (scheme == "Bearer" and token == V2_TOKEN)
        return "" if good else "Invalid token"

    def _misbehave(self, endpoint: str, query: Mapping[str, list[str]]) -> bool:
        """True when the answer was given (wrongly) already."""
        owner, behaviours = self.server.owner, self.server.owner.behaviours
        time.sleep(behaviours.delay_s)
        if behaviours.redirect:
            self._answer(endpoint, query, 302, {}, Location=behaviours.redirect)
            return True
        if behaviours.status and owner.count_down():
            body: Any = {"error": "database is gone", "exception": "OperationalError"}
            if behaviours.echo_token:
                body = {"error": f"headers were {dict(self.headers)}"}
            headers = {"Retry-After": behaviours.retry_after} if behaviours.retry_after else {}
            self._answer(endpoint, query, behaviours.status, body, **headers)
            return True
        if behaviours.html or behaviours.garbage:
            self._send(200, behaviours.garbage or b"<html><title>Log in</title></html>", "text/html", {})
            owner.remember(Seen("GET", endpoint, query, 200))
            return True
        return False

    def _page(self, endpoint: str, query: Mapping[str, list[str]]) -> dict[str, Any]:
        owner, behaviours = self.server.owner, self.server.owner.behaviours
        if behaviours.ignore_filters:
            query = {key: value for key, value in query.items() if key not in {"site", "tag"}}
        rows = answers.chosen(owner.tables, endpoint, query)
        page = answers.page(rows, query, base=owner.url, path=f"/api/{endpoint}/")
        offset = int(query.get("offset", ["0"])[-1])
        if behaviours.concern(endpoint, offset):
            page["count"] += behaviours.lying_count + (offset if behaviours.growing_count else 0)
            if behaviours.short_page:
                page["results"] = page["results"][:-1]
            if behaviours.repeat_row and offset:
                page["results"] = [{**page["results"][0], "id": rows[offset - 1]["id"]}, *page["results"][1:]]
        return page

    def _answer(self, endpoint: str, query: Any, status: int, body: Any, **headers: str) -> None:
        self.server.owner.remember(Seen(self.command, endpoint, query, status))
        self._send(status, json.dumps(body).encode(), "application/json", headers)

    def _send(self, status: int, body: bytes, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        about = {"Content-Type": kind, "Content-Length": str(len(body)), "API-Version": VERSION[:3], **headers}
        for name, value in about.items():
            self.send_header(name, value)
        self.end_headers()
        behaviours = self.server.owner.behaviours
        pause = behaviours.trickle_s if f"/{behaviours.endpoint}/" in self.path else 0.0
        try:
            for piece in [body] if not pause else [body[i : i + 1] for i in range(len(body))]:
                self.wfile.write(piece)
                time.sleep(pause)
        except OSError:  # the client has had enough: what a trickle is for
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: what was asked is in `NetBoxServer.seen`."""


@dataclass
class NetBoxServer:
    """A running server: `with NetBoxServer(tables) as netbox: netbox.url`. Tables and behaviours may change meanwhile.

    `certificate` and `key` (PEM files) make it speak https.
    """

    tables: Tables
    behaviours: Behaviours = field(default_factory=Behaviours)
    token: str = V1_TOKEN
    version: str = VERSION
    certificate: Path | None = None
    key: Path | None = None
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    url: str = ""
    _failures: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: _Server | None = None

    def start(self) -> "NetBoxServer":
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.owner = self
        scheme = "http"
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "NetBoxServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def remember(self, seen: Seen) -> None:
        with self._lock:
            self.seen.append(seen)

    def count_down(self) -> bool:
        """Does this request fail? With `status_times` only so many do."""
        with self._lock:
            self._failures += 1
            times = self.behaviours.status_times
            return times == 0 or self._failures <= times
