"""Renders bird.conf: of the two managed BIRD routers, with their drain switch file, and of the outside networks."""

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
    External,
    Link,
    Router,
    asn_of,
    bgp_prefixes4,
    bgp_prefixes6,
    ends_of,
)

DRAIN_FILE = "/etc/bird/slipway-drain.conf"

# Kernel table of the second copy of the IPv6 routes, looked up after the main one (ip -6 rule in the interfaces
# file). BIRD 2.0 replaces an IPv6 route by delete and add; the two copies are changed one after the other, so that
# one of them has a route at any moment.
SHADOW_TABLE = 100

_SESSION = "hold time 9; keepalive time 3; connect delay time 1; connect retry time 2; error wait time 1, 4;"
_HONOUR_SHUTDOWN = "if (65535, 0) ~ bgp_community then bgp_local_pref = 0;"


def drain_file() -> str:
    """The switch file as it is when nothing is drained; `birdc configure` applies a change of it."""
    return (
        "# Drain switches of this router, included by bird.conf. Change, then: birdc configure\n"
        "# SLIPWAY_DRAIN_BGP = true: LOCAL_PREF 0 towards our own routers, GRACEFUL_SHUTDOWN towards everybody else.\n"
        "# SLIPWAY_EXTRA_COST is added to the OSPF cost of every core interface (cost + extra may not exceed 65535).\n"
        "define SLIPWAY_DRAIN_BGP = false;\n"
        "define SLIPWAY_EXTRA_COST = 0;\n"
    )


def _kernel() -> Iterator[str]:
    yield "protocol device { scan time 60; }"
    yield "ipv6 table shadow6;"
    yield "protocol kernel { ipv4 { import none; export where source ~ [RTS_BGP, RTS_OSPF]; }; }"
    yield "protocol kernel { ipv6 { import none; export where source ~ [RTS_BGP, RTS_OSPF]; }; }"
    yield "protocol pipe { table master6; peer table shadow6; import none; export where source ~ [RTS_BGP, RTS_OSPF]; }"
    yield f"protocol kernel {{ ipv6 {{ table shadow6; import none; export all; }}; kernel table {SHADOW_TABLE}; }}"
    yield 'protocol bfd { interface "eth*" { interval 300 ms; multiplier 5; }; }'


def _name(host: str, family: int) -> str:
    return f"{host.replace('-', '_')}_v{family}"


# -- managed routers -------------------------------------------------------------------------------------------------


def router_conf(router: Router) -> str:
    """bird.conf of a managed router."""
    lines = ["log syslog all;", f"router id {router.loopback4};", f'include "{DRAIN_FILE}";', *_kernel(), *_filters()]
    for version, family in (("v2", 4), ("v3", 6)):
        lines += _ospf(router, version, family)
    for family in (4, 6):
        lines += [_inner(router, peer, family) for peer in ROUTERS if peer != router and peer.reflector]
        lines += [_outer(mine, far, link, family) for mine, far, link in ends_of(router.name) if link.kind != "core"]
    return "\n".join(lines) + "\n"


def _filters() -> Iterator[str]:
    to_customer4 = ", ".join(flow.internet_prefixes[0] for flow in FLOWS)
    to_customer6 = ", ".join(flow.internet_prefixes[1] for flow in FLOWS)
    yield f"""
function mark_drained_outside() {{ if SLIPWAY_DRAIN_BGP then bgp_community.add((65535, 0)); }}
filter core_out {{
  if source != RTS_BGP then reject;
  if SLIPWAY_DRAIN_BGP then bgp_local_pref = 0;
  accept;
}}
filter transit_in {{ bgp_community.add(({CORE_ASN}, 20)); {_HONOUR_SHUTDOWN} accept; }}
filter transit_out {{ if ({CORE_ASN}, 10) !~ bgp_community then reject; mark_drained_outside(); accept; }}
filter customer_in4 {{
  if net !~ [10.64.0.0/16{{24,24}}] then reject;
  bgp_community.add(({CORE_ASN}, 10)); {_HONOUR_SHUTDOWN} accept;
}}
filter customer_in6 {{
  if net !~ [2001:db8:64::/48{{64,64}}] then reject;
  bgp_community.add(({CORE_ASN}, 10)); {_HONOUR_SHUTDOWN} accept;
}}
filter customer_out4 {{ if net !~ [0.0.0.0/0, {to_customer4}] then reject; mark_drained_outside(); accept; }}
filter customer_out6 {{ if net !~ [::/0, {to_customer6}] then reject; mark_drained_outside(); accept; }}
"""


def _ospf(router: Router, version: str, family: int) -> Iterator[str]:
    loopback = f"{router.loopback4}/32" if family == 4 else f"{router.loopback6}/128"
    yield f"protocol ospf {version} ospf{family} {{ ipv{family} {{ import all; export none; }}; area 0 {{"
    # Not `interface "lo" { stub; }`: OSPFv3 of BIRD leaves out an interface without link-local address.
    yield f"  stubnet {loopback} {{ cost 0; }};"
    for name in (RING_NEXT, RING_BEFORE):
        yield (
            f'  interface "{name}" {{ type ptp; cost ({CORE_COST} + SLIPWAY_EXTRA_COST); hello 1; dead 10; bfd yes; }};'
        )
    yield "}; }"


def _inner(router: Router, peer: Router, family: int) -> str:
    mine, theirs = (router.loopback4, peer.loopback4) if family == 4 else (router.loopback6, peer.loopback6)
    return (
        f"protocol bgp {_name(peer.name, family)} {{ local {mine} as {CORE_ASN}; neighbor {theirs} as {CORE_ASN};"
        f" {_SESSION} ipv{family} {{ import all; export filter core_out; next hop self; }}; }}"
    )


def _outer(mine: End, far: End, link: Link, family: int) -> str:
    kind = "transit" if link.kind == "transit" else "customer"
    suffix = "" if kind == "transit" else str(family)
    local, remote = (mine.address4, far.address4) if family == 4 else (mine.address6, far.address6)
    return (
        f'protocol bgp {_name(far.host, family)} {{ description "{kind} {far.host}"; local {local} as {CORE_ASN};'
        f" neighbor {remote} as {asn_of(far.host)}; bfd on; {_SESSION}"
        f" ipv{family} {{ import filter {kind}_in{suffix}; export filter {kind}_out{suffix}; }}; }}"
    )


# -- networks that are not ours --------------------------------------------------------------------------------------


def external_conf(external: External, *, prefixes4: int, prefixes6: int) -> str:
    """bird.conf of an upstream, a customer or the internet host; all of them honour GRACEFUL_SHUTDOWN."""
    lines = ["log stderr all;", f"router id {external.router_id};", *_kernel()]
    lines += _originated(external, prefixes4, prefixes6)
    for family in (4, 6):
        lines += [_peer(external, mine, far, family) for mine, far, _link in ends_of(external.name)]
    return "\n".join(lines) + "\n"


def _originated(external: External, prefixes4: int, prefixes6: int) -> Iterator[str]:
    own4, own6 = originated(external, prefixes4=prefixes4, prefixes6=prefixes6)
    for family, own in ((4, own4), (6, own6)):
        yield f"protocol static own{family} {{ ipv{family};"
        yield from (f"  route {prefix} blackhole;" for prefix in own)
        yield "}"


def originated(external: External, *, prefixes4: int, prefixes6: int) -> tuple[list[str], list[str]]:
    """The prefixes an outside network announces as its own, (IPv4, IPv6)."""
    if external.name.startswith("upstream"):
        return ["0.0.0.0/0", *bgp_prefixes4(prefixes4)], ["::/0", *bgp_prefixes6(prefixes6)]
    if external.name == "internet":
        return [f.internet_prefixes[0] for f in FLOWS], [f.internet_prefixes[1] for f in FLOWS]
    mine = [f for f in FLOWS if f.customer == external.name]
    return [f.customer_prefixes[0] for f in mine], [f.customer_prefixes[1] for f in mine]


def _peer(external: External, mine: End, far: End, family: int) -> str:
    local, remote = (mine.address4, far.address4) if family == 4 else (mine.address6, far.address6)
    return (
        f"protocol bgp {_name(far.host, family)} {{ local {local} as {external.asn};"
        f" neighbor {remote} as {asn_of(far.host)}; bfd on; {_SESSION} ipv{family} {{"
        f" import filter {{ {_preferred(external, far, family)} {_HONOUR_SHUTDOWN} accept; }};"
        f" export filter {{ {_exported(external, far, family)} }}; }}; }}"
    )


def _preferred(external: External, far: End, family: int) -> str:
    """LOCAL_PREF 200 for the prefixes of the flows that shall leave through this peer."""
    index = 0 if family == 4 else 1
    if external.name == "internet":
        wanted = [f.customer_prefixes[index] for f in FLOWS if f.upstream == far.host]
    elif external.name.startswith("customer"):
        wanted = [f.internet_prefixes[index] for f in FLOWS if f.customer == external.name and f.home == far.host]
    else:
        return ""
    return f"if net ~ [{', '.join(wanted)}] then bgp_local_pref = 200;" if wanted else ""


def _exported(external: External, far: End, family: int) -> str:
    """Upstreams give everything they own and the internet host's prefixes to us, customers' prefixes to the rest."""
    customers = "10.64.0.0/16+" if family == 4 else "2001:db8:64::/48+"
    internet = "10.65.0.0/16+" if family == 4 else "2001:db8:65::/48+"
    if not external.name.startswith("upstream"):
        return "if source = RTS_STATIC then accept; reject;"
    if far.host in {r.name for r in ROUTERS}:
        return f"if source = RTS_STATIC || net ~ [{internet}] then accept; reject;"
    if far.host == "internet":
        return f"if net ~ [{customers}] then accept; reject;"
    return f"if net ~ [{customers}, {internet}] then accept; reject;"
