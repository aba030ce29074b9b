"""Renders frr.conf and /etc/frr/daemons of a lab router, as a careful operator would have written them."""

from __future__ import annotations

from collections.abc import Iterator

from lab.netns.topology import (
    CORE_ASN,
    CORE_COST,
    FLOWS,
    RING_BEFORE,
    RING_NEXT,
    ROUTERS,
    End,
    Link,
    Router,
    asn_of,
    ends_of,
)

# FRR's own default for reconnecting is 120 s: after a reboot the session would wait that long.
CONNECT_RETRY_S = 2
DAEMONS = ("bgpd", "ospfd", "ospf6d", "bfdd")

# zebra replaces an IPv6 route by delete and add unless told that the kernel can replace (it can since 4.x): in
# between, packets follow a less specific route or none.
ZEBRA_OPTIONS = "-A 127.0.0.1 -s 90000000 --v6-rr-semantics"


def daemons_file() -> str:
    """/etc/frr/daemons: the daemons this lab needs and zebra's options."""
    switched = "".join(f"{name}=yes\n" for name in DAEMONS)
    options = "".join(f'{name}_options="-A {"::1" if name == "ospf6d" else "127.0.0.1"}"\n' for name in DAEMONS)
    return f'{switched}vtysh_enable=yes\nzebra_options="{ZEBRA_OPTIONS}"\n{options}staticd_options="-A 127.0.0.1"\n'


def frr_conf(router: Router) -> str:
    """The whole integrated configuration of one router."""
    lines = [
        "frr defaults traditional",
        f"hostname {router.name}",
        "log syslog informational",
        # zebra 8.4 uses a nexthop group of the kernel again of which a link that went down has taken a member: the OSPF
        # route over two equal paths is rejected, BGP holds the next hop for unreachable, and the drain of the next
        # router loses packets (wells after lang, 3 rounds of 6).
        "no zebra nexthop kernel enable",
        "service integrated-vtysh-config",
        "!",
        *_bfd(),
        *_interfaces(),
        *_ospf(router),
        *_policy(),
        *_bgp(router),
    ]
    return "\n".join(lines) + "\n"


def _bfd() -> Iterator[str]:
    # 1.5 s to declare a neighbour dead: a busy machine shall not look like a dead link.
    yield from ("bfd", " profile lab", "  transmit-interval 300", "  receive-interval 300", "  detect-multiplier 5")
    yield from (" exit", "exit", "!")


def _interfaces() -> Iterator[str]:
    for name in (RING_NEXT, RING_BEFORE):
        yield f"interface {name}"
        for family in ("ip ospf", "ipv6 ospf6"):
            yield f" {family} area 0"
            yield f" {family} network point-to-point"
            yield f" {family} cost {CORE_COST}"
            yield f" {family} hello-interval 1"
            yield f" {family} dead-interval 10"
            yield f" {family} bfd"
            yield f" {family} bfd profile lab"
        yield from ("exit", "!")
    yield from ("interface lo", " ip ospf area 0", " ip ospf passive", " ipv6 ospf6 area 0", " ipv6 ospf6 passive")
    yield from ("exit", "!")


def _ospf(router: Router) -> Iterator[str]:
    for process in ("ospf", "ospf6"):
        yield f"router {process}"
        yield f" {process} router-id {router.loopback4}"
        yield " timers throttle spf 10 100 1000"
        yield from ("exit", "!")


def _policy() -> Iterator[str]:
    """Customers' routes are marked 65000:10 and are all that upstreams hear; customers hear default and the probes'."""
    for n, flow in enumerate(FLOWS, start=1):
        v4, v6 = flow.internet_prefixes
        yield f"ip prefix-list TO-CUSTOMER seq {5 * n} permit {v4}"
        yield f"ipv6 prefix-list TO-CUSTOMER6 seq {5 * n} permit {v6}"
    yield "ip prefix-list TO-CUSTOMER seq 500 permit 0.0.0.0/0"
    yield "ipv6 prefix-list TO-CUSTOMER6 seq 500 permit ::/0"
    yield "ip prefix-list FROM-CUSTOMER seq 5 permit 10.64.0.0/16 ge 24 le 24"
    yield "ipv6 prefix-list FROM-CUSTOMER6 seq 5 permit 2001:db8:64::/48 ge 64 le 64"
    yield f"bgp community-list standard CUSTOMERS permit {CORE_ASN}:10"
    for suffix, family in (("", "ip"), ("6", "ipv6")):
        yield f"route-map CUSTOMER-IN{suffix} permit 10"
        yield f" match {family} address prefix-list FROM-CUSTOMER{suffix}"
        yield f" set community {CORE_ASN}:10 additive"
        yield "exit"
        yield f"route-map CUSTOMER-OUT{suffix} permit 10"
        yield f" match {family} address prefix-list TO-CUSTOMER{suffix}"
        yield "exit"
    yield from ("route-map TRANSIT-IN permit 10", f" set community {CORE_ASN}:20 additive", "exit")
    yield from ("route-map TRANSIT-OUT permit 10", " match community CUSTOMERS", "exit", "!")


def _bgp(router: Router) -> Iterator[str]:
    yield f"router bgp {CORE_ASN}"
    yield f" bgp router-id {router.loopback4}"
    yield " bgp log-neighbor-changes"
    yield " no bgp default ipv4-unicast"
    # Advertise a route only once the kernel has it: a neighbour that is told earlier sends into a hole or a loop.
    yield " bgp suppress-fib-pending"
    inner = [peer for peer in ROUTERS if peer != router and (router.reflector or peer.reflector)]
    outer = [(mine, far, link) for mine, far, link in ends_of(router.name) if link.kind != "core"]
    for family in (4, 6):
        for peer in inner:
            yield from _inner_session(_loopback(peer, family))
        for _mine, far, link in outer:
            yield from _outer_session(_far_address(far, family), far, link)
    for family in (4, 6):
        yield f" address-family ipv{family} unicast"
        for peer in inner:
            yield from _inner_family(_loopback(peer, family), client=router.reflector and not peer.reflector)
        for _mine, far, link in outer:
            yield from _outer_family(_far_address(far, family), link, "" if family == 4 else "6")
        yield " exit-address-family"
    yield from ("exit", "!")


def _loopback(peer: Router, family: int) -> str:
    return peer.loopback4 if family == 4 else peer.loopback6


def _far_address(far: End, family: int) -> str:
    return far.address4 if family == 4 else far.address6


def _inner_session(address: str) -> Iterator[str]:
    yield f" neighbor {address} remote-as {CORE_ASN}"
    yield f" neighbor {address} update-source lo"
    yield f" neighbor {address} timers 3 9"
    yield f" neighbor {address} timers connect {CONNECT_RETRY_S}"


def _outer_session(address: str, far: End, link: Link) -> Iterator[str]:
    yield f" neighbor {address} remote-as {asn_of(far.host)}"
    yield f" neighbor {address} description {link.kind} {far.host}"
    yield f" neighbor {address} bfd profile lab"
    yield f" neighbor {address} timers 3 9"
    yield f" neighbor {address} timers connect {CONNECT_RETRY_S}"


def _inner_family(address: str, *, client: bool) -> Iterator[str]:
    yield f"  neighbor {address} activate"
    yield f"  neighbor {address} next-hop-self"
    if client:
        yield f"  neighbor {address} route-reflector-client"


def _outer_family(address: str, link: Link, suffix: str) -> Iterator[str]:
    yield f"  neighbor {address} activate"
    if link.kind == "transit":
        yield f"  neighbor {address} route-map TRANSIT-IN in"
        yield f"  neighbor {address} route-map TRANSIT-OUT out"
    else:
        yield f"  neighbor {address} route-map CUSTOMER-IN{suffix} in"
        yield f"  neighbor {address} route-map CUSTOMER-OUT{suffix} out"
