"""What forwarding costs a virtual router: CPU time by driver, interrupts and packets by queue. Pure.

Story S0-18: the vendor's driver takes two and a half times the time of the kernel's own, so that the same traffic costs
60 % less without it. Packets spread evenly over the receive queues of a card, its queues over the CPUs.
"""

from dataclasses import dataclass

from lab.sim.flow import Flow

CPUS = 8
TICKS = 100  # a second, as USER_HZ
# Microseconds of softirq for each packet.
KERNELS_OWN_US, VENDORS_US = 8.0, 20.0
_NAPI = 16  # packets that one interrupt brings


@dataclass
class Work:
    """CPU seconds spent on packets since the boot; `seen`: packets that are in it."""

    boot: int = 0
    seconds: float = 0.0
    seen: float = 0.0

    def settle(self, flow: Flow, *, boot: int, vendor: bool) -> float:
        """Count what was forwarded since the last time, at what the driver that is loaded takes for it."""
        if boot != self.boot:
            self.boot, self.seconds, self.seen = boot, 0.0, 0.0
        total = sum(flow.forwarded)
        # Some packets cost more than others (caches, batches): within 10 %, and the same whenever it is run again.
        # On a blade the time decides what is taken at all: the same for each.
        uneven = 1.0 if flow.capacity_pps is not None else 0.9 + 0.2 * ((int(total) * 2654435761 >> 12 & 1023) / 1023)
        self.seconds += max(0.0, total - self.seen) * (VENDORS_US if vendor else KERNELS_OWN_US) / 1e6 * uneven
        self.seen = total
        return self.seconds


def stat(soft_s: float, up: float, queues: int, *, booted: float, cpus: int = CPUS) -> str:
    """/proc/stat: the softirq time lies on as many CPUs as there are queues."""
    busy = min(cpus, max(1, queues))
    rows = []
    for n in range(cpus):
        soft = int(min(up, soft_s / busy) * TICKS) if n < busy else 0
        rows.append(f"cpu{n} 120 0 80 {max(0, int(up * TICKS) - soft)} 0 0 {soft} 0 0 0")
    whole = [sum(int(row.split()[1 + k]) for row in rows) for k in range(10)]
    return f"cpu  {' '.join(map(str, whole))}\n" + "\n".join(rows) + f"\nbtime {int(booted)}\n"


def softirqs(packets: int, queues: int, *, cpus: int = CPUS) -> str:
    """/proc/softirqs, of which only NET_RX moves."""
    busy = min(cpus, max(1, queues))
    counts = [packets // _NAPI // busy if n < busy else 3 for n in range(cpus)]
    head = "                    " + "".join(f"CPU{n:<8}" for n in range(cpus))
    return f"{head}\n      NET_TX:" + " 12" * cpus + "\n      NET_RX:" + "".join(f" {c}" for c in counts) + "\n"


def interrupts(vectors: list[tuple[int, str, int, int]], *, cpus: int = CPUS) -> str:
    """/proc/interrupts of (number, name, CPU, packets)."""
    rows = ["      " + "".join(f"     CPU{n}" for n in range(cpus))]
    for number, name, cpu, packets in vectors:
        counts = "".join(f" {packets // _NAPI if n == cpu else 0:>8}" for n in range(cpus))
        rows.append(f"{number:>4}:{counts}  PCI-MSIX-0000:3b:00.0   {number - 30}-edge      {name}")
    return "\n".join([*rows, "NMI:" + " 0" * cpus + "   Non-maskable interrupts"]) + "\n"
