"""One virtual router: everything that it is and remembers, how it lives, dies and comes back. Pure; time is given."""

import re
import uuid
from dataclasses import dataclass, field

from lab.sim import birdconfig, blade, frrconfig, startup
from lab.sim.behaviours import Behaviour, Kind, active, take
from lab.sim.birdconfig import BirdState
from lab.sim.bootfiles import exec_start, link_start, parse_sysctl
from lab.sim.flow import Flow
from lab.sim.frrconfig import FrrConfig
from lab.sim.installed import Software
from lab.sim.loader import Loader, died
from lab.sim.nvm import Nvm
from lab.sim.topology import Port, RouterSpec
from lab.sim.vppstate import Vpp
from lab.sim.work import CPUS, Work

PSTORE = "/sys/fs/pstore/"
FRR_CONF, BIRD_CONF = "/etc/frr/frr.conf", "/etc/bird/bird.conf"
_SEED = uuid.UUID("7f3d0c52-5a1e-4a6b-9d62-51f0a7c1be0e")
_MAX_METRIC, KERNELS = "max-metric router-lsa administrative", ("6.1.0-55-amd64", "6.1.0-56-amd64")


@dataclass(frozen=True)
class Timing:
    """Seconds. Shorter than life on purpose; the lab measured detection and drain (lab.md), the rest is chosen."""

    boot_s: float = 5.0  # unreachable: from halt to sshd
    halt_s: float = 0.3  # from the order to the end of every session
    restart_s: float = 0.5  # daemons away on a restart
    adjacency_s: float = 1.0  # after the daemons start: OSPF, OSPFv3, BFD
    bgp_s: float = 2.0  # ... BGP Established
    fib_s: float = 3.0  # ... all prefixes received and installed
    detect_s: float = 0.9  # neighbours notice a dead router: BFD 3 x 300 ms
    drain_s: float = 0.6  # neighbours follow a flag (lab: quiet 1.2-1.5 s after, commands included)


@dataclass(frozen=True)
class DrainFlags:
    """What the running configuration says about being drained."""

    bgp: bool = False
    igp4: bool = False
    igp6: bool = False

    def any(self) -> bool:
        return self.bgp or self.igp4 or self.igp6

    def shares(self) -> tuple[float, float]:
        """Half of a family's traffic follows its IGP, half follows BGP."""
        bgp = 0.5 * (not self.bgp)
        return bgp + 0.5 * (not self.igp4), bgp + 0.5 * (not self.igp6)


@dataclass
class Nic:
    """One interface as ethtool sees it. Keys of channels: rx, tx, combined; of rings: rx, tx; absent = n/a."""

    ifname: str
    driver: str
    mac: str
    channels: dict[str, int]
    channels_max: dict[str, int]
    rings: dict[str, int] = field(default_factory=dict)
    rings_max: dict[str, int] = field(default_factory=dict)
    mtu: int = 1500
    up: bool = True
    # What was set by hand: "equal" (receive queues in the table), "hash udp4" (letters), "cpus" (of its interrupts).
    custom: dict[str, str] = field(default_factory=dict)


@dataclass
class Timer:
    """A transient systemd timer: it is gone after a reboot."""

    unit: str
    due: float
    argv: list[str]


@dataclass(frozen=True)
class Event:
    """Something that happened by itself: boot, halt, timer, undo, daemons. `arg`: the unit of a timer."""

    due: float
    what: str
    arg: str = ""


@dataclass
class Router:
    """State. Methods take `now`, seconds of the fleet's clock; before its start they are negative."""

    spec: RouterSpec
    ports: tuple[Port, ...]
    peers: list[startup.Peer]
    timing: Timing
    flow: Flow
    kernel: str = KERNELS[0]
    next_kernel: str = ""
    boots: int = 1
    booted_at: float = 0.0
    powered: bool = True
    daemons_at: float | None = None
    daemon_starts: int = 1
    files: dict[str, str] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=lambda: dict(startup.SYSCTLS))
    nics: dict[str, Nic] = field(default_factory=dict)
    running: FrrConfig | None = None  # of FRR, read at first need; see `frr`
    bird: BirdState | None = None
    timers: dict[str, Timer] = field(default_factory=dict)
    enabled: set[str] = field(default_factory=set)
    behaviours: list[Behaviour] = field(default_factory=list)
    flags: DrainFlags = DrainFlags()
    shut: frozenset[str] = frozenset()  # addresses of BGP peers that are administratively down
    cut: bool = False
    events: list[Event] = field(default_factory=list)
    # Its OSPFv3 costs when routers further away lost sight of it; None: they see it. `heard6_at`: since when again.
    unheard6: tuple[int, ...] | None = None
    heard6_at: float = float("-inf")
    software: Software = field(default_factory=Software)
    work: Work = field(default_factory=Work)
    loader: Loader = field(default_factory=lambda: Loader([KERNELS[0]]))
    nvm: dict[str, Nvm] = field(default_factory=dict)  # by PCI address of the card, without the function
    # On a blade: queues that its adapter gives from the next boot on, and whether it then stays off by itself.
    adapter: dict[str, int] = field(default_factory=dict)
    stays_off: bool = False
    vpp: Vpp = field(default_factory=Vpp)
    lost_before: list[float] = field(default_factory=lambda: [0.0, 0.0])
    unknown: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def boot_id(self) -> str:
        return str(uuid.uuid5(_SEED, f"{self.name}/{self.boots}"))

    @property
    def cpus(self) -> int:
        """Threads of its machine."""
        return blade.CPUS if self.adapter else CPUS

    @property
    def reachable(self) -> bool:
        return self.powered and not self.cut

    @property
    def frr(self) -> FrrConfig | None:
        """The running configuration of FRR; None on a BIRD router. Parsed when somebody first asks: 1.5 ms."""
        if self.running is None and self.spec.suite == "frr":
            self.running, _ = frrconfig.parse(self.files.get(FRR_CONF, ""))
        return self.running

    @frr.setter
    def frr(self, config: FrrConfig) -> None:
        self.running = config

    def plan(self, due: float, what: str, arg: str = "") -> None:
        self.events.append(Event(due, what, arg))
        self.events.sort(key=lambda e: e.due)

    def next_due(self) -> float | None:
        return self.events[0].due if self.events else None

    def due(self, now: float) -> Event | None:
        """The next event that is due, taken off the list."""
        return self.events.pop(0) if self.events and self.events[0].due <= now else None

    # What the daemons have reached. A time is when it was or will be reached; None: not while things are as they are.

    def adjacent_at(self) -> float | None:
        return None if self.daemons_at is None else self.daemons_at + self.timing.adjacency_s

    def established_at(self) -> float | None:
        stuck = active(self.behaviours, Kind.BGP_NEVER_CONVERGES)
        if self.daemons_at is None or (stuck and self.daemons_at >= stuck.since):
            return None
        return self.daemons_at + self.timing.bgp_s

    def full_at(self) -> float | None:
        return None if self.established_at() is None else (self.daemons_at or 0.0) + self.timing.fib_s

    def converged(self, now: float) -> bool:
        full = self.full_at()
        return self.powered and full is not None and now >= full

    def costs6(self) -> tuple[int, ...]:
        """What it announces on its core links in OSPFv3."""
        return tuple(self.metric(port.ifname, six=True) for port in self.ports if not port.external)

    def breaks(self, tool: str) -> bool:
        """Is this tool to fail now?"""
        return take(self.behaviours, Kind.TOOL_FAILS, tool) is not None

    def firmware_text(self, bus: str) -> str:
        """What `ethtool -i` says of the firmware of the card at this PCI address."""
        return self.nvm.setdefault(bus.rpartition(".")[0], Nvm()).text

    def running_text(self) -> str:
        if self.frr is not None:
            return self.frr.text()
        return self.bird.text() if self.bird is not None else ""

    def cost(self, ifname: str, *, six: bool) -> int:
        """What a core interface costs by the running configuration; 10 where that does not say it."""
        if self.bird is not None:
            return self.bird.cost(ifname, six=six)
        return self.frr.cost(ifname, six=six) if self.frr is not None else frrconfig.USUAL_COST

    def metric(self, ifname: str, *, six: bool) -> int:
        """What it announces for the link at a core interface."""
        if not six and self.frr is not None and self.frr.has("router ospf", _MAX_METRIC):
            return 65535
        return self.cost(ifname, six=six)

    def refresh(self, now: float) -> bool:
        """After any change of the running configuration: flags, traffic, management. True if a flag moved."""
        self.flow.settle(now)
        before, self.flags = self.flags, self._read_flags()
        self.shut = self._read_shut()
        if self.unheard6 is not None and self.unheard6 != self.costs6():
            self.unheard6, self.heard6_at = None, now
        if active(self.behaviours, Kind.VPP_HANGS) is not None:
            self.vpp.opened((self.bird or self.frr or FrrConfig()).sections, daemons=self.daemons_at is not None)
        cut = active(self.behaviours, Kind.MGMT_CUT)
        text = self.running_text() + startup.settings_text(self.sysctls, self.nics, self.software) if cut else ""
        self.cut = cut is not None and any(re.search(cut.match, line) for line in text.splitlines())
        if self.flags == before:
            return False
        self.flow.target = self.flags.shares()
        adjacent = self.adjacent_at()
        if adjacent is not None:
            self.flow.plan(max(now + self.timing.drain_s, adjacent), "follow")
        return True

    def _read_flags(self) -> DrainFlags:
        if self.bird is not None:
            return DrainFlags(*birdconfig.drained(self.bird.constants()))
        if self.frr is None:
            return DrainFlags()
        frr = self.frr
        costs = [lines for lines in self._ospf6_interfaces() if "ipv6 ospf6 passive" not in lines]
        igp6 = frr.has("router ospf6", "stub-router administrative") or (
            bool(self._ospf6_interfaces()) and all("ipv6 ospf6 cost 65535" in lines for lines in costs)
        )
        igp4 = frr.has("router ospf", _MAX_METRIC)
        return DrainFlags(frr.has("router bgp", "bgp graceful-shutdown"), igp4, igp6)

    def _read_shut(self) -> frozenset[str]:
        if self.bird is not None:
            off = self.bird.off
            return frozenset(p.address for p in self.peers if off and startup.bird_name(p) in off)
        sections = (self.frr or FrrConfig()).sections.items()
        lines = [line.split() for name, lines in sections if name.startswith("router bgp") for line in lines]
        if any(words[:2] == ["bgp", "shutdown"] for words in lines):
            return frozenset(p.address for p in self.peers)
        return frozenset(words[1] for words in lines if words[0] == "neighbor" and words[2:3] == ["shutdown"])

    def _ospf6_interfaces(self) -> list[list[str]]:
        sections = (self.frr or FrrConfig()).sections.items()
        return [
            lines
            for name, lines in sections
            if name.startswith("interface ") and any(line.startswith("ipv6 ospf6 area") for line in lines)
        ]

    # Life and death.

    def halt(self, now: float) -> None:
        """Power goes: sessions end, transient timers are forgotten, what was not saved is lost."""
        self.flow.down(now, detect_s=self.timing.detect_s)
        self.powered, self.daemons_at = False, None
        self.timers.clear()
        self.events = [e for e in self.events if e.what == "boot"]
        still = active(self.behaviours, Kind.NEW_KERNEL_STANDS_STILL) is not None and self.loader.take(self.files)[1]
        if self.stays_off:
            self.events.clear()
        elif not still and take(self.behaviours, Kind.REBOOT_NEVER_RETURNS, "reboot") is None:
            unreachable = active(self.behaviours, Kind.NEW_KERNEL_UNREACHABLE) is not None
            stands = self.loader.stands(self.files, self.enabled) if unreachable else 0.0
            self.plan(now + self.timing.boot_s + stands, "boot")

    def _load(self) -> None:
        """What the boot loader boots, and what a broken kernel makes of it."""
        broken = {b.kind for b in self.behaviours}
        self.kernel, self.enabled = self.loader.boot(self.files, self.enabled, broken, (self.kernel, self.boot_id))

    def boot(self, now: float) -> list[list[str]]:
        """Power returns: new boot id, startup configuration. Returns the commands of enabled units, to be run."""
        if self.next_kernel and active(self.behaviours, Kind.PANIC_ON_NEW_KERNEL) is None:
            self.kernel = self.next_kernel
        else:
            self.files.update(died(self.next_kernel)) if self.next_kernel else self._load()
        self.next_kernel = ""
        self.software.boot(self.kernel)
        for card in self.nvm.values():
            card.running = card.stored
        self.boots += 1
        self.vpp = self.vpp.booted()
        self.booted_at, self.powered = now, True
        self.sysctls = dict(startup.SYSCTLS)
        for path in sorted(p for p in self.files if p.startswith("/etc/sysctl.d/") and p.endswith(".conf")):
            self.sysctls.update(parse_sysctl(self.files[path]))
        self.nics, self.stays_off = make_nics(self.spec, self.ports), False
        self.take_adapter()
        for leak in (b for b in self.behaviours if b.kind is Kind.SLAB_LEAK):
            leak.since = now
        self.lost_before = [a + b for a, b in zip(self.lost_before, self.flow.lost, strict=True)]
        self.flow.forwarded, self.flow.lost, self.flow.no_bufs = [0.0, 0.0], [0.0, 0.0], 0.0
        self._boot_timers(now)
        self.start_daemons(now)
        units = [a for unit in sorted(self.enabled) for a in exec_start(self.files.get(unit, ""))] + self.vpp.starting()
        return [*link_start(self.files, {n: c.mac for n, c in self.nics.items() if c.driver != "veth"}), *units]

    def take_adapter(self) -> None:
        """Cards have the channels that the adapter of the blade gives, and can have no others."""
        blade.take(self.nics, self.adapter)
        self.flow.capacity_pps = blade.capacity_pps(self.adapter)

    def _boot_timers(self, now: float) -> None:
        """Enabled timers that count from the boot (OnBootSec)."""
        for path in sorted(p for p in self.enabled if p.endswith(".timer")):
            stem = path.removesuffix(".timer")
            after = re.search(r"^OnBootSec=(\d+(?:\.\d+)?)s$", self.files.get(path, ""), re.MULTILINE)
            argvs = exec_start(self.files.get(f"{stem}.service", ""))
            if after and argvs:
                name = stem.rpartition("/")[2]
                self.timers[name] = Timer(name, now + float(after[1]), argvs[0])
                self.plan(now + float(after[1]), "timer", name)

        if (trial := self.loader.watch(self.files, self.enabled)) is not None:
            self.timers["slipway-trial"] = Timer("slipway-trial", now + trial[0], ["slipway-trial-watch", trial[1]])
            self.plan(now + trial[0], "timer", "slipway-trial")

    def panic(self, now: float, text: str) -> None:
        """The kernel dies and, by panic=N, boots again; what it said is in pstore, as efi_pstore keeps it."""
        self.files[f"{PSTORE}dmesg-efi_pstore-{176 * 10**13 + int(now * 1000)}"] = text
        self.halt(now)

    def stop_daemons(self, now: float) -> None:
        self.flow.down(now, detect_s=self.timing.detect_s)
        self.daemons_at = None
        if self.bird is not None:
            self.bird.undo_due = self.bird.previous = None

    def start_daemons(self, now: float) -> None:
        """The daemons read the startup configuration; sessions and tables come later, by themselves."""
        self.daemons_at = now
        self.daemon_starts += 1
        self.unheard6 = None
        self.load_startup(now)
        if take(self.behaviours, Kind.LOSES_OSPF6_LSAS_AFTER_RESTART, "start") is not None:
            self.unheard6 = self.costs6()
        full = self.full_at()
        adjacent = now + self.timing.adjacency_s
        self.flow.up(adjacent_at=adjacent, full_at=full if full is not None else float("inf"))

    def load_startup(self, now: float) -> None:
        if self.spec.suite == "frr":
            self.running = None
        else:
            loaded, _ = birdconfig.read(self.files, BIRD_CONF)
            self.bird = BirdState(loaded=loaded, configured_at=now)
        self.refresh(now)

    def lost(self) -> list[float]:
        """Packets lost per family since the fleet started."""
        return [a + b for a, b in zip(self.lost_before, self.flow.lost, strict=True)]

    def slab_kb(self, now: float) -> int:
        """Unreclaimable slab; grows while a leak is injected, starts again at boot."""
        leak = active(self.behaviours, Kind.SLAB_LEAK)
        grown = leak.rate * (now - max(leak.since, self.booted_at)) if leak else 0.0
        return 72996 + int(grown)


def make_nics(spec: RouterSpec, ports: tuple[Port, ...]) -> dict[str, Nic]:
    """Management on one-queue virtio; data ports on i40e (FRR routers) or on veth-like ones (BIRD routers)."""
    nics = {"eth0": Nic("eth0", "virtio_net", _mac(spec, 0), {"combined": 1}, {"combined": 1}, *_rings(256, 256))}
    for i, port in enumerate(ports, 1):
        if spec.suite == "bird":
            both = {"rx": 8, "tx": 8}
            nics[port.ifname] = Nic(port.ifname, "veth", _mac(spec, i), dict(both), dict(both))
        else:
            channels, most = {"combined": 4}, {"combined": 8}
            nics[port.ifname] = Nic(port.ifname, "i40e", _mac(spec, i), channels, most, *_rings(512, 4096))
    return nics


def _rings(now: int, most: int) -> tuple[dict[str, int], dict[str, int]]:
    return {"rx": now, "tx": now}, {"rx": most, "tx": most}


def _mac(spec: RouterSpec, index: int) -> str:
    return f"06:51:{spec.number >> 8 & 255:02x}:{spec.number & 255:02x}:00:{index:02x}"
