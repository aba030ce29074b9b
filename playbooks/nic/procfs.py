"""Interrupts and softirqs by CPU out of /proc, and which interrupt is which queue. Pure; no text makes it raise."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_CPU = re.compile(r"CPU(\d{1,4})")
_IRQ = re.compile(r"[ \t]*(\d{1,7}):((?:[ \t]+\d{1,20})+)[ \t]*(.*)")
_SOFTIRQ = re.compile(r"[ \t]*([A-Z_]{2,20}):((?:[ \t]+\d{1,20})+)[ \t]*")
_STAT = re.compile(r"cpu(\d{1,4})((?: +\d{1,20}){7,10}) *")
_LOWEST, _SOFT = 7, 6  # columns of /proc/stat: user nice system idle iowait irq softirq steal guest guest_nice
# The queue of a vector, by the names that drivers give: eth0-TxRx-0, i40e-eth0-TxRx-3, ice-eth0-TxRx-0, eth5-rx-2,
# ens192-rxtx-1, eth0-Tx-Rx-0, virtio2-input.0, mlx5_comp0@pci:0000:3b:00.0, eth0-0 (tg3, gve "ntfy-blk" are unknown).
_RECEIVES = re.compile(
    r"(?:.*[-.:])?(?:TxRx|txrx|rxtx|RxTx|Tx-Rx|tx-rx|rx|Rx|input)[-.](\d{1,4})(?:@.*)?|mlx[45]_comp(\d{1,4})(?:@.*)?"
)
_SENDS = re.compile(r"(?:.*[-.])(?:tx|Tx|output)[-.]\d{1,4}")
_OTHER = re.compile(
    r".*(?:fdir|misc|async|err|notify|config|ctrl|ll_ts|event|lsc|admin|mgmnt|pages|cmd).*", re.IGNORECASE
)


@dataclass(frozen=True)
class Interrupt:
    """One interrupt: its name (chip and type are left out) and its count on each online CPU."""

    name: str
    by_cpu: Mapping[int, int] = field(default_factory=dict)


def interrupts(text: str) -> dict[int, Interrupt]:
    """Number > interrupt. /proc/interrupts has a column for each online CPU: its head says which."""
    lines = text.splitlines()
    head = next((n for n, line in enumerate(lines[:5]) if _CPU.search(line)), None)
    if head is None:
        return {}
    cpus = [int(n) for n in _CPU.findall(lines[head])]
    made: dict[int, Interrupt] = {}
    for line in lines[head + 1 : head + 20_000]:
        row = _IRQ.fullmatch(line[:40_000])
        counts = [int(n) for n in row[2].split()] if row else []
        if row is None or len(counts) < len(cpus):
            continue
        # A count of an interrupt's type (1-edge) begins with a digit as well: only as many columns as there are CPUs.
        rest = " ".join([*row[2].split()[len(cpus) :], row[3]]).split()
        made[int(row[1])] = Interrupt(rest[-1] if rest else "", dict(zip(cpus, counts, strict=False)))
    return made


def softirqs(text: str, name: str = "NET_RX") -> dict[int, int]:
    """CPU > how often it ran this softirq. /proc/softirqs has a column for each possible CPU."""
    head, _, rest = text.partition("\n")
    cpus = [int(n) for n in _CPU.findall(head)]
    for line in rest.splitlines():
        row = _SOFTIRQ.fullmatch(line[:40_000])
        if row is not None and row[1] == name:
            counts = [int(n) for n in row[2].split()]
            return dict(zip(cpus, counts, strict=True)) if len(counts) == len(cpus) else {}
    return {}


def cpu_times(text: str) -> dict[int, tuple[int, int]]:
    """CPU > (ticks in softirqs, ticks in all) out of /proc/stat. Guest time is part of user time: not counted twice."""
    made: dict[int, tuple[int, int]] = {}
    for line in text.splitlines()[:10_000]:
        row = _STAT.fullmatch(line[:400])
        if row is not None:
            ticks = [int(n) for n in row[2].split()]
            made[int(row[1])] = (ticks[_SOFT], sum(ticks[:8]))
    return made


def softirq_share(before: Mapping[int, tuple[int, int]], after: Mapping[int, tuple[int, int]]) -> dict[int, float]:
    """CPU > share of its time in softirqs between two looks, 0 to 1; CPUs for which it cannot be told are left out."""
    made: dict[int, float] = {}
    for cpu, (soft, total) in after.items():
        if cpu in before and total > before[cpu][1] and soft >= before[cpu][0]:
            made[cpu] = min(1.0, (soft - before[cpu][0]) / (total - before[cpu][1]))
    return made


def softnet(text: str) -> dict[int, tuple[int, int, int]]:
    """CPU > packets processed, dropped (backlog full), times squeezed. /proc/net/softnet_stat: hexadecimal columns.

    The CPU is the 13th column (kernel 5.10 and newer); before, rows are online CPUs in order, which is not told here.
    """
    made: dict[int, tuple[int, int, int]] = {}
    for line in text.splitlines()[:10_000]:
        words = line.split()
        if len(words) >= 13 and all(re.fullmatch(r"[0-9a-f]{1,16}", w) for w in words):
            made[int(words[12], 16)] = (int(words[0], 16), int(words[1], 16), int(words[2], 16))
    return made


def queue_of(vector: str) -> int | None:
    """The receive queue of a vector by its name; None: it is for something else, or its name is none that is known."""
    if _OTHER.fullmatch(vector) and not vector.startswith("mlx5_comp"):
        return None
    found = _RECEIVES.fullmatch(vector)
    return int(found[1] or found[2]) if found is not None else None


def receive_queues(vectors: Mapping[int, str], *, queues: int | None) -> dict[int, int]:
    """Interrupt > receive queue for the vectors (number > name) of one card.

    Names decide; where a card with one queue has names that say nothing (a shared interrupt, one vector), the only
    vector that is not for sending or for control is queue 0's. More cannot be told.
    """
    named = {irq: queue for irq, name in vectors.items() if (queue := queue_of(name)) is not None}
    if named:
        return named if len(set(named.values())) == len(named) else {}
    left = [irq for irq, name in vectors.items() if not _SENDS.fullmatch(name) and not _OTHER.fullmatch(name)]
    return {left[0]: 0} if queues == 1 and len(left) == 1 else {}
