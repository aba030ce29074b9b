"""`ethtool -S`: which counters are per queue, and which are packets lost for want of a buffer. Pure; never a guess.

Rules by the way drivers write (domain notes 4), which serve drivers that nobody has named as well: per-queue counters
are believed when their queues begin at 0, have no hole and all say the same things.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

_ROW = re.compile(r"[ \t]*(\S.{0,79}?):[ \t]+([0-9]{1,20})[ \t]*")
_BLOCK = re.compile(r"(Rx|Tx) Queue#")  # vmxnet3: the lines after it belong to that queue
_MOST_ROWS, _MOST_QUEUES = 20_000, 1024
# Way, queue, what: one pattern for each manner of writing. Numbers that are no queues (rx_size_64, rx_prio0_packets,
# rx_64_bytes) fit none of them, or do not begin at 0 without a hole.
_MANNERS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<way>rx|tx)-(?P<queue>\d{1,4})\.(?:rx_|tx_)?(?P<what>\w+)",  # i40e, iavf
        r"(?P<way>rx|tx)_queue_(?P<queue>\d{1,4})_(?P<what>\w+)",  # ixgbe, igb, igc, ice, virtio_net, veth
        r"(?P<way>rx|tx)_q-(?P<queue>\d{1,4})_(?P<what>\w+)",  # ice before it was in the kernel
        r"(?P<way>rx|tx)(?P<queue>\d{1,4})_(?P<what>[a-z]\w*)",  # mlx5, mlx4, virtio_net
        r"(?P<way>rx|tx)q?_(?P<queue>\d{1,4})_(?P<what>[a-z]\w*)",  # mana, hns3
        r"(?P<way>rx|tx)_ring_?(?P<queue>\d{1,4})_(?P<what>\w+)",
        r"\[(?P<queue>\d{1,4})\]: (?P<way>rx|tx)_(?P<what>\w+)",  # bnxt, bnx2x
        r"queue_(?P<queue>\d{1,4})_(?P<way>rx|tx)_(?P<what>\w+)",  # ena
        r"(?P<way>rx|tx)_(?P<what>packets|pkts|bytes|dropped\w*)\[(?P<queue>\d{1,4})\]",  # gve
    )
)
_PACKETS = frozenset({"packets", "pkts", "cnt"})
_BY_CAST = frozenset({"ucast_packets", "mcast_packets", "bcast_packets"})
_VMXNET3_CASTS = ("ucast pkts", "mcast pkts", "bcast pkts")
_DROPS = frozenset({"drops", "dropped", "drop", "discards", "discard_packets", "rx_discards"})
# Packets that the card had to throw away because no buffer or descriptor was free (domain notes 4, drivers' sources).
_NO_BUFFER = frozenset(
    {
        *("rx_no_bufs", "rx_no_buffer_count", "rx_no_dma_resources", "rx_missed_errors", "rx_fifo_errors", "rx_missed"),
        *("rx_out_of_buffer", "rx_alloc_fail", "rx_buf_alloc_fail", "rx_over_errors", "rx_fifo", "rx_overruns"),
        *("rx_no_buffer", "rx_nobuf", "rx_out_of_buffers", "pkts rx OOB", "rx buf alloc fail", "rx_discards_phy"),
        *("rx_buffer_passed_thres_phy", "rx_no_buffer_errors", "port.rx_discards", "rx_dropped.nic"),
    }
)
_QUEUE_NO_BUFFER = frozenset(
    {
        "buff_alloc_err",
        "alloc_failed",
        "alloc_fail",
        "pkts rx OOB",
        "rx buf alloc fail",
        "no_buf",
        "missed",
        "out_of_buffer",
    }
)


class Told(StrEnum):
    """What the counters of a card tell of its queues."""

    PACKETS = "packets per queue"
    NO_PACKETS = "queues without their packets"  # XDP, kicks, drops: virtio_net of kernel 6.18, veth
    TOTALS = "totals only"
    NOTHING = "no counters"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Counters:
    """The counters of one card. `rx`, `tx`: queue > packets, where told. `no_buffer`: counter > packets lost.

    `drops`: receive queue > packets that it dropped, for whatever reason. `total`: name > value of all that has no
    queue. `why`: why counters by queue are not believed, where they are not.
    """

    told: Told
    rx: Mapping[int, int] = field(default_factory=dict)
    tx: Mapping[int, int] = field(default_factory=dict)
    drops: Mapping[int, int] = field(default_factory=dict)
    no_buffer: Mapping[str, int] = field(default_factory=dict)
    total: Mapping[str, int] = field(default_factory=dict)
    queues: int = 0
    why: str = ""


_ByQueue = dict[str, dict[int, dict[str, int]]]  # rx or tx > queue > what > value


def read(text: str) -> Counters:
    """Read the answer of `ethtool -S DEV`, of whatever driver."""
    if "no stats available" in text or "Operation not supported" in text:
        return Counters(Told.NOTHING)
    if "NIC statistics:" not in text:
        return Counters(Told.UNREADABLE)
    by_manner: dict[int, _ByQueue] = {}
    total: dict[str, int] = {}
    for row in _rows(text.partition("NIC statistics:")[2]):
        if row.manner is None:
            total.setdefault(row.what, row.value)
            continue
        queues = by_manner.setdefault(row.manner, {"rx": {}, "tx": {}})
        known = queues[row.way].setdefault(row.queue, {})
        known[row.what] = known.get(row.what, 0) + row.value
    return _judged(by_manner, total)


@dataclass(frozen=True)
class _Row:
    manner: int | None
    way: str
    queue: int
    what: str
    value: int


_IN_BLOCK = -1  # the manner of vmxnet3


def _rows(text: str) -> Iterator[_Row]:
    block: tuple[str, int] | None = None
    for line in text.splitlines()[:_MOST_ROWS]:
        row = _ROW.fullmatch(line[:200])
        if row is None:
            continue
        name, value = row[1], int(row[2])
        head = _BLOCK.fullmatch(name)
        if head is not None:
            block = (head[1].lower(), value)
        elif block is not None and name.endswith(("tx", "rx", "total", "OOB", "fail", "full", "oversized hdr")):
            yield _Row(_IN_BLOCK, *block, name, value)
        else:
            yield _named(name, value)


def _named(name: str, value: int) -> _Row:
    for number, manner in enumerate(_MANNERS):
        found = manner.fullmatch(name)
        if found is not None and int(found["queue"]) < _MOST_QUEUES:
            return _Row(number, found["way"], int(found["queue"]), found["what"], value)
    return _Row(None, "", 0, name, value)


def _judged(by_manner: Mapping[int, _ByQueue], total: dict[str, int]) -> Counters:
    """Of the manners of writing, the one that is believed; packets before what is only about queues."""
    believed: list[tuple[_ByQueue, dict[int, int]]] = []
    why = []
    for queues in by_manner.values():
        doubts = [words for way in ("rx", "tx") if (words := _doubt(way, queues[way]))]
        why += doubts
        if not doubts:
            believed.append((queues, _packets(queues["rx"], "rx")))
    with_packets = [one for one in believed if one[1]]
    if len(with_packets) > 1:
        why.append("two ways of counting the packets of queues")
    elif believed:
        queues, rx = (with_packets or believed)[0]
        return _by_queue(queues, rx, total)
    told = Told.TOTALS if total else Told.NOTHING
    return Counters(told, no_buffer=_lost(total, {}), total=total, why="; ".join(why))


def _by_queue(queues: _ByQueue, rx: dict[int, int], total: dict[str, int]) -> Counters:
    listed = queues["rx"]
    has_drops = any(what in _DROPS for row in listed.values() for what in row)
    drops = {q: sum(n for what, n in row.items() if what in _DROPS) for q, row in sorted(listed.items())}
    told = Told.PACKETS if rx else Told.NO_PACKETS
    tx = _packets(queues["tx"], "tx")
    return Counters(told, rx, tx, drops if has_drops else {}, _lost(total, listed), total, len(listed))


def _doubt(way: str, queues: Mapping[int, Mapping[str, int]]) -> str:
    """Why these may be no queues at all; empty: they are believed."""
    numbers = sorted(queues)
    if numbers and numbers != list(range(len(numbers))):
        return f"{way} counters with numbers {', '.join(map(str, numbers[:4]))} ..., not from 0 without a hole"
    # Queue 0 may say more than others (bnxt: rings without a counterpart), but all have packets or none has.
    having = [q for q, row in queues.items() if _PACKETS & row.keys() or _BY_CAST & row.keys()]
    if having and len(having) != len(queues):
        return f"{way} counters of which only {len(having)} of {len(queues)} have packets"
    return ""


def _packets(queues: Mapping[int, Mapping[str, int]], way: str) -> dict[int, int]:
    """Packets by queue; empty where they are not told."""
    made: dict[int, int] = {}
    casts = {f"{cast} {way}" for cast in _VMXNET3_CASTS}
    for queue, row in sorted(queues.items()):
        plain = next((row[what] for what in ("packets", "pkts", "cnt") if what in row), None)
        by_cast = [n for what, n in row.items() if what in _BY_CAST or what in casts]
        if plain is None and not by_cast:
            return {}
        made[queue] = plain if plain is not None else sum(by_cast)
    return made


def _lost(total: Mapping[str, int], queues: Mapping[int, Mapping[str, int]]) -> dict[str, int]:
    """Counters of packets for which there was no buffer; those by queue added up under their name."""
    made = {name: n for name, n in total.items() if name in _NO_BUFFER}
    for row in queues.values():
        for what, n in row.items():
            if what in _QUEUE_NO_BUFFER or f"rx_{what}" in _NO_BUFFER:
                made[what] = made.get(what, 0) + n
    return made


def grown(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """How much each counter has grown; from zero where it went backwards (the driver was loaded again)."""
    return {name: n - before[name] if n >= before[name] else n for name, n in after.items() if name in before}
