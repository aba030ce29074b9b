"""What the script `slipway-probe` finds: ways by the routing model, times and losses by a small one of its own. Pure.

FRR routers answer as those that have mtr, the others as those that have only ping.
"""

import json
from collections.abc import Sequence
from zlib import crc32

from lab.sim.behaviours import Kind, active
from lab.sim.reply import Context, Reply
from lab.sim.router import Router
from lab.sim.routing import in_kernel, lookup

# Each router on the way, there and back, in ms; as between two racks. And as much again by chance.
HOP_MS, CHANCE_MS = 0.2, 0.15
_MOST_HOPS = 16


def probe(ctx: Context, argv: Sequence[str]) -> Reply:
    """`slipway-probe COUNT INTERVAL (probe|trace ADDRESS SOURCE)...`"""
    count, interval, words = int(argv[1]), float(argv[2]), list(argv[3:])
    out = ""
    for start in range(0, len(words) - 2, 3):
        what, address, _ = words[start : start + 3]
        hops = way(ctx, address)
        shown = _pings(ctx, address, hops, count) if what == "probe" else _trace(ctx, address, hops)
        out += f"@ {what} {address}\n{shown}\n"
    return Reply(out, sleep_s=count * interval if "probe" in words else 1.0)


def way(ctx: Context, address: str) -> list[tuple[str, Router | None]] | None:
    """(address that answers, router) of each hop up to the address; None: there is no way."""
    at, hops = ctx.router, list[tuple[str, Router | None]]()
    while len(hops) < _MOST_HOPS:
        route = lookup(ctx.net, at, address, ctx.now) if at.daemons_at is not None else None
        if route is None:
            return None
        hop = in_kernel(at, route)
        if hop.protocol == "local":
            return hops
        via = hop.gateway or address
        owner = ctx.net.owner.get(via)
        if owner is None:  # an external, which answers for what is behind it
            return [*hops, (via, None)] if via == address else [*hops, (via, None), (address, None)]
        at = ctx.net.routers[owner]
        if not at.powered:
            return None
        hops.append((via if ctx.net.owner.get(address) != owner else address, at))
    return None


def _pings(ctx: Context, address: str, hops: list[tuple[str, Router | None]] | None, count: int) -> str:
    head = f"PING {address} ({address}) 56(84) bytes of data.\n"
    crossed = [router for _, router in hops or () if router is not None]
    lossy = [b.share for r in crossed if (b := active(r.behaviours, Kind.LOSES_PACKETS))]
    late_ms = sum(b.seconds * 1000 for r in crossed if (b := active(r.behaviours, Kind.DELAYS_PACKETS)))
    lines = []
    for n in range(1, count + 1):
        drawn = crc32(f"{ctx.router.name}/{address}/{int(ctx.now)}/{n}".encode()) % 10_000 / 10_000
        if hops is None or any(drawn < share for share in lossy):
            continue
        ms = HOP_MS * max(1, len(hops)) + CHANCE_MS * drawn + late_ms
        lines.append(f"64 bytes from {address}: icmp_seq={n} ttl={65 - len(hops)} time={ms:.3f} ms\n")
    lost = count - len(lines)
    tail = f"\n--- {address} ping statistics ---\n{count} packets transmitted, {len(lines)} received, "
    return f"{head}{''.join(lines)}{tail}{100 * lost / count:.6g}% packet loss, time 1000ms\n"


def _trace(ctx: Context, address: str, hops: list[tuple[str, Router | None]] | None) -> str:
    if ctx.router.spec.suite == "frr":
        hubs = [{"count": n, "host": hop, "Loss%": 0.0, "Snt": 2} for n, (hop, _) in enumerate(hops or (), 1)]
        return json.dumps({"report": {"mtr": {"src": ctx.router.name, "dst": address}, "hubs": hubs}}) + "\n"
    out = ""
    for ttl in range(1, 9):
        out += f"hop {ttl}\nPING {address} ({address}) 56(84) bytes of data.\n"
        if hops and ttl < len(hops):
            out += f"From {hops[ttl - 1][0]} icmp_seq=1 Time to live exceeded\n"
        elif hops is not None:
            out += f"64 bytes from {address}: icmp_seq=1 ttl=60 time=0.4 ms\n"
    return out
