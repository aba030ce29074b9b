"""VPP on a virtual router as values: interfaces, pairs with Linux, bonds, whether it runs and whether it hangs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lab.sim.behaviours import Behaviour, Kind


@dataclass
class VppPort:
    """One interface of VPP. `nic`: the card behind it. Tags of a sub-interface as its encapsulation says."""

    name: str
    kind: str
    mac: str = "02:fe:00:00:00:01"
    nic: str = ""
    up: bool = False
    mtu: int = 9000
    link_mtu: int = 9216
    addresses: list[str] = field(default_factory=list)
    tag: str = ""
    sup: str = ""
    sub_id: int = 0
    outer: int = 0
    inner: int = 0
    dot1ad: bool = False
    exact: bool = False


@dataclass
class VppBond:
    """One bond: mode and load balancing as they were asked for."""

    mode: str
    balance: str
    members: list[str] = field(default_factory=list)


@dataclass
class Vpp:
    """VPP and what it holds. `taken`: cards that the kernel has no longer. `ran`: commands carried out, in order."""

    running: bool = False
    hung: bool = False
    pid: int = 0
    starts: int = 0
    netns: str = ""
    ports: dict[str, VppPort] = field(default_factory=dict)
    pairs: dict[str, str] = field(default_factory=dict)
    bonds: dict[str, VppBond] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)  # addresses that were flushed from cards: "IFNAME"
    ran: list[str] = field(default_factory=list)
    enabled: bool = False
    booting: bool = False  # the cards are nobody's yet
    # When it started, and what the router had forwarded by then; what earlier lives in this boot have forwarded.
    began_s: float = 0.0
    began: tuple[float, float] = (0.0, 0.0)
    carried: tuple[float, float] = (0.0, 0.0)

    def booted(self) -> "Vpp":
        """After a boot: what is enabled is there, nothing else."""
        return Vpp(starts=self.starts, enabled=self.enabled, booting=self.enabled)

    def starting(self) -> list[list[str]]:
        """What a boot runs for it."""
        return [["systemctl", "start", "vpp"]] if self.enabled else []

    def forwarded(self, total: Sequence[float]) -> tuple[float, float]:
        """Packets that it has forwarded since it started, by family; `total`: all that the router has."""
        return (total[0] - self.began[0], total[1] - self.began[1]) if self.running else (0.0, 0.0)

    def left_to_kernel(self, total: Sequence[float]) -> tuple[int, int]:
        """What the kernel has forwarded of all."""
        mine = self.forwarded(total)
        return int(total[0] - mine[0] - self.carried[0]), int(total[1] - mine[1] - self.carried[1])

    def stop(self) -> None:
        """The process ends; cards stay with vfio until somebody gives them back."""
        self.running = self.hung = False
        self.ports.clear()
        self.pairs.clear()
        self.bonds.clear()

    def opened(self, sections: Mapping[str, Sequence[str]], *, daemons: bool) -> None:
        """The injected fault of story S2: OSPFv3 opens on an interface, and the main thread hangs; it forwards on."""
        for name, lines in sections.items():
            speaks = any(line.startswith("ipv6 ospf6 area") for line in lines) and "ipv6 ospf6 passive" not in lines
            if self.running and daemons and name.startswith("interface ") and speaks:
                self.hung = True

    def without_bfd(self, behaviours: Sequence[Behaviour], peer: str) -> bool:
        """Does BFD with this address stay down, while VPP forwards? Injected."""
        return self.running and any(b.kind is Kind.BFD_STAYS_DOWN and re.search(b.match, peer) for b in behaviours)

    def state(self) -> dict[str, object]:
        """What a test asks for."""
        return {"running": self.running, "hung": self.hung, "taken": sorted(self.taken), "ran": list(self.ran)}
