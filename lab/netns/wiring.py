"""Network namespaces, veth pairs and the management bridge: made, put into power-on state, removed."""

from __future__ import annotations

import json
import os
from pathlib import Path

from lab.netns.command import LabError, run
from lab.netns.host_files import all_hosts
from lab.netns.paths import BRIDGE, NAMESPACE_PREFIX, namespace
from lab.netns.topology import EXTERNALS, FLOWS, LINKS, MANAGEMENT_BRIDGE_ADDRESS, ROUTERS, External, ends_of

QUEUES = 8  # what `ethtool -L` may choose from
CHANNELS_AT_POWER_ON = 4  # so that a change of channels has somewhere to go, up and down

_EXTERNAL_SYSCTL = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
}


def build() -> None:
    """Everything up to the cables; interfaces are down and without addresses, as on machines that are off."""
    for host in all_hosts():
        run(["ip", "netns", "add", namespace(host.name)])
    run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    run(["ip", "addr", "add", MANAGEMENT_BRIDGE_ADDRESS, "dev", BRIDGE])
    run(["ip", "link", "set", BRIDGE, "up"])
    for router in ROUTERS:
        outer = f"slwm-{router.name}"
        run(["ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", namespace(router.name)])
        run(["ip", "link", "set", outer, "master", BRIDGE, "up"])
    queues = ["numtxqueues", str(QUEUES), "numrxqueues", str(QUEUES)]
    for link in LINKS:
        a, b = link.ends
        run(["ip", "link", "add", a.interface, "netns", namespace(a.host), *queues, "type", "veth",
             "peer", "name", b.interface, "netns", namespace(b.host), *queues])  # fmt: skip
    for router in ROUTERS:
        power_on_state(router.name)


def power_on_state(host: str) -> None:
    """What a reset does to the interfaces: links down, addresses and rules gone, channels back to the default.

    The network namespace outlives the host's processes, so the supervisor does this between two boots.
    """
    name = namespace(host)
    for link in json.loads(run(["ip", "-n", name, "-j", "link", "show"])):
        run(["ip", "-n", name, "addr", "flush", "dev", link["ifname"]])
        run(["ip", "-n", name, "link", "set", link["ifname"], "down"])
    for rule in json.loads(run(["ip", "-n", name, "-6", "-j", "rule", "show"])):
        if rule["priority"] not in (0, 32766):
            run(["ip", "-n", name, "-6", "rule", "del", "pref", str(rule["priority"])])
    for mine, _far, _link in ends_of(host):
        _set_channels(name, mine.interface)


def _set_channels(name: str, interface: str) -> None:
    wanted = str(CHANNELS_AT_POWER_ON)
    try:
        run(["ip", "netns", "exec", name, "ethtool", "-L", interface, "rx", wanted, "tx", wanted])
    except LabError as refused:
        if "unmodified" not in str(refused):  # ethtool says so, with exit 1, when nothing is to be changed
            raise


def configure_external(external: External) -> None:
    """Addresses, links and forwarding of an outside network, which has no init that would do it."""
    name = namespace(external.name)
    run(["ip", "netns", "exec", name, "sh", "-c",
         "".join(f"echo {value} > /proc/sys/{key}\n" for key, value in _EXTERNAL_SYSCTL.items())])  # fmt: skip
    lines = ["link set lo up"]
    for flow in FLOWS:
        if external.name == "internet":
            lines += [f"addr add {flow.internet4}/32 dev lo", f"addr add {flow.internet6}/128 dev lo"]
        elif flow.customer == external.name:
            lines += [f"addr add {flow.customer4}/32 dev lo", f"addr add {flow.customer6}/128 dev lo"]
    for mine, _far, _link in ends_of(external.name):
        lines += [
            f"addr add {mine.address4}/30 dev {mine.interface}",
            f"addr add {mine.address6}/64 dev {mine.interface} nodad",
            f"link set {mine.interface} up",
        ]
    run(["ip", "-n", name, "-batch", "-"], text="\n".join(lines) + "\n")
    run(["ip", "-n", name, "-6", "rule", "add", "pref", "33000", "lookup", "100"])


def remove() -> None:
    """Takes down whatever of the lab's network is there; fine when nothing is."""
    for link in json.loads(run(["ip", "-j", "link", "show"])):
        if link["ifname"] == BRIDGE or link["ifname"].startswith("slwm-"):
            run(["ip", "link", "delete", link["ifname"]])
    for name in existing_namespaces():
        run(["ip", "netns", "delete", name])


def existing_namespaces() -> list[str]:
    """Network namespaces with the lab's names."""
    folder = Path("/run/netns")
    known = {namespace(host.name) for host in (*ROUTERS, *EXTERNALS)}
    present = os.listdir(folder) if folder.is_dir() else []
    return sorted(name for name in present if name.startswith(NAMESPACE_PREFIX) and name in known)
