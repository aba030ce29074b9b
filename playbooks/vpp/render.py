"""What VPP's kinds write onto a router and have it do. Pure."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fleet.core.model import Json
from fleet.core.vpp import Dataplane, Intent, Phy
from fleet.core.vpp_host import Cores, cpu_list, heap_mb
from playbooks.device_templates import render
from playbooks.vpp.params import VppParams
from playbooks.vpp.parse import expected

STATE = "/var/lib/slipway"
CONFIG, STARTUP, BOOT = "/etc/vpp/vppcfg.yaml", "/etc/vpp/startup.conf", "/etc/vpp/slipway-boot.vpp"
SOCKET = "/run/vpp/cli.sock"
RUN, SILENCE = f"{STATE}/vpp-run", "-"
WRITE_FILE = f"{STATE}/vpp-write"
WRITE = (
    "# Written by Slipway: one value into one file of sysfs; - is an empty one.\n"
    'v=$1\n[ "$v" != - ] || v=\nprintf \'%s\\n\' "$v" > "$2"\n'
)
NETNS_UNIT = "slipway-netns.service"
UNITS = "/etc/systemd/system"
# Of this boot alone: a power cycle brings back the router that forwards with its kernel.
DROPINS = "/run/systemd/system"
SYSCTL = "/etc/sysctl.d/81-slipway-vpp.conf"
STATS_MB = 128
_STARTS = {
    "ssh": "/usr/sbin/sshd -D $SSHD_OPTS -oPidFile=/run/sshd-{netns}.pid",
    "snmpd": "/usr/sbin/snmpd -f -p /run/snmpd-{netns}.pid -C -c /etc/snmp/snmpd.conf",
}


@dataclass(frozen=True)
class Link:
    """One interface of the kernel as it was: what brings it back. `about`: kind, vlan, bond, master."""

    name: str
    mac: str
    mtu: int
    up: bool
    addresses: tuple[str, ...]
    about: Mapping[str, Json]


def text_of(config: Mapping[str, Json]) -> str:
    """The configuration as the YAML that lies on the router."""
    out = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.dump(_plain(config), out)
    return f"# Written by Slipway; vppcfg reads it.\n{out.getvalue()}"


def config_of(text: str) -> Mapping[str, Json] | None:
    """The configuration in such a text; None for what is none."""
    try:
        found = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {int(k) if isinstance(k, str) and k.isdecimal() else k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def startup(params: VppParams, intent: Intent, cpus: Cores, *, pages: int) -> str:
    """startup.conf: cores, memory, cards by PCI address, linux-cp in its namespace."""
    dpdk = params.dataplane is Dataplane.DPDK
    cards = [{"pci": phy.pci, "vpp": phy.vpp} for phy in intent.phys] if dpdk else []
    return render(
        "vpp/startup.conf.j2",
        {
            "exec": BOOT, "main": cpus.main, "workers": cpu_list(cpus.workers), "heap_mb": heap_mb(params.routes),
            "buffers": params.buffers, "stats_mb": STATS_MB, "queues": max(1, len(cpus.workers)), "cards": cards,
            "netns": params.netns, "hugepages": pages,
        },
    )  # fmt: skip


def creating(params: VppParams, phys: Iterable[Phy]) -> tuple[str, ...]:
    """The commands that make VPP's interfaces over cards that the kernel keeps; none with DPDK."""
    match params.dataplane:
        case Dataplane.AF_PACKET:
            return tuple(f"create host-interface name {phy.linux}" for phy in phys)
        case Dataplane.AF_XDP:
            return tuple(f"create interface af_xdp host-if {phy.linux} name {phy.vpp}" for phy in phys)
        case Dataplane.DPDK:
            return ()


def files(params: VppParams, rendered: Mapping[str, Json], suite: str) -> dict[str, str]:
    """Path > text of everything that is prepared before VPP is started."""
    netns = {"netns": params.netns}
    made = {
        CONFIG: str(rendered["yaml"]),
        STARTUP: str(rendered["startup"]),
        BOOT: "".join(f"{line}\n" for line in rendered["creating"]),
        SYSCTL: f"# Written by Slipway, read after 80-vpp.conf.\nvm.nr_hugepages={rendered['pages']}\n",
        WRITE_FILE: WRITE,
        RUN: render("vpp/run.sh.j2", {}),
        f"{UNITS}/{NETNS_UNIT}": render("vpp/netns.service.j2", netns),
        f"{DROPINS}/vpp.service.d/slipway.conf": render("vpp/vpp.conf.j2", {}),
    }
    for name in params.services:
        start = _STARTS[name].format(netns=params.netns)
        made[f"{UNITS}/slipway-{name}.service"] = render(
            "vpp/service.service.j2", {"name": name, "start": start, **netns}
        )
    for unit in (suite, "keepalived"):
        made[f"{DROPINS}/{unit}.service.d/slipway-netns.conf"] = render("vpp/netns.conf.j2", netns)
    if not rendered["pages"]:
        del made[SYSCTL]
    return made


def run(command: str) -> list[str]:
    """One command of VPP on the router: fails unless VPP says what it says when it carries it out."""
    return ["/bin/sh", RUN, expected(command) or SILENCE, *command.split()]


def launching(
    params: VppParams,
    rendered: Mapping[str, Json],
    links: Sequence[Link],
    *,
    suite: str,
    vrrp: bool,
    routes: Sequence[Sequence[str]] = (),
) -> list[list[str]]:
    """Everything from the kernel to VPP, as commands of which each must succeed."""
    taken = [link for link in links if link.name not in params.keep]
    above = [link for link in taken if link.about.get("kind")]
    cards = [link for link in taken if not link.about.get("kind")]
    made = [["systemctl", "daemon-reload"], ["systemctl", "start", NETNS_UNIT]]
    made += [["systemctl", "stop", "keepalived"]] if vrrp else []
    made += [["systemctl", "stop", suite]]
    made += [["ip", "link", "delete", "dev", link.name] for link in _stacked(above, links)[::-1]]
    for link in cards:
        made.append(["ip", "address", "flush", "dev", link.name])
        if params.dataplane is Dataplane.DPDK:
            made.append(["ip", "link", "set", "dev", link.name, "down"])  # a card that is up is left alone (vpp.md 2)
    made.append(["systemctl", "start", "vpp"])
    made += [run(str(command)) for command in rendered["commands"]]
    # Static routes are nobody's to put back but ours: those that leave through what VPP took.
    gone = {link.name for link in taken}
    made += [["ip", "netns", "exec", params.netns, "ip", *r] for r in routes if _leaves_by(r) in gone]
    made += [["systemctl", "start", f"slipway-{name}"] for name in params.services]
    return [*made, ["systemctl", "start", suite]]


def _leaves_by(route: Sequence[str]) -> str:
    """The interface of a route, as arguments of `ip`."""
    words = list(route)
    return words[words.index("dev") + 1] if "dev" in words[:-1] else ""


def _stacked(chosen: Iterable[Link], links: Iterable[Link]) -> list[Link]:
    """What lies below before what lies on it."""
    by_name = {link.name: link for link in links}
    return sorted(chosen, key=lambda link: (_height(link, by_name), link.name))


def _height(link: Link, links: Mapping[str, Link]) -> int:
    """How much lies below: 0 a card or dummy, 1 a bond, 2 a VLAN, more a VLAN in a VLAN."""
    match link.about.get("kind"):
        case "vlan":
            below = links.get(str(link.about.get("parent")))
            rest = {name: one for name, one in links.items() if name != link.name}
            return max(2, 1 + _height(below, rest) if below is not None else 2)
        case "bond":
            return 1
        case _:
            return 0


def way_back(
    params: VppParams, phys: Sequence[Phy], links: Sequence[Link], *, suite: str, keeps: Mapping[str, Json]
) -> list[list[str]]:
    """Everything from VPP to the kernel, each command tried whatever became of the one before.

    `keeps`: "vrrp", "routes" (static ones, as arguments of `ip route replace`), "file" and "conf" of the daemon.
    """
    made = [["systemctl", "stop", name] for name in ("keepalived", suite, *(f"slipway-{s}" for s in params.services))]
    made.append(["systemctl", "stop", "vpp"])
    made += [["rm", "-f", f"{DROPINS}/{name}.service.d/slipway-netns.conf"] for name in (suite, "keepalived")]
    made.append(["systemctl", "daemon-reload"])
    if params.dataplane is Dataplane.DPDK:
        for phy in phys:
            made += _give_back(phy)
    made.append(["udevadm", "settle", "--timeout=20"])
    # What lies below is there before what lies on it.
    taken = _stacked([link for link in links if link.name not in params.keep], links)
    for link in taken:
        made += _restore(link, taken)
    made += [["ip", *(str(word) for word in route)] for route in keeps["routes"]]
    made.append(["cp", str(keeps["file"]), str(keeps["conf"])])
    made.append(["systemctl", "start", suite])
    return [*made, *([["systemctl", "start", "keepalived"]] if keeps["vrrp"] else [])]


def _give_back(phy: Phy) -> list[list[str]]:
    """A card from vfio to the driver that it had: what is written where, by the scripts of this kind."""
    device = f"/sys/bus/pci/devices/{phy.pci}"
    return [
        ["/bin/sh", WRITE_FILE, phy.pci, f"{device}/driver/unbind"],
        ["/bin/sh", WRITE_FILE, phy.driver, f"{device}/driver_override"],
        ["/bin/sh", WRITE_FILE, phy.pci, "/sys/bus/pci/drivers_probe"],
        ["/bin/sh", WRITE_FILE, "-", f"{device}/driver_override"],
    ]


def _restore(link: Link, links: Sequence[Link]) -> list[list[str]]:
    about, made = link.about, list[list[str]]()
    match about.get("kind"):
        case "vlan":
            words = ["type", "vlan", "id", str(about["id"])]
            words += ["protocol", str(about["protocol"])] if about.get("protocol") else []
            made.append(["ip", "link", "add", "link", str(about["parent"]), "name", link.name, *words])
        case "bond":
            words = ["type", "bond", "mode", str(about["mode"]), "xmit_hash_policy", str(about["policy"])]
            made.append(["ip", "link", "add", "name", link.name, *words])
            for member in (one for one in links if one.about.get("master") == link.name):
                made.append(["ip", "link", "set", "dev", member.name, "down"])
                made.append(["ip", "link", "set", "dev", member.name, "master", link.name])
                made.append(["ip", "link", "set", "dev", member.name, "up"])
        case "dummy":
            made.append(["ip", "link", "add", "name", link.name, "type", "dummy"])
        case _:
            pass
    if not about.get("master"):
        made.append(["ip", "link", "set", "dev", link.name, "address", link.mac])
    made.append(["ip", "link", "set", "dev", link.name, "mtu", str(link.mtu)])
    made += [["ip", "link", "set", "dev", link.name, "up"]] if link.up else []
    return made + [["ip", "address", "replace", address, "dev", link.name] for address in link.addresses]
