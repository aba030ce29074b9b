"""What the small scripts of discovery would print on a virtual router. Known by their names; no shell runs. Pure."""

import uuid
from collections.abc import Callable, Sequence

from lab.sim import blade, linux, vppsystem
from lab.sim.bootfiles import DEFAULT_LINK, LINKS
from lab.sim.ethtool import bus, ethtool
from lab.sim.queues_set import cpu_of
from lab.sim.reply import Context, Reply
from lab.sim.router import KERNELS, PSTORE, Nic

DMI = "/sys/class/dmi/id/"
_IRQ = 40  # first interrupt of the first card
_FRR = ("watchfrr", "zebra", "bgpd", "ospfd", "ospf6d", "staticd", "bfdd")
_IMAGES = dict(zip(KERNELS, ("6.1.176-1", "6.1.192-2"), strict=True))
_FLOWS = ("tcp4", "udp4", "esp4", "tcp6", "udp6", "esp6")
_CPU_ROOT = "/sys/devices/system"


def cpu(ctx: Context, argv: Sequence[str]) -> Reply:
    """One socket of four cores with two threads each; nothing isolated."""
    cpus, half = ctx.router.cpus, ctx.router.cpus // 2
    topology = f"{_CPU_ROOT}/cpu/cpu{{n}}/topology"
    rows = ["vendor_id\t: GenuineIntel", "model name\t: simulated"]
    rows += [f"{topology.format(n=n)}/physical_package_id:0" for n in range(cpus)]
    rows += [f"{topology.format(n=n)}/thread_siblings_list:{n % half},{n % half + half}" for n in range(cpus)]
    rows += [f"{_CPU_ROOT}/node/node0/cpulist:0-{cpus - 1}", f"{_CPU_ROOT}/cpu/isolated:"]
    return Reply("\n".join(rows) + "\n")


def identity(ctx: Context, argv: Sequence[str]) -> Reply:
    """What its firmware says: of a blade what UCS Manager gave it (control socket), else of its own name."""
    own = {"product_uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, ctx.router.name)), "product_name": "Simulated"}
    own["product_serial"] = f"SIM{ctx.router.spec.number:06}"
    found = {name: ctx.router.files.get(f"{DMI}{name}", value) for name, value in own.items()}
    return Reply("".join(f"{name} {found[name] if ctx.root or name == 'product_name' else ''}\n" for name in own))


def modules(ctx: Context, argv: Sequence[str]) -> Reply:
    """The drivers of its cards, of the kernel's own tree, and two more."""
    drivers = sorted({nic.driver for nic in ctx.router.nics.values()} | {"8021q", "bonding"})
    outside = {"i40e": " (OE)"} if ctx.router.software.loaded.version else {}
    rows = [f"{name} 57344 0 - Live 0x0000000000000000{outside.get(name, '')}\n" for name in drivers]
    mine = ctx.router.software.loaded.version
    vendor = f"= i40e {mine}\n" if mine and "i40e" in drivers else ""
    return Reply(f"{vendor}= veth 1.0\n= virtio_net 1.0.0\n" + "".join(rows))


def packages(ctx: Context, argv: Sequence[str]) -> Reply:
    routing = "frr 8.4.4-1.1~deb12u1" if ctx.router.spec.suite == "frr" else "bird2 2.0.12-7"
    images = "".join(f"linux-image-{kernel} {version} ii \n" for kernel, version in _IMAGES.items())
    return Reply(f"= dpkg\n{routing} ii \n{images}")


def processes(ctx: Context, argv: Sequence[str]) -> Reply:
    router, rows = ctx.router, ""
    if router.daemons_at is not None:
        ticks = max(0, int((router.daemons_at - router.booted_at) * 100)) + 900
        names = _FRR if router.spec.suite == "frr" else ("bird",)
        for n, name in enumerate(names):
            rows += f"{700 + 20 * router.daemon_starts + n} ({name}) S 1 1 1 0 -1 4194560 100 0 0 0 1 1 0 0 20 0 1 0 "
            rows += f"{ticks + n} 8232960 806\n"
    if router.vpp.running:
        rows += f"{router.vpp.pid} (vpp_main) S 1 1 1 0 -1 4194560 100 0 0 0 1 1 0 0 20 0 1 0 900 8232960 806\n"
    return Reply(f"{rows}= {112 + rows.count(chr(10))}\n")


def addresses(ctx: Context, argv: Sequence[str]) -> Reply:
    """Nothing: its `ip` knows JSON."""
    return Reply()


def driver_log(ctx: Context, argv: Sequence[str]) -> Reply:
    rows = (
        f"[    2.104277] i40e {bus(nic)}: fw 8.13.63341 api 1.12 nvm {ctx.router.firmware_text(bus(nic))} "
        "[8086:1583] [8086:0001]\n"
        for nic in ctx.router.nics.values()
        if nic.driver == "i40e"
    )
    return Reply("".join(rows))


def nic(ctx: Context, argv: Sequence[str]) -> Reply:
    """`slipway-nic INTERFACE`: sysfs, then ethtool."""
    found = ctx.router.nics.get(argv[-1])
    if found is None:
        return Reply()
    rows = [f"address {found.mac}", f"mtu {found.mtu}", f"operstate {'up' if found.up else 'down'}"]
    rows += _card(found, root=ctx.root, cpus=ctx.router.cpus) if found.driver != "veth" else []
    rows += [f"rps {n} 00" for n in range(_queues(found))]
    asked = {"rss": ["-x"], "coalesce": ["-c"], "offloads": ["-k"], "priv_flags": ["--show-priv-flags"]}
    asked |= {f"flow {flow}": ["-n", flow] for flow in _FLOWS}
    for name, (option, *more) in asked.items():
        reply = ethtool(ctx, ["ethtool", option, found.ifname, *(("rx-flow-hash", *more) if more else ())])
        rows += [f"@ {name}", f"{reply.out}{reply.err}", f"@ = {reply.status}"]
    return Reply("\n".join(rows) + "\n")


def nic_link(ctx: Context, argv: Sequence[str]) -> Reply:
    """`slipway-nic-link INTERFACE`: systemd 252 with udev, its default in force until a file of ours is there."""
    found = ctx.router.nics.get(argv[-1])
    if found is None or found.driver == "veth":
        return Reply()
    path = f"{LINKS}10-slipway-{found.ifname}.link"
    own = ctx.router.files.get(path)
    governing = path if own is not None else "/usr/lib/systemd/network/99-default.link"
    rows = f"driver {found.driver}\nmac {found.mac}\nsystemd 252 (252.39-1~deb12u1)\nudevd active\nfile {governing}\n"
    return Reply(f"{rows}@ base\n{own or DEFAULT_LINK}@ own\n{own or ''}")


def _queues(nic: Nic) -> int:
    return nic.channels.get("rx", 0) or nic.channels.get("combined", 1)


def _card(nic: Nic, *, root: bool, cpus: int) -> list[str]:
    """A card on the PCI bus. Its serial number lies where only root reads; the ports of one card share it."""
    ids = ("0x8086", "0x1583", "0x8086", "0x0001") if nic.driver == "i40e" else ("0x1af4", "0x1041", "0x1af4", "0x1100")
    ids = blade.PCI_IDS if nic.driver == "enic" else ids
    names = ("vendor", "device", "subsystem_vendor", "subsystem_device")
    rows = [f"driver {nic.driver}", f"module {nic.driver}", "version "]
    rows += [f"{name} {value}" for name, value in zip(names, ids, strict=True)]
    rows.append(f"numa_node {0 if nic.driver == 'i40e' else -1}")
    rows += [f"local 0-{cpus - 1}", f"online 0-{cpus - 1}", "isolated"]
    rows += [f"siblings {n % (cpus // 2)},{n % (cpus // 2) + cpus // 2}" for n in range(cpus)]
    if not root:
        rows.append("config unreadable")
    elif nic.driver == "i40e":
        digits = nic.mac.replace(":", "")
        rows.append(f"serial {digits[:6]}ffff{digits[6:10]}{(int(digits[10:], 16) - 1) // 4:02x}")
    if nic.driver == "enic":
        first = 200 + 600 * int(nic.ifname.removeprefix("eth"))
        return rows + [f"irq {n} {cpu} {name}" for n, name, cpu in blade.vectors(nic, first)]
    first = _IRQ + 16 * int(nic.ifname.removeprefix("eth"))
    word = f"i40e-{nic.ifname}-TxRx-{{n}}" if nic.driver == "i40e" else "virtio0-input.{n}"
    return rows + [f"irq {first + n} {cpu_of(nic, n, cpus=cpus)} {word.format(n=n)}" for n in range(_queues(nic))]


def last_words(ctx: Context, argv: Sequence[str]) -> Reply:
    """What pstore holds, each record with its time: the name of a record of efi_pstore ends in it."""
    rows = [f"@@ {int(ctx.wall + ctx.now)} now\n"]
    for path in sorted(p for p in ctx.router.files if p.startswith(PSTORE)):
        died = int(path.rpartition("-")[2][-13:]) / 1000 if "efi_pstore" in path else ctx.router.booted_at
        rows.append(f"\n@@ {int(ctx.wall + died)} {path}\n{ctx.router.files[path]}")
    return Reply("".join([*rows, "\n@@ 0 journal\n"]))


SCRIPTS: dict[str, Callable[[Context, Sequence[str]], Reply]] = {
    "slipway-cpu": cpu,
    "slipway-identity": identity,
    "slipway-modules": modules,
    "slipway-packages": packages,
    "slipway-processes": processes,
    "slipway-addresses": addresses,
    "slipway-driver-log": driver_log,
    "slipway-nic": nic,
    "slipway-nic-state": nic,
    "slipway-nic-link": nic_link,
    "slipway-last-words": last_words,
    "slipway-vpp": vppsystem.facts,
    "slipway-there": lambda ctx, argv: linux.ip(ctx, argv[1:]),
    "slipway-vpp-counters": vppsystem.counters,
}
