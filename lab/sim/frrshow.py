"""`show` commands of an FRR 8.4.4 router, from state, in the form of the captures. Pure."""

import json
from collections.abc import Callable
from typing import Any

from lab.sim import startup
from lab.sim.reply import Context
from lab.sim.routing import Hop, lookup
from lab.sim.topology import Port

DAEMONS = ("zebra", "bgpd", "ospfd", "ospf6d", "staticd", "bfdd")


def dump(value: Any) -> str:
    """JSON as json-c prints it: two spaces, no space after a colon, slashes escaped."""
    return json.dumps(value, indent=2, separators=(",", ":")).replace("/", "\\/") + "\n"


def clock(seconds: float) -> str:
    """Up time as bgpd and ospf6d print it: 00:01:14, 1d00h00m, 01w2d03h."""
    s = max(0, int(seconds))
    days, hours, minutes = s // 86400, s % 86400 // 3600, s % 3600 // 60
    if days >= 7:
        return f"{days // 7:02d}w{days % 7}d{hours:02d}h"
    return f"{days}d{hours:02d}h{minutes:02d}m" if days else f"{hours:02d}:{minutes:02d}:{s % 60:02d}"


def short(seconds: float) -> str:
    """Up time as ospfd prints it: 1m11s."""
    s = max(0, int(seconds))
    if s >= 86400:
        return f"{s // 86400}d{s % 86400 // 3600:02d}h{s % 3600 // 60:02d}m"
    if s >= 3600:
        return f"{s // 3600}h{s % 3600 // 60:02d}m{s % 60:02d}s"
    return f"{s // 60}m{s % 60:02d}s" if s >= 60 else f"{s}.{int(seconds * 1000) % 1000:03d}s"


def _bgp_peer(ctx: Context, peer: startup.Peer) -> dict[str, Any]:
    since = ctx.net.established_since(ctx.router, peer, ctx.now)
    up = ctx.now - since if since is not None else ctx.now - (ctx.router.daemons_at or ctx.now)
    never = since is None and ctx.router.established_at() is None
    shut = peer.address in ctx.router.shut
    row: dict[str, Any] = {} if since is None else {"hostname": peer.name}
    row |= {"remoteAs": peer.remote_as, "localAs": 65000, "version": 4}
    row |= {"msgRcvd": int(up // 60) + 5 if since is not None else 0, "msgSent": int(up // 60) + 9}
    row |= {"tableVersion": 0, "outq": 0, "inq": 0}
    row |= {"peerUptime": "never" if never else clock(up), "peerUptimeMsec": 0 if never else int(up) * 1000}
    if since is not None:
        row["peerUptimeEstablishedEpoch"] = int(ctx.wall + since)
    row |= {"pfxRcd": ctx.net.prefixes(ctx.router, peer, ctx.now), "pfxSnt": 9 if since is not None else 0}
    row |= {"state": "Established" if since is not None else "Idle (Admin)" if shut else "Active"}
    row |= {"peerState": "Admin" if shut else "OK", "connectionsEstablished": int(since is not None)}
    row |= {"connectionsDropped": 0, "desc": f"{peer.name} v{peer.family}", "idType": f"ipv{peer.family}"}
    return row


def bgp_family(ctx: Context, family: int) -> dict[str, Any]:
    peers = {p.address: _bgp_peer(ctx, p) for p in ctx.router.peers if p.family == family}
    ribs = sum(row["pfxRcd"] for row in peers.values()) + 3
    failed = sum(row["state"] != "Established" for row in peers.values())
    return {
        "routerId": ctx.router.spec.router_id,
        "as": 65000,
        "vrfId": 0,
        "vrfName": "default",
        "tableVersion": ribs,
        "ribCount": ribs,
        "ribMemory": ribs * 192,
        "peerCount": len(peers),
        "peerMemory": len(peers) * 741464,
        "peers": peers,
        "failedPeers": failed,
        "displayedPeers": len(peers),
        "totalPeers": len(peers),
        "dynamicPeers": 0,
        "bestPath": {"multiPathRelax": "false"},
    }


def bgp_summary(ctx: Context) -> str:
    return dump({"ipv4Unicast": bgp_family(ctx, 4), "ipv6Unicast": bgp_family(ctx, 6)})


def _passive(ctx: Context, port: Port, line: str) -> bool:
    """Does one of both ends of a core link announce it without wanting a neighbour there?"""
    ends = ((ctx.router, port.ifname), (ctx.net.routers[port.peer], port.remote_ifname))
    return any(end.frr is not None and end.frr.has(f"interface {name}", line) for end, name in ends)


def ospf_neighbor(ctx: Context) -> str:
    found: dict[str, list[dict[str, Any]]] = {}
    for port in ctx.router.ports:
        since = None if port.external else ctx.net.adjacent_since(ctx.router, port, ctx.now)
        if since is None or _passive(ctx, port, "ip ospf passive"):
            continue
        up, dead = ctx.now - since, 30000 + int(ctx.now * 1000) % 9999
        row: dict[str, Any] = {
            "priority": 1,
            "state": "Full/-",
            "nbrPriority": 1,
            "nbrState": "Full/-",
            "converged": "Full",
        }
        row |= {"role": "DROther", "upTimeInMsec": int(up * 1000), "deadTimeMsecs": dead}
        row |= {"routerDeadIntervalTimerDueMsec": dead, "upTime": short(up), "deadTime": f"{dead / 1000:.3f}s"}
        row |= {"address": port.remote4, "ifaceAddress": port.remote4, "ifaceName": f"{port.ifname}:{port.local4}"}
        row |= dict.fromkeys(("retransmitCounter", "linkStateRetransmissionListCounter", "requestCounter"), 0)
        row |= dict.fromkeys(("linkStateRequestListCounter", "dbSummaryCounter", "databaseSummaryListCounter"), 0)
        found.setdefault(ctx.net.routers[port.peer].spec.router_id, []).append(row)
    return dump({"neighbors": found})


def ospf6_neighbor(ctx: Context) -> str:
    rows = []
    for port in ctx.router.ports:
        since = None if port.external else ctx.net.adjacent_since(ctx.router, port, ctx.now)
        if since is None or _passive(ctx, port, "ipv6 ospf6 passive"):
            continue
        row = {"neighborId": ctx.net.routers[port.peer].spec.router_id, "priority": 1}
        row |= {"deadTime": f"00:00:{30 + int(ctx.now) % 10}", "state": "Full", "ifState": "PointToPoint"}
        row |= {"duration": clock(ctx.now - since), "interfaceName": port.ifname, "interfaceState": "PointToPoint"}
        rows.append(row)
    return dump({"neighbors": rows})


def bfd_peers(ctx: Context) -> str:
    rows = []
    for index, port in enumerate(ctx.router.ports):
        adjacent = ctx.net.adjacent_since(ctx.router, port, ctx.now)
        for six in (False, True):
            peer = port.remote6 if six else port.remote4
            since = None if ctx.router.vpp.without_bfd(ctx.router.behaviours, peer) else adjacent
            row: dict[str, Any] = {"multihop": False, "peer": peer}
            row |= {"local": port.local6 if six else port.local4} if port.external or six else {}
            row |= {"vrf": "default", "interface": port.ifname, "id": 1000 + 2 * index + six, "remote-id": 2000 + index}
            row |= {"passive-mode": False, "status": "up" if since is not None else "down"}
            row["uptime" if since is not None else "downtime"] = int(ctx.now - (since or ctx.router.daemons_at or 0.0))
            row |= {"diagnostic": "ok" if since is not None else "control detection time expired"}
            row |= {"remote-diagnostic": "ok", "receive-interval": 300, "transmit-interval": 300}
            row |= {"echo-receive-interval": 50, "echo-transmit-interval": 0, "detect-multiplier": 3}
            row |= {"remote-receive-interval": 300, "remote-transmit-interval": 300}
            row |= {"remote-echo-receive-interval": 50, "remote-detect-multiplier": 3}
            rows.append(row | {"rtt-min": 0, "rtt-avg": 0, "rtt-max": 0})
    return dump(rows)


def route_counts(ctx: Context, family: int) -> dict[str, int]:
    """Routes by type: what the sessions delivered, installed once (several peers offer the same transit table)."""
    peers = [p for p in ctx.router.peers if p.family == family]
    outer = max((ctx.net.prefixes(ctx.router, p, ctx.now) for p in peers if p.external), default=0)
    inner = max((ctx.net.prefixes(ctx.router, p, ctx.now) for p in peers if not p.external), default=0)
    near = [
        p for p in ctx.router.ports if not p.external and ctx.net.adjacent_since(ctx.router, p, ctx.now) is not None
    ]
    mates = len(ctx.net.pods[ctx.router.spec.pod]) - 1
    return {
        "connected": len(ctx.router.ports) + 1 + (family == 6),
        "ospf" if family == 4 else "ospf6": 2 * mates if near else 0,
        "ebgp": outer,
        "ibgp": max(0, inner - outer),
    }


def route_summary(ctx: Context, family: int) -> str:
    rows: list[dict[str, Any]] = []
    for kind, count in route_counts(ctx, family).items():
        rib = count + len(ctx.router.ports) if kind.startswith("ospf") and count else count
        rows.append({"fib": count, "rib": rib, "fibOffLoaded": 0, "fibTrapped": 0, "type": kind})
    total, fib = (sum(row[key] for row in rows) for key in ("rib", "fib"))
    return dump({"routes": rows, "routesTotal": total, "routesTotalFib": fib})


def ospf(ctx: Context) -> str:
    near = sum(not p.external and ctx.net.adjacent_since(ctx.router, p, ctx.now) is not None for p in ctx.router.ports)
    core, mates = sum(not p.external for p in ctx.router.ports), len(ctx.net.pods[ctx.router.spec.pod])
    area: dict[str, Any] = {"backbone": True}
    if ctx.router.flags.igp4:
        area |= {"originStubMaxDistRouterLsa": True, "indefiniteActiveAdmin": True}
    area |= {"areaIfTotalCounter": core + 1, "areaIfActiveCounter": core + 1, "nbrFullAdjacentCounter": near}
    area |= {"authentication": "authenticationNone", "spfExecutedCounter": 7, "lsaNumber": mates}
    area |= {"lsaRouterNumber": mates, "lsaRouterChecksum": 96285, "lsaNetworkNumber": 0, "lsaNetworkChecksum": 0}
    head: dict[str, Any] = {"routerId": ctx.router.spec.router_id, "tosRoutesOnly": True, "rfc2328Conform": True}
    head |= {"spfScheduleDelayMsecs": 0, "holdtimeMinMsecs": 50, "holdtimeMaxMsecs": 5000, "holdtimeMultplier": 1}
    head |= {"spfLastExecutedMsecs": 61534, "spfLastDurationMsecs": 0, "lsaMinIntervalMsecs": 5000}
    head |= {"lsaMinArrivalMsecs": 1000, "writeMultiplier": 20, "refreshTimerMsecs": 10000, "maximumPaths": 256}
    head |= {"preference": 110, "lsaExternalCounter": 1, "lsaExternalChecksum": 50872, "attachedAreaCounter": 1}
    return dump(head | {"areas": {"0.0.0.0": area}})


def ospf6(ctx: Context) -> str:
    stub = ctx.router.frr is not None and ctx.router.frr.has("router ospf6", "stub-router administrative")
    names = [p.ifname for p in ctx.router.ports if not p.external]
    area: dict[str, Any] = {
        "areaIsStub": False,
        "areaIsNSSA": False,
        "numberOfAreaScopedLsa": 6,
        "lsaStatistics": [0, 3, 0, 0],
    }
    area |= {"interfacesAttachedToArea": [*names, "lo"], "spfHasRun": True, "spfLastExecutedSecs": 66}
    head: dict[str, Any] = {
        "routerId": ctx.router.spec.router_id,
        "running": clock(ctx.now - (ctx.router.daemons_at or ctx.now)),
    }
    head |= {"lsaMinimumArrivalMsecs": 1000, "spfScheduleDelayMsecs": 0, "holdTimeMinMsecs": 50}
    head |= {"holdTimeMaxMsecs": 5000, "holdTimeMultiplier": 1, "maximumPaths": 256, "preference": 110}
    head |= {"spfHasRun": True, "spfLastExecutedMsecs": "00:01:06", "spfLastExecutedReason": "R+, R-"}
    head |= {"spfTimerActive": False, "routerIsStubRouter": stub, "numberOfAsScopedLsa": 1, "numberOfAreaInRouter": 1}
    return dump(head | {"areas": {"0": area}})


def route_prefix(ctx: Context, prefix: str) -> str:
    """`show ip route X json`: of an address, the route that covers it; nothing found is an empty object."""
    route = lookup(ctx.net, ctx.router, prefix, ctx.now)
    if route is None or ("/" in prefix and prefix != route.prefix):
        return "{\n}\n"
    return dump({route.prefix: [_route(ctx, route.hop, route.prefix, six=":" in prefix)]})


def bgp_prefix(ctx: Context, prefix: str) -> str:
    """`show bgp ipv4 unicast P json`: the one path of a prefix from outside; an empty object for all others."""
    route = lookup(ctx.net, ctx.router, prefix, ctx.now)
    if route is None or route.prefix != prefix or route.hop.protocol != "bgp":
        return "{\n}\n"
    peer = {"peerId": route.hop.gateway, "routerId": ctx.router.spec.router_id, "type": "external"}
    return dump({"prefix": prefix, "paths": [{"aspath": {"string": "65001"}, "valid": True, "peer": peer}]})


def _route(ctx: Context, hop: Hop, prefix: str, *, six: bool) -> dict[str, Any]:
    kind = {"ospf": "ospf6" if six else "ospf", "local": "connected"}.get(hop.protocol, hop.protocol)
    inner = hop.ifname in {p.ifname for p in ctx.router.ports if not p.external}
    distance = {"bgp": 200 if inner else 20, "connected": 0}.get(kind, 110)
    length = int(prefix.partition("/")[2])
    nexthop: dict[str, Any] = {"flags": 3, "fib": True}
    if hop.gateway:
        nexthop |= {"ip": hop.gateway, "afi": "ipv6" if six else "ipv4"}
    else:
        nexthop |= {"directlyConnected": True}
    nexthop |= {"interfaceIndex": ifindex(hop.ifname), "interfaceName": hop.ifname, "active": True, "weight": 1}
    row: dict[str, Any] = {"prefix": prefix, "prefixLen": length, "protocol": kind, "vrfId": 0, "vrfName": "default"}
    row |= {"selected": True, "destSelected": True, "distance": distance, "metric": 0, "installed": True, "table": 254}
    row |= {"internalStatus": 16, "internalFlags": 8, "internalNextHopNum": 1, "internalNextHopActiveNum": 1}
    row |= {"uptime": clock(ctx.now - (ctx.router.daemons_at or ctx.now)), "nexthops": [nexthop]}
    return row


def ifindex(ifname: str) -> int:
    return 1 if ifname == "lo" else 2 + int("".join(c for c in ifname if c.isdigit()) or 0)


def version(ctx: Context) -> str:
    return (
        f"FRRouting 8.4.4 ({ctx.router.name}) on Linux({ctx.router.kernel}).\n"
        "Copyright 1996-2005 Kunihiro Ishiguro, et al.\nconfigured with:\n"
        "    '--build=x86_64-linux-gnu' '--prefix=/usr'\n"
    )


def watchfrr(ctx: Context) -> str:
    script = "/usr/lib/frr/watchfrr.sh"
    head = ["watchfrr global phase: Idle"]
    head += [f' {what.capitalize()} Command: "{script} {what} %s"' for what in ("restart", "start", "stop")]
    head += [" Min Restart Interval: 60", " Max Restart Interval: 600", " Restart Timeout: 90"]
    return "\n".join(head + [f"  {name:<20} Up" for name in DAEMONS]) + "\n"


def running_config(ctx: Context) -> str:
    body = ctx.router.frr.text() if ctx.router.frr is not None else ""
    return f"Building configuration...\n\nCurrent configuration:\n!\n{body}end\n"


SHOW: dict[str, Callable[[Context], str]] = {
    "show version": version,
    "show running-config": running_config,
    "show watchfrr": watchfrr,
    "show bgp summary json": bgp_summary,
    "show bgp ipv4 unicast summary json": lambda ctx: dump(bgp_family(ctx, 4)),
    "show bgp ipv6 unicast summary json": lambda ctx: dump(bgp_family(ctx, 6)),
    "show ip ospf neighbor json": ospf_neighbor,
    "show ipv6 ospf6 neighbor json": ospf6_neighbor,
    "show bfd peers json": bfd_peers,
    "show ip route summary json": lambda ctx: route_summary(ctx, 4),
    "show ipv6 route summary json": lambda ctx: route_summary(ctx, 6),
    "show ip ospf json": ospf,
    "show ipv6 ospf6 json": ospf6,
}
