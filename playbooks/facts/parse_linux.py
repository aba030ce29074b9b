"""What the Linux kernel and its tools print, as values. Pure; no text makes it raise. None means: cannot tell.

Recordings: captures of kernel 6.18, iproute2 6.1, ethtool 6.1.
"""

import re
from collections.abc import Mapping

from fleet.core.model import Json
from playbooks.facts.text import document, mapping, rows, whole, word

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MEMORY = re.compile(r"^(\w+(?:\(\w+\))?):\s+([0-9]{1,15})(?: kB)?$", re.MULTILINE)
_MEMORY_KEPT = ("MemTotal", "MemAvailable", "Slab", "SReclaimable", "SUnreclaim", "Percpu")
_ERRORS = ("errors", "over_errors", "carrier_errors")
_PAIR = re.compile(r"^([^:\n]+):[ \t]*(.*)$", re.MULTILINE)


def first_line(text: str) -> str | None:
    """The only line of an answer (uname -r, hostname); None when there is none or several."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0][:200] if len(lines) == 1 else None


def boot_id(text: str) -> str | None:
    """The id of this boot (/proc/sys/kernel/random/boot_id)."""
    line = first_line(text)
    return line if line and _UUID.fullmatch(line) else None


def uptime_s(text: str) -> float | None:
    """Seconds since boot (/proc/uptime)."""
    words = text.split()
    return float(words[0]) if words and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", words[0]) else None


def os_release(text: str) -> dict[str, Json] | None:
    """ID, VERSION_ID and PRETTY_NAME of /etc/os-release, in lower case."""
    pairs = dict(re.findall(r'^(ID|VERSION_ID|PRETTY_NAME)="?([^"\n]*)"?$', text, re.MULTILINE))
    return {key.lower(): value[:200] for key, value in sorted(pairs.items())} or None


def meminfo(text: str) -> dict[str, Json] | None:
    """Some lines of /proc/meminfo, in kB; None without MemTotal."""
    found = {name: whole(value) for name, value in _MEMORY.findall(text)}
    return {name: found[name] for name in _MEMORY_KEPT if name in found} if found.get("MemTotal") else None


def sysctls(text: str) -> dict[str, Json] | None:
    """`sysctl KEY...`: key > value, white space made one blank."""
    pairs = re.findall(r"^([a-zA-Z0-9_./-]+) = (.*)$", text, re.MULTILINE)
    return {key: " ".join(value.split())[:500] for key, value in pairs} or None


def links(text: str) -> dict[str, Json] | None:
    """`ip -j [-d] link show`: name > mac, mtu, state, kind, and how it lies on others (`_stacked`). Without lo."""
    found = document(text)
    if not isinstance(found, list):
        return None
    return {
        name: {
            "mac": word(row.get("address")),
            "mtu": whole(row.get("mtu")),
            "state": word(row.get("operstate")),
            "kind": word(mapping(row.get("linkinfo")).get("info_kind")) or "",
            **_stacked(row),
        }
        for row in rows(found)
        if (name := word(row.get("ifname"))) and name != "lo"
    }


def _stacked(row: Mapping[str, Json]) -> dict[str, Json]:
    """Of a VLAN: parent, id, protocol; of a bond: mode, policy; of a member: its master. Nothing for the others."""
    about = mapping(row.get("linkinfo"))
    data = mapping(about.get("info_data"))
    made: dict[str, Json] = {"master": master} if (master := word(row.get("master"))) else {}
    match about.get("info_kind"):
        case "vlan":
            made["vlan"] = {"parent": word(row.get("link")), "id": whole(data.get("id")),
                            "protocol": word(data.get("protocol"))}  # fmt: skip
        case "bond":
            made["bond"] = {"mode": word(data.get("mode")), "policy": word(data.get("xmit_hash_policy"))}
    return made


def addresses(text: str) -> dict[str, Json] | None:
    """`ip -j addr show`: name > addresses with prefix length, of global scope, sorted. With lo."""
    found = document(text)
    if not isinstance(found, list):
        return None
    made: dict[str, Json] = {}
    for row in rows(found):
        if name := word(row.get("ifname")):
            made[name] = sorted(
                f"{info['local']}/{info['prefixlen']}"
                for info in rows(row.get("addr_info"))
                if isinstance(info.get("local"), str) and info.get("scope") == "global"
                and whole(info.get("prefixlen")) is not None
            )  # fmt: skip
    return made


def addresses_text(text: str) -> dict[str, Json] | None:
    """`ip -o addr show`, for an `ip` without JSON: the same as `addresses`. None without any address."""
    made: dict[str, list[Json]] = {}
    row = re.compile(
        r"^[0-9]{1,7}: (\S{1,64})\s+inet6? ([0-9a-fA-F:.]{2,45}/[0-9]{1,3})\s.*?\bscope (\w+)", re.MULTILINE
    )
    for name, address, scope in row.findall(text):
        made.setdefault(name.partition("@")[0], []).extend([address] if scope == "global" else [])
    return {name: sorted(found, key=str) for name, found in made.items()} or None


def counters(text: str) -> dict[str, Json] | None:
    """`ip -j -s link show`: name > state and packets, errors, dropped by direction. Without lo."""
    found = document(text)
    if not isinstance(found, list):
        return None
    made: dict[str, Json] = {}
    for row in rows(found):
        name = word(row.get("ifname"))
        if not name or name == "lo":
            continue
        stats = mapping(row.get("stats64"))
        made[name] = {"state": word(row.get("operstate"))} | {
            way: {
                "packets": whole(mapping(stats.get(way)).get("packets")),
                "dropped": whole(mapping(stats.get(way)).get("dropped")),
                "errors": _sum(mapping(stats.get(way))),
            }
            for way in ("rx", "tx")
        }
    return made


def _sum(side: Mapping[str, Json]) -> int | None:
    found = [whole(side[key]) for key in _ERRORS if key in side]
    return sum(n for n in found if n is not None) if found and None not in found else None


def forwarded(snmp: str, snmp6: str) -> dict[str, Json]:
    """Packets forwarded since boot, by family: of /proc/net/snmp by its header line, and of /proc/net/snmp6.

    The columns differ by kernel (6.18 adds OutTransmits). A kernel without IPv6 has no snmp6 and forwards none.
    """
    lines = [line.split()[1:] for line in snmp.splitlines() if line.startswith("Ip:")]
    four = None
    if len(lines) == 2 and len(lines[0]) == len(lines[1]) and "ForwDatagrams" in lines[0]:
        four = whole(lines[1][lines[0].index("ForwDatagrams")])
    pairs = (line.split() for line in snmp6.splitlines())
    six = next((whole(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] == "Ip6OutForwDatagrams"), None)
    if six is None and "No such file" in snmp6:
        six = 0
    return {"ipv4": four, "ipv6": six}


def driver(text: str) -> dict[str, Json] | None:
    """`ethtool -i`: driver, version, firmware, bus. Virtual interfaces have empty firmware and bus."""
    found = {key.strip(): value.strip() for key, value in _PAIR.findall(text)}
    if not found.get("driver"):
        return None
    keys = {"driver": "driver", "version": "version", "firmware": "firmware-version", "bus": "bus-info"}
    texts = {name: found.get(key, "")[:200] for name, key in keys.items()}
    return {name: "" if text == "N/A" else text for name, text in texts.items()}  # bridges and bonds say N/A


def permanent_mac(text: str) -> str | None:
    """`ethtool -P`; None where the device has none (veth: "not set")."""
    match = re.search(r"Permanent address: ((?:[0-9a-f]{2}:){5,}[0-9a-f]{2})", text)
    return None if match is None or set(match[1]) <= {"0", ":"} else match[1]


def channels(text: str) -> dict[str, Json] | None:
    """`ethtool -l`: rx, tx, other, combined now (n/a: left out), and the same under "max"."""
    return _two_blocks(text, {"RX": "rx", "TX": "tx", "Other": "other", "Combined": "combined"})


def rings(text: str) -> dict[str, Json] | None:
    """`ethtool -g`: rx, tx, rx_mini, rx_jumbo now (n/a: left out), and the same under "max"."""
    return _two_blocks(text, {"RX": "rx", "TX": "tx", "RX Mini": "rx_mini", "RX Jumbo": "rx_jumbo"})


def _two_blocks(text: str, names: Mapping[str, str]) -> dict[str, Json] | None:
    head, found, rest = text.partition("Current hardware settings:")
    if not found or "Pre-set maximums:" not in head:
        return None

    def block(part: str) -> dict[str, Json]:
        pairs = ((names.get(key.strip()), whole(value)) for key, value in _PAIR.findall(part))
        return {name: number for name, number in pairs if name is not None and number is not None}

    return {**block(rest), "max": block(head.partition("Pre-set maximums:")[2])}


def kernel_hop(text: str) -> dict[str, Json] | None:
    """`ip -j route get ADDRESS`: {"gateway", "dev"}; {"local": true} for an own address; {"none": why} for no route.

    None when it cannot be told. An unreachable destination is an error of the command, exit status 2.
    """
    found = rows(document(text))
    if not found:
        refused = re.search(r"RTNETLINK answers: (.+)", text)
        return {"none": refused[1][:80]} if refused else None
    row = found[0]
    if row.get("type") == "local":
        return {"local": True}
    if row.get("type") in ("unreachable", "blackhole", "prohibit"):
        return {"none": word(row["type"])}
    gateway = word(row.get("gateway")) or word(mapping(row.get("via")).get("host")) or ""
    dev = word(row.get("dev"))
    return {"gateway": gateway, "dev": dev} if dev else None


def kernel_routes(text: str) -> list[tuple[str, str]] | None:
    """`ip -j route show`: (prefix, next hops as text) of unicast routes to a gateway, in the order of the table."""
    found = document(text)
    if not isinstance(found, list):
        return None
    made: list[tuple[str, str]] = []
    for row in rows(found):
        prefix, kind = word(row.get("dst")), row.get("type")
        if prefix is None or kind not in (None, "unicast") or prefix.startswith("fe80:"):
            continue
        hops = rows(row.get("nexthops")) or [row]
        if not any(hop.get("gateway") or hop.get("via") for hop in hops):
            continue
        made.append((prefix, " ".join(sorted(f"{h.get('gateway', '')}@{h.get('dev', '')}"[:80] for h in hops))))
    return made
