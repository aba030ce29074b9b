"""What the drain reads on a device, as values. Pure; no text makes it raise."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from fleet.core.model import Json, Reason
from playbooks import frr_tree
from playbooks.drain.state import Group, Switch
from playbooks.vtysh import json_object, statements

MAX_COST = 65535  # RFC 6987: MaxLinkMetric of OSPF; an OSPFv3 interface cost has the same 16 bits
# From this metric on, on all of its links, a router counts as drained in the network: FRR announces 65535, a drained
# BIRD 60000 and its usual cost. No network gives that to every link of a router that shall carry traffic.
LEAST_DRAINED = 60_000
USUAL_COST = 10  # of an interface without a cost whose announcement cannot be seen: FRR's for an unknown bandwidth
OWN_EXIT_WEIGHT = 60_000  # above every weight that FRR gives by itself (32768 to own routes)

# Headings come from the device and go back to it as arguments of vtysh: only what looks like FRR's own.
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,62}"
_FRR_HEADING = re.compile(r"^frr (?:version|defaults)", re.MULTILINE)
_BGP = re.compile(rf"router bgp \d{{1,10}}(?:\.\d{{1,5}})?(?: (?:vrf|view) {_NAME})?")
_OSPF = re.compile(rf"router ospf(?: \d{{1,5}})?(?: vrf {_NAME})?")
_ISIS = re.compile(rf"router isis {_NAME}(?: vrf {_NAME})?")
_INTERFACE = re.compile(rf"interface ({_NAME})(?: vrf {_NAME})?")
_PEER = re.compile(r"[0-9a-fA-F.:]{2,45}|[A-Za-z][A-Za-z0-9_.-]{0,40}")
_FAMILY = re.compile(r"address-family ipv[46] unicast")
_AREA6 = re.compile(rf"interface ({_NAME}) area \S+")  # FRR before 8: in the block `router ospf6`


def frr_switches(config: str) -> tuple[Switch, ...]:
    """Everything in an FRR configuration that draws transit traffic, and whether it is drained.

    OSPFv3 is drained by the cost of each interface: `stub-router administrative` of ospf6d 8.4 leaves the routers
    around it with stale paths for seconds (lab: 345 to 1,165 packets lost). The loopback carries no transit and keeps
    its cost, so that the router stays as reachable as it was.
    """
    return _switches(_bare(config))


# What vtysh puts around a configuration and `write memory` does not: without it both are the same text, read once.
_AROUND = re.compile(r"\A(?:(?:Building configuration\.\.\.|Current configuration:|!)?[ \t]*\n)+")


def _bare(config: str) -> str:
    """A configuration without the lines before and after it that say nothing."""
    text = config[match.end() :] if (match := _AROUND.match(config)) else config
    text = text.rstrip()
    while text.endswith(("\nend", "\n!")):
        text = text.rpartition("\n")[0].rstrip()
    return text


# A drain looks at one configuration some ten times and finds it changed twice; reading it is what a look costs (2 ms
# for 90 lines). Enough for the legs of one process: 100 routers, running and saved, before and after a stage.
@lru_cache(maxsize=512)
def _switches(config: str) -> tuple[Switch, ...]:
    nodes = frr_tree.parse(config)
    lines = {node.line for node in nodes}
    old_style = {
        match.group(1)
        for node in nodes
        if node.line.startswith("router ospf6")
        for inner in node.children
        if (match := _AREA6.fullmatch(inner.line))
    }
    found: list[Switch] = []
    for node in nodes:
        own = {child.line for child in node.children}
        if _BGP.fullmatch(node.line):
            # Since FRR 8.0 the switch may also stand outside of `router bgp`, and then counts for every instance.
            drained = "bgp graceful-shutdown" in own | lines
            found += [*_weights(node), Switch(Group.BGP, "bgp", node.line, drained)]
        elif _OSPF.fullmatch(node.line):
            found.append(Switch(Group.IGP, "ospf", node.line, "max-metric router-lsa administrative" in own))
        elif _ISIS.fullmatch(node.line):
            found.append(Switch(Group.IGP, "isis", node.line, "set-overload-bit" in own))
        elif (match := _INTERFACE.fullmatch(node.line)) and match.group(1) != "lo":
            if any(line.startswith("ip ospf area ") for line in own):
                found.append(_cost("ospf-cost", node.line, own))
            if any(line.startswith("ipv6 ospf6 area ") for line in own) or match.group(1) in old_style:
                found.append(_cost("ospf6", node.line, own))
    listed = {switch.where for switch in found}
    extra = (f"interface {name}" for name in sorted(old_style - {"lo"}))
    return (*found, *(_cost("ospf6", heading, set()) for heading in extra if heading not in listed))


def _cost(protocol: str, heading: str, lines: set[str]) -> Switch:
    word = "ipv6 ospf6 cost" if protocol == "ospf6" else "ip ospf cost"
    costs = [int(match.group(1)) for line in lines if (match := re.fullmatch(rf"{word} (\d{{1,5}})", line))]
    drained = protocol == "ospf6" and bool(costs) and costs[-1] >= MAX_COST
    was = f"{word} {costs[-1]}" if costs and not drained else ""
    return Switch(Group.IGP, protocol, heading, drained, was, base=costs[-1] if costs and not drained else USUAL_COST)


def _weights(bgp: frr_tree.Node) -> list[Switch]:
    """The external neighbours of an instance, by address family: where their routes keep their weight.

    Graceful shutdown makes FRR lower the preference of its own external routes too; it would send back to its
    neighbours what they still send to it. A weight keeps its exits until all have moved away.
    """
    own = {child.line for child in bgp.children}
    # FRR prints no block for a family of which nothing but its neighbours' default activation is to be said.
    families = {"address-family ipv4 unicast": frozenset[str]()}
    for child in bgp.children:
        if _FAMILY.fullmatch(child.line):
            families[child.line] = frozenset(inner.line for inner in child.children)
    found = []
    for name in _external(bgp):
        for family, said in families.items():
            by_default = family == "address-family ipv4 unicast" and "no bgp default ipv4-unicast" not in own
            off = f"no neighbor {name} activate" in said or ":" in name
            if f"neighbor {name} activate" in said or (by_default and not off):
                weights = [line for line in said if line.startswith(f"neighbor {name} weight ")]
                drained = f"neighbor {name} weight {OWN_EXIT_WEIGHT}" in weights
                was = weights[0] if weights and not drained else ""
                found.append(Switch(Group.BGP, "weight", f"{bgp.line} / {family}", drained, was, subject=name))
    return found


def _external(bgp: frr_tree.Node) -> list[str]:
    """Neighbours of an instance in another AS, in their order; those of a peer group by the group's AS."""
    mine = bgp.line.split()[2]
    said = [words for child in bgp.children if len(words := child.line.split()) > 3 and words[0] == "neighbor"]
    remote = {words[1]: words[3] for words in said if words[2] == "remote-as"}
    groups = {words[1]: words[3] for words in said if words[2] == "peer-group"}
    remote |= {name: remote[group] for name, group in groups.items() if group in remote}
    inside = {mine, "internal"}
    return [n for n, asn in remote.items() if asn not in inside and n not in groups.values() and _PEER.fullmatch(n)]


def is_frr_config(text: str) -> bool:
    """Is this a configuration at all, and not what vtysh says when no daemon answers?"""
    return _FRR_HEADING.search(text) is not None


_SECRET = re.compile(r"password|secret|md5|key|authentication|community", re.IGNORECASE)


def unsaved(running: str, saved: str) -> Reason | None:
    """What differs between running and startup configuration, without secrets: somebody's work that is not saved.

    A startup file that was written by hand differs in its defaults, so this informs and does not refuse.
    """
    if _bare(running) == _bare(saved):
        return None
    now, kept = statements(running), statements(saved)
    only_running = {s for s in now - kept if s != ("end", "")}
    only_saved = kept - now
    if not only_running and not only_saved:
        return None

    def quoted(found: Iterable[tuple[str, str]]) -> str:
        lines = sorted(f"{heading} / {line}" if line else heading for heading, line in found)
        return "; ".join("(a line with a secret)" if _SECRET.search(line) else line for line in lines[:3])

    parts = [
        f"{len(found)} lines only in {name} ({quoted(found)})"
        for name, found in (("the running configuration", only_running), ("the startup file", only_saved))
        if found
    ]
    return Reason(
        "running and startup configuration",
        " and ".join(parts),
        "the same in both",
        "The drain saves the running configuration, so that it lasts over a restart: look whether that is meant.",
    )


# -- the live network


Graph = Mapping[str, Mapping[str, int]]


def frr_graph(text: str) -> Graph | None:
    """Routers and the metrics of their links, from `show ip ospf database router json`; None for other text.

    Takes FRR 8.4 ("Router Link States", by area and router) and later (routerLinkStates.areas, lists). Several routers
    on one network are joined by a node of its own, named after its designated router. Stub networks are left out.
    """
    return _read_database(_AGE.sub("", text))[0]


# The routers of an area answer with the same database but for the ages of what is in it.
_AGE = re.compile(r'"lsaAge":\s*\d{1,5},')


# A database of 1,000 routers is some 2 MB; each look of a drain asks for graph and own links of one, and the looks in
# a row of all routers of an area find the same. Nobody writes into what is returned.
@lru_cache(maxsize=64)
def _read_database(text: str) -> tuple[Graph | None, Mapping[str, list[Mapping[str, Json]]]]:
    """The graph, and by router the links that are no stub networks."""
    found = json_object(text)
    if found is None:
        return None, {}
    states = found.get("Router Link States", found.get("routerLinkStates"))
    if isinstance(states, Mapping) and isinstance(states.get("areas"), Mapping):
        states = states["areas"]
    if not isinstance(states, Mapping):
        return None, {}
    graph: dict[str, dict[str, int]] = {}
    links: dict[str, list[Mapping[str, Json]]] = {}
    for area in states.values():
        lsas = area.values() if isinstance(area, Mapping) else area if isinstance(area, list) else ()
        for lsa in lsas:
            router = lsa.get("advertisingRouter") if isinstance(lsa, Mapping) else None
            if isinstance(router, str):
                listed = _transit(lsa.get("routerLinks"))
                links.setdefault(router, []).extend(listed)
                for link in listed:
                    _join(graph, router, link)
    return graph, links


def _transit(links: Json) -> list[Mapping[str, Json]]:
    if not isinstance(links, Mapping):
        return []
    return [one for one in links.values() if isinstance(one, Mapping) and one.get("linkType") != "Stub Network"]


def _join(graph: dict[str, dict[str, int]], router: str, link: Mapping[str, Json]) -> None:
    metric, far = link.get("tos0Metric"), link.get("neighborRouterId")
    network = link.get("designatedRouterAddress")
    if not isinstance(metric, int):
        metric = 0  # cannot be read: counts as not drained
    if isinstance(far, str):
        name = far
    elif isinstance(network, str):
        name = f"network {network}"
        graph.setdefault(name, {})[router] = 0
    else:
        name = f"link of {router}"
    # Parallel links: the cheapest is the one that is used.
    graph.setdefault(router, {})[name] = min(metric, graph.get(router, {}).get(name, metric))


_BIRD_ROUTER = re.compile(r"\trouter (\d+\.\d+\.\d+\.\d+)")
_BIRD_LINK = re.compile(r"\t\t(router|network) (\S+) metric (\d{1,9})")


def bird_graph(text: str) -> Graph | None:
    """The same from `birdc show ospf state NAME` (indented by tabs, area > router > its links); None for other text."""
    graph: dict[str, dict[str, int]] = {}
    router = ""
    seen = False
    for line in text.splitlines():
        if line.startswith("area "):
            router, seen = "", True
        elif match := _BIRD_ROUTER.fullmatch(line.rstrip()):
            router = match[1]
            graph.setdefault(router, {})
        elif router and (match := _BIRD_LINK.match(line)):
            name = match[2] if match[1] == "router" else f"network {match[2]}"
            graph[router][name] = min(int(match[3]), graph[router].get(name, 1 << 24))
            if match[1] == "network":
                graph.setdefault(name, {})[router] = 0
    return graph if seen else None


def stub_routers(graph: Graph) -> frozenset[str]:
    """Routers with (nearly) maximum metric on every link to another router (RFC 6987: stub networks keep theirs).

    A router without any link to another is no transit anyway.
    """
    return frozenset(
        name
        for name, far in graph.items()
        if far and not name.startswith("network ") and min(far.values()) >= LEAST_DRAINED
    )


def frr_own_costs(lsdb: str, neighbours: str, router_id: str) -> Mapping[str, int]:
    """Interface -> the metric that this router announces for it, joined by the addresses of its own end.

    `show ip ospf neighbor json` has them as ifaceName "eth1:10.77.12.1".
    """
    by_address = {
        str(link.get("routerInterfaceAddress")): link["tos0Metric"]
        for link in _read_database(_AGE.sub("", lsdb))[1].get(router_id, ())
        if isinstance(link.get("tos0Metric"), int)
    }
    found = _neighbours_object(neighbours)
    listed = found.get("neighbors") if found is not None else None
    rows = (
        [row for rows in listed.values() if isinstance(rows, list) for row in rows]
        if isinstance(listed, Mapping)
        else []
    )
    names = (str(row.get("ifaceName")).rpartition(":") for row in rows if isinstance(row, Mapping))
    return {name: by_address[address] for name, _, address in names if address in by_address}


# Asked for twice by each look; the next look of the same router finds other timers in it.
_neighbours_object = lru_cache(maxsize=64)(json_object)


def frr_neighbours(ospf: str, ospf6: str) -> Mapping[str, frozenset[str]]:
    """Router ids that are Full, by protocol; a protocol whose answer cannot be read is absent."""
    made: dict[str, frozenset[str]] = {}
    v2, v3 = _neighbours_object(ospf), json_object(ospf6)
    by_router = v2.get("neighbors") if v2 is not None else None
    if isinstance(by_router, Mapping):
        made["ospf"] = frozenset(
            router
            for router, listed in by_router.items()
            for one in (listed if isinstance(listed, list) else ())
            if isinstance(one, Mapping) and str(one.get("nbrState", one.get("state"))).startswith("Full")
        )
    listed6 = v3.get("neighbors") if v3 is not None else None
    if isinstance(listed6, list):
        made["ospf3"] = frozenset(
            str(one["neighborId"])
            for one in listed6
            if isinstance(one, Mapping) and "neighborId" in one and str(one.get("state")).startswith("Full")
        )
    return made


_BIRD_NEIGHBOUR = re.compile(r"(\d+\.\d+\.\d+\.\d+)\s+\d+\s+(\S+)\s")


def bird_neighbours(text: str) -> Mapping[str, frozenset[str]]:
    """Router ids that are Full from `birdc show ospf neighbors`, all protocols together under "ospf"."""
    found = (_BIRD_NEIGHBOUR.match(line.strip()) for line in text.splitlines())
    full = frozenset(match.group(1) for match in found if match and match.group(2).startswith("Full"))
    return {"ospf": full} if "Router ID" in text else {}


def frr_ospf_is_stub(text: str) -> bool | None:
    """Does ospfd itself say that it announces maximum metric in every area, by `show ip ospf json`?"""
    found = json_object(text)
    areas = found.get("areas") if found is not None else None
    if not isinstance(areas, Mapping) or not areas:
        return None
    flags = [area.get("originStubMaxDistRouterLsa") is True for area in areas.values() if isinstance(area, Mapping)]
    return all(flags) if flags else None


# -- has the traffic gone?


@dataclass(frozen=True)
class Forwarded:
    """Packets that the kernel has forwarded for others since it started, by family, and when (seconds of uptime).

    Of the Linux kernel: forwarded packets only, so the router's own BGP, OSPF and BFD do not count
    (captures/proc/forwarding_counters.txt). Blind to what hardware or XDP forwards; what VPP does, see vpp_counters.py.
    """

    ipv4: int | None
    ipv6: int | None
    uptime_s: float | None


def forwarded(snmp: str, snmp6: str, uptime: str) -> Forwarded:
    """Read `/proc/net/snmp` (by its header line: columns differ by kernel), `/proc/net/snmp6`, `/proc/uptime`."""
    rows = [line.split()[1:] for line in snmp.splitlines() if line.startswith("Ip:")]
    ipv4 = None
    if len(rows) == 2 and "ForwDatagrams" in rows[0] and len(rows[1]) == len(rows[0]):
        ipv4 = _integer(rows[1][rows[0].index("ForwDatagrams")])
    pairs = (line.split() for line in snmp6.splitlines())
    ipv6 = next((_integer(p[1]) for p in pairs if len(p) == 2 and p[0] == "Ip6OutForwDatagrams"), None)
    first = uptime.split()[:1]
    seconds = float(first[0]) if first and re.fullmatch(r"\d{1,12}(\.\d{1,6})?", first[0]) else None
    return Forwarded(ipv4, ipv6, seconds)


def _integer(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 21 else None


def rates(before: Forwarded, after: Forwarded) -> Mapping[str, float] | None:
    """Packets per second by family; None where it cannot be told (a counter is missing or went backwards)."""
    if before.uptime_s is None or after.uptime_s is None or after.uptime_s - before.uptime_s < 0.2:
        return None
    seconds = after.uptime_s - before.uptime_s
    made: dict[str, float] = {}
    for family, first, last in (("ipv4", before.ipv4, after.ipv4), ("ipv6", before.ipv6, after.ipv6)):
        if first is None or last is None or last < first:
            return None
        made[family] = round((last - first) / seconds, 1)
    return made
