"""Flows out of a capture file: classic pcap and pcapng, read with suspicion. Pure; no content makes it raise.

Formats: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng; link types from tcpdump.org/linktypes.html.
"""

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet.core.model import Reason
from fleet.core.rss import SCTP, TCP, UDP, Flow

# A capture of some seconds says all that there is to say; a million packets take about 6 s to read here.
MOST_PACKETS = 1_000_000
MOST_FLOWS = 200_000
_LONGEST_PACKET = 262_144  # tcpdump's own bound
_ETHERNET, _RAW_BSD, _RAW, _SLL, _IPV4, _IPV6, _SLL2 = 1, 12, 101, 113, 228, 229, 276
_VLAN = frozenset({0x8100, 0x88A8, 0x9100})
_IP = {0x0800: 4, 0x86DD: 6}
_EXTENSIONS = frozenset({0, 43, 60})  # hop-by-hop, routing, destination options: 8 + 8n bytes
_FRAGMENT = 44
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">",
}  # fmt: skip
_SECTION = b"\x0a\x0d\x0d\x0a"
_ORDER = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}


@dataclass(frozen=True)
class Captured:
    """Packets by flow. `other`: packets that are no IP (hashed by nothing); `cut`: too short to tell.

    `ended`: why reading stopped before the end of the file, if it did; what came before is good.
    """

    flows: Mapping[Flow, int]
    other: int = 0
    cut: int = 0
    ended: Reason | None = None

    @property
    def packets(self) -> int:
        return sum(self.flows.values()) + self.other + self.cut


class _End(Exception):
    """Reading stops here, for this reason."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(found)
        self.reason = Reason("capture", found, wanted, "What came before it was read.")


def read_capture(data: bytes, *, most: int = MOST_PACKETS) -> Captured | Reason:
    """Read a whole capture file; a Reason when it is none at all."""
    if data[:4] in _MAGIC:
        frames = _classic(data, _MAGIC[data[:4]])
    elif data[:4] == _SECTION:
        frames = _blocks(data)
    else:
        found = f"bytes {data[:4].hex(' ') or '(none)'} at its beginning"
        return Reason("capture", found, "a pcap or pcapng file", "Capture with tcpdump -w FILE.")
    flows: Counter[Flow] = Counter()
    other = cut = 0
    ended: Reason | None = None
    try:
        for number, (link, frame) in enumerate(frames):
            if number >= most or len(flows) > MOST_FLOWS:
                raise _End(f"more than {number} packets, {len(flows)} flows", "a shorter capture")
            found_flow = flow_of(link, frame)
            if isinstance(found_flow, Flow):
                flows[found_flow] += 1
            elif found_flow:
                other += 1
            else:
                cut += 1
    except _End as end:
        ended = end.reason
    return Captured(dict(flows), other, cut, ended)


def _classic(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    if len(data) < 24:
        raise _End(f"{len(data)} bytes", "the 24 bytes of its head")
    link = struct.unpack_from(f"{order}I", data, 20)[0] & 0x0FFFFFFF
    at = 24
    while at < len(data):
        if len(data) - at < 16:
            raise _End(f"{len(data) - at} bytes at its end", "the 16 bytes before a packet")
        length = struct.unpack_from(f"{order}I", data, at + 8)[0]
        if length > _LONGEST_PACKET or length > len(data) - at - 16:
            raise _End(f"a packet of {length} bytes at {at}", f"at most the {len(data) - at - 16} that are left")
        yield link, data[at + 16 : at + 16 + length]
        at += 16 + length


def _blocks(data: bytes) -> Iterator[tuple[int, bytes]]:
    order, at = "<", 0
    links: list[tuple[int, int]] = []  # link type and snap length of each interface of the section
    while at < len(data):
        if data[at : at + 4] == _SECTION:
            order = _ORDER.get(data[at + 8 : at + 12], "")
            if not order:
                raise _End(f"a section at {at} without its byte order", "1a2b3c4d")
            links = []
        if len(data) - at < 12:
            raise _End(f"{len(data) - at} bytes at its end", "a block of at least 12")
        kind, length = struct.unpack_from(f"{order}II", data, at)
        if length < 12 or length % 4 or length > len(data) - at:
            raise _End(f"a block of {length} bytes at {at}", "a multiple of 4 that fits")
        body = data[at + 8 : at + length - 4]
        if kind == 1 and len(body) >= 8:
            link, _, snap = struct.unpack_from(f"{order}HHI", body)
            links.append((link, snap))
        elif kind == 6 and len(body) >= 20:
            number, captured = struct.unpack_from(f"{order}I", body)[0], struct.unpack_from(f"{order}I", body, 12)[0]
            if number < len(links):
                yield links[number][0], body[20 : 20 + captured]
        elif kind == 3 and len(body) >= 4 and links:
            original = struct.unpack_from(f"{order}I", body)[0]
            yield links[0][0], body[4 : 4 + min(original, links[0][1] or original)]
        at += length


def flow_of(link: int, frame: bytes) -> Flow | bool:
    """The flow of one frame; True: it is no IP; False: too short or of a link type that cannot be told."""
    try:
        match link:
            case 1:
                at, kind = 14, int.from_bytes(frame[12:14], "big")
                while kind in _VLAN and at <= 30:
                    kind = int.from_bytes(frame[at + 2 : at + 4], "big")
                    at += 4
                return _ip(frame[at:], _IP[kind]) if kind in _IP else len(frame) >= at
            case 113 | 276:
                kind = int.from_bytes(frame[14:16] if link == _SLL else frame[0:2], "big")
                at = 16 if link == _SLL else 20
                return _ip(frame[at:], _IP[kind]) if kind in _IP else len(frame) >= at
            case 12 | 101 | 228 | 229:
                return _ip(frame, frame[0] >> 4)
            case _:
                return False
    except (IndexError, ValueError):
        return False


def _ip(packet: bytes, version: int) -> Flow | bool:
    if not packet or packet[0] >> 4 != version:
        return False
    return _ipv4(packet) if version == 4 else _ipv6(packet)


def _ipv4(packet: bytes) -> Flow | bool:
    head = (packet[0] & 15) * 4
    if head < 20 or len(packet) < 20:
        return False
    word = int.from_bytes(packet[6:8], "big")
    fragment = bool(word & 0x3FFF)  # more fragments, or an offset
    return _with_ports(packet[12:16], packet[16:20], packet[9], packet[head:], fragment=fragment)


def _ipv6(packet: bytes) -> Flow | bool:
    if len(packet) < 40:
        return False
    following, at, fragment = packet[6], 40, False
    for _ in range(8):
        if following in _EXTENSIONS:
            following, at = packet[at], at + 8 + 8 * packet[at + 1]
        elif following == _FRAGMENT:
            following, at, fragment = packet[at], at + 8, True
        else:
            return _with_ports(packet[8:24], packet[24:40], following, packet[at:], fragment=fragment)
    return False


def _with_ports(source: bytes, destination: bytes, protocol: int, rest: bytes, *, fragment: bool) -> Flow | bool:
    if fragment or protocol not in (TCP, UDP, SCTP):
        return Flow(source, destination, protocol, fragment=fragment)
    if len(rest) < 4:
        return False
    ports = struct.unpack_from(">HH", rest)
    return Flow(source, destination, protocol, *ports)
