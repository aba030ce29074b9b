"""What BIRD prints, as values: BIRD 1.6 and 2.0, text only. Pure; no text makes it raise. None means: cannot tell.

The exit status of birdc says nothing before 2.0.10; so only the text is read (drain.md 3.1, 3.2).
"""

import re

from fleet.core.model import Json
from playbooks.addresses import family_of, is_address
from playbooks.birdc_show import Protocol, answered, not_running, protocols
from playbooks.birdc_show import bfd as sessions_of
from playbooks.birdc_show import neighbours as neighbours_of
from playbooks.birdc_show import routes as routes_of
from playbooks.facts.parse_frr import merged
from playbooks.facts.text import whole

_COUNT = re.compile(r"^(\d{1,12}) of \d{1,12} routes for (\d{1,12}) networks(?: in table (\S+))?$", re.MULTILINE)
_VIA = re.compile(r"via (\S+) on (\S+)")
_DEV = re.compile(r"^\s+dev (\S+)", re.MULTILINE)


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
    for protocol in (p for p in protocols(text) if p.kind == "BGP"):
        peer = protocol.value("Neighbor address").partition("%")[0]
        if not is_address(peer):
            continue
        session = protocol.value("BGP state") or protocol.info or protocol.state
        for family, lines in _channels(protocol, peer):
            state = next((line.split()[-1] for line in lines if line.strip().startswith("State:")), "UP")
            counts = routes_of(lines)
            made.setdefault(family, {})[peer] = {
                "state": session if state == "UP" or session != "Established" else f"channel {state}",
                "received": counts[0] if counts else None,
                "sent": counts[1] if counts else None,
                "dropped": None,
                "name": protocol.name[:64],
            }
    return {"running": True, "peers": made}


def _channels(protocol: Protocol, peer: str) -> list[tuple[str, list[str]]]:
    made = protocol.channels()
    known = [(family, lines) for family, lines in made if family in ("ipv4", "ipv6")]
    return known if made else [(family_of(peer), protocol.lines)]


def ospf_families(text: str) -> dict[str, str]:
    """Name > family of the OSPF protocols of `show protocols all` (the channel's, else the table's, else IPv4)."""
    return {protocol.name: protocol.family for protocol in protocols(text) if protocol.kind == "OSPF"}


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
    rows, headings = neighbours_of(neighbours)
    flat: list[tuple[str, str | None, str]] = [(r.router_id, r.state, r.interface) for r in rows if r.protocol in mine]
    return {"running": True, "neighbours": merged(flat)} if mine <= headings <= set(families) else None


def bfd(text: str) -> dict[str, Json] | None:
    """`show bfd sessions`: {"running", "peers": {"PEER%INTERFACE": status in lower case}}."""
    if not_running(text):
        return {"running": False, "peers": {}}
    if not answered(text):
        return None
    found = sessions_of(text)
    return {"running": True, "peers": dict(found)} if found is not None else None


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
