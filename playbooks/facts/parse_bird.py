"""What BIRD prints, as values: BIRD 1.6 and 2.0, text only. Pure; no text makes it raise. None means: cannot tell.

The exit status of birdc says nothing before 2.0.10; so only the text is read (drain.md 3.1, 3.2).
"""

import re
from dataclasses import dataclass, field

from fleet.core.model import Json
from playbooks.facts.parse_frr import merged
from playbooks.facts.text import family_of, is_address, whole

_HEADING = re.compile(r"(\S+)\s+([A-Z]\w*)\s+(\S+)\s+(up|start|down|stop|flush)\s+(\S+(?: \d\S*)?)(?:\s+(.*))?")
_ROUTES = re.compile(r"^\s+Routes:\s+(\d{1,12}) imported,(?: \d{1,12} filtered,)? (\d{1,12}) exported")
_COUNT = re.compile(r"^(\d{1,12}) of \d{1,12} routes for (\d{1,12}) networks(?: in table (\S+))?$", re.MULTILINE)
_NEIGHBOUR = re.compile(r"^(\d+\.\d+\.\d+\.\d+)\s+\d+\s+(\S+)\s+\S+\s+(\S+)\s+(\S+)")
_SESSION = re.compile(r"^(\S+)\s+(\S+)\s+(Up|Down|Init|AdminDown)\s")
_VIA = re.compile(r"via (\S+) on (\S+)")
_DEV = re.compile(r"^\s+dev (\S+)", re.MULTILINE)


@dataclass
class _Protocol:
    name: str
    kind: str
    table: str
    state: str
    info: str
    lines: list[str] = field(default_factory=list)

    def value(self, key: str) -> str:
        found = (line.partition(":") for line in self.lines)
        return next((v.strip() for k, _, v in found if k.strip() == key), "")


def answered(text: str) -> bool:
    """Did BIRD itself answer (and not: the socket is not there, an error message)?"""
    return re.search(r"^BIRD \S+ ready\.$", text, re.MULTILINE) is not None


def not_running(text: str) -> bool:
    """Does birdc say that no BIRD listens?"""
    return "Unable to connect to server control socket" in text


def status(text: str) -> dict[str, Json] | None:
    """`show status`: {"version", "daemons": {"bird": "up" | what it says}}."""
    if not_running(text):
        return {"version": None, "daemons": {"bird": "down"}}
    match = re.search(r"^BIRD (\d[\w.+~-]{0,40})$", text, re.MULTILINE)
    if match is None:
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    up = "Daemon is up and running" in lines
    return {"version": match[1], "daemons": {"bird": "up" if up else lines[-1][:80].lower()}}


def _protocols(text: str) -> list[_Protocol]:
    found: list[_Protocol] = []
    for line in text.splitlines():
        match = _HEADING.fullmatch(line.rstrip()) if line[:1].strip() else None
        if match:
            found.append(_Protocol(match[1], match[2], match[3], match[4], (match[6] or "").strip()))
        elif found and line[:1].isspace():
            found[-1].lines.append(line)
    return found


def bgp(text: str) -> dict[str, Json] | None:
    """`show protocols all`: as `parse_frr.bgp`; peers by neighbour address, a family for each channel.

    A session that is up with a channel that is not counts as that channel's state. BIRD 1.6 has no channels: the family
    is that of the neighbour's address. `dropped` is not known by BIRD.
    """
    if not_running(text):
        return {"running": False, "peers": {}}
    if not answered(text):
        return None
    made: dict[str, dict[str, Json]] = {}
    for protocol in (p for p in _protocols(text) if p.kind == "BGP"):
        peer = protocol.value("Neighbor address").partition("%")[0]
        if not is_address(peer):
            continue
        session = protocol.value("BGP state") or protocol.info or protocol.state
        for family, lines in _channels(protocol, peer):
            state = next((line.split()[-1] for line in lines if line.strip().startswith("State:")), "UP")
            counts = next((m for line in lines if (m := _ROUTES.match(line))), None)
            made.setdefault(family, {})[peer] = {
                "state": session if state == "UP" or session != "Established" else f"channel {state}",
                "received": whole(counts[1]) if counts else None,
                "sent": whole(counts[2]) if counts else None,
                "dropped": None,
                "name": protocol.name[:64],
            }
    return {"running": True, "peers": made}


def _channels(protocol: _Protocol, peer: str) -> list[tuple[str, list[str]]]:
    made: list[tuple[str, list[str]]] = []
    for line in protocol.lines:
        match = re.fullmatch(r"  Channel (\S+)", line.rstrip())
        if match:
            made.append((match[1], []))
        elif made:
            made[-1][1].append(line)
    known = [(family, lines) for family, lines in made if family in ("ipv4", "ipv6")]
    return known if made else [(family_of(peer), protocol.lines)]


def ospf_families(protocols: str) -> dict[str, str]:
    """Name > family of the OSPF protocols of `show protocols all` (the channel's, else the table's, else IPv4)."""
    made: dict[str, str] = {}
    for protocol in (p for p in _protocols(protocols) if p.kind == "OSPF"):
        channels = [line.split()[-1] for line in protocol.lines if line.strip().startswith("Channel ")]
        six = "ipv6" in channels or (not channels and protocol.table.endswith("6"))
        made[protocol.name] = "ipv6" if six else "ipv4"
    return made


def ospf(neighbours: str, protocols: str, family: str) -> dict[str, Json] | None:
    """`show ospf neighbors` (all protocols, each under its heading) for the protocols of a family: as `parse_frr.ospf`.

    None also where the headings are not those of `show protocols all`: then it cannot be told which family they are.
    """
    if not_running(neighbours):
        return {"running": False, "neighbours": {}}
    if not answered(protocols) or not answered(neighbours):
        return None
    families = ospf_families(protocols)
    mine = {name for name, found in families.items() if found == family}
    flat: list[tuple[str, str | None, str]] = []
    headings: set[str] = set()
    within = False
    for line in neighbours.splitlines():
        if match := re.fullmatch(r"(\S+):", line.strip()):
            headings.add(match[1])
            within = match[1] in mine
        elif within and (match := _NEIGHBOUR.match(line)):
            flat.append((match[1], match[2], match[3]))
    return {"running": True, "neighbours": merged(flat)} if mine <= headings <= set(families) else None


def bfd(text: str) -> dict[str, Json] | None:
    """`show bfd sessions`: {"running", "peers": {"PEER%INTERFACE": status in lower case}}."""
    if not_running(text):
        return {"running": False, "peers": {}}
    if not answered(text):
        return None
    if "There is no BFD protocol running" in text:
        return {"running": True, "peers": {}}
    found = [m for line in text.splitlines() if (m := _SESSION.match(line)) and is_address(m[1].partition("%")[0])]
    if not found and "IP address" not in text:
        return None
    return {"running": True, "peers": {f"{m[1].partition('%')[0]}%{m[2]}": m[3].lower() for m in found}}


def routes(text: str, family: str) -> dict[str, Json] | None:
    """`show route count`: routes of a family's master table. BIRD 1.6 has one table a daemon, of its own family."""
    wanted = {"ipv4": ("master4", None), "ipv6": ("master6",)}[family]
    for match in _COUNT.finditer(text):
        if match[3] in wanted:
            return {"rib": whole(match[2]), "fib": None, "by_type": {}}
    return None


def rib_hops(text: str) -> list[list[str]] | None:
    """`show route for ADDRESS`: next hops [gateway, interface] of the best route (`*`).

    ["", "blackhole"] for one that drops. None = cannot tell; that is also a destination that BIRD does not know, for
    the kernel may have it from elsewhere (connected routes are not in BIRD's table by themselves).
    """
    if not answered(text) or "Network not found" in text:
        return None
    best = _best(text)
    if not best:
        return None
    if re.search(r"\b(blackhole|unreachable|prohibit)\b", best[0]):
        return [["", "blackhole"]]
    block = "\n".join(best)
    hops = [[gateway, dev] for gateway, dev in _VIA.findall(block)]
    return hops or [["", dev] for dev in _DEV.findall(block)] or None


def _best(text: str) -> list[str]:
    """The line of the best route and the indented lines that belong to it."""
    made: list[str] = []
    for line in text.splitlines():
        is_route = "[" in line and "]" in line and not line.startswith("\t")
        if made and (is_route or not line[:1].isspace()):
            break
        if made or (is_route and re.search(r"\][^\[]{0,4}\*", line)):
            made.append(line)
    return made
