"""`show` commands of VPP 24.06 on a virtual router, in the form of the captures. Pure."""

from lab.sim.frrshow import route_counts
from lab.sim.linux import CONTROL_PPS
from lab.sim.reply import Context

# What a FIB has beyond the daemon's networks: local, special and host entries (story S2: 725 and 828 of them).
_SPECIAL = 12


def show(ctx: Context, command: str) -> str:
    vpp = ctx.router.vpp
    match command:
        case "show version":
            return "vpp v24.06-release built by root on sim at 2026-11-21T00:10:58\n"
        case "show lcp":
            rows = [f"lcp default netns '{vpp.netns or '<unset>'}'", "lcp lcp-auto-subint off", "lcp lcp-sync on"]
            rows += [
                f"itf-pair: [{n}] {name} tap{4096 + n} {host} {10 + n} type tap netns {vpp.netns}"
                for n, (name, host) in enumerate(vpp.pairs.items())
            ]
            return "\n".join(rows) + "\n"
        case "show interface":
            head = (
                "              Name               Idx    State  MTU (L3/IP4/IP6/MPLS)     Counter          Count     \n"
            )
            listed = [(p.name, "up" if p.up else "down", p.mtu) for p in vpp.ports.values()]
            listed += [(f"tap{4096 + n}", "up", 9000) for n in range(len(vpp.pairs))]
            return head + "".join(_interface(ctx, n, *row) for n, row in enumerate(listed))
        case "show interface address":
            return "".join(
                f"{p.name} ({'up' if p.up else 'dn'}):\n" + "".join(f"  L3 {a}\n" for a in p.addresses)
                for p in vpp.ports.values()
            )
        case "show bond details":
            rows = []
            for name, bond in vpp.bonds.items():
                active = [m for m in bond.members if vpp.ports[m].up]
                rows += [name, f"  mode: {bond.mode}", f"  load balance: {bond.balance}"]
                rows += [f"  number of active members: {len(active)}", *(f"    {m}" for m in active)]
                rows += [f"  number of members: {len(bond.members)}", *(f"    {m}" for m in bond.members)]
            return "".join(f"{row}\n" for row in rows)
        case "show lacp":
            return "".join(
                f"{m:<25} {n}            {name}      0   0   1   1   1   1   1   1    0   0   1   1   1   1   1   1\n"
                f"  LAG ID: [(ffff,02-fe-48-b5-d2-7f,0004,00ff,0001), (ffff,02-fe-00-00-00-99,0004,00ff,0001)]\n"
                f"  RX-state: CURRENT, TX-state: TRANSMIT, MUX-state: COLLECTING_DISTRIBUTING, PTX-state: PERIODIC_TX\n"
                for name, bond in vpp.bonds.items() for n, m in enumerate(bond.members) if vpp.ports[m].up
            )  # fmt: skip
        case "show errors":
            head = "   Count                  Node                              Reason               Severity \n"
            return head + "        5           ip6-icmp-input                   echo replies sent            info   \n"
        case "show runtime":
            return (
                "Thread 0 vpp_main (lcore 1)\nTime 32.2, 10 sec internal node vector rate 2.00 loops/sec 602480.18\n"
                "             Name                 State         Calls          Vectors        Suspends         Clocks"
                "       Vectors/Call  \nethernet-input                   active                 44              46"
                "               0          1.50e4            1.05\n"
            )
        case "show ip fib summary":
            return _fib(ctx, 4)
        case "show ip6 fib summary":
            return _fib(ctx, 6)
        case _:
            return f"show: unknown input `{command.removeprefix('show ')}'\n"


def _interface(ctx: Context, index: int, name: str, state: str, mtu: int) -> str:
    """A row and its counters; those of 0 are not printed."""
    row = f"{name:<32}{index:^5}{state:>10}{f'{mtu}/0/0/0':^21}"
    found = [(what, count) for what, count in _counters(ctx, name).items() if count]
    return "".join(f"{row if not n else '':<68}{what:<16}{count:>16}\n" for n, (what, count) in enumerate(found)) or (
        f"{row}\n"
    )


def _counters(ctx: Context, name: str) -> dict[str, int]:
    """What wires carry: what is forwarded, alike on all that are up, and what Linux says through its end of a pair."""
    vpp = ctx.router.vpp
    ctx.router.flow.settle(ctx.now)
    own = int(max(0.0, ctx.now - vpp.began_s) * CONTROL_PPS)
    wires = [p.name for p in vpp.ports.values() if p.nic and p.up]
    if name.startswith("tap"):
        speaks = list(vpp.pairs)[int(name.removeprefix("tap")) - 4096] in wires
        return {"rx packets": own, "rx bytes": own * 90, "tx packets": own, "tx bytes": own * 90} if speaks else {}
    if name not in wires:
        return {}
    four, six = (int(count) // len(wires) for count in vpp.forwarded(ctx.router.flow.forwarded))
    both = four + six + (own if name in vpp.pairs else 0)
    bytes_ = both * 500
    made = {"rx packets": both, "rx bytes": bytes_, "tx packets": both, "tx bytes": bytes_, "ip4": four, "ip6": six}
    return made | {"drops": int(own / CONTROL_PPS)}


def _fib(ctx: Context, family: int) -> str:
    total = sum(route_counts(ctx, family).values()) + _SPECIAL
    return (
        f"ipv{family}-VRF:0, fib_index:0, flow hash:[src dst sport dport proto flowlabel ] epoch:0 locks:[]\n"
        f"    Prefix length         Count     \n{24 if family == 4 else 64:>20}{total:>16}\n"
    )
