"""Flows as they are stored: lists that JSON knows. Pure; what cannot be read is left out."""

from collections.abc import Mapping
from ipaddress import ip_address

from fleet.core.model import Json
from fleet.core.rss import Flow

MOST_STORED = 20_000


def to_rows(flows: Mapping[Flow, int]) -> list[Json]:
    """[protocol, source, source port, destination, destination port, packets, fragment], most packets first."""
    ordered = sorted(flows.items(), key=lambda item: -item[1])[:MOST_STORED]
    return [
        [f.protocol, str(ip_address(f.source)), f.source_port, str(ip_address(f.destination)), f.destination_port, n,
         f.fragment]
        for f, n in ordered
    ]  # fmt: skip


def from_rows(rows: Json) -> dict[Flow, int]:
    """The opposite of `to_rows`."""
    made: dict[Flow, int] = {}
    for row in rows if isinstance(rows, list) else []:
        try:
            protocol, source, sport, destination, dport, packets, fragment = row
            flow = Flow(ip_address(source).packed, ip_address(destination).packed, int(protocol), int(sport),
                        int(dport), fragment=bool(fragment))  # fmt: skip
            made[flow] = made.get(flow, 0) + int(packets)
        except (TypeError, ValueError):
            continue
    return made
