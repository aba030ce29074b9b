"""What the drain reads on a device, as values. Pure; no text makes it raise."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fleet.core.model import Json, Reason
from playbooks.drain.state import Group, Switch
from playbooks.vtysh import blocks, json_object, statements

MAX_COST = 65535  # RFC 6987: MaxLinkMetric of OSPF; an OSPFv3 interface cost has the same 16 bits
# From this metric on, on all of its links, a router counts as drained in the network: FRR announces 65535, a drained
# BIRD 60000 and its usual cost. No network gives that to every link of a router that shall carry traffic.
LEAST_DRAINED = 60_000

# Headings come from the device and go back to it as arguments of vtysh: only what looks like FRR's own.
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.:/@-]{0,62}"
_BGP = re.compile(rf"router bgp \d{{1,10}}(?:\.\d{{1,5}})?(?: (?:vrf|view) {_NAME})?")
_OSPF = re.compile(rf"router ospf(?: \d{{1,5}})?(?: vrf {_NAME})?")
_ISIS = re.compile(rf"router isis {_NAME}(?: vrf {_NAME})?")
_INTERFACE = re.compile(rf"interface ({_NAME})(?: vrf {_NAME})?")
_COST6 = re.compile(r"ipv6 ospf6 cost (\d{1,5})")
_AREA6 = re.compile(rf"interface ({_NAME}) area \S+")  # FRR before 8: in the block `router ospf6`


def frr_switches(config: str) -> tuple[Switch, ...]:
    """Everything in an FRR configuration that draws transit traffic, and whether it is drained.

    OSPFv3 is drained by the cost of each interface: `stub-router administrative` of ospf6d 8.4 leaves the routers
    around it with stale paths for seconds (lab: 345 to 1,165 packets lost). The loopback carries no transit and keeps
    its cost, so that the router stays as reachable as it was.
    """
    all_blocks = blocks(config)
    # Since FRR 8.0 the switch may also stand outside of `router bgp`, and then counts for every instance.
    everywhere = any(block.heading == "bgp graceful-shutdown" for block in all_blocks)
    old_style = {
        match.group(1)
        for block in all_blocks
        if block.heading.startswith("router ospf6")
        for line in block.lines
        if (match := _AREA6.fullmatch(line))
    }
    found: list[Switch] = []
    for block in all_blocks:
        if _BGP.fullmatch(block.heading):
            drained = everywhere or "bgp graceful-shutdown" in block.lines
            found.append(Switch(Group.BGP, "bgp", block.heading, drained))
        elif _OSPF.fullmatch(block.heading):
            found.append(
                Switch(Group.IGP, "ospf", block.heading, "max-metric router-lsa administrative" in block.lines)
            )
        elif _ISIS.fullmatch(block.heading):
            found.append(Switch(Group.IGP, "isis", block.heading, "set-overload-bit" in block.lines))
        elif (match := _INTERFACE.fullmatch(block.heading)) and match.group(1) != "lo":
            in_area = any(line.startswith("ipv6 ospf6 area ") for line in block.lines)
            if in_area or match.group(1) in old_style:
                found.append(_ospf6(block.heading, block.lines))
    listed = {switch.where for switch in found}
    extra = (f"interface {name}" for name in sorted(old_style - {"lo"}))
    return (*found, *(_ospf6(heading, ()) for heading in extra if heading not in listed))


def _ospf6(heading: str, lines: Iterable[str]) -> Switch:
    costs = [int(match.group(1)) for line in lines if (match := _COST6.fullmatch(line))]
    drained = bool(costs) and costs[-1] >= MAX_COST
    was = f"ipv6 ospf6 cost {costs[-1]}" if costs and not drained else ""
    return Switch(Group.IGP, "ospf6", heading, drained, was)


def is_frr_config(text: str) -> bool:
    """Is this a configuration at all, and not what vtysh says when no daemon answers?"""
    return any(block.heading.startswith(("frr version", "frr defaults")) for block in blocks(text))


_SECRET = re.compile(r"password|secret|md5|key|authentication|community", re.IGNORECASE)


def unsaved(running: str, saved: str) -> Reason | None:
    """What differs between running and startup configuration, without secrets: somebody's work that is not saved.

    A startup file that was written by hand differs in its defaults, so this informs and does not refuse.
    """
    only_running = {s for s in statements(running) - statements(saved) if s != ("end", "")}
    only_saved = statements(saved) - statements(running)
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


def frr_stub_routers(text: str) -> frozenset[str] | None:
    """Routers whose router-LSA has (nearly) maximum metric on every link to another router, from
    `show ip ospf database router json`; None where the text is no such database.

    Takes FRR 8.4 ("Router Link States", by area and router) and later (routerLinkStates.areas, lists). Stub networks
    keep their metric (RFC 6987) and do not count; a router without any link to another is no transit anyway.
    """
    found = json_object(text)
    if found is None:
        return None
    states = found.get("Router Link States", found.get("routerLinkStates"))
    if isinstance(states, Mapping) and isinstance(states.get("areas"), Mapping):
        states = states["areas"]
    if not isinstance(states, Mapping):
        return None
    metrics: dict[str, list[Json]] = {}
    for area in states.values():
        lsas = area.values() if isinstance(area, Mapping) else area if isinstance(area, list) else ()
        for lsa in lsas:
            if isinstance(lsa, Mapping) and isinstance(lsa.get("advertisingRouter"), str):
                metrics.setdefault(lsa["advertisingRouter"], []).extend(_transit_metrics(lsa.get("routerLinks")))
    return frozenset(router for router, costs in metrics.items() if costs and all(_is_max(cost) for cost in costs))


def _transit_metrics(links: Json) -> list[Json]:
    if not isinstance(links, Mapping):
        return []
    return [
        link.get("tos0Metric")
        for link in links.values()
        if isinstance(link, Mapping) and link.get("linkType") != "Stub Network"
    ]


def _is_max(metric: Json) -> bool:
    return isinstance(metric, int) and metric >= LEAST_DRAINED


_BIRD_ROUTER = re.compile(r"\trouter (\d+\.\d+\.\d+\.\d+)")
_BIRD_LINK = re.compile(r"\t\t(?:router|network) \S+ metric (\d{1,9})")


def bird_stub_routers(text: str) -> frozenset[str] | None:
    """The same from `birdc show ospf state` (indented by tabs, area > router > its links); None for other text."""
    metrics: dict[str, list[int]] = {}
    router = ""
    seen = False
    for line in text.splitlines():
        if line.startswith("area "):
            router, seen = "", True
        elif match := _BIRD_ROUTER.fullmatch(line.rstrip()):
            router = match.group(1)
            metrics.setdefault(router, [])
        elif router and (match := _BIRD_LINK.match(line)):
            metrics[router].append(int(match.group(1)))
    if not seen:
        return None
    return frozenset(router for router, costs in metrics.items() if costs and min(costs) >= LEAST_DRAINED)


def frr_neighbours(ospf: str, ospf6: str) -> Mapping[str, frozenset[str]]:
    """Router ids that are Full, by protocol; a protocol whose answer cannot be read is absent."""
    made: dict[str, frozenset[str]] = {}
    v2, v3 = json_object(ospf), json_object(ospf6)
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
    (captures/proc/forwarding_counters.txt). Blind to what hardware, XDP or VPP forwards.
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
    return int(text) if text.isdigit() and len(text) < 21 else None


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
