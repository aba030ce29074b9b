"""What NAPALM asks an FRR 8.4.4 router for: neighbours and interfaces at length, in the form of the captures. Pure."""

from collections.abc import Callable
from typing import Any

from lab.sim.frrshow import bgp_family, dump, ifindex
from lab.sim.reply import Context


def bgp_summary_of_vrfs(ctx: Context) -> str:
    return dump({"default": {"ipv4Unicast": bgp_family(ctx, 4), "ipv6Unicast": bgp_family(ctx, 6)}})


def bgp_neighbors(ctx: Context) -> str:
    """Of `show bgp neighbors json` what is told of every peer, without its capabilities."""
    told: dict[str, Any] = {}
    for family, name in ((4, "ipv4Unicast"), (6, "ipv6Unicast")):
        for address, row in bgp_family(ctx, family)["peers"].items():
            up = row["state"] == "Established"
            one: dict[str, Any] = {"remoteAs": row["remoteAs"], "localAs": row["localAs"], "nbrDesc": row["desc"]}
            one |= {"adminShutDown": True} if row["state"] == "Idle (Admin)" else {}
            one |= {"bgpVersion": 4, "remoteRouterId": _router_id(ctx, address) if up else "0.0.0.0"}
            one |= {"localRouterId": ctx.router.spec.router_id, "bgpState": row["state"].partition(" ")[0]}
            one |= {"bgpTimerUpMsec": row["peerUptimeMsec"]} if up else {}
            one |= {"bgpTimerHoldTimeMsecs": 180000, "bgpTimerKeepAliveIntervalMsecs": 60000}
            one |= {"messageStats": {"totalSent": row["msgSent"], "totalRecv": row["msgRcvd"], "depthOutq": 0}}
            counters = {"acceptedPrefixCounter": row["pfxRcd"], "sentPrefixCounter": row["pfxSnt"]}
            one |= {"addressFamilyInfo": {name: counters if up else {}}, "connectionsDropped": 0}
            told[address] = one
    return dump(told)


def _router_id(ctx: Context, address: str) -> str:
    peer = next((p for p in ctx.router.peers if p.address == address), None)
    other = ctx.net.routers.get(peer.name) if peer is not None else None
    return other.spec.router_id if other is not None else "192.0.2.1"


def interfaces(ctx: Context) -> str:
    ports = {port.ifname: port for port in ctx.router.ports}
    told = {}
    for name, nic in sorted(ctx.router.nics.items()):
        row: dict[str, Any] = {"administrativeStatus": "up", "operationalStatus": "up", "linkDetection": True}
        row |= {"linkUps": 0, "linkDowns": 0, "vrfName": "default", "mplsEnabled": False, "index": ifindex(name)}
        row |= {"metric": 0, "mtu": 1500, "speed": 10000, "flags": "<UP,BROADCAST,RUNNING,MULTICAST>"}
        row |= {"type": "Ethernet", "hardwareAddress": nic.mac}
        if name in ports:
            pairs = ((ports[name].local4, 30), (ports[name].local6, 64))
            row["ipAddresses"] = [{"address": f"{a}/{n}", "secondary": False, "unnumbered": False} for a, n in pairs]
        told[name] = row
    return dump(told)


SHOW: dict[str, Callable[[Context], str]] = {
    "show bgp vrf all summary json": bgp_summary_of_vrfs,
    "show bgp neighbors json": bgp_neighbors,
    "show interface json": interfaces,
}
