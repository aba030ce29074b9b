"""All virtual routers together: who sees whom, who announces what, which way a packet goes. Pure."""

import ipaddress
from collections import deque
from dataclasses import dataclass

from lab.sim import startup
from lab.sim.behaviours import Kind, active
from lab.sim.flow import Flow
from lab.sim.router import BIRD_CONF, FRR_CONF, Router, Timing, make_nics
from lab.sim.topology import Layout, Port

# Each family, per router, while it is not drained (lab.md: 1,700 packets per second through a router of the ring).
OFFERED_PPS = 1700.0
# Routers were up for a day before the fleet started: everything has converged long ago.
UP_BEFORE_S = 86400.0


@dataclass(frozen=True)
class Hop:
    """Where a packet leaves a router: next hop and interface; `gateway` empty = directly connected or local."""

    gateway: str
    ifname: str
    source: str
    protocol: str  # local | connected | ospf | bgp


class Network:
    """Routers by name, built from a layout."""

    def __init__(self, layout: Layout, *, timing: Timing, start: float) -> None:
        self.layout = layout
        self.routers: dict[str, Router] = {}
        self.pods: dict[str, list[str]] = {}
        for spec in layout.routers:
            self.pods.setdefault(spec.pod, []).append(spec.name)
        by_name = {spec.name: spec for spec in layout.routers}
        reach, ports = startup.Reach(layout), layout.ports()
        self.owner: dict[str, str] = {}
        for spec in layout.routers:
            mates = tuple(by_name[n] for n in self.pods[spec.pod] if n != spec.name)
            peers = startup.peers_of(spec, ports[spec.name], mates, reach)
            router = Router(spec, ports[spec.name], peers, timing, Flow(at=start, offered_pps=OFFERED_PPS))
            self._furnish(router, start)
            self.routers[spec.name] = router
            self.owner[spec.router_id] = self.owner[spec.loopback6] = spec.name
            for port in ports[spec.name]:
                self.owner[port.local4] = self.owner[port.local6] = spec.name

    def _furnish(self, router: Router, start: float) -> None:
        spec = router.spec
        router.files["/etc/os-release"] = startup.OS_RELEASE
        router.files["/etc/hostname"] = spec.name + "\n"
        if spec.suite == "frr":
            router.files[FRR_CONF] = startup.frr_conf(spec, router.ports, router.peers)
            router.files["/etc/frr/daemons"] = "bgpd=yes\nospfd=yes\nospf6d=yes\nbfdd=yes\n"
        else:
            router.files[BIRD_CONF] = startup.bird_conf(spec, router.ports, router.peers)
            router.files[startup.DRAIN_INCLUDE] = startup.BIRD_DRAIN
        router.nics = make_nics(spec, router.ports)
        router.booted_at = router.daemons_at = start - UP_BEFORE_S
        router.load_startup(router.booted_at)
        router.flow.agenda.clear()
        router.flow.at = start

    def adjacent_since(self, router: Router, port: Port, now: float) -> float | None:
        """When the adjacency over this port came up; None while it is down."""
        mine = router.adjacent_at()
        theirs = self.routers[port.peer].adjacent_at() if not port.external else mine
        if mine is None or theirs is None or not self._link_up(router, port):
            return None
        since = max(mine, theirs)
        return since if since <= now else None

    def _link_up(self, router: Router, port: Port) -> bool:
        if not router.powered or not router.nics[port.ifname].up:
            return False
        if port.external:
            return True
        other = self.routers[port.peer]
        return other.powered and other.nics[port.remote_ifname].up

    def established_since(self, router: Router, peer: startup.Peer, now: float) -> float | None:
        """When this BGP session came up; None while it is down."""
        mine = router.established_at()
        theirs = mine if peer.external else self.routers[peer.name].established_at()
        if mine is None or theirs is None or not router.powered:
            return None
        since = max(mine, theirs)
        return since if since <= now else None

    def prefixes(self, router: Router, peer: startup.Peer, now: float) -> int:
        """Prefixes received from a peer: rises from none at establishment to all when the tables are full."""
        since = self.established_since(router, peer, now)
        if since is None:
            return 0
        filling = router.timing.fib_s - router.timing.bgp_s
        share = 1.0 if filling <= 0 else min(1.0, (now - since) / filling)
        return int(peer.prefixes * share)

    def next_hop(self, router: Router, destination: str, now: float) -> Hop | None:
        """The way that the routing daemons choose. None: no route."""
        try:
            wanted = ipaddress.ip_network(destination, strict=False)
        except ValueError:
            return None
        six = wanted.version == 6
        for port in router.ports:
            net = ipaddress.ip_network(f"{port.local6}/64" if six else f"{port.local4}/30", strict=False)
            if wanted.subnet_of(net):  # type: ignore[arg-type]
                return Hop("", port.ifname, port.local6 if six else port.local4, "connected")
        goal = self.owner.get(str(wanted.network_address))
        if goal == router.name:
            return Hop("", "lo", router.spec.loopback6 if six else router.spec.router_id, "local")
        if goal is not None:
            return self._toward(router, {goal}, now, six=six, protocol="ospf")
        return self._to_external(router, wanted, now)

    def _to_external(
        self, router: Router, wanted: ipaddress.IPv4Network | ipaddress.IPv6Network, now: float
    ) -> Hop | None:
        six = wanted.version == 6
        customer = str(wanted).startswith(("10.64.", "2001:db8:64"))
        if not customer and not self._announced(wanted):
            return None
        kind = "customer" if customer else "transit"
        exits = {n for n in self.pods[router.spec.pod] if any(p.kind == kind for p in self.routers[n].ports)}
        if router.name in exits and not router.flags.bgp:
            port = next(p for p in router.ports if p.kind == kind)
            if router.converged(now):
                here, there = (port.local6, port.remote6) if six else (port.local4, port.remote4)
                return Hop(there, port.ifname, here, "bgp")
        return self._toward(router, exits - {router.name}, now, six=six, protocol="bgp")

    @staticmethod
    def _announced(wanted: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
        """Is it the default route or among what the transits announce: 20.a.b.0/24, 2a0f:n::/32, documentation nets?"""
        if wanted.version == 4:
            first = int(wanted.network_address)
            index = (first >> 8) - (20 << 16)
            documentation = str(wanted).startswith(("203.0.113.", "192.0.2.", "198.51.100."))
            return wanted.prefixlen == 0 or documentation or 0 <= index < startup.TRANSIT_PREFIXES[0]
        index = (int(wanted.network_address) >> 96) - (0x2A0F << 16)
        return wanted.prefixlen == 0 or 0 <= index < startup.TRANSIT_PREFIXES[1]

    def _toward(self, router: Router, goals: set[str], now: float, *, six: bool, protocol: str) -> Hop | None:
        """Breadth first over the adjacencies that are up; drained routers carry no transit."""
        seen, queue = {router.name}, deque[tuple[Router, Port | None]]([(router, None)])
        while queue:
            at, first = queue.popleft()
            if at.name in goals and first is not None:
                here, there = (first.local6, first.remote6) if six else (first.local4, first.remote4)
                return Hop(there, first.ifname, here, protocol)
            if first is not None and (at.flags.igp6 if six else at.flags.igp4):
                continue
            for port in at.ports:
                if port.external or port.peer in seen or self.adjacent_since(at, port, now) is None:
                    continue
                seen.add(port.peer)
                queue.append((self.routers[port.peer], first or port))
        return None

    def kernel_hop(self, router: Router, destination: str, now: float) -> Hop | None:
        """What the kernel does: the daemons' choice, unless a behaviour made the two differ."""
        chosen = self.next_hop(router, destination, now)
        if chosen is None or chosen.protocol in ("local", "connected"):
            return chosen
        dead = active(router.behaviours, Kind.FORWARDS_TO_DEAD_NEIGHBOUR)
        six = ":" in destination
        other: Port | None = None
        if dead is not None:
            other = next((p for p in router.ports if p.peer == dead.neighbour), None)
        elif active(router.behaviours, Kind.RIB_FIB_MISMATCH) is not None:
            other = next((p for p in router.ports if p.ifname != chosen.ifname), None)
        if other is None:
            return chosen
        here, there = (other.local6, other.remote6) if six else (other.local4, other.remote4)
        return Hop(there, other.ifname, here, chosen.protocol)
