"""Receive-side scaling: the Toeplitz hash, and the queue that a flow takes by key, table and hashed fields. Pure.

Sources: Microsoft's "Verifying the RSS Hash Calculation", 82599 data sheet 7.1.2.8, kernel scaling.rst; domain notes 7.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address

MICROSOFT_KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")
"""The key of the published vectors. Drivers choose one at random at every boot: read it from the device."""

# 40 bytes serve the longest input (two IPv6 addresses and two ports: 36 bytes, whose last bit uses key bytes 36 to 39).
# i40e and ice have 52; what is beyond the input is not used.
SHORTEST_KEY, LONGEST_KEY = 40, 256
LONGEST_INPUT = 36
TCP, UDP, SCTP, ESP, AH = 6, 17, 132, 50, 51
_PROTOCOLS = {TCP: "tcp", UDP: "udp", SCTP: "sctp", ESP: "esp", AH: "ah"}
_PORTED = frozenset({TCP, UDP, SCTP})


@dataclass(frozen=True, slots=True)
class Flow:
    """Packets with the same addresses, protocol and ports. `source`, `destination`: 4 or 16 bytes; ports 0: none.

    `fragment`: these packets are fragments, which every card hashes by addresses alone.
    """

    source: bytes
    destination: bytes
    protocol: int
    source_port: int = 0
    destination_port: int = 0
    fragment: bool = False

    @property
    def family(self) -> int:
        return 4 if len(self.source) == 4 else 6

    @property
    def kind(self) -> str:
        """What `ethtool -n DEV rx-flow-hash` calls it: udp4, tcp6 ...; ip4 or ip6 for what it has no word for."""
        return f"{'ip' if self.fragment else _PROTOCOLS.get(self.protocol, 'ip')}{self.family}"

    def __str__(self) -> str:
        ends = [str(ip_address(a)) for a in (self.source, self.destination)]
        if self.protocol in _PORTED and not self.fragment:
            bare = self.family == 4
            ports = (self.source_port, self.destination_port)
            ends = [f"{a}:{p}" if bare else f"[{a}]:{p}" for a, p in zip(ends, ports, strict=True)]
        return f"{_PROTOCOLS.get(self.protocol, f'protocol {self.protocol}')} {ends[0]} > {ends[1]}"


class KeyRefused(ValueError):
    """A key that is too short or too long to hash with."""


@lru_cache(maxsize=64)
def _tables(key: bytes) -> tuple[tuple[int, ...], ...]:
    """For each byte of the input and each of its 256 values: what it adds to the hash (by XOR)."""
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise KeyRefused(f"found a key of {len(key)} bytes, wanted {SHORTEST_KEY} to {LONGEST_KEY}")
    bits = int.from_bytes(key[:SHORTEST_KEY], "big")
    tables = []
    for place in range(LONGEST_INPUT):
        # Window of 32 key bits that begins at the input's bit; the highest bit of the byte comes first.
        windows = [bits >> (SHORTEST_KEY * 8 - 32 - place * 8 - n) & 0xFFFFFFFF for n in range(8)]
        values = [0] * 256
        for value in range(1, 256):
            lowest = value & -value
            values[value] = values[value ^ lowest] ^ windows[8 - lowest.bit_length()]
        tables.append(tuple(values))
    return tuple(tables)


def tables(key: bytes) -> tuple[tuple[int, ...], ...]:
    """The hash as 36 tables of 256 numbers: XOR of `tables(key)[n][input[n]]`. Raises KeyRefused."""
    return _tables(key)


def toeplitz(key: bytes, data: bytes) -> int:
    """The Toeplitz hash, 32 bits, of at most 36 bytes in network order. Raises KeyRefused, ValueError if too long."""
    if len(data) > LONGEST_INPUT:
        raise ValueError(f"found {len(data)} bytes to hash, wanted at most {LONGEST_INPUT}")
    result = 0
    for values, byte in zip(_tables(key), data, strict=False):
        result ^= values[byte]
    return result


def hashed(flow: Flow, fields: str | None) -> bytes | None:
    """What the card hashes of a flow: addresses ("sd") or addresses and ports ("sdfn"); None: cannot be told.

    `fields`: letters as `ethtool -N DEV rx-flow-hash` takes them, in any order. Empty bytes: it hashes nothing of this
    flow. Of other letters (VLAN, one address alone) it differs by card what is hashed, so nothing is said.
    """
    if fields is None:
        return None
    match "".join(sorted(fields)):
        case "":
            return b""
        case "ds":
            return flow.source + flow.destination
        case "dfns" if flow.protocol in _PORTED and not flow.fragment:
            ports = flow.source_port.to_bytes(2, "big") + flow.destination_port.to_bytes(2, "big")
            return flow.source + flow.destination + ports
        case "dfns":
            return flow.source + flow.destination
        case _:
            return None


@dataclass(frozen=True)
class Rss:
    """How a card spreads: hash key, indirection table (queue of each bucket), fields by kind of flow, as it was read.

    `fields`: "udp4" > "sdfn". Protocols that ethtool has no word for (ICMP, GRE), and fragments, go by addresses: true
    of all cards of the domain notes. A kind with a word that was not read is unknown.
    """

    key: bytes
    table: tuple[int, ...]
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def queues(self) -> tuple[int, ...]:
        """The queues in the table."""
        return tuple(sorted(set(self.table)))

    def fields_of(self, flow: Flow) -> str | None:
        return "sd" if flow.kind in ("ip4", "ip6") else self.fields.get(flow.kind)

    def input_of(self, flow: Flow) -> bytes | None:
        return hashed(flow, self.fields_of(flow))

    def queue(self, flow: Flow) -> int | None:
        """The queue that a flow takes; None where it cannot be told: fields unknown, no key, table of odd size.

        The bucket is the lowest bits of the hash, for tables of 2^n entries. What is not hashed takes bucket 0.
        """
        data = self.input_of(flow)
        return None if data is None else self.queue_of(data)

    def queue_of(self, data: bytes) -> int | None:
        """The queue of what is hashed."""
        if not is_table(self.table) or not SHORTEST_KEY <= len(self.key) <= LONGEST_KEY:
            return None
        return self.table[toeplitz(self.key, data) & len(self.table) - 1] if data else self.table[0]


def is_table(table: Sequence[int]) -> bool:
    """Is the bucket of a hash known for a table of this size? 2^n entries, n at most 16."""
    return 0 < len(table) <= 65536 and len(table) & len(table) - 1 == 0


def equal_table(queues: int, size: int = 128) -> tuple[int, ...]:
    """The table that drivers begin with: `bucket % queues`."""
    return tuple(bucket % queues for bucket in range(size))


def read_key(text: str) -> bytes | None:
    """A key as `ethtool -x` prints it (hexadecimal with colons), or without colons; None for anything else."""
    digits = text.replace(":", "").strip()
    if (
        len(digits) % 2
        or not digits
        or len(digits) > 2 * LONGEST_KEY
        or not all(c in "0123456789abcdefABCDEF" for c in digits)
    ):
        return None
    return bytes.fromhex(digits)


@dataclass(frozen=True)
class Predicted:
    """Packets per queue as they should arrive; `untold`: packets whose queue cannot be told."""

    packets: Mapping[int, int]
    untold: int = 0

    @property
    def total(self) -> int:
        return sum(self.packets.values()) + self.untold


def predict(rss: Rss, flows: Mapping[Flow, int] | Iterable[tuple[Flow, int]]) -> Predicted:
    """Packets per queue for flows with their packets. Every queue of the table is in the answer."""
    packets = dict.fromkeys(rss.queues, 0)
    untold = 0
    for flow, count in flows.items() if isinstance(flows, Mapping) else flows:
        queue = rss.queue(flow)
        if queue is None:
            untold += count
        else:
            packets[queue] += count
    return Predicted(packets, untold)
