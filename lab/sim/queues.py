"""What the script `slipway-queues` and /proc say of the queues of a virtual router. No shell runs. Pure."""

from collections.abc import Sequence

from lab.sim import blade, work
from lab.sim.ethtool import ethtool
from lab.sim.linux import CONTROL_PPS, forwarded, no_bufs
from lab.sim.queues_set import cpu_of
from lab.sim.reply import Context, Reply
from lab.sim.router import Nic

_FLOWS = ("tcp4", "udp4", "esp4", "tcp6", "udp6", "esp6")
_IRQ = 40  # as in discovery: first interrupt of the first card


def received(ctx: Context, nic: Nic) -> int:
    """Packets that a card has received since the boot."""
    own = int((ctx.now - ctx.router.booted_at) * CONTROL_PPS)
    return own if nic.ifname == "eth0" else own + sum(forwarded(ctx)) // max(1, len(ctx.router.ports))


def count(nic: Nic) -> int:
    return nic.channels.get("rx", 0) or nic.channels.get("combined", 1)


def _vectors(ctx: Context, nic: Nic) -> list[tuple[int, str, int, int]]:
    """(number, name, CPU, packets) of each receive queue."""
    if nic.driver == "enic":
        return _of_vnic(ctx, nic)
    first = _IRQ + 16 * int(nic.ifname.removeprefix("eth"))
    word = f"i40e-{nic.ifname}-TxRx-{{n}}" if nic.driver == "i40e" else "virtio0-input.{n}"
    each = received(ctx, nic) // count(nic)
    cpus = [int(cpu_of(nic, n, cpus=ctx.router.cpus).split("-")[0]) for n in range(count(nic))]
    return [(first + n, word.format(n=n), cpu, each) for n, cpu in enumerate(cpus)]


def _of_vnic(ctx: Context, nic: Nic) -> list[tuple[int, str, int, int]]:
    first, each = 200 + 600 * int(nic.ifname.removeprefix("eth")), received(ctx, nic) // count(nic)
    found = blade.vectors(nic, first)
    return [(n, name, cpu, each if "-rx-" in name or "-tx-" in name else 0) for n, name, cpu in found]


def queues(ctx: Context, argv: Sequence[str]) -> Reply:
    """`slipway-queues ROOT INTERFACE`: sysfs, then ethtool."""
    nic = ctx.router.nics.get(argv[-1])
    if nic is None:
        return Reply()
    rows = [f"operstate {'up' if nic.up else 'down'}"]
    rows += [f"driver {nic.driver}"] if nic.driver != "veth" else []
    rows += [f"queues {count(nic)}", f"rx_packets {received(ctx, nic)}", f"rx_missed_errors {no_bufs(ctx, nic)}"]
    rows.append("rx_fifo_errors 0")
    rows += [f"irq {n} {cpu} {name}" for n, name, cpu, _ in _vectors(ctx, nic) if nic.driver != "veth"]
    asked = {"stats": ["-S"], "channels": ["-l"], "rss": ["-x"], **{f"flow {flow}": ["-n", flow] for flow in _FLOWS}}
    for name, (option, *more) in asked.items():
        reply = ethtool(ctx, ["ethtool", option, nic.ifname, *(("rx-flow-hash", *more) if more else ())])
        rows += [f"@ {name}", f"{reply.out}{reply.err}", f"@ = {reply.status}"]
    return Reply("\n".join(rows) + "\n")


def siblings(ctx: Context, argv: Sequence[str]) -> Reply:
    """Cores with two threads each, as `cpu` of discovery tells."""
    path, half = "/sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list", ctx.router.cpus // 2
    rows = (f"{path.format(n=n)}:{n % half},{n % half + half}\n" for n in range(ctx.router.cpus))
    return Reply("".join(rows))


def proc(ctx: Context, argv: Sequence[str]) -> Reply | None:
    """`cat FILE` of the files of /proc that are about CPUs and interrupts; None: another file."""
    router = ctx.router
    carrying = [nic for nic in router.nics.values() if nic.ifname != "eth0" and nic.driver != "veth"]
    queues_of_all = max((count(nic) for nic in carrying), default=1)
    match list(argv[1:]):
        case ["/proc/stat"]:
            forwarded(ctx)
            soft = router.work.settle(router.flow, boot=router.boots, vendor=bool(router.software.loaded.version))
            up = ctx.now - router.booted_at
            return Reply(work.stat(soft, up, queues_of_all, booted=ctx.wall + router.booted_at, cpus=router.cpus))
        case ["/proc/softirqs"]:
            return Reply(
                work.softirqs(sum(received(ctx, nic) for nic in router.nics.values()), queues_of_all, cpus=router.cpus)
            )
        case ["/proc/interrupts"]:
            cards = [nic for nic in router.nics.values() if nic.driver != "veth"]
            return Reply(work.interrupts([v for nic in cards for v in _vectors(ctx, nic)], cpus=router.cpus))
        case _:
            return None
