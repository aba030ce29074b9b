"""A management controller: Redfish on loopback, with the reset button of a machine behind it."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lab.vm.machine import Machine

_SYSTEM = "/redfish/v1/Systems/1"
_RESET = f"{_SYSTEM}/Actions/ComputerSystem.Reset"
_KINDS = ("ForceRestart", "PowerCycle")
_SHOWN: dict[str, object] = {
    "/redfish/v1/Systems": {"Members": [{"@odata.id": _SYSTEM}]},
    _SYSTEM: {
        "PowerState": "On",
        "Actions": {"#ComputerSystem.Reset": {"target": _RESET, "ResetType@Redfish.AllowableValues": list(_KINDS)}},
    },
}


@dataclass
class Controller:
    """Where it listens, and every reset that it was asked for, by its kind."""

    address: str
    port: int
    resets: list[str] = field(default_factory=list)


@contextmanager
def redfish(machine: Machine, username: str, password: str) -> Iterator[Controller]:
    """Serve one machine until the block ends. 401 without the login, 400 for a reset of another kind."""
    wanted = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, status: int, body: object = None) -> None:
            text = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _known(self) -> bool:
            if hmac.compare_digest(self.headers.get("Authorization") or "", wanted):
                return True
            self._answer(401)
            return False

        def do_GET(self) -> None:
            if self._known():
                self._answer(200 if self.path in _SHOWN else 404, _SHOWN.get(self.path))

        def do_POST(self) -> None:
            if not self._known():
                return
            said = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            kind = said.get("ResetType")
            if self.path != _RESET or kind not in _KINDS:
                self._answer(404 if self.path != _RESET else 400)
                return
            made.resets.append(kind)
            machine.reset()
            self._answer(204)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what was asked is in `resets`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Controller("127.0.0.1", server.server_port)
    threading.Thread(target=server.serve_forever, name="management controller", daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
