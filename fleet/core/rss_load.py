"""What the RSS doctor looks at: a card as it is set, what queues and CPUs did between two looks, the machine. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fleet.core.rss import Rss
from fleet.core.rss_spread import Spread

# Fewer packets, or a shorter time, say nothing about a spread (domain notes 4: 10 s and 1,000 packets).
LEAST_SECONDS, LEAST_PACKETS = 10.0, 1000
# NAPI takes many packets by one interrupt, so that interrupts are a measure of load only where there are many.
LEAST_INTERRUPTS = 200


@dataclass(frozen=True)
class Card:
    """A card as it is set. None: not known. `cpus`: receive queue > CPUs that may take its interrupts.

    `settable`: may the number of queues be set on the host (`ethtool -L`)?
    """

    name: str
    driver: str = ""
    queues: int | None = None
    most: int | None = None
    settable: bool = True
    rss: Rss | None = None
    cpus: Mapping[int, frozenset[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Machine:
    """CPUs that are online, cores without their hyper-threads, and whether irqbalance runs. None: not known."""

    cpus: int | None = None
    cores: int | None = None
    irqbalance: bool | None = None
    kernel: str = ""


@dataclass(frozen=True)
class Load:
    """What happened in `seconds` between two looks. None: the driver does not say.

    `packets`: receive queue > packets. `interrupts`: receive queue > CPU > interrupts. `missed`: counter > packets that
    were lost for want of a buffer. `received`: packets of the interface. `softirq`: CPU > share of its time, 0 to 1.
    """

    seconds: float
    packets: Mapping[int, int] | None = None
    interrupts: Mapping[int, Mapping[int, int]] | None = None
    missed: Mapping[str, int] = field(default_factory=dict)
    received: int | None = None
    softirq: Mapping[int, float] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Packets lost for want of a buffer: the largest of the counters, which often count the same ones."""
        return max(self.missed.values(), default=0)

    @property
    def hottest(self) -> tuple[int, float] | None:
        """The CPU that spends most of its time on softirqs, and that share."""
        return max(self.softirq.items(), key=lambda item: (item[1], -item[0]), default=None)

    def seen(self) -> tuple[Spread, str] | None:
        """The spread that was seen and by what: packets, or interrupts where no packets are told. None: too little."""
        if self.seconds < LEAST_SECONDS:
            return None
        if self.packets is not None:
            spread = Spread({q: float(n) for q, n in self.packets.items()})
            return (spread, "packets") if spread.total >= LEAST_PACKETS else None
        if self.interrupts is not None:
            by_queue = Spread({q: float(sum(by_cpu.values())) for q, by_cpu in self.interrupts.items()})
            return (by_queue, "interrupts") if by_queue.total >= LEAST_INTERRUPTS else None
        return None

    def on_cpus(self) -> Spread | None:
        """Interrupts of receive queues by CPU; None where they are not told or too few."""
        if self.interrupts is None or self.seconds < LEAST_SECONDS:
            return None
        made: dict[int, float] = {}
        for by_cpu in self.interrupts.values():
            for cpu, count in by_cpu.items():
                made[cpu] = made.get(cpu, 0.0) + count
        return Spread(made) if sum(made.values()) >= LEAST_INTERRUPTS else None


@dataclass(frozen=True)
class Limits:
    """What a driver can do. `queues`: receive queues at most; `spread`: over how many of them RSS reaches."""

    queues: int | None = None
    spread: int | None = None
    note: str = ""


def limits(driver: str, kernel: str = "") -> Limits:
    """What is known of a driver (domain notes 5); empty for those that nothing is known of.

    `kernel`: of enic's bounds, which kernel 6.13 moved (patch of 2024-10-22).
    """
    match driver:
        case "ixgbe":
            return Limits(None, 16, "RSS of 82599 and X540 reaches 16 queues")
        case "igb":
            return Limits(8, 8, "i210 has 4, i350 8")
        case "i40e":
            return Limits(64, 64, "64 queues of a PF take part in RSS")
        case "enic" if kernel and _number(kernel) >= (6, 13):
            return Limits(256, None, "the adapter policy says how many")
        case "enic":
            return Limits(8, None, "the driver makes at most 8 and 8 before kernel 6.13, whatever the policy says")
        case "ice":
            return Limits(None, None, "a table of 512 or 2048; from kernel 6.19 on half as many queues by default")
        case "mlx5_core":
            return Limits(None, None, "as many channels as CPUs; the card says its maximum")
        case "virtio_net":
            return Limits(None, 128, "the hypervisor gives its queue pairs, and whether it hashes at all")
        case _:
            return Limits()


def _number(kernel: str) -> tuple[int, int]:
    head = kernel.split("-")[0].split(".")
    words = [int(w) if w.isascii() and w.isdigit() and len(w) < 6 else 0 for w in head[:2]]
    return (words[0], words[1]) if len(words) == 2 else (0, 0)
