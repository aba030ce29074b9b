"""VPP on a virtual router as values: interfaces, pairs with Linux, bonds, whether it runs and whether it hangs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


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

    def state(self) -> dict[str, object]:
        """What a test asks for."""
        return {"running": self.running, "hung": self.hung, "taken": sorted(self.taken), "ran": list(self.ran)}
