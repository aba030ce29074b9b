"""Tap interfaces: the cables of a machine, alone on the host or in the place of a router of the ring."""

from __future__ import annotations

import json
import re

from lab.netns.command import LabError, run

HOST_ADDRESS, MACHINE_ADDRESS, MASK = "198.18.78.1", "198.18.78.2", "24"


def tap(name: str, *, namespace: str = "") -> None:
    """A tap for a card with several queues, up; fine when it is there."""
    inside = ["-n", namespace] if namespace else []
    if name in names(namespace):
        return
    run(["ip", *inside, "tuntap", "add", "dev", name, "mode", "tap", "multi_queue", "vnet_hdr"])
    run(["ip", *inside, "link", "set", name, "up"])


def names(namespace: str = "") -> set[str]:
    """The interfaces of a namespace."""
    inside = ["-n", namespace] if namespace else []
    return {row["ifname"] for row in json.loads(run(["ip", *inside, "-j", "link", "show"]))}


def alone(name: str) -> None:
    """A tap on the host with an address of its own: a machine without a ring around it."""
    tap(name)
    shown = json.loads(run(["ip", "-j", "addr", "show", "dev", name]))
    if not any(a.get("local") == HOST_ADDRESS for row in shown for a in row.get("addr_info", ())):
        run(["ip", "addr", "add", f"{HOST_ADDRESS}/{MASK}", "dev", name])


def hardware(namespace: str) -> dict[str, str]:
    """The hardware addresses by which the neighbours of a router know its interfaces; empty without its namespace.

    A machine in its place gets the same: FRR 8.4.4 was seen to forward to the link-local address of the router that was
    replaced, for minutes, while its IGP route led to the machine (2026-11-21).
    """
    try:
        rows = json.loads(run(["ip", "-n", namespace, "-j", "link", "show"]))
    except LabError:
        return {}
    return {row["ifname"]: _other(row["address"]) if row.get("master") else row["address"]
            for row in rows if re.fullmatch(r"eth\d+", row["ifname"])}  # fmt: skip


def _other(address: str) -> str:
    """Another hardware address; of that one, the first again."""
    return f"{int(address[:2], 16) ^ 0x04:02x}{address[2:]}"


def into_router(namespace: str, interface: str, name: str) -> None:
    """Put a tap in the place of a router's interface: a bridge of the two, which takes no part in anything.

    The machine has the interface's hardware address; the interface gets another, because a bridge keeps for itself what
    is sent to the address of one of its ports.
    Everything passes: no ageing question (two ports), no multicast snooping, link-local groups too but for what the
    kernel never forwards (spanning tree, LACP: nothing in this lab speaks it).
    """
    bridge = f"b-{interface}"
    if bridge not in names(namespace):
        other = _other(hardware(namespace)[interface])
        run(["ip", "-n", namespace, "link", "set", interface, "down", "address", other])
        run(
            [
                "ip",
                "-n",
                namespace,
                "link",
                "add",
                bridge,
                "type",
                "bridge",
                "mcast_snooping",
                "0",
                "forward_delay",
                "0",
            ]
        )
    tap(name, namespace=namespace)
    off = [f"net.ipv6.conf.{port}.disable_ipv6=1" for port in (bridge, name, interface)]
    run(["ip", "netns", "exec", namespace, "sysctl", "-q", "-w", *off])
    for port in (interface, name):
        run(["ip", "-n", namespace, "link", "set", port, "master", bridge, "up"])
    run(["ip", "-n", namespace, "link", "set", bridge, "up"])
