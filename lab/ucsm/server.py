"""UCS Manager's door: HTTP or HTTPS, /nuova, a stream of events; and what can happen to it (restart, fail-over)."""

import queue
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Self
from xml.etree import ElementTree as ET

from lab.ucsm.blades import Blades, Hosts, NoHosts
from lab.ucsm.build import Blade, build
from lab.ucsm.certificate import make
from lab.ucsm.door import Door
from lab.ucsm.methods import Api
from lab.ucsm.sessions import Sessions

_TICK_S = 0.01


class UcsManager:
    """One domain, served from threads of this process on 127.0.0.1. `folder`: for its certificate; None: plain HTTP."""

    def __init__(
        self,
        blades: Sequence[Blade],
        *,
        password: str,
        folder: Path | None = None,
        hosts: Hosts | None = None,
        stage_s: float = 0.05,
        refresh_s: float = 600.0,
        most_sessions: int = 32,
        version: str = "4.2(3d)",
        templates: Mapping[str, str] | None = None,
    ) -> None:
        tree = build(blades, version=version, templates=templates or {})
        self.sessions = Sessions(password, time.monotonic, refresh_s=refresh_s, most=most_sessions)
        self.blades = Blades(tree, time.monotonic, hosts or NoHosts(), stage_s=stage_s)
        self.api = Api(tree, self.blades, self.sessions)
        self.tree = tree
        self.listeners: set[queue.SimpleQueue[str | None]] = set()
        self.requests: list[str] = []  # the methods that were asked for, in order
        self.away_until = 0.0
        self.api.changed = self.blades.changed = self._tell
        self._event = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.certificate = make(folder) if folder is not None else None
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate.path)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._stopping = threading.Event()

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        threading.Thread(target=self._pass_time, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for listener in list(self.listeners):
            listener.put(None)
        self._http.shutdown()
        self._http.server_close()

    def restart(self, *, away_s: float) -> None:
        """UCS Manager's processes restart, or the other fabric interconnect takes over: sessions and streams are lost,
        requests are refused for a while; the blades and their associations go on."""
        with self.api.lock:
            self.sessions.end_all()
            self.away_until = time.monotonic() + away_s
            for listener in list(self.listeners):
                listener.put(None)

    def host_power(self, host: str, *, on: bool) -> None:
        """The host on a blade has switched itself off, or on."""
        with self.api.lock:
            self.blades.host_power(host, on=on)

    def history(self, what: str) -> list[str]:
        """Names of the profiles to which this happened, in order: pending, acknowledged, begun, off, failed, up."""
        with self.api.lock:
            return [name for _, event, name in self.blades.done if event == what]

    def _pass_time(self) -> None:
        while not self._stopping.wait(_TICK_S):
            with self.api.lock:
                self.blades.advance()

    def _tell(self, dn: str) -> None:
        """An event to everybody who listens: the object as it is now."""
        node = self.tree.get(dn)
        if node is None or not self.listeners:
            return
        self._event += 1
        vessel = ET.Element("methodVessel", cookie="")
        change = ET.SubElement(ET.SubElement(vessel, "inStimuli"), "configMoChangeEvent", inEid=str(self._event))
        element = self.tree.element(node)
        element.set("status", "modified")
        ET.SubElement(change, "inConfig").append(element)
        for listener in list(self.listeners):
            listener.put(ET.tostring(vessel, encoding="unicode"))


def _handler(manager: UcsManager) -> type[Door]:
    class Handler(Door):
        def do_POST(self) -> None:
            body = self.body()
            if time.monotonic() < manager.away_until:
                self.send_error(503)
                return
            tag = body.lstrip()[1:60].split(b" ", 1)[0].decode("ascii", "replace")
            manager.requests.append(tag)
            if tag == "eventSubscribe":
                self._stream(body)
                return
            self.reply(manager.api.answer(body))

        def _stream(self, body: bytes) -> None:
            cookie = ET.fromstring(body).get("cookie", "")
            probe = manager.api.answer(f'<configResolveDn cookie="{cookie}" dn="sys"/>'.encode())
            if probe.get("errorCode"):
                probe.tag = "eventSubscribe"
                self.reply(probe)
                return
            frames: queue.SimpleQueue[str | None] = queue.SimpleQueue()
            manager.listeners.add(frames)
            try:
                self.send_response(200)
                self.send_header("Content-Type", "text/xml")
                self.end_headers()
                while (frame := frames.get()) is not None:
                    self.wfile.write(f"{len(frame)}\n{frame}".encode())
                    self.wfile.flush()
            except OSError:
                pass  # the listener went away
            finally:
                manager.listeners.discard(frames)
                self.close_connection = True

    return Handler
