"""A virtual router on a blade: vNICs of enic with as many queues as its adapter gives, and what they can take. Pure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lab.sim.work import KERNELS_OWN_US

if TYPE_CHECKING:
    from lab.sim.router import Nic

# A B200 M3 with two sockets of ten cores (story S4-12): threads.
CPUS = 40
# VIC 1240 on the mezzanine: vendor, device, subsystem.
PCI_IDS = ("0x1137", "0x0043", "0x1137", "0x0084")


def take(nics: Mapping[str, "Nic"], adapter: Mapping[str, int]) -> None:
    """The cards have the queues that the adapter of the blade gives; its host can set none."""
    for name, count in adapter.items():
        if name in nics:
            nic = nics[name]
            nic.driver, nic.custom = "enic", {}
            nic.channels, nic.channels_max = {"combined": count}, {"combined": count}


def capacity_pps(adapter: Mapping[str, int]) -> float | None:
    """Packets that the CPUs of its queues take in a second; None: not on a blade, nothing is lost for want of buffers.

    Queue n of every vNIC is served by CPU n: as many CPUs as the vNIC with most queues has.
    """
    return max(adapter.values()) * 1e6 / KERNELS_OWN_US if adapter else None


def vectors(nic: "Nic", first: int) -> list[tuple[int, str, int]]:
    """(number, name, CPU) of every interrupt of a vNIC, named as enic does (story S4-13)."""
    count = nic.channels["combined"]
    names = [(f"{nic.ifname}-{way}-{n}", n % CPUS) for way in ("rx", "tx") for n in range(count)]
    names += [(f"{nic.ifname}-err", 0), (f"{nic.ifname}-notify", 0)]
    return [(first + at, name, cpu) for at, (name, cpu) in enumerate(names)]


def statistics(received: int, no_bufs: int) -> str:
    """`ethtool -S` of enic: totals, nothing by queue."""
    rows = {
        "tx_frames_ok": received, "tx_errors": 0, "tx_tso": 0, "rx_frames_ok": received,
        "rx_frames_total": received + no_bufs, "rx_drop": 0, "rx_no_bufs": no_bufs, "rx_errors": 0, "rx_rss": 0,
        "rx_crc_errors": 0,
    }  # fmt: skip
    return "NIC statistics:\n" + "".join(f"     {name}: {value}\n" for name, value in rows.items())
