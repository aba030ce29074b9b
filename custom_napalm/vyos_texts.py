"""What VyOS and its Linux say, as values: version, images, differences, links, sessions. Pure; never raises."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playbooks.addresses import is_address

NAME = re.compile(r"[\w.+-]{1,64}")  # what image.validate_name of vyos-1x allows
_ROW = re.compile(r"^[ \t]*\d+: (?P<name>[\w.+-]{1,64})(?P<flags>(?: \([a-z ]+\))*)[ \t]*$", re.MULTILINE)
_VERSION = re.compile(r"^([A-Z][A-Za-z/ ]{2,30}):[ \t]+(.*?)[ \t]*$", re.MULTILINE)
_MARKED = re.compile(r"^[+>-]")


@dataclass(frozen=True)
class Images:
    """Images on a device: all of them, which one boots by default, which one runs ("" where it is not said)."""

    available: tuple[str, ...]
    default: str
    running: str


def images(text: str) -> Images | None:
    """`image_info.py show_images_summary --raw` (1.4 and later), or the list of `show system image` (1.3)."""
    try:
        found = json.loads(text)
    except ValueError:
        return _listed(text)
    if not isinstance(found, dict) or not isinstance(found.get("images_available"), list):
        return None
    names = tuple(name for name in found["images_available"] if isinstance(name, str) and NAME.fullmatch(name))
    default, running = found.get("image_default"), found.get("image_running")
    return Images(names, default if isinstance(default, str) else "", running if isinstance(running, str) else "")


def _listed(text: str) -> Images | None:
    rows = [(row["name"], row["flags"]) for row in _ROW.finditer(text)]
    if not rows:
        return None
    default = next((name for name, flags in rows if "(default boot)" in flags), "")
    running = next((name for name, flags in rows if "(running" in flags), "")
    return Images(tuple(name for name, _ in rows), default, running)


def version(text: str) -> Mapping[str, str]:
    """`show version`: its rows by name, lower case, such as "version", "hardware s/n"."""
    return {name.lower(): value for name, value in _VERSION.findall(text)}


def difference(shown: str) -> str:
    """What a session would change: the marked lines of `show` in it (+ new, - gone, > another), below their parents."""
    lines, parents, told = list[str](), list[tuple[int, str]](), set[int]()  # parents: (line number, text)
    for number, line in enumerate(shown.splitlines()):
        marked = _MARKED.match(line) is not None
        body = (line[1:] if marked or line.startswith(" ") else line).rstrip()
        if marked:
            lines += [f" {text}" for at, text in parents if at not in told]
            lines.append(line.rstrip())
            told |= {at for at, _ in parents}
        if body.endswith("{"):
            parents.append((number, body))
            told |= {number} if marked else set()
        elif body.strip() == "}" and parents:
            parents.pop()
    return "\n".join(lines) + ("\n" if lines else "")


def rows(text: str) -> list[dict[str, Any]]:
    """A JSON list of objects (`ip -j`); empty for anything else."""
    try:
        found = json.loads(text)
    except ValueError:
        return []
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def links(text: str, speeds: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """`ip -j -d link show`, and `ethtool NAME` by name, as NAPALM's get_interfaces. lo is left out. Speed in Mb/s."""
    made: dict[str, dict[str, Any]] = {}
    for row in rows(text):
        name, flags = row.get("ifname"), row.get("flags")
        if not isinstance(name, str) or name == "lo":
            continue
        speed = re.search(r"Speed: (\d{1,7})Mb/s", speeds.get(name, ""))
        up = isinstance(flags, list) and "UP" in flags
        made[name] = {
            "is_up": row.get("operstate") == "UP" or (isinstance(flags, list) and "LOWER_UP" in flags),
            "is_enabled": up,
            "description": str(row.get("ifalias") or ""),
            "last_flapped": -1.0,  # the kernel does not say
            "speed": float(speed[1]) if speed else -1.0,
            "mtu": row["mtu"] if isinstance(row.get("mtu"), int) else -1,
            "mac_address": str(row.get("address") or "").upper(),
        }
    return made


def addresses(text: str) -> dict[str, dict[str, dict[str, dict[str, int]]]]:
    """`ip -j address show`, as NAPALM's get_interfaces_ip."""
    made: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
    for row in rows(text):
        infos = row.get("addr_info")
        for info in infos if isinstance(infos, list) else []:
            family = {"inet": "ipv4", "inet6": "ipv6"}.get(str(info.get("family"))) if isinstance(info, dict) else None
            local, length = (info.get("local"), info.get("prefixlen")) if isinstance(info, dict) else (None, None)
            if family and isinstance(row.get("ifname"), str) and isinstance(local, str) and isinstance(length, int):
                made.setdefault(row["ifname"], {}).setdefault(family, {})[local] = {"prefix_length": length}
    return made


def neighbors(text: str, descriptions: Mapping[str, str]) -> dict[str, Any]:
    """`show bgp summary json` of FRR, as NAPALM's get_bgp_neighbors; only the default VRF."""
    try:
        found = json.loads(text)
    except ValueError:
        found = {}
    peers: dict[str, Any] = {}
    router_id, own = "", 0
    families = found if isinstance(found, dict) else {}
    for key, family in (("ipv4Unicast", "ipv4"), ("ipv6Unicast", "ipv6")):
        summary = families.get(key)
        if not isinstance(summary, dict) or not isinstance(summary.get("peers"), dict):
            continue
        router_id, own = str(summary.get("routerId") or router_id), _whole(summary.get("as"), own)
        for address, peer in summary["peers"].items():
            if isinstance(peer, dict) and is_address(address):
                row = peers.setdefault(address, _peer(peer, own, descriptions.get(address, "")))
                row["is_up"] = row["is_up"] or peer.get("state") == "Established"
                up = peer.get("state") == "Established"
                row["address_family"][family] = {
                    "received_prefixes": _whole(peer.get("pfxRcd"), -1) if up else -1,
                    "accepted_prefixes": -1,  # a summary does not tell what a policy let in
                    "sent_prefixes": _whole(peer.get("pfxSnt"), -1) if up else -1,
                }
    return {"global": {"router_id": router_id, "peers": peers}} if peers or router_id else {}


def _peer(peer: Mapping[str, Any], own: int, description: str) -> dict[str, Any]:
    up = peer.get("state") == "Established"
    return {
        "local_as": _whole(peer.get("localAs"), own),
        "remote_as": _whole(peer.get("remoteAs"), 0),
        "remote_id": "",
        "is_up": up,
        "is_enabled": "Admin" not in str(peer.get("state")),
        "description": str(peer.get("desc") or description),
        "uptime": _whole(peer.get("peerUptimeMsec"), -1000) // 1000 if up else -1,
        "address_family": {},
    }


def _whole(found: Any, otherwise: int) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) else otherwise
