"""The command line of VPP 24.06 on a virtual router: what vppcfg sends, with VPP's own words for what it refuses. Pure.

The texts of errors and the silence of success are those of captures/vpp-24.06; exit status 0 in any case.
"""

import ipaddress
import re
from collections.abc import Sequence
from itertools import pairwise

from lab.sim import vppshow
from lab.sim.ethtool import bus
from lab.sim.reply import Context, Reply
from lab.sim.router import Router
from lab.sim.vppstate import Vpp, VppBond, VppPort

SOCKET = "/run/vpp/cli.sock"
STARTUP, CONFIG = "/etc/vpp/startup.conf", "/etc/vpp/vppcfg.yaml"
_DEV = re.compile(r"dev ([0-9a-f]{4}:[0-9a-f:.]+) \{ name (\S+) \}")


def start(router: Router) -> tuple[str, ...]:
    """systemd starts it: cards that are down are taken, and the start file is run."""
    vpp = router.vpp
    if vpp.running or STARTUP not in router.files:
        return ()
    text = router.files[STARTUP]
    vpp.running, vpp.starts, vpp.pid = True, vpp.starts + 1, 4000 + vpp.starts
    vpp.began_s, vpp.began = router.flow.at, (router.flow.forwarded[0], router.flow.forwarded[1])
    found = re.search(r"default netns (\S+)", text)
    vpp.netns = found[1] if found else ""
    vpp.ports["local0"] = VppPort("local0", "local", mac="00:00:00:00:00:00", mtu=0, link_mtu=0)
    for pci, name in _DEV.findall(text):
        for nic in router.nics.values():
            if bus(nic) == pci and (vpp.booting or not nic.up):
                vpp.ports[name] = VppPort(name, "dpdk", mac=nic.mac, nic=nic.ifname)
                vpp.taken.add(nic.ifname)
    vpp.booting = False
    boot = re.search(r"exec (\S+)", text)
    for line in router.files.get(boot[1] if boot else "", "").splitlines():
        if refused(cli(router, line)):
            break
    return ("service vpp started",)


def stop(router: Router) -> tuple[str, ...]:
    was, mine = router.vpp.running, router.vpp.forwarded(router.flow.forwarded)
    router.vpp.carried = (router.vpp.carried[0] + mine[0], router.vpp.carried[1] + mine[1])
    router.vpp.stop()
    links(router)
    return ("service vpp stopped",) if was else ()


def links(router: Router) -> None:
    """A card that VPP has is up for its neighbours when VPP has it up and Linux sees it."""
    vpp = router.vpp
    for name in vpp.taken:
        mine = next((p for p in vpp.ports.values() if p.nic == name), None)
        router.nics[name].up = mine is not None and mine.up and mine.name in vpp.pairs


def give_back(router: Router, value: str, path: str) -> tuple[str, ...]:
    """A value written below /sys/bus/pci: the last of four gives the card to the driver that it had."""
    vpp = router.vpp
    for nic in router.nics.values():
        if path == "/sys/bus/pci/drivers_probe" and bus(nic) == value and nic.ifname in vpp.taken and not vpp.running:
            vpp.taken.discard(nic.ifname)
            vpp.deleted.add(nic.ifname)  # it comes back bare
            nic.up = False
            return (f"file {path} {nic.ifname} back",)
    return ()


def refused(said: str) -> bool:
    return bool(re.search(r"unknown|expected|failed|conflicts|already|no such|error", said))


def vppctl(ctx: Context, argv: Sequence[str]) -> Reply:
    """`vppctl [-s SOCKET] WORDS`."""
    words = [w for w in argv[1:] if w not in ("-s", SOCKET)]
    vpp = ctx.router.vpp
    if not vpp.running:
        return Reply(err=f"clib_socket_init: connect (fd 3, '{SOCKET}'): No such file or directory\n", status=1)
    if not ctx.root:
        return Reply(err=f"clib_socket_init: connect (fd 3, '{SOCKET}'): Permission denied\n", status=1)
    if words and words[0] == "show":
        return Reply(vppshow.show(ctx, " ".join(words)))
    return _changed(ctx.router, " ".join(words))


def _changed(router: Router, line: str) -> Reply:
    said = cli(router, line)
    links(router)
    changed = () if refused(said) else (f"vpp {line}",)
    return Reply(said + "\n" if said else "", changes=changed)


def run_file(ctx: Context, argv: Sequence[str]) -> Reply:
    """`/bin/sh /var/lib/slipway/vpp-run WANTED WORDS...`, as the script on the device does it."""
    wanted, line = argv[2].removeprefix("-"), " ".join(argv[3:])
    if not ctx.router.vpp.running or ctx.router.vpp.hung:
        return Reply(f"vppctl {line}: status 1, found '', wanted '{wanted}'\n", status=1)
    reply = _changed(ctx.router, line)
    said = " ".join(reply.out.split())
    if said != wanted:
        return Reply(f"vppctl {line}: status 0, found '{said}', wanted '{wanted}'\n", status=1, changes=reply.changes)
    return Reply(f"vppctl {line}: done\n", changes=reply.changes)


def cli(router: Router, line: str) -> str:
    """One command; what VPP prints, "" for success."""
    vpp = router.vpp
    said = _run(router, vpp, line.split())
    if not refused(said):
        vpp.ran.append(line)
    return said


def _run(router: Router, vpp: Vpp, words: Sequence[str]) -> str:
    match words:
        case [] | ["comment", *_]:
            return ""
        case ["create", *rest]:
            return _create(router, vpp, rest)
        case ["delete", "sub", name] | ["delete", "bond", name] | ["delete", "loopback", "interface", "intfc", name]:
            return _delete(vpp, name)
        case ["lcp", "create", name, "host-if", host]:
            if name not in vpp.ports or host in vpp.pairs.values():
                return "lcp create: linux-cp pair creation failed (-11)"
            vpp.pairs[name] = host
            return ""
        case ["lcp", "delete", name]:
            return "" if vpp.pairs.pop(name, None) else f"lcp delete: unknown interface `{name}'"
        case ["bond", "add", bond, member] if bond in vpp.bonds and member in vpp.ports:
            vpp.bonds[bond].members.append(member)
            return ""
        case ["bond", "del", member]:
            for one in vpp.bonds.values():
                one.members = [m for m in one.members if m != member]
            return ""
        case ["set", "interface", *rest]:
            return _set(vpp, rest)
        case _:
            return f"unknown input `{' '.join(words)}'"


def _create(router: Router, vpp: Vpp, words: Sequence[str]) -> str:
    pairs = dict(pairwise(words[1:]))
    match words:
        case ["loopback", "interface", "instance", number, *_]:
            mac = pairs.get("mac", "de:ad:00:00:00:00")
            return _made(vpp, VppPort(f"loop{number}", "Loopback", mac=mac))
        case ["bond", "id", number, "mode", mode, *_]:
            name = f"BondEthernet{number}"
            vpp.bonds[name] = VppBond(mode, pairs.get("load-balance", ""))
            return _made(vpp, VppPort(name, "bond", mac=pairs.get("hw-addr", "02:fe:00:00:00:02")))
        case ["sub", above, number, *_] if above in vpp.ports:
            outer = int(pairs.get("dot1ad") or pairs.get("dot1q") or 0)
            port = VppPort(
                f"{above}.{number}", "dpdk", mac=vpp.ports[above].mac, mtu=0, link_mtu=0, sup=above, sub_id=int(number),
                outer=outer, inner=int(pairs.get("inner-dot1q", 0)), dot1ad="dot1ad" in words,
                exact="exact-match" in words,
            )  # fmt: skip
            return _made(vpp, port)
        case ["sub", *rest]:
            return f"create sub-interfaces: unknown interface `{' '.join(rest)}'"
        case ["host-interface", "name", name, *_] if name in router.nics:
            return _made(vpp, VppPort(f"host-{name}", "af-packet", nic=name))
        case _:
            return f"create: unknown input `{' '.join(words)}'"


def _made(vpp: Vpp, port: VppPort) -> str:
    if port.name in vpp.ports:
        return f"create: {port.name} already exists"
    vpp.ports[port.name] = port
    return port.name


def _delete(vpp: Vpp, name: str) -> str:
    if name not in vpp.ports:
        return f"delete: unknown interface `{name}'"
    del vpp.ports[name]
    vpp.pairs.pop(name, None)
    vpp.bonds.pop(name, None)
    return ""


def _set(vpp: Vpp, words: Sequence[str]) -> str:
    match words:
        case ["tag", name, tag] if name in vpp.ports:
            vpp.ports[name].tag = tag
        case ["mtu", "packet", number, name] if name in vpp.ports:
            vpp.ports[name].mtu = int(number)
        case ["mtu", number, name] if name in vpp.ports:
            vpp.ports[name].link_mtu = int(number)
        case ["state", name, "up" | "down" as state] if name in vpp.ports:
            vpp.ports[name].up = state == "up"
        case ["mac", "address", name, mac] if name in vpp.ports:
            vpp.ports[name].mac = mac
        case ["ip", "address", "del", name, address] if name in vpp.ports:
            return _address(vpp, name, address, off=True)
        case ["ip", "address", name, address] if name in vpp.ports:
            return _address(vpp, name, address, off=False)
        case [what, *rest] if what in ("state", "tag", "mtu"):
            return f"set interface {what}: unknown interface `{' '.join(rest)}'"
        case _:
            return f"set interface: unknown input `{' '.join(words)}'"
    return ""


def _address(vpp: Vpp, name: str, address: str, *, off: bool) -> str:
    try:
        spelled = str(ipaddress.ip_interface(address))
    except ValueError:
        return f"set interface ip address: expected IP4/IP6 address/length `{address}'"
    held = vpp.ports[name].addresses
    if off:
        if spelled not in held:
            return f"set interface ip address: failed to delete {address} on {name}"
        held.remove(spelled)
        return ""
    other = next((p.name for p in vpp.ports.values() if spelled in p.addresses), None)
    if other is not None:
        conflict = f"which conflicts with {spelled} for interface {other}"
        return f"set interface ip address: failed to add {spelled} on {name} {conflict}"
    held.append(spelled)
    return ""
