"""One standalone server's controller: its objects, its few methods, its door."""

import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Self
from xml.etree import ElementTree as ET

from lab.ucsm.certificate import make
from lab.ucsm.door import Door
from lab.ucsm.sessions import Refused, Sessions
from lab.ucsm.tree import Tree

UNIT = "sys/rack-unit-1"
MOST_SESSIONS = 4
_CAPPED_AT = 8  # as on blades: what the driver of that time makes
# What the schema takes (imcsdk 0.9.17, classic platforms).
_RANGES = {
    "adaptorEthRecvQueueProfile": (1, 256), "adaptorEthWorkQueueProfile": (1, 256),
    "adaptorEthCompQueueProfile": (1, 512), "adaptorEthInterruptProfile": (1, 1024),
}  # fmt: skip


class Cimc:
    """The controller of one C220 with a VIC 1225. `macs`: of its vNICs; `next_boot`: told (vNIC > receive queues that
    the host will show) after each write; `version`: of its firmware."""

    def __init__(
        self,
        macs: Sequence[str],
        *,
        password: str,
        folder: Path,
        next_boot: Callable[[Mapping[str, int]], None] = lambda queues: None,
        version: str = "4.1(2f)",
    ) -> None:
        self.tree, self.version, self.next_boot = _built(macs), version, next_boot
        self.sessions = Sessions(password, time.monotonic, most=MOST_SESSIONS)
        self.requests: list[bytes] = []
        self.away_until = 0.0
        self.lock = threading.RLock()
        self.certificate = make(folder, "C220-FCH1")
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate.path)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self._http.server_address[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def restart(self, *, away_s: float) -> None:
        """The controller restarts: sessions are lost; the host does not notice."""
        with self.lock:
            self.sessions.end_all()
            self.away_until = time.monotonic() + away_s

    def answer(self, text: bytes) -> ET.Element:
        """The answer to a request; errors are attributes of it."""
        request = ET.fromstring(text)
        made = ET.Element(request.tag, {"cookie": request.get("cookie", ""), "response": "yes"})
        with self.lock:
            try:
                self._do(request, made)
            except Refused as no:
                made.attrib |= {"errorCode": no.code, "invocationResult": no.result, "errorDescr": str(no)}
        return made

    def _do(self, request: ET.Element, made: ET.Element) -> None:
        match request.tag:
            case "aaaLogin":
                self._opened(made, self.sessions.login(request.get("inName", ""), request.get("inPassword", "")))
                return
            case "aaaLogout":
                self.sessions.logout(request.get("inCookie", ""))
                made.set("outStatus", "success")
                return
        self.sessions.check(request.get("cookie", ""))
        match request.tag:
            case "configResolveClass":
                out = ET.SubElement(made, "outConfigs")
                out.extend(self.tree.element(node) for node in self.tree.of_class(request.get("classId", "")))
            case "configResolveDn":
                out, node = ET.SubElement(made, "outConfig"), self.tree.get(request.get("dn", ""))
                out.extend([self.tree.element(node)] if node is not None else [])
            case "configResolveChildren":
                out = ET.SubElement(made, "outConfigs")
                below = self.tree.children(request.get("inDn", ""), request.get("classId", ""))
                out.extend(self.tree.element(node) for node in below)
            case "configConfMo":
                self._write(request, made)
            case other:
                raise Refused("ERR-xml-parse-error", f"no such method {other}")

    def _opened(self, made: ET.Element, cookie: str) -> None:
        made.attrib |= {
            "cookie": "", "outCookie": cookie, "outRefreshPeriod": "600", "outPriv": "admin", "outSessionId": "17",
            "outVersion": self.version, "outDomains": "", "outChannel": "", "outEvtChannel": "",
        }  # fmt: skip

    def _write(self, request: ET.Element, made: ET.Element) -> None:
        """One object: whatever else was meant with it is another request."""
        config = request.find("inConfig")
        element = config[0] if config is not None and len(config) else None
        node = self.tree.get(request.get("dn", ""))
        if element is None or node is None or node.cls != element.tag:
            raise Refused("102", f"configured object ({request.get('dn', '')}) not found")
        least, most = _RANGES.get(node.cls, (0, 10**9))
        if (count := element.get("count")) is not None and not (count.isdigit() and least <= int(count) <= most):
            raise Refused("150", f"Property count: {count} is out of range {least} to {most}")
        node.props |= {k: v for k, v in element.attrib.items() if k not in {"dn", "rn", "status"}}
        ET.SubElement(made, "outConfig").append(self.tree.element(node))
        self.next_boot(self.queues())

    def queues(self) -> dict[str, int]:
        """Receive queues that the host shows after its next boot, by vNIC."""
        made = {}
        for port in self.tree.of_class("adaptorHostEthIf"):
            rx, tx, cq, irq = (int(self.tree[f"{port.dn}/{rn}"].props["count"]) for rn in
                               ("eth-rcv-q", "eth-work-q", "eth-comp-q", "eth-int"))  # fmt: skip
            made[port.props["name"]] = min(rx, max(1, cq - tx), max(1, irq - 2 - tx), _CAPPED_AT)
        return made


def _built(macs: Sequence[str]) -> Tree:
    tree = Tree()
    tree.add("topSystem", "sys", name="C220-FCH1", address="192.0.2.20", currentTime="", mode="stand-alone")
    uuid, model = "4C4C4544-0042-3010-8035-B4C04F4B3132", "UCSC-C220-M3S"
    tree.add(
        "computeRackUnit", UNIT, model=model, serial="FCH1847V0AB", uuid=uuid, operPower="on", serverId="1",
        numOfCores="20", numOfThreads="40", numOfAdaptors="1", vendor="Cisco Systems Inc",
    )  # fmt: skip
    tree.add("biosUnit", f"{UNIT}/bios", model=model, revision="", vendor="Cisco Systems, Inc.")
    tree.add("adaptorUnit", f"{UNIT}/adaptor-1", id="1", model="UCSC-PCIE-CSC-02", serial="FCH18", pciSlot="1")
    for n, mac in enumerate(macs):
        dn = f"{UNIT}/adaptor-1/host-eth-eth{n}"
        tree.add("adaptorHostEthIf", dn, name=f"eth{n}", mac=mac, mtu="1500", uplinkPort=str(n % 2))
        tree.add("adaptorEthRecvQueueProfile", f"{dn}/eth-rcv-q", count="1", ringSize="512")
        tree.add("adaptorEthWorkQueueProfile", f"{dn}/eth-work-q", count="1", ringSize="256")
        tree.add("adaptorEthCompQueueProfile", f"{dn}/eth-comp-q", count="2", ringSize="1")
        tree.add("adaptorEthInterruptProfile", f"{dn}/eth-int", count="4", coalescingTime="125",
                 coalescingType="MIN", mode="MSIx")  # fmt: skip
        tree.add("adaptorRssProfile", f"{dn}/rss", receiveSideScaling="Disabled")
    return tree


def _handler(cimc: Cimc) -> type[Door]:
    class Handler(Door):
        def do_POST(self) -> None:
            body = self.body()
            if time.monotonic() < cimc.away_until:
                self.send_error(503)
                return
            cimc.requests.append(body)
            self.reply(cimc.answer(body))

    return Handler
