"""What Linux around VPP says and does on a virtual router: systemd, ip, namespaces, sysfs, vppcfg. Pure."""

import json
import logging
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import yaml

from lab.sim import linux, vpp
from lab.sim.frrshow import ifindex
from lab.sim.reply import Context, Reply


def systemctl(ctx: Context, argv: Sequence[str]) -> Reply | None:
    """Everything about vpp.service; None for other units."""
    words = [w for w in argv[1:] if not w.startswith("-")]
    if not any(w in ("vpp", "vpp.service") for w in words[1:]):
        return None
    state = ctx.router.vpp
    match words[0]:
        case "is-active":
            return Reply("active\n" if state.running else "inactive\n", status=0 if state.running else 3)
        case "show":
            active = "active" if state.running else "inactive"
            return Reply(f"NRestarts=0\nMainPID={state.pid if state.running else 0}\nActiveState={active}\n")
        case "start" | "restart" | "stop" if ctx.root:
            changes = vpp.stop(ctx.router) if words[0] != "start" else ()
            return Reply(changes=changes + (vpp.start(ctx.router) if words[0] != "stop" else ()))
        case "enable" | "disable" if ctx.root:
            state.enabled = words[0] == "enable"
            return Reply(changes=(f"{words[0]}d vpp.service",))
        case "is-enabled":
            return Reply("enabled\n" if state.enabled else "disabled\n", status=0 if state.enabled else 1)
        case _:
            return Reply()


def ip(ctx: Context, argv: Sequence[str]) -> Reply | None:
    """What the launch and the way back set; None: linux.ip knows it."""
    words = [w for w in argv[1:] if not w.startswith("-")]
    router, gone = ctx.router, ctx.router.vpp.deleted
    match words:
        case ["netns", "exec", _, "ip", *rest]:
            return _inside(ctx, rest)
        case ["netns", *_] | ["link", "add", *_] | ["link", "delete", *_] | ["route", "replace", *_]:
            return Reply()
        case ["address", "flush", "dev", name] if name in router.nics:
            gone.add(name)
            return Reply(changes=(f"file addresses of {name} flushed",))
        case ["address", "replace", _, "dev", name] if name in router.nics:
            gone.discard(name)
            return Reply(changes=(f"file addresses of {name} set",))
        case ["link", "set", "dev", name, "address" | "mtu", _] if name in router.nics:
            return Reply()
        case ["link", "set", "dev", name, "up"] if name in router.vpp.taken:
            return Reply(err=f'Cannot find device "{name}"\n', status=1)
        case _:
            return None


def _inside(ctx: Context, words: Sequence[str]) -> Reply:
    """`ip -j link|addr show` in the namespace: what is paired."""
    state, rows = ctx.router.vpp, []
    for name, host in state.pairs.items():
        port = state.ports[name]
        row: dict[str, Any] = {"ifindex": ifindex(host), "ifname": host, "mtu": port.mtu, "address": port.mac}
        row |= {
            "flags": ["UP", "LOWER_UP"] if port.up else [],
            "operstate": "UNKNOWN",
            "linkinfo": {"info_kind": "tun"},
        }
        row["addr_info"] = [
            {"local": a.partition("/")[0], "prefixlen": int(a.partition("/")[2]), "scope": "global"}
            for a in port.addresses
        ]
        rows.append(row)
    return Reply(json.dumps(rows) + "\n")


def cat(ctx: Context, argv: Sequence[str]) -> Reply | None:
    """Isolated CPUs and huge pages, as the command line of this boot says."""
    if argv[1:] not in (["/sys/devices/system/cpu/isolated"], ["/proc/meminfo"]):
        return None
    line = ctx.router.loader.cmdline or ctx.router.loader.line
    found = dict(word.partition("=")[::2] for word in line.split())
    if argv[1] == "/proc/meminfo":
        pages = found.get("hugepages", "0")
        shown = linux.cat(ctx, argv)
        return Reply(f"{shown.out}HugePages_Total:    {pages}\nHugePages_Free:     {pages}\n")
    return Reply(found.get("isolcpus", "") + "\n")


def around(ctx: Context, argv: Sequence[str]) -> Reply | Sequence[str] | None:
    """The answer of what VPP has its hands in; another command that is to be run instead; None: nothing of that."""
    match list(argv):
        case ["sh", "/var/lib/slipway/vpp-run", *_]:
            return vpp.run_file(ctx, argv)
        case ["sh", "/var/lib/slipway/vpp-write", value, path]:
            return Reply(changes=vpp.give_back(ctx.router, value, path))
        case ["timeout", seconds, "vppctl", *_] if ctx.router.vpp.hung:
            return Reply(status=124, sleep_s=float(seconds))  # its main thread hangs: there is no answer
        case ["timeout", _, *command]:
            return command
        case ["cat", *_]:
            return cat(ctx, argv)
        case ["ip", *_]:
            return ip(ctx, argv)
        case ["systemctl", *_]:
            return systemctl(ctx, argv)
        case ["vppctl", *_]:
            return vpp.vppctl(ctx, argv)
        case ["vppcfg", *_]:
            return vppcfg(ctx, argv)
        case ["udevadm", "settle", *_]:
            return Reply()
        case _:
            return None


def vppcfg(ctx: Context, argv: Sequence[str]) -> Reply:
    """`vppcfg [-q] check|plan [--novpp] -c FILE [-o -]`: vppcfg itself, on this VPP."""
    from vppcfg.config import Validator
    from vppcfg.vpp.planner import Planner

    logging.getLogger("vppcfg").setLevel(logging.CRITICAL)
    path = argv[list(argv).index("-c") + 1] if "-c" in argv else vpp.CONFIG
    text = ctx.router.files.get(path)
    if text is None:
        return Reply(err=f"[ERROR   ] root.main: Couldn't read config from {path}\n", status=255)
    config = yaml.safe_load(text)
    good, messages = Validator(schema=None).validate(config)
    if not good:
        errors = "".join(f"[ERROR   ] vppcfg.config.valid_config: {m}\n" for m in messages)
        return Reply(err=errors + "[ERROR   ] root.main: Configuration is not valid, bailing\n", status=254)
    if "check" in argv:
        return Reply(err="[INFO    ] root.main: Configuration is valid\n")
    novpp, state = "--novpp" in argv, ctx.router.vpp
    if not novpp and (not state.running or state.hung):
        return Reply(err="[ERROR   ] vppcfg.vppapi.connect: Could not connect to VPP (tried 30 times)\n", status=253)
    planner = Planner(config)
    _mock(planner.vpp, config) if novpp else _read(planner.vpp, ctx)
    out = ""
    for phase in ("prune", "create", "sync"):
        getattr(planner, phase)()
        rows = planner.get_commands()[phase]
        out += f"comment {{ vppcfg {phase}: {len(rows)} CLI statement(s) follow }}\n" if rows else ""
        out += "".join(f"{row}\n" for row in rows)
    return Reply(out)


def _row(index: int, **more: Any) -> SimpleNamespace:
    base = {"sw_if_index": index, "sup_sw_if_index": index, "flags": 0, "sub_id": 0, "sub_number_of_tags": 0,
            "sub_outer_vlan_id": 0, "sub_inner_vlan_id": 0, "sub_if_flags": 0}  # fmt: skip
    return SimpleNamespace(**(base | more))


def _mock(api: Any, config: Mapping[str, Any]) -> None:
    """As vppcfg's own mockconfig, which needs VPP's API files."""
    api.cache_clear()
    cards = [n for n, about in config.get("interfaces", {}).items() if about.get("device-type") in ("dpdk", "rdma")]
    for index, name in enumerate(["local0", *cards]):
        mtu = 64 if index else 0
        _keep(api, index, _row(index, l2_address="00:00:00:00:00:00", mtu=[mtu, 0, 0, 0], link_mtu=mtu, tag="vppcfg",
                               interface_name=name, interface_dev_type="dpdk" if index else "local"), [])  # fmt: skip


def _keep(api: Any, index: int, row: SimpleNamespace, addresses: Sequence[str]) -> None:
    api.cache["interfaces"][index] = row
    api.cache["interface_names"][row.interface_name] = index
    api.cache["interface_addresses"][index] = list(addresses)


def _read(api: Any, ctx: Context) -> None:
    """What vppcfg asks a running VPP for."""
    from vppcfg.config import bondethernet

    state = ctx.router.vpp
    api.cache_clear()
    names = list(state.ports)
    for index, port in enumerate(state.ports.values()):
        row = _row(
            index, sup_sw_if_index=names.index(port.sup) if port.sup in names else index, l2_address=port.mac,
            flags=int(port.up), sub_id=port.sub_id, sub_number_of_tags=(port.outer > 0) + (port.inner > 0),
            sub_outer_vlan_id=port.outer, sub_inner_vlan_id=port.inner, sub_if_flags=16 * port.exact + 8 * port.dot1ad,
            link_mtu=port.link_mtu, mtu=[port.mtu, 0, 0, 0], interface_name=port.name, interface_dev_type=port.kind,
            tag=port.tag,
        )  # fmt: skip
        _keep(api, index, row, port.addresses)
    for name, bond in state.bonds.items():
        index = names.index(name)
        api.cache["bondethernets"][index] = SimpleNamespace(
            interface_name=name, sw_if_index=index, mode=bondethernet.mode_to_int(bond.mode),
            lb=bondethernet.lb_to_int(bond.balance),
        )  # fmt: skip
        api.cache["bondethernet_members"][index] = [names.index(m) for m in bond.members]
    for number, (name, host) in enumerate(state.pairs.items()):
        tap = len(names) + number
        pair = SimpleNamespace(phy_sw_if_index=names.index(name), host_sw_if_index=tap, host_if_name=host)
        api.cache["lcps"][names.index(name)] = pair
        _keep(api, tap, _row(tap, l2_address="00:00:00:00:00:00", mtu=[9000, 0, 0, 0], link_mtu=9000, tag="",
                             interface_name=f"tap{4096 + number}", interface_dev_type="virtio"), [])  # fmt: skip
    api.lcp_enabled = True


def counters(ctx: Context, argv: Sequence[str]) -> Reply:
    """The script of the proof of a drain: whether it runs, and its counters; 5 s of silence where it hangs."""
    state, up = ctx.router.vpp, f"@ uptime {ctx.now - ctx.router.booted_at:.2f}\n"
    if not state.running:
        return Reply("@ none\n")
    if state.hung:
        return Reply(f"@ process {state.pid}\n{up}@ interface\n\n@ silent\n", sleep_s=5.0)
    shown, pairs = (vpp.vppctl(ctx, ["vppctl", "show", what]).out for what in ("interface", "lcp"))
    return Reply(f"@ process {state.pid}\n{up}@ interface\n{shown}\n{up}@ lcp\n{pairs}")


def facts(ctx: Context, argv: Sequence[str]) -> Reply:
    """The script `vpp` of discovery."""
    if not ctx.router.vpp.running:
        return Reply("@ none\n")
    said = "" if ctx.router.vpp.hung else vpp.vppctl(ctx, ["vppctl", "show", "version"]).out
    return Reply(f"@ version\n{said}@ config\n{ctx.router.files.get(vpp.CONFIG, '')}")
