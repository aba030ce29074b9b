"""Which virtual routers there are, how they are cabled and what redundancy promises: plain values, no state."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

RING_ASN = 65000
_LOOPBACK4 = int(ipaddress.IPv4Address("10.255.77.0"))
_LINKS4 = int(ipaddress.IPv4Address("10.77.0.0"))


@dataclass(frozen=True)
class RouterSpec:
    """One router as it was bought and named. `number` makes its addresses; `pod` is its OSPF area and iBGP mesh."""

    name: str
    number: int
    site: str
    role: str
    suite: str  # "frr" | "bird"
    pod: str

    @property
    def router_id(self) -> str:
        return str(ipaddress.IPv4Address(_LOOPBACK4 + self.number + 6 * ((self.number - 1) // 250)))

    @property
    def loopback6(self) -> str:
        return f"2001:db8:ff::{self.number:x}"


@dataclass(frozen=True)
class Cable:
    """One link: "router:interface" at end a; at end b the same, or the name of an external."""

    number: int
    a: str
    b: str
    kind: str  # core | transit | customer
    capacity: str = "10G"

    def address(self, end: int) -> tuple[str, str]:
        """IPv4 and IPv6 address of end 1 or 2 (a /30 and a /64)."""
        v4 = ipaddress.IPv4Address(_LINKS4 + 4 * self.number + end)
        return str(v4), f"2001:db8:77:{self.number:x}::{end}"


@dataclass(frozen=True)
class Port:
    """One data interface of one router: what hangs on the other end, and the addresses."""

    ifname: str
    peer: str  # router or external
    remote_ifname: str  # empty = the other end is an external
    kind: str
    local4: str
    remote4: str
    local6: str
    remote6: str

    @property
    def external(self) -> bool:
        return not self.remote_ifname


@dataclass(frozen=True)
class Site:
    name: str
    failure_domain: str


@dataclass(frozen=True)
class Layout:
    """The whole network. `keep_connected`: names that must stay connected, and the capacity floor."""

    sites: tuple[Site, ...]
    routers: tuple[RouterSpec, ...]
    externals: tuple[str, ...]
    cables: tuple[Cable, ...]
    keep_connected: tuple[tuple[tuple[str, ...], str], ...]
    prefixes: tuple[int, int]  # IPv4 and IPv6 prefixes that every transit announces

    def customer_prefixes(self) -> dict[str, str]:
        """Prefix -> customer: a /24 and a /64 each, counted from 10.64.1.0/24 and 2001:db8:64:1::/64."""
        kinds = {cable.b: cable.kind for cable in self.cables}
        names = [name for name in self.externals if kinds.get(name) == "customer"]
        found: dict[str, str] = {}
        for number, name in enumerate(names, 1):
            found[f"10.{64 + number // 256}.{number % 256}.0/24"] = name
            found[f"2001:db8:64:{number:x}::/64"] = name
        return found

    def ports(self) -> dict[str, tuple[Port, ...]]:
        """Every router's data interfaces, by router name, in interface order."""
        found: dict[str, list[Port]] = {r.name: [] for r in self.routers}
        for cable in self.cables:
            a4, a6 = cable.address(1)
            b4, b6 = cable.address(2)
            a_name, _, a_if = cable.a.partition(":")
            b_name, _, b_if = cable.b.partition(":")
            found[a_name].append(Port(a_if, b_name, b_if, cable.kind, a4, b4, a6, b6))
            if b_if:
                found[b_name].append(Port(b_if, a_name, a_if, cable.kind, b4, a4, b6, a6))
        return {name: tuple(sorted(ports, key=lambda p: p.ifname)) for name, ports in found.items()}


class _Cabling:
    """Hands out interface and link numbers while a layout is drawn."""

    def __init__(self) -> None:
        self.cables: list[Cable] = []
        self._used: dict[str, int] = {}

    def _next(self, name: str) -> str:
        self._used[name] = self._used.get(name, 0) + 1
        return f"{name}:eth{self._used[name]}"

    def ring(self, names: list[str]) -> None:
        """eth1 leads to the next, eth2 to the one before."""
        for name, following in zip(names, names[1:] + names[:1], strict=True):
            self._used[name] = 2
            self.cables.append(Cable(len(self.cables) + 1, f"{name}:eth1", f"{following}:eth2", "core"))

    def join(self, a: str, b: str, *, kind: str = "core", external: bool = False) -> None:
        ends = self._next(a), b if external else self._next(b)
        self.cables.append(Cable(len(self.cables) + 1, *ends, kind))


# The same routers as in the namespaces lab: two BIRD routers among four of FRR.
_RING_SITES = (
    ("bly", "MA1", "manchester", "edge", "frr"),
    ("aebi", "MA2", "manchester", "edge", "bird"),
    ("dekker", "THW", "london-docklands", "access", "frr"),
    ("tarbell", "THN", "london-docklands", "access", "frr"),
    ("wells", "IXN", "london-north", "access", "bird"),
    ("lang", "AQL", "london-north", "access", "frr"),
)
# Table sizes. The ring as in the namespaces lab; pods small, so that a thousand routers that list their routes
# measure the engine and not the listing (a route is some 120 bytes of JSON).
RING_PREFIXES, POD_PREFIXES = (5000, 1000), (200, 50)
_RING_OUTWARD = (
    ("bly", "internet", "transit"),
    ("aebi", "internet", "transit"),
    ("dekker", "customer-1", "customer"),
    ("lang", "customer-1", "customer"),
    ("tarbell", "customer-2", "customer"),
    ("wells", "customer-2", "customer"),
)


def ring(*, suites: Mapping[str, int] | None = None, prefixes: tuple[int, int] | None = None) -> Layout:
    """The ring of story S0: six routers, two transits, two customers with two legs each."""
    rows = _RING_SITES
    names = [row[0] for row in rows]
    chosen = [row[4] for row in rows] if suites is None else _spread(suites, len(rows))
    routers = tuple(
        RouterSpec(name, i + 1, site, role, chosen[i], "ring")
        for i, (name, site, _domain, role, _suite) in enumerate(rows)
    )
    cabling = _Cabling()
    cabling.ring(names)
    for name, external, kind in _RING_OUTWARD:
        cabling.join(name, external, kind=kind, external=True)
    externals = ("internet", "customer-1", "customer-2")
    keep = (((*names, *externals), "10G"),)
    sites = tuple(Site(s, d) for _, s, d, _, _ in rows)
    return Layout(sites, routers, externals, tuple(cabling.cables), keep, prefixes or RING_PREFIXES)


def pods(count: int, *, suites: Mapping[str, int] | None = None, prefixes: tuple[int, int] | None = None) -> Layout:
    """`count` routers in pods of four: two edges and two cores, each pod with its own failure domains and externals.

    A last pod of one has no redundancy and promises none; one of two or three links its edges to the transit as well.
    """
    chosen = _spread(suites or {"frr": 1}, count)
    sites: list[Site] = []
    routers: list[RouterSpec] = []
    externals: list[str] = []
    keep: list[tuple[tuple[str, ...], str]] = []
    cabling = _Cabling()
    for first in range(0, count, 4):
        pod = f"{first // 4 + 1:04d}"
        members = [f"r{n + 1:04d}" for n in range(first, min(first + 4, count))]
        for i, name in enumerate(members):
            role, side = ("edge" if i < 2 else "core"), "AB"[i % 2]
            if i < 2:
                sites.append(Site(f"P{pod}{side}", f"pod-{pod}-{side.lower()}"))
            routers.append(RouterSpec(name, first + i + 1, f"P{pod}{side}", role, chosen[first + i], f"pod-{pod}"))
        transit, customer = f"transit-{pod}", f"customer-{pod}"
        externals += [transit, customer]
        _cable_pod(cabling, members, transit, customer)
        if len(members) > 1:
            keep.append(((*members, customer, transit), "10G"))
    cables = tuple(cabling.cables)
    return Layout(tuple(sites), tuple(routers), tuple(externals), cables, tuple(keep), prefixes or POD_PREFIXES)


def _cable_pod(cabling: _Cabling, members: list[str], transit: str, customer: str) -> None:
    edges, cores = members[:2], members[2:]
    for edge in edges:
        for core in cores:
            cabling.join(edge, core)
    for pair in (edges if len(cores) < 2 else [], cores):
        if len(pair) == 2:
            cabling.join(pair[0], pair[1])
    for edge in edges:
        cabling.join(edge, customer, kind="customer", external=True)
    for name in cores if len(cores) == 2 else members:
        cabling.join(name, transit, kind="transit", external=True)


def _spread(suites: Mapping[str, int], count: int) -> list[str]:
    """A repeating pattern with the wanted weights: {"frr": 3, "bird": 1} -> frr frr frr bird frr ..."""
    pattern = [suite for suite, weight in suites.items() for _ in range(weight)] or ["frr"]
    return [pattern[i % len(pattern)] for i in range(count)]
