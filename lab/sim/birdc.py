"""birdc of a virtual BIRD 2.0.12: show, configure with timeout, confirm and undo, as the captures have it. Pure."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from lab.sim import birdconfig, startup
from lab.sim.birdconfig import BirdState
from lab.sim.frrshow import route_counts
from lab.sim.reply import Context, Reply
from lab.sim.router import BIRD_CONF, Router
from lab.sim.routing import lookup

BANNER = "BIRD 2.0.12 ready.\n"
UNDO_DEFAULT_S = 300.0


def birdc(ctx: Context, argv: Sequence[str]) -> Reply:
    """`birdc [-r] CMD...`; exit status 1 on an error, as from 2.0.10 on."""
    if ctx.router.spec.suite != "bird" or ctx.router.bird is None:
        return Reply(err="sh: 1: birdc: not found\n", status=127)
    if ctx.router.daemons_at is None:
        return Reply(
            err="Unable to connect to server control socket (/run/bird/bird.ctl): Connection refused\n", status=1
        )
    command = " ".join(word for word in argv[1:] if not word.startswith("-"))
    if command.startswith("configure"):
        return _configure(ctx, ctx.router.bird, command)
    text, status = _show(ctx, command) if command.startswith("show") else _control(ctx, command)
    return Reply(BANNER + text, status=status)


def stamp(ctx: Context, at: float) -> str:
    return datetime.fromtimestamp(ctx.wall + at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _configure(ctx: Context, bird: BirdState, command: str) -> Reply:
    match = re.fullmatch(r'configure(?: (check|soft|confirm|undo))?(?: "([^"]+)")?(?: timeout(?: (\d+))?)?', command)
    if match is None:
        return Reply(BANNER + "syntax error, unexpected TEXT, expecting END\n", status=1)
    verb, path, timeout = match.group(1), match.group(2) or BIRD_CONF, "timeout" in command.split()
    if verb == "confirm":
        pending, bird.undo_due = bird.undo_due, None
        return Reply(BANNER + ("Reconfiguration confirmed\n" if pending is not None else "Nothing to do\n"))
    if verb == "undo":
        if bird.previous is None:
            return Reply(BANNER + "Undo requested\nNothing to do\n")
        return Reply(BANNER + "Undo requested\nReconfigured\n", changes=undo(ctx.router))
    loaded, complaint = birdconfig.read(ctx.router.files, path)
    reading = f"{BANNER}Reading configuration from {path}\n"
    if complaint:
        if verb != "check":
            bird.previous, bird.undo_due = None, None  # a failed configure discards what undo would go back to
        return Reply(reading + complaint + "\n", status=1)
    if verb == "check":
        return Reply(reading + "Configuration OK\n")
    changes = difference(bird.loaded, loaded)
    bird.previous, bird.previous_at = bird.loaded, bird.configured_at
    bird.loaded, bird.configured_at, bird.undo_due = loaded, ctx.now, None
    if timeout:
        seconds = float(match.group(3) or UNDO_DEFAULT_S)
        bird.undo_due = ctx.now + seconds
        ctx.router.plan(bird.undo_due, "bird_undo")
        reading += f"Undo scheduled in {int(seconds)} s\n"
    return Reply(reading + "Reconfigured\n", changes=changes)


def undo(router: Router) -> tuple[str, ...]:
    """Back to the previous configuration; its timestamp comes back too."""
    bird = router.bird
    if bird is None or bird.previous is None:
        return ()
    changes = difference(bird.loaded, bird.previous)
    bird.loaded, bird.previous = bird.previous, None
    bird.configured_at, bird.undo_due = bird.previous_at, None
    return changes


def difference(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    old = [line.strip() for text in before.values() for line in text.splitlines() if line.strip()]
    new = [line.strip() for text in after.values() for line in text.splitlines() if line.strip()]
    gone, come = set(old) - set(new), set(new) - set(old)
    return (*(f"- {line}" for line in old if line in gone), *(f"+ {line}" for line in new if line in come))


def _control(ctx: Context, command: str) -> tuple[str, int]:
    if command.startswith("eval "):
        literal = (ctx.router.bird or BirdState()).constants().get(command.removeprefix("eval "))
        if literal is None:
            return "syntax error, unexpected CF_SYM_UNDEFINED\n", 1
        return (literal if literal.isdigit() else literal.upper()) + "\n", 0
    match = re.fullmatch(r'(disable|enable|restart|reload(?: in| out)?) "?([\w*]+)"?(?: "[^"]*")?', command)
    if match is None:
        return "No such command. Press `?' for help.\n", 1
    names = [row[0] for row in _rows(ctx) if re.fullmatch(match.group(2).replace("*", ".*"), row[0])]
    if not names:
        return "syntax error, unexpected CF_SYM_UNDEFINED, expecting CF_SYM_KNOWN or TEXT or ALL\n", 1
    bird = ctx.router.bird or BirdState()
    if match.group(1) in ("disable", "enable"):
        bird.disabled = bird.disabled | set(names) if match.group(1) == "disable" else bird.disabled - set(names)
        ctx.router.refresh(ctx.now)
    done = {"disable": "disabled", "enable": "enabled", "restart": "restarted"}.get(match.group(1), "reloading")
    return "".join(f"{name}: {done}\n" for name in names), 0


def _rows(ctx: Context) -> list[tuple[str, str, str, str, float, str]]:
    """name, proto, table, state, since, info."""
    at = ctx.router.daemons_at or ctx.now
    rows = [("device1", "Device", "---", "up", at, ""), ("direct1", "Direct", "---", "up", at, "")]
    rows += [(f"kernel{f}", "Kernel", f"master{f}", "up", at, "") for f in (4, 6)]
    rows += [("bfd1", "BFD", "---", "up", at, "")]
    near = any(ctx.net.adjacent_since(ctx.router, p, ctx.now) is not None for p in ctx.router.ports if not p.external)
    off = (ctx.router.bird or BirdState()).off
    running = ("up", at, "Running" if near else "Alone")
    rows += [(f"ospf{f}", "OSPF", f"master{f}", *(("down", at, "") if f"ospf{f}" in off else running)) for f in (4, 6)]
    for peer in ctx.router.peers:
        since = ctx.net.established_since(ctx.router, peer, ctx.now)
        state, info = ("up", "Established   ") if since is not None else ("start", "Active        ")
        state, info = ("down", "") if peer.address in ctx.router.shut else (state, info)
        rows.append((startup.bird_name(peer), "BGP", "---", state, since if since is not None else at, info))
    return rows


_HEAD = "Name       Proto      Table      State  Since         Info\n"


def _line(ctx: Context, row: tuple[str, str, str, str, float, str]) -> str:
    name, proto, table, state, since, info = row
    when = stamp(ctx, since)
    shown = when[11:] if ctx.now - since < 86400 else when[:10] + "  "
    return f"{name:<10} {proto:<10} {table:<10} {state:<6} {shown:<12}  {info}\n"


def _protocols_all(ctx: Context, only: str = "") -> str:
    out = _HEAD
    peers = {startup.bird_name(p): p for p in ctx.router.peers}
    for row in _rows(ctx):
        if only and row[0] != only:
            continue
        out += _line(ctx, row)
        if row[0] in peers:
            out += _bgp_detail(ctx, peers[row[0]], up=row[3] == "up")
        elif row[1] in ("OSPF", "Kernel", "Direct"):
            for family in (int(row[0][-1]),) if row[0][-1] in "46" else (4, 6):
                exported = sum(route_counts(ctx, family).values()) if row[1] == "Kernel" else 0
                out += _channel(family, _imported(ctx, row[1], family), exported, 150)
        out += "\n"
    return out


def _imported(ctx: Context, proto: str, family: int) -> int:
    counts = route_counts(ctx, family)
    return {"OSPF": counts["ospf" if family == 4 else "ospf6"], "Direct": 1}.get(proto, 0)


def _channel(family: int, imported: int, exported: int, preference: int, *, state: str = "UP") -> str:
    head = f"  Channel ipv{family}\n    State:          {state}\n    Table:          master{family}\n"
    head += f"    Preference:     {preference}\n    Input filter:   ACCEPT\n    Output filter:  ACCEPT\n"
    if state != "UP":
        return head
    stats = "    Route change stats:     received   rejected   filtered    ignored   accepted\n"
    stats += f"      Import updates:     {imported:>10}          0          0          0 {imported:>10}\n"
    stats += "      Import withdraws:            0          0        ---          0          0\n"
    stats += f"      Export updates:     {exported:>10}          0          0        --- {exported:>10}\n"
    stats += "      Export withdraws:            0        ---        ---        ---          0\n"
    return f"{head}    Routes:         {imported} imported, {exported} exported, {imported} preferred\n{stats}"


def _bgp_detail(ctx: Context, peer: startup.Peer, *, up: bool) -> str:
    out = f"  Description:    {peer.name} v{peer.family}\n  BGP state:          {'Established' if up else 'Active'}\n"
    out += (
        f"    Neighbor address: {peer.address}\n    Neighbor AS:      {peer.remote_as}\n    Local AS:         65000\n"
    )
    if not up:
        return out + "    Connect delay:    3.198/5\n" + _channel(peer.family, 0, 0, 100, state="DOWN")
    out += "    Neighbor ID:      " + (ctx.net.routers[peer.name].spec.router_id if not peer.external else "192.0.2.1")
    out += "\n    Local capabilities\n      Multiprotocol\n"
    out += f"        AF announced: ipv{peer.family}\n      Route refresh\n      Graceful restart\n"
    out += "      4-octet AS numbers\n"
    out += (
        f"    Session:          {'external' if peer.external else 'internal'} AS4\n    Source address:   {peer.local}\n"
    )
    out += "    Hold timer:       140.470/180\n    Keepalive timer:  32.320/60\n"
    out += _channel(peer.family, ctx.net.prefixes(ctx.router, peer, ctx.now), 9, 100)
    return f"{out}    BGP Next hop:   {peer.local}\n"


_MEMORY = "BIRD memory usage\n                  Effective    Overhead\nTotal:             213.5 kB    153.7 kB\n"


def _show(ctx: Context, command: str) -> tuple[str, int]:
    words = command.split()[1:]
    match words:
        case ["status"]:
            return _status(ctx), 0
        case ["protocols"]:
            return _HEAD + "".join(_line(ctx, row) for row in _rows(ctx)), 0
        case ["protocols", "all", *only]:
            return _protocols_all(ctx, only[0].strip('"') if only else ""), 0
        case ["ospf", *rest]:
            return _show_ospf(ctx, rest)
        case ["bfd", "sessions", *_]:
            return _bfd(ctx), 0
        case ["route", "count"]:
            return _route_count(ctx), 0
        case ["route", "for", prefix, *_]:
            return _route_for(ctx, prefix)
        case ["route", prefix, "all"]:
            return _route_all(ctx, prefix)
        case ["memory"]:
            return _MEMORY, 0
        case _:
            return "No such command. Press `?' for help.\n", 1


def _show_ospf(ctx: Context, words: Sequence[str]) -> tuple[str, int]:
    """With two instances, some want a name and some print both (checked against a real 2.0.12)."""
    match words:
        case ["state", "ospf4" | "ospf6" as name]:
            return _ospf_state(ctx, six=name == "ospf6"), 0
        case ["state" | "topology" | "lsadb", *_]:
            return "There are multiple OSPF protocols running\n", 1
        case ["neighbors", *only]:
            printer = _neighbors
        case ["interface", *only]:
            printer = _interfaces
        case [*only]:
            printer = _ospf
    off = (ctx.router.bird or BirdState()).off
    if only and only[0] in off:
        return f"{only[0]}: is not up\n", 1
    mine = (f for f in (4, 6) if f"ospf{f}" not in off and (not only or only[0] == f"ospf{f}"))
    return "\n".join(printer(ctx, f) for f in mine), 0


def _status(ctx: Context) -> str:
    bird = ctx.router.bird or BirdState()
    return (
        f"BIRD 2.0.12\nRouter ID is {ctx.router.spec.router_id}\nHostname is {ctx.router.name}\n"
        f"Current server time is {stamp(ctx, ctx.now)}\nLast reboot on {stamp(ctx, ctx.router.daemons_at or 0.0)}\n"
        f"Last reconfiguration on {stamp(ctx, bird.configured_at)}\nDaemon is up and running\n"
    )


def _neighbors(ctx: Context, family: int) -> str:
    out = f"ospf{family}:\nRouter ID   \tPri\t     State     \tDTime\tInterface  Router IP\n"
    for port in (p for p in ctx.router.ports if not p.external):
        if ctx.net.adjacent_since(ctx.router, port, ctx.now) is None:
            continue
        address = port.remote4 if family == 4 else f"fe80::{ctx.net.routers[port.peer].spec.number:x}"
        ident = ctx.net.routers[port.peer].spec.router_id
        dead = 30 + ctx.now % 10
        out += f"{ident:<12}\t  1\tFull/PtP  \t{dead:.3f}\t{port.ifname:<10} {address}\n"
    return out


def _ospf_state(ctx: Context, *, six: bool) -> str:
    out = "\narea 0.0.0.0\n"
    for name in ctx.net.pods[ctx.router.spec.pod]:
        router = ctx.net.routers[name]
        out += f"\n\trouter {router.spec.router_id}\n\t\tdistance {0 if router is ctx.router else 10}\n"
        near = [p for p in router.ports if not p.external and ctx.net.adjacent_since(router, p, ctx.now) is not None]
        for port in near:
            out += (
                f"\t\trouter {ctx.net.routers[port.peer].spec.router_id} metric {router.metric(port.ifname, six=six)}\n"
            )
        out += f"\t\tstubnet {router.spec.loopback6 + '/128' if six else router.spec.router_id + '/32'} metric 0\n"
    return out


def _interfaces(ctx: Context, family: int) -> str:
    out = f"ospf{family}:\n"
    for port in (p for p in ctx.router.ports if not p.external):
        out += f"Interface {port.ifname} ({port.local4}/30)\n\tType: ptp\n\tArea: 0.0.0.0 (0)\n\tState: PtP\n"
        cost = ctx.router.metric(port.ifname, six=family == 6)
        out += f"\tPriority: 1\n\tCost: {cost}\n\tHello timer: 10\n\tDead timer: 40\n"
    return out


def _ospf(ctx: Context, family: int) -> str:
    near = sum(not p.external and ctx.net.adjacent_since(ctx.router, p, ctx.now) is not None for p in ctx.router.ports)
    return (
        f"ospf{family}:\nRFC1583 compatibility: disabled\nStub router: No\nRT scheduler tick: 1\nNumber of areas: 1\n"
        f"Number of LSAs in DB:\t{len(ctx.net.pods[ctx.router.spec.pod])}\n\tArea: 0.0.0.0 (0) [BACKBONE]\n"
        f"\t\tStub:\tNo\n\t\tNSSA:\tNo\n\t\tTransit:\tNo\n\t\tNumber of interfaces:\t{len(ctx.router.ports) + 1}\n"
        f"\t\tNumber of neighbors:\t{near}\n\t\tNumber of adjacent neighbors:\t{near}\n"
    )


def _bfd(ctx: Context) -> str:
    out = "bfd1:\nIP address                Interface  State      Since         Interval  Timeout\n"
    for port in ctx.router.ports:
        adjacent = ctx.net.adjacent_since(ctx.router, port, ctx.now)
        for address in (port.remote4, port.remote6):
            since = None if ctx.router.vpp.without_bfd(ctx.router.behaviours, address) else adjacent
            when = stamp(ctx, since if since is not None else ctx.router.daemons_at or 0.0)[11:]
            state, timers = ("Up", "0.300    0.900") if since is not None else ("Down", "1.000    0.000")
            out += f"{address:<25} {port.ifname:<10} {state:<10} {when:<12}    {timers}\n"
    return out


def _route_count(ctx: Context) -> str:
    out, total = "", 0
    for family in (4, 6):
        count = sum(route_counts(ctx, family).values())
        total += count
        out += f"{count} of {count} routes for {count} networks in table master{family}\n"
    return f"{out}Total: {total} of {total} routes for {total} networks in 2 tables\n"


def _route_for(ctx: Context, prefix: str) -> tuple[str, int]:
    route = lookup(ctx.net, ctx.router, prefix, ctx.now)
    if route is None:
        return "Network not found\n", 1
    hop, six = route.hop, ":" in prefix
    table, since = ("master6" if six else "master4"), stamp(ctx, ctx.router.daemons_at or 0.0)[11:]
    peers = (p for p in ctx.router.peers if p.family == (6 if six else 4) and p.prefixes)
    by_bgp = next((startup.bird_name(p) for p in peers if p.address == hop.gateway or not p.external), "bgp1")
    name = by_bgp if hop.protocol == "bgp" else "direct1" if hop.ifname == "lo" else "ospf6" if six else "ospf4"
    tail = "(100) [AS65001?]" if hop.protocol == "bgp" else "I (150/10) [10.255.77.1]"
    head = f"Table {table}:\n{route.prefix:<20} unicast [{name} {since}] * {tail}\n"
    via = f"\tvia {hop.gateway} on {hop.ifname}\n" if hop.gateway else f"\tdev {hop.ifname}\n"
    return head + via, 0


def _route_all(ctx: Context, prefix: str) -> tuple[str, int]:
    """`show route P all`: of exactly this prefix, with its type (form of the captures, 03-d1-igp-drained)."""
    route = lookup(ctx.net, ctx.router, prefix, ctx.now)
    if route is None or route.prefix != prefix:
        return "Network not found\n", 1
    kinds = {"ospf": "OSPF", "bgp": "BGP", "connected": "device", "local": "device"}
    more = f"\tType: {kinds[route.hop.protocol]} univ\n"
    if route.hop.protocol == "bgp":
        more += "\tBGP.origin: IGP\n\tBGP.as_path: 65001\n\tBGP.local_pref: 100\n"
    return _route_for(ctx, prefix)[0] + more, 0
