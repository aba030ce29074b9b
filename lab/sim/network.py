"""All virtual routers together: who sees whom and who announces how much. Pure."""

from lab.sim import birdconfig, startup
from lab.sim.birdconfig import BirdState
from lab.sim.flow import Flow
from lab.sim.router import BIRD_CONF, FRR_CONF, Router, Timing, make_nics
from lab.sim.topology import Layout, Port

# Each family, per router, while it is not drained (lab.md: 1,700 packets per second through a router of the ring).
OFFERED_PPS = 1700.0
# Routers were up for a day before the fleet started: everything has converged long ago.
UP_BEFORE_S = 86400.0


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
        self.owner: dict[str, str] = {}  # address -> router
        self.customers = layout.customer_prefixes()
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
        if spec.suite == "bird":
            loaded, _ = birdconfig.read(router.files, BIRD_CONF)
            router.bird = BirdState(loaded=loaded, configured_at=router.booted_at, previous_at=router.booted_at)

    def customers_of(self, pod: str) -> list[str]:
        """Prefixes of the customers that hang on this pod, both families."""
        here = {port.peer for name in self.pods[pod] for port in self.routers[name].ports if port.kind == "customer"}
        return [prefix for prefix, external in self.customers.items() if external in here]

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
        if mine is None or theirs is None or not router.powered or self._shut(router, peer):
            return None
        since = max(mine, theirs)
        if not peer.external and peer.family == 6 and not self.adjacent(router, peer.name):
            ends = (router, self.routers[peer.name])
            if any(end.unheard6 is not None for end in ends):
                return None
            since = max(since, *(end.heard6_at + end.timing.bgp_s for end in ends))
        return since if since <= now else None

    def adjacent(self, router: Router, name: str) -> bool:
        """Is there a core link between the two?"""
        return any(port.peer == name for port in router.ports if not port.external)

    def _shut(self, router: Router, peer: startup.Peer) -> bool:
        """Is the session administratively down at either end?"""
        if peer.address in router.shut:
            return True
        return not peer.external and bool(self.routers[peer.name].shut) and peer.local in self.routers[peer.name].shut

    def prefixes(self, router: Router, peer: startup.Peer, now: float) -> int:
        """Prefixes received from a peer: rises from none at establishment to all when the tables are full."""
        since = self.established_since(router, peer, now)
        if since is None:
            return 0
        filling = router.timing.fib_s - router.timing.bgp_s
        share = 1.0 if filling <= 0 else min(1.0, (now - since) / filling)
        return int(peer.prefixes * share)
