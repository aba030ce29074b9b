"""What starts before what at a boot, as the units say: a circle is a unit that systemd leaves out."""

import re
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter

# Of the units of Debian 12 (FRR 8.4.4, BIRD 2.0.12, ifupdown, systemd 252, keepalived 2.2.7): what orders them.
DEBIAN = {
    "frr.service": "After=network-pre.target systemd-sysctl.service\nBefore=network.target\n",
    "bird.service": "After=network.target\n",
    "keepalived.service": "After=network-online.target syslog.target\n",
    "networking.service": "After=network-pre.target\nBefore=network.target network-online.target\n",
    "systemd-networkd.service": "After=network-pre.target\nBefore=network.target\n",
    "NetworkManager.service": "After=network-pre.target dbus.service\nBefore=network.target\n",
}
# Of FD.io's packages.
VPP = {"vpp.service": "After=syslog.target network.target auditd.service\n"}


def turn(*units: Mapping[str, str]) -> list[str]:
    """Units in an order in which they may start; texts of the same name add up. graphlib.CycleError: there is none."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for first, then in (pair for some in units for pair in _orders(some)):
        sorter.add(then, first)
    return list(sorter.static_order())


def _orders(units: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in units.items():
        for word, others in re.findall(r"^(After|Before)=(.*)$", text, re.MULTILINE):
            yield from ((other, name) if word == "After" else (name, other) for other in others.split())
