"""What a virtual router has on its disk when it leaves the shop: FRR or BIRD configuration, os-release. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.sim.installed import Software
from lab.sim.topology import RING_ASN, Layout, Port, RouterSpec

TRANSIT_ASN, CUSTOMER_ASN = 65001, 65200
DRAIN_INCLUDE = "/etc/bird/slipway-drain.conf"


@dataclass(frozen=True)
class Peer:
    """One BGP session of a router: with whom, over which address, how much it receives when all is well."""

    name: str
    family: int  # 4 | 6
    address: str
    local: str
    remote_as: int
    prefixes: int
    external: bool = False


def settings_text(sysctls: Mapping[str, str], nics: Mapping[str, Any], software: Software) -> str:
    """Settings as lines, so that one of them can be what cuts off management: `ip_forward = 0`, `eth1 combined 8`,
    `package frr 8.5.2-1`.
    """
    lines = [f"{key} = {value}" for key, value in sysctls.items()]
    lines += [f"{name} {kind} {count}" for name, nic in nics.items() for kind, count in nic.channels.items()]
    lines += [f"package {name} {version}" for name, version in software.packages.items()]
    return "\n".join(["", *lines])


def peers_of(spec: RouterSpec, ports: tuple[Port, ...], mates: tuple[RouterSpec, ...], reach: "Reach") -> list[Peer]:
    """iBGP with every mate of the pod over the loopbacks, eBGP with every external over its link, both families."""
    peers = []
    for family in (4, 6):
        for mate in mates:
            there = mate.router_id if family == 4 else mate.loopback6
            here = spec.router_id if family == 4 else spec.loopback6
            count = reach.announced(mate.name, family)
            peers.append(Peer(mate.name, family, there, here, RING_ASN, count))
        for port in (p for p in ports if p.external):
            there, here = (port.remote4, port.local4) if family == 4 else (port.remote6, port.local6)
            count = reach.offered(port, family)
            peers.append(Peer(port.peer, family, there, here, external_asn(port), count, external=True))
    return peers


def external_asn(port: Port) -> int:
    return TRANSIT_ASN if port.kind == "transit" else CUSTOMER_ASN


class Reach:
    """How many prefixes come from each external, and how many each router announces to its mates."""

    def __init__(self, layout: Layout) -> None:
        self.ports, self._transit = layout.ports(), layout.prefixes

    def offered(self, port: Port, family: int) -> int:
        return self._transit[0 if family == 4 else 1] if port.kind == "transit" else 1

    def announced(self, name: str, family: int) -> int:
        return sum(self.offered(p, family) for p in self.ports[name] if p.external)


def frr_conf(spec: RouterSpec, ports: tuple[Port, ...], peers: list[Peer]) -> str:
    """/etc/frr/frr.conf: OSPF, OSPFv3 and BFD on the core links, iBGP mesh, eBGP with the externals."""
    lines = [
        "frr version 8.4.4",
        "frr defaults traditional",
        f"hostname {spec.name}",
        "no zebra nexthop kernel enable",
        "service integrated-vtysh-config",
    ]
    for port in (p for p in ports if not p.external):
        lines += [f"interface {port.ifname}", f" description {port.peer}"]
        lines += [" ip ospf area 0", " ip ospf bfd", " ip ospf network point-to-point"]
        lines += [" ipv6 ospf6 area 0", " ipv6 ospf6 bfd", " ipv6 ospf6 network point-to-point", "exit", "!"]
    lines += ["interface lo", " ip ospf area 0", " ip ospf passive", " ipv6 ospf6 area 0", " ipv6 ospf6 passive"]
    lines += ["exit", "!", f"router bgp {RING_ASN}", f" bgp router-id {spec.router_id}", " no bgp ebgp-requires-policy"]
    for peer in peers:
        lines += [f" neighbor {peer.address} remote-as {peer.remote_as}"]
        lines += [f" neighbor {peer.address} description {peer.name} v{peer.family}"]
        lines.append(f" neighbor {peer.address} bfd" if peer.external else f" neighbor {peer.address} update-source lo")
    for family in (4, 6):
        lines += [" !", f" address-family ipv{family} unicast"]
        for peer in peers:
            if peer.family == 6 and family == 4:
                lines.append(f"  no neighbor {peer.address} activate")
            elif peer.family == family:
                lines += [f"  neighbor {peer.address} activate"] if family == 6 else []
                lines += [] if peer.external else [f"  neighbor {peer.address} next-hop-self"]
        lines.append(" exit-address-family")
    lines += ["exit", "!", "router ospf", f" ospf router-id {spec.router_id}", "exit", "!"]
    lines += ["router ospf6", f" ospf6 router-id {spec.router_id}", "exit", "!"]
    return "\n".join(lines) + "\n"


def bird_name(peer: Peer) -> str:
    return f"{peer.name.replace('-', '_')}_v{peer.family}"


def bird_conf(spec: RouterSpec, ports: tuple[Port, ...], peers: list[Peer]) -> str:
    """/etc/bird/bird.conf with the include file that drains it."""
    core = [p for p in ports if not p.external]
    lines = [
        "log syslog all;",
        f"router id {spec.router_id};",
        f'include "{DRAIN_INCLUDE}";',
        "filter out_filter { if SLIPWAY_DRAIN_BGP then bgp_community.add((65535,0)); accept; }",
        "filter in_filter { if SLIPWAY_DRAIN_BGP then bgp_local_pref = 0; accept; }",
        "protocol device device1 {}",
        'protocol direct direct1 { ipv4; ipv6; interface "lo"; }',
        "protocol kernel kernel4 { ipv4 { export all; }; }",
        "protocol kernel kernel6 { ipv6 { export all; }; }",
        'protocol bfd bfd1 { interface "eth*" { interval 300 ms; multiplier 3; }; }',
    ]
    for family, version in ((4, "v2"), (6, "v3")):
        lines.append(f"protocol ospf {version} ospf{family} {{ ipv{family} {{ import all; export none; }}; area 0 {{")
        for port in core:
            lines.append(f'  interface "{port.ifname}" {{ type ptp; bfd on; cost (10 + SLIPWAY_EXTRA_COST); }};')
        lines.append('  interface "lo" { stub yes; }; }; }')
    for peer in peers:
        lines.append(f"protocol bgp {bird_name(peer)} {{ local {peer.local} as {RING_ASN};")
        lines.append(f"  neighbor {peer.address} as {peer.remote_as};{' bfd on;' if peer.external else ''}")
        lines.append(f"  ipv{peer.family} {{ import filter in_filter; export filter out_filter; }}; }}")
    return "\n".join(lines) + "\n"


# The convention of the namespaces lab: a switch, and what is added to every OSPF cost.
BIRD_DRAIN = "define SLIPWAY_DRAIN_BGP = false;\ndefine SLIPWAY_EXTRA_COST = 0;\n"

OS_RELEASE = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
SUPPORT_URL="https://www.debian.org/support"
BUG_REPORT_URL="https://bugs.debian.org/"
"""
SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.fib_multipath_hash_policy": "1",
    "net.ipv6.fib_multipath_hash_policy": "1",
    "net.ipv4.neigh.default.gc_thresh1": "128",
    "net.ipv4.neigh.default.gc_thresh2": "512",
    "net.ipv4.neigh.default.gc_thresh3": "1024",
    "net.ipv6.neigh.default.gc_thresh3": "1024",
    "net.ipv4.tcp_rmem": "4096\t131072\t6291456",
    "net.ipv4.tcp_wmem": "4096\t16384\t4194304",
    "net.core.rmem_max": "212992",
    "net.core.wmem_max": "212992",
    "net.core.netdev_max_backlog": "1000",
    "net.core.netdev_budget": "300",
    "net.core.somaxconn": "4096",
    "net.core.default_qdisc": "pfifo_fast",
    "net.ipv4.ip_local_port_range": "32768\t60999",
    "net.netfilter.nf_conntrack_max": "262144",
    "kernel.panic": "5",
    "kernel.panic_on_oops": "1",
    "vm.min_free_kbytes": "67584",
    "vm.swappiness": "60",
}
