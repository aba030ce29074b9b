"""Flows out of a list that a person or another tool wrote: one flow a line, separated by commas or blanks. Pure."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from fleet.core.model import Reason
from fleet.core.rss import AH, ESP, SCTP, TCP, UDP, Flow

MOST_LINES = 200_000
MOST_REASONS = 20
_PROTOCOLS = {"tcp": TCP, "udp": UDP, "sctp": SCTP, "esp": ESP, "ah": AH, "icmp": 1, "gre": 47, "icmp6": 58}
# Head of a list > field. Names as nfdump, ntopng and people write them.
_HEADS = {
    "source": "source", "src": "source", "srcaddr": "source", "sa": "source", "src_ip": "source",
    "destination": "destination", "dst": "destination", "dstaddr": "destination", "da": "destination",
    "dst_ip": "destination", "protocol": "protocol", "proto": "protocol", "pr": "protocol",
    "source_port": "source_port", "sport": "source_port", "srcport": "source_port", "sp": "source_port",
    "destination_port": "destination_port", "dport": "destination_port", "dstport": "destination_port",
    "dp": "destination_port", "packets": "packets", "pkts": "packets", "ipkt": "packets", "pkt": "packets",
}  # fmt: skip
_PLAIN = ("protocol", "source", "source_port", "destination", "destination_port", "packets")


@dataclass(frozen=True)
class Listed:
    """Flows with their packets, and what of the list could not be read (at most 20 lines are named)."""

    flows: Mapping[Flow, int]
    reasons: tuple[Reason, ...] = ()


def read_list(text: str) -> Listed:
    """Read a list of flows.

    With a head line (source, destination, protocol, sport, dport, packets, in any order) its columns are taken; without
    one: protocol, source, source port, destination, destination port, packets. Packets may be left out (1), ports of
    protocols without any too. A line that begins with # is passed over.
    """
    lines = [line for line in text.replace("\x00", "").splitlines() if line.strip() and not line.startswith("#")]
    reasons: list[Reason] = []
    if len(lines) > MOST_LINES:
        reasons.append(Reason("list of flows", f"{len(lines)} lines", f"at most {MOST_LINES}", "The rest is left out."))
    flows: dict[Flow, int] = {}
    columns: tuple[str, ...] = _PLAIN
    for number, line in enumerate(lines[:MOST_LINES], 1):
        words = _words(line)
        heads = tuple(_HEADS.get(word.lower(), "") for word in words)
        if number == 1 and {"source", "destination"} <= set(heads):
            columns = heads
            continue
        read = _flow(dict(zip(columns, words, strict=False)))
        if isinstance(read, str):
            if len(reasons) < MOST_REASONS:
                reasons.append(Reason(f"flow {number}", f'"{line[:80]}"', read))
        else:
            flows[read[0]] = flows.get(read[0], 0) + read[1]
    return Listed(flows, tuple(reasons))


def _words(line: str) -> list[str]:
    if "," in line or ";" in line:
        try:
            return [w.strip() for w in next(csv.reader([line], delimiter="," if "," in line else ";"))]
        except (csv.Error, StopIteration):
            return []
    return line.split()


def _flow(row: Mapping[str, str]) -> tuple[Flow, int] | str:
    """One flow and its packets, or what was wanted instead."""
    name = row.get("protocol", "").lower()
    protocol = _PROTOCOLS.get(name, _number(name, 255))
    if protocol is None:
        return "a protocol: tcp, udp, esp ... or its number"
    try:
        source, destination = (ip_address(row.get(k, "").split("%")[0]) for k in ("source", "destination"))
    except ValueError:
        return "a source and a destination address"
    if source.version != destination.version:
        return "addresses of one family"
    ports = [0, 0]
    if protocol in (TCP, UDP, SCTP):
        for place, key in enumerate(("source_port", "destination_port")):
            port = _number(row.get(key, ""), 65535)
            if port is None:
                return "ports from 0 to 65535"
            ports[place] = port
    packets = _number(row.get("packets", "") or "1", 10**15)
    if packets is None:
        return "a number of packets"
    return Flow(source.packed, destination.packed, protocol, ports[0], ports[1]), packets


def _number(text: str, most: int) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 and int(text) <= most else None
