"""Which way a packet goes: what the routing daemons chose, what the kernel does, the whole table. Pure."""

import ipaddress
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from lab.sim.behaviours import Kind, active
from lab.sim.network import Network
from lab.sim.router import Router
from lab.sim.topology import Port

_V4_BASE, _V6_BASE = 20 << 24, 0x2A0F << 112


@dataclass(frozen=True)
class Hop:
    """Where a packet leaves a router: next hop and interface; `gateway` empty = directly connected or local."""

    gateway: str
    ifname: str
    source: str
    protocol: str  # local | connected | ospf | bgp


@dataclass(frozen=True)
class Route:
    """The prefix that covers a destination, and where it leads."""

    prefix: str
    hop: Hop


def transit_prefix(number: int, *, six: bool) -> str:
    """The `number`-th prefix that every transit announces, as in the namespaces lab."""
    return f"2a0f:{number:x}::/32" if six else f"20.{number // 256}.{number % 256}.0/24"


def lookup(net: Network, router: Router, destination: str, now: float) -> Route | None:
    """What the routing daemons say of an address or prefix, by longest match. None: no route."""
    try:
        wanted = ipaddress.ip_interface(destination).ip
    except ValueError:
        return None
    six = wanted.version == 6
    own = _connected(router, str(wanted), six=six)
    if own is not None:
        return own
    goal = net.owner.get(str(wanted))
    if goal is not None and goal in net.pods[router.spec.pod]:
        hop = _toward(net, router, {goal}, now, six=six, protocol="ospf")
        loopback = str(wanted) in (net.routers[goal].spec.router_id, net.routers[goal].spec.loopback6)
        length = (128 if six else 32) if loopback else (64 if six else 30)
        return Route(_net(str(wanted), length), hop) if hop is not None else None
    return _outside(net, router, str(wanted), now, six=six)


def _net(address: str, length: int) -> str:
    return str(ipaddress.ip_network(f"{address}/{length}", strict=False))


def _connected(router: Router, wanted: str, *, six: bool) -> Route | None:
    loopback = router.spec.loopback6 if six else router.spec.router_id
    if wanted == loopback:
        return Route(_net(loopback, 128 if six else 32), Hop("", "lo", loopback, "local"))
    for port in router.ports:
        here, there = (port.local6, port.remote6) if six else (port.local4, port.remote4)
        if wanted in (here, there):
            protocol = "local" if wanted == here else "connected"
            return Route(_net(here, 64 if six else 30), Hop("", port.ifname, here, protocol))
    return None


def _outside(net: Network, router: Router, wanted: str, now: float, *, six: bool) -> Route | None:
    """Through a customer or a transit; nearest exit, own one first unless drained."""
    value = int(ipaddress.ip_address(wanted))
    number = (value - _V6_BASE) >> 96 if six else (value - _V4_BASE) >> 8
    if 0 <= number < net.layout.prefixes[int(six)]:
        prefix, at = transit_prefix(number, six=six), ""
    else:
        customer = _net(wanted, 64 if six else 24)
        if customer not in net.customers:
            return None
        prefix, at = customer, net.customers[customer]
    exits = {n: p for n in net.pods[router.spec.pod] for p in net.routers[n].ports if _is_exit(p, at)}
    port = exits.pop(router.name, None)
    if port is not None and not (router.flags.bgp and exits) and router.converged(now):
        here, there = (port.local6, port.remote6) if six else (port.local4, port.remote4)
        return Route(prefix, Hop(there, port.ifname, here, "bgp"))
    hop = _toward(net, router, set(exits), now, six=six, protocol="bgp")
    return Route(prefix, hop) if hop is not None else None


def _is_exit(port: Port, external: str) -> bool:
    return port.peer == external if external else port.kind == "transit"


def _toward(net: Network, router: Router, goals: set[str], now: float, *, six: bool, protocol: str) -> Hop | None:
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
            if port.external or port.peer in seen or net.adjacent_since(at, port, now) is None:
                continue
            seen.add(port.peer)
            queue.append((net.routers[port.peer], first or port))
    return None


def in_kernel(router: Router, route: Route) -> Hop:
    """What the kernel does with it: the daemons' choice, unless a behaviour made the two differ."""
    dead = active(router.behaviours, Kind.FORWARDS_TO_DEAD_NEIGHBOUR)
    wrong = active(router.behaviours, Kind.RIB_FIB_MISMATCH)
    if (dead is None and wrong is None) or route.hop.protocol in ("local", "connected"):
        return route.hop
    chosen = route.hop
    others = [p for p in router.ports if (p.peer == dead.neighbour if dead else p.ifname != chosen.ifname)]
    if not others:
        return chosen
    here, there = (
        (others[0].local6, others[0].remote6) if ":" in route.prefix else (others[0].local4, others[0].remote4)
    )
    return Hop(there, others[0].ifname, here, chosen.protocol)


def table(net: Network, router: Router, now: float, *, six: bool) -> Iterator[Route]:
    """The kernel's routes of one family: links, loopbacks of the pod, customers, and what the transits announce."""
    for port in router.ports:
        here = port.local6 if six else port.local4
        yield Route(_net(here, 64 if six else 30), Hop("", port.ifname, here, "connected"))
    if router.daemons_at is None:
        return
    mates = (net.routers[n].spec for n in net.pods[router.spec.pod] if n != router.name)
    wanted = [mate.loopback6 if six else mate.router_id for mate in mates]
    wanted += [p.partition("/")[0] for p in net.customers_of(router.spec.pod) if (":" in p) == six]
    for address in wanted:
        route = lookup(net, router, address, now)
        if route is not None:
            yield Route(route.prefix, in_kernel(router, route))
    first = lookup(net, router, transit_prefix(0, six=six), now)
    if first is None:
        return
    hop = in_kernel(router, first)
    received = max((net.prefixes(router, p, now) for p in router.peers if (p.family == 6) == six), default=0)
    for number in range(min(received, net.layout.prefixes[int(six)])):
        yield Route(transit_prefix(number, six=six), hop)
