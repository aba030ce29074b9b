"""The ring as plain values: who is there, how they are wired, which addresses they carry, which flows cross whom.

Everything else in this folder is computed from these tables; nothing here touches the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Suite = Literal["frr", "bird"]
LinkKind = Literal["core", "transit", "customer", "outside"]

CORE_ASN = 65000
CORE_COST = 10
MANAGEMENT_NETWORK = "198.18.77.0/24"
MANAGEMENT_BRIDGE_ADDRESS = "198.18.77.1/24"

# eth1 leads to the next router of the ring, eth2 to the one before, eth3 out of the network.
RING_NEXT, RING_BEFORE, OUTWARD = "eth1", "eth2", "eth3"


@dataclass(frozen=True)
class Site:
    """A place with its failure domain (what fails together)."""

    name: str
    failure_domain: str
    time_zone: str = "Europe/London"


@dataclass(frozen=True)
class Router:
    """A managed router of AS 65000; `number` gives it all its addresses."""

    name: str
    site: str
    suite: Suite
    number: int
    reflector: bool = False

    @property
    def management_address(self) -> str:
        return f"198.18.77.{10 + self.number}"

    @property
    def loopback4(self) -> str:
        return f"10.255.77.{self.number}"

    @property
    def loopback6(self) -> str:
        return f"2001:db8:ff::{self.number}"


@dataclass(frozen=True)
class External:
    """A network that is not ours: an upstream, a customer, or the host on the internet that the probes talk to.

    `label` is its name in the inventory: both upstreams and the host behind them are "internet" there.
    """

    name: str
    asn: int
    number: int
    label: str

    @property
    def router_id(self) -> str:
        return f"10.255.78.{self.number}"


@dataclass(frozen=True)
class End:
    """One end of a link: host, interface, and its address in both families (without prefix length)."""

    host: str
    interface: str
    address4: str
    address6: str


@dataclass(frozen=True)
class Link:
    """A point-to-point veth pair, 10.77.N.0/30 and 2001:db8:77:N::/64."""

    a: End
    b: End
    kind: LinkKind
    capacity: str = "10G"

    @property
    def ends(self) -> tuple[End, End]:
        return self.a, self.b


@dataclass(frozen=True)
class Flow:
    """A probe path: customer -> home router -> upstream -> internet host, and back the same way.

    `router` is the one the flow stands for: nothing drained, every packet of it crosses that router, both ways.
    The customer prefers `home` for the flow's internet prefix, the internet host prefers `upstream` for its
    customer prefix; inside AS 65000 every router sends to its nearest exit, nobody is told to cross the ring.
    """

    router: str
    number: int
    customer: str
    home: str
    upstream: str

    @property
    def customer4(self) -> str:
        return f"10.64.{self.number}.10"

    @property
    def customer6(self) -> str:
        return f"2001:db8:64:{self.number}::10"

    @property
    def internet4(self) -> str:
        return f"10.65.{self.number}.10"

    @property
    def internet6(self) -> str:
        return f"2001:db8:65:{self.number}::10"

    @property
    def customer_prefixes(self) -> tuple[str, str]:
        return f"10.64.{self.number}.0/24", f"2001:db8:64:{self.number}::/64"

    @property
    def internet_prefixes(self) -> tuple[str, str]:
        return f"10.65.{self.number}.0/24", f"2001:db8:65:{self.number}::/64"


SITES = (
    Site("MA1", "manchester"),
    Site("MA2", "manchester"),
    Site("THW", "london-docklands"),
    Site("THN", "london-docklands"),
    Site("IXN", "london-north"),
    Site("AQL", "london-north"),
)

# In ring order. The two reflectors sit opposite each other: each picks the exits of its own half of the ring, so
# that every client hears of both exits, and losing either reflector costs no route.
ROUTERS = (
    Router("bly", "MA1", "frr", 1),
    Router("aebi", "MA2", "bird", 2),
    Router("dekker", "THW", "frr", 3, reflector=True),
    Router("tarbell", "THN", "frr", 4),
    Router("wells", "IXN", "bird", 5),
    Router("lang", "AQL", "frr", 6, reflector=True),
)

UPSTREAM_1 = External("upstream-1", 65001, 1, "internet")
UPSTREAM_2 = External("upstream-2", 65002, 2, "internet")
INTERNET = External("internet", 65100, 3, "internet")
CUSTOMER_1 = External("customer-1", 65101, 11, "customer-1")
CUSTOMER_2 = External("customer-2", 65102, 12, "customer-2")
EXTERNALS = (UPSTREAM_1, UPSTREAM_2, INTERNET, CUSTOMER_1, CUSTOMER_2)


def _link(number: int, a: tuple[str, str], b: tuple[str, str], kind: LinkKind) -> Link:
    v4, v6 = f"10.77.{number}", f"2001:db8:77:{number}:"
    return Link(End(*a, f"{v4}.1", f"{v6}:1"), End(*b, f"{v4}.2", f"{v6}:2"), kind)


def _ring() -> Iterator[Link]:
    for router, following in zip(ROUTERS, ROUTERS[1:] + ROUTERS[:1], strict=True):
        yield _link(router.number, (router.name, RING_NEXT), (following.name, RING_BEFORE), "core")


LINKS = (
    *_ring(),
    _link(101, ("bly", OUTWARD), ("upstream-1", "eth1"), "transit"),
    _link(102, ("aebi", OUTWARD), ("upstream-2", "eth1"), "transit"),
    _link(111, ("dekker", OUTWARD), ("customer-1", "eth1"), "customer"),
    _link(112, ("lang", OUTWARD), ("customer-1", "eth2"), "customer"),
    _link(113, ("tarbell", OUTWARD), ("customer-2", "eth1"), "customer"),
    _link(114, ("wells", OUTWARD), ("customer-2", "eth2"), "customer"),
    _link(121, ("upstream-1", "eth2"), ("upstream-2", "eth2"), "outside"),
    _link(131, ("upstream-1", "eth3"), ("internet", "eth1"), "outside"),
    _link(132, ("upstream-2", "eth3"), ("internet", "eth2"), "outside"),
)

FLOWS = (
    Flow("bly", 1, "customer-1", "lang", "upstream-1"),
    Flow("aebi", 2, "customer-1", "dekker", "upstream-2"),
    Flow("dekker", 3, "customer-1", "dekker", "upstream-2"),
    Flow("tarbell", 4, "customer-2", "tarbell", "upstream-2"),
    Flow("wells", 5, "customer-2", "wells", "upstream-1"),
    Flow("lang", 6, "customer-1", "lang", "upstream-1"),
)


def router(name: str) -> Router:
    """The router of that name; KeyError with the names there are."""
    for candidate in ROUTERS:
        if candidate.name == name:
            return candidate
    raise KeyError(f"router {name!r} is not in the lab; it has {', '.join(r.name for r in ROUTERS)}")


def ends_of(host: str) -> list[tuple[End, End, Link]]:
    """Every link of `host` as (its end, the far end, the link), in the order of LINKS."""
    found = []
    for link in LINKS:
        if link.a.host == host:
            found.append((link.a, link.b, link))
        if link.b.host == host:
            found.append((link.b, link.a, link))
    return found


def asn_of(host: str) -> int:
    """The autonomous system a host belongs to."""
    for external in EXTERNALS:
        if external.name == host:
            return external.asn
    return CORE_ASN


def bgp_prefixes4(count: int) -> list[str]:
    """`count` IPv4 prefixes that both upstreams announce (20.0.0.0/24 and up)."""
    return [f"20.{i // 256}.{i % 256}.0/24" for i in range(count)]


def bgp_prefixes6(count: int) -> list[str]:
    """`count` IPv6 prefixes that both upstreams announce (2a0f:0::/32 and up)."""
    return [f"2a0f:{i:x}::/32" for i in range(count)]
