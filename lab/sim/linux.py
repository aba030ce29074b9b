"""Kernel and file commands of a virtual router: cat, ip, ethtool, sysctl and the small ones. Pure."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from lab.sim import software
from lab.sim.bootfiles import parse_sysctl
from lab.sim.frrshow import ifindex
from lab.sim.reply import Context, Reply, not_permitted
from lab.sim.router import FRR_CONF, Nic, Router
from lab.sim.routing import Hop, in_kernel, lookup, table

_IP_COLUMNS = (
    "Forwarding DefaultTTL InReceives InHdrErrors InAddrErrors ForwDatagrams InUnknownProtos InDiscards InDelivers "
    "OutRequests OutDiscards OutNoRoutes ReasmTimeout ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates"
)
# The router's own sessions (BGP, OSPF, BFD), per interface and direction; never forwarded.
CONTROL_PPS = 12.0


def forwarded(ctx: Context) -> tuple[int, int]:
    """Packets forwarded by the kernel since boot, IPv4 and IPv6: it does not see what VPP forwards."""
    ctx.router.flow.settle(ctx.now)
    return ctx.router.vpp.left_to_kernel(ctx.router.flow.forwarded)


def no_bufs(ctx: Context, nic: Nic) -> int:
    """Packets of a vNIC for which its queues had no buffer, since the boot."""
    ctx.router.flow.settle(ctx.now)
    return int(ctx.router.flow.no_bufs) // max(1, len(ctx.router.ports)) if nic.driver == "enic" else 0


def _proc(ctx: Context, path: str) -> str | None:
    """Files that the kernel makes; None: no such file."""
    router, up = ctx.router, ctx.now - ctx.router.booted_at
    match path:
        case "/proc/sys/kernel/random/boot_id":
            return router.boot_id + "\n"
        case "/proc/uptime":
            return f"{up:.2f} {up * 1.9:.2f}\n"
        case "/proc/net/snmp":
            four, own = forwarded(ctx)[0], int(up * CONTROL_PPS)
            row = {"Forwarding": 1, "DefaultTTL": 64, "InReceives": four + own, "ForwDatagrams": four}
            row |= {"InDelivers": own, "OutRequests": own}
            columns = _IP_COLUMNS.split()
            values = " ".join(str(row.get(column, 0)) for column in columns)
            return f"Ip: {' '.join(columns)}\nIp: {values}\nUdp: InDatagrams NoPorts\nUdp: {own} 0\n"
        case "/proc/net/snmp6":
            six, own = forwarded(ctx)[1], int(up * CONTROL_PPS)
            rows = {"Ip6InReceives": six + own, "Ip6InNoRoutes": 0, "Ip6InDelivers": own, "Ip6OutForwDatagrams": six}
            return "".join(f"{k:<32}\t{v}\n" for k, v in (rows | {"Ip6OutRequests": own}).items())
        case "/proc/meminfo":
            slab = router.slab_kb(ctx.now)
            rows = {"MemTotal": 16384000, "MemFree": 14343272 - slab, "MemAvailable": 15200000 - slab}
            rows |= {"Buffers": 93948, "Cached": 949116, "SwapTotal": 0, "SwapFree": 0, "Slab": 86956 + slab}
            rows |= {"SReclaimable": 86956, "SUnreclaim": slab, "KernelStack": 5232}
            return "".join(f"{key + ':':<16}{value:>8} kB\n" for key, value in rows.items())
        case "/proc/stat":
            return f"cpu  43781 223098 67159 338988 5426 0 3741 1456 1 0\nbtime {int(ctx.wall + router.booted_at)}\n"
        case _ if path.startswith("/sys/module/"):
            return software.sysfs(ctx, path)
        case _:
            return _proc_fixed(router, path)


def _proc_fixed(router: Router, path: str) -> str | None:
    """Of these, the files that time does not change."""
    match path:
        case "/proc/cmdline":
            return f"BOOT_IMAGE=/boot/vmlinuz-{router.kernel} root=/dev/vda1 ro quiet\n"
        case "/proc/sys/kernel/tainted":
            return "0\n"
        case "/proc/version":
            return f"Linux version {router.kernel} (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian\n"
        case "/proc/loadavg":
            return "0.10 0.12 0.09 1/180 4242\n"
        case "/proc/cpuinfo":
            return "".join(f"processor\t: {n}\nmodel name\t: simulated\n\n" for n in range(8))
        case _ if path.startswith("/proc/sys/"):
            value = router.sysctls.get(path.removeprefix("/proc/sys/").replace("/", "."))
            return None if value is None else value + "\n"
        case _:
            return None


def cat(ctx: Context, argv: Sequence[str]) -> Reply:
    out, err = "", ""
    for path in argv[1:]:
        if path.startswith("-"):
            continue
        text = ctx.router.files.get(path)
        text = _proc(ctx, path) if text is None else text
        if text is None:
            err += f"cat: {path}: No such file or directory\n"
        else:
            out += text
    return Reply(out if len(argv) > 1 else ctx.stdin, err, status=1 if err else 0)


def cat_tail(ctx: Context, argv: Sequence[str]) -> Reply:
    """`tail -c BYTES FILE`."""
    shown = cat(ctx, ["cat", argv[-1]])
    return Reply(shown.out[-int(argv[2]) :], shown.err.replace("cat:", "tail:", 1), status=shown.status)


def printenv(ctx: Context, argv: Sequence[str]) -> Reply:
    """Sessions come from one address to another of the management port."""
    found = argv[1:] == ["SSH_CONNECTION"] and not ctx.root
    return Reply("192.0.2.254 50000 127.0.0.1 22\n") if found else Reply(status=1)


def date(ctx: Context, argv: Sequence[str]) -> Reply:
    """`date +%s`."""
    return Reply(f"{int(ctx.wall + ctx.now)}\n")


def grep(ctx: Context, argv: Sequence[str]) -> Reply:
    """`grep ^TEXT FILE`: the lines that begin with a text."""
    shown = cat(ctx, ["cat", argv[-1]])
    found = [line for line in shown.out.splitlines(keepends=True) if line.startswith(argv[1].removeprefix("^"))]
    return Reply("".join(found), shown.err.replace("cat:", "grep:", 1), status=2 if shown.err else int(not found))


def uname(ctx: Context, argv: Sequence[str]) -> Reply:
    flag = argv[1] if len(argv) > 1 else "-s"
    parts = {"-r": ctx.router.kernel, "-n": ctx.router.name, "-s": "Linux", "-m": "x86_64", "-v": "#1 SMP Debian"}
    return Reply(parts.get(flag, f"Linux {ctx.router.name} {ctx.router.kernel} #1 SMP Debian x86_64 GNU/Linux") + "\n")


def pgrep(ctx: Context, argv: Sequence[str]) -> Reply:
    """`pgrep -a -x zebra`: FRR as this fleet runs it, with IPv6 routes replaced in one message."""
    running = ctx.router.spec.suite == "frr" and ctx.router.daemons_at is not None and argv[-1] == "zebra"
    line = "412 /usr/lib/frr/zebra -d -F traditional -A 127.0.0.1 -s 90000000 --v6-rr-semantics\n"
    return Reply(line) if running else Reply(status=1)


def ip(ctx: Context, argv: Sequence[str]) -> Reply:
    words = [w for w in argv[1:] if not w.startswith("-")]
    match words:
        case ["link" | "l"] | ["link" | "l", "show", *_]:
            rows = [_link(ctx, nic, stats="-s" in argv) for nic in _chosen(ctx, words)]
            return Reply(json.dumps(rows, separators=(",", ":")) + "\n")
        case ["addr" | "address" | "a"] | ["addr" | "address" | "a", "show", *_]:
            rows = [_link(ctx, nic) | {"addr_info": _addresses(ctx, nic)} for nic in _chosen(ctx, words)]
            return Reply(json.dumps(rows, separators=(",", ":")) + "\n")
        case ["route" | "r", "get", address, *_]:
            return _route_get(ctx, address)
        case ["route" | "r"] | ["route" | "r", "show"]:
            return _route_show(ctx, six="-6" in argv)
        case ["link", "set", "dev", ifname, "up" | "down" as state] | ["link", "set", ifname, "up" | "down" as state]:
            return _link_set(ctx, ifname, up=state == "up")
        case _:
            return Reply(err=f'Object "{words[0] if words else ""}" is unknown, try "ip help".\n', status=1)


def _link_set(ctx: Context, ifname: str, *, up: bool) -> Reply:
    if not ctx.root:
        return Reply(err="RTNETLINK answers: Operation not permitted\n", status=2)
    if ifname not in ctx.router.nics:
        return Reply(err=f'Cannot find device "{ifname}"\n', status=1)
    nic = ctx.router.nics[ifname]
    changed, nic.up = nic.up != up, up
    return Reply(changes=(f"link {ifname} {'up' if up else 'down'}",) if changed else ())


def _chosen(ctx: Context, words: Sequence[str]) -> list[Nic]:
    lo = Nic("lo", "", "00:00:00:00:00:00", {}, {}, mtu=65536)
    named = [w for w in words[2:] if w != "dev"]
    here = [nic for name, nic in ctx.router.nics.items() if name not in ctx.router.vpp.taken]
    return [nic for nic in (lo, *here) if not named or nic.ifname in named]


def _link(ctx: Context, nic: Nic, *, stats: bool = False) -> dict[str, Any]:
    lo = nic.ifname == "lo"
    flags = ["LOOPBACK", "UP", "LOWER_UP"] if lo else ["BROADCAST", "MULTICAST"] + ["UP", "LOWER_UP"] * nic.up
    row: dict[str, Any] = {"ifindex": ifindex(nic.ifname), "ifname": nic.ifname, "flags": flags, "mtu": nic.mtu}
    row |= {"qdisc": "noqueue" if lo else "mq", "operstate": "UNKNOWN" if lo else "UP" if nic.up else "DOWN"}
    row |= {"linkmode": "DEFAULT", "group": "default", "txqlen": 1000, "link_type": "loopback" if lo else "ether"}
    row |= {"address": nic.mac, "broadcast": "00:00:00:00:00:00" if lo else "ff:ff:ff:ff:ff:ff"}
    if stats:
        packets = _packets(ctx, nic)
        common = {"bytes": packets * 600, "packets": packets, "errors": 0, "dropped": 0}
        row["stats64"] = {
            "rx": common | {"over_errors": 0, "multicast": 0},
            "tx": common | {"carrier_errors": 0, "collisions": 0},
        }
    return row


def _packets(ctx: Context, nic: Nic) -> int:
    own = int((ctx.now - ctx.router.booted_at) * CONTROL_PPS)
    if nic.ifname in ("lo", "eth0"):
        return own
    return own + sum(forwarded(ctx)) // max(1, len(ctx.router.ports))


def _addresses(ctx: Context, nic: Nic) -> list[dict[str, Any]]:
    pairs: list[tuple[str, int]] = []
    if nic.ifname == "lo":
        pairs = [("127.0.0.1", 8), (ctx.router.spec.router_id, 32), ("::1", 128), (ctx.router.spec.loopback6, 128)]
    for port in (p for p in ctx.router.ports if p.ifname == nic.ifname and p.ifname not in ctx.router.vpp.deleted):
        pairs = [(port.local4, 30), (port.local6, 64)]
    forever = {"valid_life_time": 4294967295, "preferred_life_time": 4294967295}
    return [
        {"family": "inet6" if ":" in a else "inet", "local": a, "prefixlen": length, "scope": "global"} | forever
        for a, length in pairs
    ]


def _route_get(ctx: Context, address: str) -> Reply:
    route = lookup(ctx.net, ctx.router, address, ctx.now) if ctx.router.daemons_at is not None else None
    if route is None:
        return Reply(err="RTNETLINK answers: Network is unreachable\n", status=2)
    hop = in_kernel(ctx.router, route)
    row: dict[str, Any] = {"type": "local"} if hop.protocol == "local" else {}
    row |= {"dst": address} | ({"gateway": hop.gateway} if hop.gateway else {})
    row |= {"dev": hop.ifname, "prefsrc": hop.source, "flags": [], "uid": 0, "cache": []}
    return Reply(json.dumps([row], separators=(",", ":")) + "\n")


def _route_show(ctx: Context, *, six: bool) -> Reply:
    """One route is rendered per next hop and copied: a table of thousands costs a fraction of a millisecond each."""
    tails: dict[Hop, str] = {}
    rows = []
    for route in table(ctx.net, ctx.router, ctx.now, six=six):
        if route.hop not in tails:
            tails[route.hop] = json.dumps(_kernel_row(route.hop, six=six), separators=(",", ":"))[1:]
        dst = route.prefix.removesuffix("/32" if not six else "/128")
        rows.append(f'{{"dst":"{dst}",{tails[route.hop]}')
    return Reply("[" + ",".join(rows) + "]\n")


def _kernel_row(hop: Hop, *, six: bool) -> dict[str, Any]:
    last: dict[str, Any] = {"flags": []} | ({"pref": "medium"} if six else {})
    if hop.gateway:
        return {"nhid": 30, "gateway": hop.gateway, "dev": hop.ifname, "protocol": hop.protocol, "metric": 20} | last
    if six:
        return {"dev": hop.ifname, "protocol": "kernel", "metric": 256} | last
    return {"dev": hop.ifname, "protocol": "kernel", "scope": "link", "prefsrc": hop.source} | last


def sysctl(ctx: Context, argv: Sequence[str]) -> Reply:
    """`sysctl [-n] [-e] KEY...`, `sysctl -w KEY=VALUE...`, `sysctl -p FILE`."""
    router, out, err = ctx.router, "", ""
    words = [w for w in argv[1:] if not w.startswith("-")]
    if "-p" in argv or "--load" in argv:
        pairs = parse_sysctl("".join(router.files.get(path, "") for path in words))
        words = [f"{key}={value}" for key, value in pairs.items()]
    changes = []
    for word in words:
        key, assigned, value = word.partition("=")
        key, value = key.strip().replace("/", "."), value.strip()
        if key not in router.sysctls:
            if "-e" not in argv:
                err += f"sysctl: cannot stat /proc/sys/{key.replace('.', '/')}: No such file or directory\n"
            continue
        if assigned and not ctx.root:
            err += f'sysctl: permission denied on key "{key}"\n'
            continue
        if assigned and router.sysctls[key] != value:
            changes.append(f"sysctl {key} {router.sysctls[key]} -> {value}")
            router.sysctls[key] = value
        out += f"{router.sysctls[key]}\n" if "-n" in argv else f"{key} = {router.sysctls[key]}\n"
    return Reply(out, err, status=1 if err else 0, changes=tuple(changes))


def _keep_running(ctx: Context, path: str) -> None:
    """The running configuration is read from the startup file late; before the file changes is the last moment."""
    if path == FRR_CONF and ctx.router.daemons_at is not None and ctx.router.running is None:
        ctx.router.running = ctx.router.frr


def put(ctx: Context, path: str, text: str, *, mode: str) -> Reply:
    """Write a file; /tmp and /home are open to all, the rest is root's."""
    if not ctx.root and not path.startswith(("/tmp/", "/home/")):
        return Reply(err=f"/bin/sh: 1: cannot create {path}.slipway: Permission denied\n", status=2)
    _keep_running(ctx, path)
    changed = ctx.router.files.get(path) != text
    ctx.router.files[path] = text
    return Reply(changes=(f"file {path}",) if changed else ())


def touch(ctx: Context, argv: Sequence[str]) -> Reply:
    changes = [c for p in argv[1:] for c in put(ctx, p, ctx.router.files.get(p, ""), mode="0644").changes]
    return Reply(changes=tuple(changes))


def remove(ctx: Context, argv: Sequence[str]) -> Reply:
    gone = [p for p in argv[1:] if p in ctx.router.files]
    missing = [p for p in argv[1:] if not p.startswith("-") and p not in ctx.router.files]
    if gone and not ctx.root:
        return not_permitted(f"rm: cannot remove '{gone[0]}'")
    for path in gone:
        _keep_running(ctx, path)
        del ctx.router.files[path]
    force = any(w.startswith("-") and "f" in w for w in argv[1:])
    err = "" if force else "".join(f"rm: cannot remove '{p}': No such file or directory\n" for p in missing)
    return Reply(err=err, status=1 if err else 0, changes=tuple(f"file {p} removed" for p in gone))


def copy(ctx: Context, argv: Sequence[str]) -> Reply:
    """`cp` and `mv` of one file."""
    words = [w for w in argv[1:] if not w.startswith("-")]
    if len(words) != 2 or words[0] not in ctx.router.files:
        return Reply(err=f"{argv[0]}: cannot stat '{words[0] if words else ''}': No such file or directory\n", status=1)
    source, target = words
    _keep_running(ctx, source)
    text = ctx.router.files[source]
    reply = put(ctx, target, text, mode="0644")
    if argv[0] == "mv" and reply.status == 0:
        del ctx.router.files[source]
        return Reply(changes=(*reply.changes, f"file {source} removed"))
    return reply


def sha256sum(ctx: Context, argv: Sequence[str]) -> Reply:
    out, err = "", ""
    for path in argv[1:]:
        if path in ctx.router.files:
            out += f"{hashlib.sha256(ctx.router.files[path].encode()).hexdigest()}  {path}\n"
        else:
            err += f"sha256sum: {path}: No such file or directory\n"
    return Reply(out, err, status=1 if err else 0)


def test(ctx: Context, argv: Sequence[str]) -> Reply:
    """`test -e|-f|-s|-L PATH`, `[ ... ]`, with an optional `!`; there are no links."""
    words = [w for w in argv[1:] if w != "]"]
    negated = words[:1] == ["!"]
    words = words[1:] if negated else words
    present = len(words) == 2 and words[0] != "-L" and words[1] in ctx.router.files
    if words[:1] == ["-d"]:
        present = len(words) == 2 and any(p.startswith(words[1].rstrip("/") + "/") for p in ctx.router.files)
    return Reply(status=int(present == negated))


def ls(ctx: Context, argv: Sequence[str]) -> Reply:
    out, err = "", ""
    for path in (w for w in argv[1:] if not w.startswith("-")):
        inside = {
            p[len(path.rstrip("/")) + 1 :].split("/")[0]
            for p in ctx.router.files
            if p.startswith(path.rstrip("/") + "/")
        }
        if path in ctx.router.files:
            out += path + "\n"
        elif inside:
            out += "".join(f"{name}\n" for name in sorted(inside))
        else:
            err += f"ls: cannot access '{path}': No such file or directory\n"
    return Reply(out, err, status=2 if err else 0)
