"""ethtool of a virtual router, with the texts and misleading statuses of the captures; more in ethtool_show. Pure."""

from collections.abc import Sequence

from lab.sim import blade, ethtool_show, queues_set
from lab.sim.linux import CONTROL_PPS, forwarded, no_bufs
from lab.sim.reply import Context, Reply
from lab.sim.router import Nic


def ethtool(ctx: Context, argv: Sequence[str]) -> Reply:
    if len(argv) < 3:
        return Reply(err="ethtool: bad command line argument(s)\nFor more information run ethtool -h\n", status=1)
    option, ifname, settings = argv[1], argv[2], argv[3:]
    nic = ctx.router.nics.get(ifname)
    if nic is None:
        return _missing(option)
    match option:
        case "-i" | "--driver":
            return _driver(ctx, nic)
        case "-l" | "--show-channels" | "-L" | "--set-channels" if nic.driver == "enic":
            return Reply(err="netlink error: Operation not supported\n", status=1)  # until Linux 6.13
        case "-l" | "--show-channels":
            return Reply(_channels(nic))
        case "-g" | "--show-ring":
            return Reply(_rings(nic)) if nic.rings else Reply(err="netlink error: Operation not supported\n", status=1)
        case "-P" | "--show-permaddr":
            return Reply(f"Permanent address: {'not set' if nic.driver == 'veth' else nic.mac}\n")
        case "-S" | "--statistics":
            return Reply(_statistics(ctx, nic))
        case "-L" | "--set-channels":
            return _set(ctx, nic, settings, rings=False)
        case "-G" | "--set-ring":
            return _set(ctx, nic, settings, rings=True)
        case "-X" | "-N":
            return queues_set.custom(ctx, nic, option, settings)
        case _:
            shown = ethtool_show.show(nic, option, settings, seed=f"{ctx.router.name}/{ctx.router.boots}")
            return shown or Reply(err="netlink error: Operation not supported\n", status=1)


def _missing(option: str) -> Reply:
    match option:
        case "-i":
            return Reply(err="Cannot get driver information: No such device\n", status=71)
        case "-S":
            return Reply(err="Cannot get stats strings information: No such device\n", status=96)
        case _:
            text = "netlink error: no device matches name (offset 24)\nnetlink error: No such device\n"
            return Reply(err=text, status=1)


def _driver(ctx: Context, nic: Nic) -> Reply:
    match nic.driver:
        case "i40e":
            version = ctx.router.software.loaded.version or ctx.router.kernel
            firmware, where = ctx.router.firmware_text(bus(nic)), bus(nic)
        case "enic":
            version, firmware, where = ctx.router.kernel, "4.2(3d)", bus(nic)
        case "veth":
            version, firmware, where = "1.0", "", ""
        case _:
            version, firmware, where = "1.0.0", "", "0000:00:03.0"
    lines = [f"driver: {nic.driver}", f"version: {version}", f"firmware-version: {firmware}", "expansion-rom-version: "]
    lines += [f"bus-info: {where}", "supports-statistics: yes", "supports-test: no", "supports-eeprom-access: no"]
    return Reply("\n".join([*lines, "supports-register-dump: no", "supports-priv-flags: no"]) + "\n")


def bus(nic: Nic) -> str:
    """eth1 to eth4 are the functions 0 to 3 of one card with four ports, eth5 to eth8 those of the next."""
    card, function = divmod(int(nic.ifname.removeprefix("eth")) - 1, 4)
    return f"0000:{0x3B + card:02x}:00.{function}"


def _channels(nic: Nic) -> str:
    def block(values: dict[str, int]) -> str:
        shown = {key: values.get(key, "n/a") for key in ("rx", "tx", "other", "combined")}
        return (
            f"RX:\t\t{shown['rx']}\nTX:\t\t{shown['tx']}\nOther:\t\t{shown['other']}\nCombined:\t{shown['combined']}\n"
        )

    head = f"Channel parameters for {nic.ifname}:\nPre-set maximums:\n{block(nic.channels_max)}"
    return f"{head}Current hardware settings:\n{block(nic.channels)}"


def _rings(nic: Nic) -> str:
    def block(values: dict[str, int]) -> str:
        return f"RX:\t\t{values['rx']}\nRX Mini:\tn/a\nRX Jumbo:\tn/a\nTX:\t\t{values['tx']}\n"

    head = f"Ring parameters for {nic.ifname}:\nPre-set maximums:\n{block(nic.rings_max)}"
    tail = "RX Buf Len:\t\tn/a\nCQE Size:\t\tn/a\nTX Push:\toff\nTCP data split:\tn/a\n"
    return f"{head}Current hardware settings:\n{block(nic.rings)}{tail}"


def _queues(nic: Nic) -> tuple[int, int]:
    both = nic.channels.get("combined", 0)
    return nic.channels.get("rx", 0) or both, nic.channels.get("tx", 0) or both


def _statistics(ctx: Context, nic: Nic) -> str:
    """Per-queue counters: the traffic spreads evenly over the receive queues."""
    rx, tx = _queues(nic)
    total = int((ctx.now - ctx.router.booted_at) * CONTROL_PPS)
    total += 0 if nic.ifname == "eth0" else sum(forwarded(ctx)) // max(1, len(ctx.router.ports))
    if nic.driver == "enic":
        return blade.statistics(total, no_bufs(ctx, nic))
    rows = [f"     rx_queue_{q}_packets: {total // rx}\n     rx_queue_{q}_drops: 0" for q in range(rx)]
    rows += [f"     tx_queue_{q}_packets: {total // tx}" for q in range(tx)]
    return "NIC statistics:\n" + "\n".join(rows) + "\n     rx_errors: 0\n     rx_dropped: 0\n"


def _set(ctx: Context, nic: Nic, settings: Sequence[str], *, rings: bool) -> Reply:
    what = "ring size" if rings else "channel count"
    now, most = (nic.rings, nic.rings_max) if rings else (nic.channels, nic.channels_max)
    refused = 81 if rings else 1
    if not ctx.root:
        return Reply(err="netlink error: Operation not permitted\n", status=refused)
    if not now:
        return Reply(err="netlink error: Operation not supported\n", status=refused)
    pairs = list(zip(settings[::2], settings[1::2], strict=False))
    if not pairs or len(settings) % 2 or not all(value.isdigit() for _, value in pairs):
        return Reply(err="ethtool: bad command line argument(s)\nFor more information run ethtool -h\n", status=1)
    for key, value in pairs:
        if int(value) > most.get(key, 0):
            text = f"netlink error: requested {what} exceeds maximum (offset 36)\nnetlink error: Invalid argument\n"
            return Reply(err=text, status=refused)
        if int(value) == 0 and not rings:
            return Reply(err="netlink error: Invalid argument\n", status=refused)
    label = "rings" if rings else "channels"
    changes = [f"{label} {nic.ifname} {k} {now[k]} -> {v}" for k, v in pairs if now[k] != int(v)]
    now.update({key: int(value) for key, value in pairs})
    return Reply(changes=tuple(changes))
