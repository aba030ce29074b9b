"""What a Linux router running FRR answers, as NAPALM's models say it: the machine, its interfaces, its tables. Pure.

No answer makes these raise; what is not told is NAPALM's own word for that (-1, "", an empty mapping).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fleet.core.model import Json
from playbooks.base import Answer
from playbooks.facts.text import document, mapping, rows, whole, word
from playbooks.vtysh import argv

Answers = Mapping[str, Answer]
Commands = dict[str, list[str]]

MACHINE: Commands = {
    "version": argv("show version"),
    "uptime": ["cat", "/proc/uptime"],
    "hostname": ["hostname"],
    "fqdn": ["hostname", "-f"],
    "links": ["ip", "-j", "link", "show"],
    "product": ["cat", "/sys/class/dmi/id/product_name"],
    "serial": ["cat", "/sys/class/dmi/id/product_serial"],
}
INTERFACES: Commands = {"interfaces": argv("show interface json")}
COUNTERS: Commands = {"counters": ["ip", "-j", "-s", "link", "show"]}
ADDRESSES: Commands = {"addresses": ["ip", "-j", "addr", "show"]}
NEIGHBOURS4: Commands = {"neighbours": ["ip", "-j", "-4", "neigh", "show"]}
NEIGHBOURS6: Commands = {"neighbours": ["ip", "-j", "-6", "neigh", "show"]}
ENVIRONMENT: Commands = {"stat": ["cat", "/proc/stat"], "meminfo": ["cat", "/proc/meminfo"]}
INSTANCES: Commands = {**INTERFACES, "running": argv("show running-config")}


def out(answers: Answers, name: str) -> str:
    """What a command printed; "" for one that failed or was not answered."""
    answer = answers.get(name)
    return answer.out if answer is not None and answer.ok else ""


def number(value: Json, otherwise: int = -1) -> int:
    found = whole(value)
    return otherwise if found is None else found


def facts(answers: Answers) -> dict[str, Any]:
    """`get_facts`. The serial number and the product are the machine's, where its firmware tells them."""
    version = re.search(r"FRRouting (\S+)", out(answers, "version"))
    seconds = re.match(r"[0-9]{1,12}(?:\.[0-9]+)?", out(answers, "uptime"))
    hostname = _first(out(answers, "hostname"))
    return {
        "uptime": float(seconds[0]) if seconds else -1.0,
        "vendor": "FRRouting",
        "os_version": version[1] if version else "",
        "serial_number": _first(out(answers, "serial")),
        "model": _first(out(answers, "product")) or "FRR",
        "hostname": hostname,
        "fqdn": _first(out(answers, "fqdn")) or hostname,
        "interface_list": sorted(name for name, _ in _links(answers, "links")),
    }


def _first(text: str) -> str:
    return next((line.strip()[:255] for line in text.splitlines() if line.strip()), "")


def _links(answers: Answers, name: str) -> Iterator[tuple[str, Mapping[str, Json]]]:
    for row in rows(document(out(answers, name))):
        if ifname := word(row.get("ifname")):
            yield ifname, row


def interfaces(answers: Answers) -> dict[str, dict[str, Any]]:
    """`get_interfaces`, as zebra sees them. FRR keeps the time of the last change as text: not told here (-1)."""
    return {name: _interface(row) for name, row in _zebra(answers)}


def _zebra(answers: Answers) -> Iterator[tuple[str, Mapping[str, Json]]]:
    for name, row in sorted(mapping(document(out(answers, "interfaces"))).items()):
        if isinstance(row, Mapping):
            yield name, row


def _interface(row: Mapping[str, Json]) -> dict[str, Any]:
    enabled = row.get("administrativeStatus") == "up"
    speed = number(row.get("speed"))
    return {
        "is_up": enabled and row.get("operationalStatus") == "up",
        "is_enabled": enabled,
        "description": word(row.get("description")) or word(row.get("OsDescription")) or "",
        "last_flapped": -1.0,
        "mtu": number(row.get("mtu")),
        # zebra says 4294967295 where the kernel does not know.
        "speed": float(speed) if 0 < speed < 4294967295 else -1.0,
        "mac_address": (word(row.get("hardwareAddress")) or "").upper(),
    }


def counters(answers: Answers) -> dict[str, dict[str, int]]:
    """`get_interfaces_counters`. Linux counts packets of all kinds together, and received multicast apart."""
    return {name: _counters(mapping(row.get("stats64"))) for name, row in _links(answers, "counters")}


def _counters(stats: Mapping[str, Json]) -> dict[str, int]:
    made: dict[str, int] = {}
    for way in ("tx", "rx"):
        told = mapping(stats.get(way))
        made |= {
            f"{way}_errors": number(told.get("errors")), f"{way}_discards": number(told.get("dropped")),
            f"{way}_octets": number(told.get("bytes")), f"{way}_unicast_packets": number(told.get("packets")),
            f"{way}_multicast_packets": number(told.get("multicast")), f"{way}_broadcast_packets": -1,
        }  # fmt: skip
    return made


def addresses(answers: Answers) -> dict[str, dict[str, dict[str, dict[str, int]]]]:
    """`get_interfaces_ip`: only interfaces that have an address."""
    made: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
    for name, row in _links(answers, "addresses"):
        for one in rows(row.get("addr_info")):
            family = {"inet": "ipv4", "inet6": "ipv6"}.get(str(one.get("family")))
            address, length = word(one.get("local")), whole(one.get("prefixlen"))
            if family and address and length is not None:
                made.setdefault(name, {}).setdefault(family, {})[address] = {"prefix_length": length}
    return made


def neighbours(answers: Answers, *, state: bool) -> list[dict[str, Any]]:
    """`get_arp_table`, `get_ipv6_neighbors_table` (with the state). The kernel does not tell the age here (-1)."""
    made = []
    for row in rows(document(out(answers, "neighbours"))):
        states = row.get("state")
        said = ",".join(str(s)[:20] for s in states[:4]) if isinstance(states, list) else ""
        mac, address = word(row.get("lladdr")), word(row.get("dst"))
        if mac and address:
            entry = {"interface": word(row.get("dev")) or "", "mac": mac.upper(), "ip": address, "age": -1.0}
            made.append({**entry, "state": said} if state else entry)
    return sorted(made, key=lambda entry: (str(entry["interface"]), str(entry["ip"])))


def environment(answers: Answers) -> dict[str, Any]:
    """`get_environment`: memory in kB, processors by their share since boot. Fans and power are the chassis'."""
    memory = dict(re.findall(r"^(\w+):\s+([0-9]{1,15})", out(answers, "meminfo"), re.MULTILINE))
    free = number(memory.get("MemAvailable"), 0)
    return {
        "fans": {}, "temperature": {}, "power": {},
        "cpu": {
            int(cpu): {"%usage": _usage([int(n) for n in ticks.split()])}
            for cpu, ticks in _CPU.findall(out(answers, "stat"))
        },
        "memory": {"available_ram": free, "used_ram": max(0, number(memory.get("MemTotal"), 0) - free)},
    }  # fmt: skip


def _usage(ticks: list[int]) -> float:
    total = sum(ticks[:8])
    return round(100.0 * (total - ticks[3] - (ticks[4] if len(ticks) > 4 else 0)) / total, 1) if total else 0.0


def instances(answers: Answers) -> dict[str, dict[str, Any]]:
    """`get_network_instances`: the default one and VRFs, with the route distinguisher of BGP's VPN export."""
    members: dict[str, dict[str, dict[str, Any]]] = {"default": {}}
    for name, row in _zebra(answers):
        members.setdefault(word(row.get("vrfName")) or "default", {})[name] = {}
    distinguishers = dict(
        re.findall(
            r"^router bgp \S+ vrf (\S+)\n(?:[ !].*\n)*?  rd vpn export (\S+)", out(answers, "running"), re.MULTILINE
        )
    )
    return {
        name: {
            "name": name,
            "type": "DEFAULT_INSTANCE" if name == "default" else "L3VRF",
            "state": {"route_distinguisher": distinguishers.get(name, "")},
            "interfaces": {"interface": found},
        }
        for name, found in sorted(members.items())
    }


_CPU = re.compile(r"^cpu([0-9]{1,4})((?: [0-9]{1,18}){4,10})$", re.MULTILINE)
_REPLY = re.compile(r"bytes from ([0-9a-fA-F.:]{2,45}): icmp_seq=[0-9]+ .*?time=([0-9.]{1,12}) ms")
_SUMMARY = re.compile(r"([0-9]{1,6}) packets transmitted, ([0-9]{1,6}) received")
_TIMES = re.compile(r"rtt min/avg/max/mdev = ([0-9.]{1,12})/([0-9.]{1,12})/([0-9.]{1,12})/([0-9.]{1,12}) ms")


def ping(answer: Answer) -> dict[str, Any]:
    """`ping`, from what iputils prints; `error` with its words where it sent nothing."""
    summary, times = _SUMMARY.search(answer.out), _TIMES.search(answer.out)
    if summary is None:
        return {"error": " ".join((answer.err or answer.out).split())[:200] or f"status {answer.status}"}
    low, average, high, deviation = (_real(n) for n in times.groups()) if times else (0.0, 0.0, 0.0, 0.0)
    sent, received = int(summary[1]), int(summary[2])
    replies = [{"ip_address": a, "rtt": _real(t)} for a, t in _REPLY.findall(answer.out)]
    return {
        "success": {
            "probes_sent": sent, "packet_loss": sent - received, "rtt_min": low, "rtt_max": high, "rtt_avg": average,
            "rtt_stddev": deviation, "results": replies,
        }
    }  # fmt: skip


def _real(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
