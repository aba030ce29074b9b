"""BGP and routes of FRR as NAPALM's models say them, from vtysh's JSON and the running configuration. Pure.

FRR without `soft-reconfiguration inbound` keeps no prefixes that its filters refused: received is then accepted.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from custom_napalm.frr_reading import Answers, Commands, number, out
from fleet.core.model import Json
from playbooks import frr_change, frr_tree
from playbooks.facts.text import document, mapping, rows, whole, word
from playbooks.frr_tree import Node
from playbooks.vtysh import argv

NEIGHBORS: Commands = {
    "neighbors": argv("show bgp neighbors json"),
    "summary": argv("show bgp vrf all summary json"),
    "running": argv("show running-config"),
}
CONFIG: Commands = {"running": argv("show running-config")}
_FAMILIES = {"ipv4Unicast": "ipv4", "ipv6Unicast": "ipv6"}
_GLOBAL = "global"
_NO_ID = ".".join("0000")  # of a peer that has never been up


def vrf_neighbors(vrf: str) -> list[str]:
    return argv(f"show bgp vrf {vrf} neighbors json")


def vrfs(answers: Answers) -> tuple[str, ...]:
    """The VRFs other than the default one in which BGP runs."""
    told = mapping(document(out(answers, "summary")))
    return tuple(sorted(n for n in told if n != "default" and re.fullmatch(r"[A-Za-z0-9_.-]{1,36}", n)))


def _peers(answers: Answers, name: str) -> Iterator[tuple[str, Mapping[str, Json]]]:
    for address, peer in mapping(document(out(answers, name))).items():
        if isinstance(peer, Mapping) and "remoteAs" in peer:
            yield address, peer


def _tables(answers: Answers) -> Iterator[tuple[str, str, Mapping[str, Json]]]:
    """NAPALM's name of each VRF, the name of its answer, and its summary."""
    summary = mapping(document(out(answers, "summary")))
    yield _GLOBAL, "neighbors", mapping(summary.get("default"))
    for name in vrfs(answers):
        yield name, f"neighbors.{name}", mapping(summary.get(name))


def neighbors(answers: Answers) -> dict[str, dict[str, Any]]:
    """`get_bgp_neighbors`: VRF (`global` for the default one) > router id and peers; {} where BGP does not run."""
    made = {}
    for vrf, name, summary in _tables(answers):
        peers = dict(_peers(answers, name))
        ids = [word(mapping(family).get("routerId")) for family in summary.values()]
        ids += [word(peer.get("localRouterId")) for peer in peers.values()]
        found = {address: _neighbor(peer, address, summary) for address, peer in peers.items()}
        if found or any(ids):
            made[vrf] = {"router_id": next((i for i in ids if i), ""), "peers": found}
    return made


def _neighbor(peer: Mapping[str, Json], address: str, summary: Mapping[str, Json]) -> dict[str, Any]:
    up = peer.get("bgpState") == "Established"
    enabled = peer.get("adminShutDown") is not True and not any(
        mapping(mapping(mapping(family).get("peers")).get(address)).get("state") == "Idle (Admin)"
        for family in summary.values()
    )
    since = whole(peer.get("bgpTimerUpMsec")) if up else None
    remote = word(peer.get("remoteRouterId")) or ""
    return {
        "local_as": number(peer.get("localAs")), "remote_as": number(peer.get("remoteAs")),
        "remote_id": "" if remote == _NO_ID else remote, "is_up": up, "is_enabled": enabled,
        "description": word(peer.get("nbrDesc")) or "", "uptime": since // 1000 if since is not None else -1,
        "address_family": {
            _FAMILIES[name]: _family(mapping(family), up=up)
            for name, family in mapping(peer.get("addressFamilyInfo")).items() if name in _FAMILIES
        },
    }  # fmt: skip


def _family(family: Mapping[str, Json], *, up: bool) -> dict[str, int]:
    accepted = number(family.get("acceptedPrefixCounter"), 0 if up else -1)
    return {
        "sent_prefixes": number(family.get("sentPrefixCounter"), 0 if up else -1),
        "accepted_prefixes": accepted,
        "received_prefixes": accepted,
    }


def neighbors_detail(answers: Answers, neighbor_address: str) -> dict[str, dict[int, list[dict[str, Any]]]]:
    """`get_bgp_neighbors_detail`: VRF > remote AS > neighbours, with the policies of the running configuration."""
    config = out(answers, "running")
    made: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for vrf, name, _ in _tables(answers):
        said = {address: each for _, address, each in _configured(config, vrf)}
        for address, peer in _peers(answers, name):
            if neighbor_address in ("", address):
                row = _detail(peer, address, vrf, said.get(address, ()))
                made.setdefault(vrf, {}).setdefault(row["remote_as"], []).append(row)
    return made


def _detail(peer: Mapping[str, Json], address: str, vrf: str, said: tuple[str, ...]) -> dict[str, Any]:
    up, stats = peer.get("bgpState") == "Established", mapping(peer.get("messageStats"))
    families = [_family(mapping(f), up=up) for f in mapping(peer.get("addressFamilyInfo")).values()]
    capable = str(mapping(peer.get("neighborCapabilities")).get("4byteAs", "advertised"))
    return {
        "up": up, "local_as": number(peer.get("localAs")), "remote_as": number(peer.get("remoteAs")),
        "router_id": word(peer.get("localRouterId")) or "", "local_address": word(peer.get("hostLocal")) or "",
        "routing_table": vrf, "local_address_configured": _said(said, "update-source") != "",
        "local_port": number(peer.get("portLocal")), "remote_address": word(peer.get("hostForeign")) or address,
        "remote_port": number(peer.get("portForeign")), "multihop": number(peer.get("externalBgpNbrMaxHopsAway")) > 1,
        "multipath": True, "remove_private_as": any(line.startswith("remove-private-AS") for line in said),
        "import_policy": _policy(said, "in"), "export_policy": _policy(said, "out"),
        "input_messages": number(stats.get("totalRecv")), "output_messages": number(stats.get("totalSent")),
        "input_updates": number(stats.get("updatesRecv")), "output_updates": number(stats.get("updatesSent")),
        "messages_queued_out": number(stats.get("depthOutq")), "connection_state": word(peer.get("bgpState")) or "",
        "previous_connection_state": "", "last_event": word(peer.get("lastResetDueTo")) or "",
        "suppress_4byte_as": "advertised" not in capable, "local_as_prepend": _said(said, "local-as") != "",
        "holdtime": _seconds(peer, "bgpTimerHoldTimeMsecs"),
        "configured_holdtime": _seconds(peer, "bgpTimerConfiguredHoldTimeMsecs"),
        "keepalive": _seconds(peer, "bgpTimerKeepAliveIntervalMsecs"),
        "configured_keepalive": _seconds(peer, "bgpTimerConfiguredKeepAliveIntervalMsecs"),
        "active_prefix_count": -1, "received_prefix_count": _sum(families, "received_prefixes"),
        "accepted_prefix_count": _sum(families, "accepted_prefixes"), "suppressed_prefix_count": -1,
        "advertised_prefix_count": _sum(families, "sent_prefixes"),
        "flap_count": number(peer.get("connectionsDropped")),
    }  # fmt: skip


def _seconds(peer: Mapping[str, Json], key: str) -> int:
    found = whole(peer.get(key))
    return found // 1000 if found is not None else -1


def _sum(families: list[dict[str, int]], key: str) -> int:
    told = [family[key] for family in families if family[key] >= 0]
    return sum(told) if told else -1


# -- the configuration


def _configured(config: str, vrf: str) -> Iterator[tuple[Node, str, tuple[str, ...]]]:
    """Neighbours and peer groups of one `router bgp`, each with what is said of it, the families' lines too."""
    for node in frr_change.statements(config):
        wanted = r"router bgp [0-9.]+" + ("" if vrf == _GLOBAL else rf" vrf {re.escape(vrf)}")
        if not re.fullmatch(wanted, node.line):
            continue
        made: dict[str, list[str]] = {}
        for line in (path[-1] for path in frr_tree.paths(node.children)):
            match = re.fullmatch(r"neighbor (\S+) (.+)", line)
            if match:
                made.setdefault(match[1], []).append(match[2])
        for name, lines in made.items():
            yield node, name, tuple(lines)


def _said(lines: tuple[str, ...], what: str) -> str:
    return next((line[len(what) + 1 :] for line in lines if line.startswith(what + " ")), "")


def _policy(lines: tuple[str, ...], way: str) -> str:
    """Route maps first; a prefix or AS-path list stands for the policy where there is none. Families may differ."""
    for kind in ("route-map", "prefix-list", "filter-list", "distribute-list"):
        found = [m[1] for line in lines if (m := re.fullmatch(rf"{kind} (\S+) {way}", line))]
        if found:
            return ",".join(dict.fromkeys(found))
    return ""


def config(answers: Answers, group: str, neighbor: str) -> dict[str, dict[str, Any]]:
    """`get_bgp_config`: peer groups, and `_` for neighbours in none. Keys are said to be there, never shown."""
    made: dict[str, dict[str, Any]] = {}
    for node, name, lines in _configured(out(answers, "running"), _GLOBAL):
        own = number(node.line.split()[2])
        if "peer-group" in lines:
            made.setdefault(name, _group(lines, own))
            continue
        where = _said(lines, "peer-group") or "_"
        into = made.setdefault(where, _group((), own))
        if neighbor in ("", name):
            into["neighbors"][name] = _member(lines, own)
    if group:
        return {name: found for name, found in made.items() if name == group}
    return {name: g for name, g in made.items() if not neighbor or neighbor in g["neighbors"]}


def _group(lines: tuple[str, ...], own: int) -> dict[str, Any]:
    remote = _remote(lines, own)
    hops = _said(lines, "ebgp-multihop")
    return {
        "type": "" if remote < 0 else "internal" if remote == own else "external",
        "description": _said(lines, "description"), "apply_groups": [],
        "multihop_ttl": number(hops, 255 if "ebgp-multihop" in lines else 0), "multipath": False,
        "local_address": _said(lines, "update-source"), "local_as": own, "remote_as": max(remote, 0),
        "import_policy": _policy(lines, "in"), "export_policy": _policy(lines, "out"),
        "remove_private_as": any(line.startswith("remove-private-AS") for line in lines),
        "prefix_limit": _limit(lines), "neighbors": {},
    }  # fmt: skip


def _member(lines: tuple[str, ...], own: int) -> dict[str, Any]:
    return {
        "description": _said(lines, "description"), "import_policy": _policy(lines, "in"),
        "export_policy": _policy(lines, "out"), "local_address": _said(lines, "update-source"),
        "authentication_key": frr_change.REDACTED if _said(lines, "password") else "",
        "nhs": any(line.startswith("next-hop-self") for line in lines),
        "route_reflector_client": "route-reflector-client" in lines,
        "local_as": number(_said(lines, "local-as").split(" ")[0], own), "remote_as": max(_remote(lines, own), 0),
        "prefix_limit": _limit(lines),
    }  # fmt: skip


def _remote(lines: tuple[str, ...], own: int) -> int:
    said = _said(lines, "remote-as")
    return own if said == "internal" else number(said)


def _limit(lines: tuple[str, ...]) -> dict[str, Any]:
    limit = whole(_said(lines, "maximum-prefix").split(" ")[0])
    return {} if limit is None else {"inet": {"unicast": {"limit": limit}}}


# -- routes

_SPAN = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def age(text: Json) -> int:
    """Seconds of FRR's `uptime`: 00:01:15, 1d02h03m, 02w3d04h, 01y02w3d; -1 for anything else."""
    said = word(text) or ""
    if match := re.fullmatch(r"(\d{1,3}):(\d\d):(\d\d)", said):
        return int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3])
    found = _SPAN.fullmatch(said)
    if not said or found is None:
        return -1
    units = (365 * 86400, 7 * 86400, 86400, 3600, 60, 1)
    return sum(int(n) * unit for n, unit in zip(found.groups(), units, strict=True) if n)


def routes(
    text: str, protocol: str, *, bgp: Mapping[str, Json], vrf: str = "default"
) -> dict[str, list[dict[str, Any]]]:
    """`get_route_to`: prefix > one entry per route and next hop. `bgp`: what bgpd says of the prefix."""
    made: dict[str, list[dict[str, Any]]] = {}
    for prefix, found in mapping(document(text)).items():
        for route in rows(found):
            kind = word(route.get("protocol")) or ""
            if protocol and kind.lower() not in (protocol.lower(), protocol.lower() + "6"):
                continue
            made.setdefault(prefix, []).extend(
                _route(route, hop, kind, bgp, vrf) for hop in rows(route.get("nexthops"))
            )
    return made


def _route(
    route: Mapping[str, Json], hop: Mapping[str, Json], kind: str, bgp: Mapping[str, Json], vrf: str
) -> dict[str, Any]:
    selected = route.get("selected") is True
    return {
        "protocol": kind.upper(), "current_active": selected, "last_active": False, "age": age(route.get("uptime")),
        "next_hop": word(hop.get("ip")) or "", "outgoing_interface": word(hop.get("interfaceName")) or "",
        "selected_next_hop": selected and hop.get("active") is True, "preference": number(route.get("distance")),
        "inactive_reason": "" if selected else "not selected",
        "routing_table": vrf if vrf != "default" else "default",
        "protocol_attributes": _attributes(bgp) if kind == "bgp" else {},
    }  # fmt: skip


def _attributes(bgp: Mapping[str, Json]) -> dict[str, Any]:
    """What bgpd says of the best path of the prefix."""
    paths = rows(bgp.get("paths"))
    best = next((p for p in paths if mapping(p.get("bestpath")).get("overall") is True), None)
    if best is None:
        return {}
    as_path = word(mapping(best.get("aspath")).get("string")) or ""
    first = as_path.split(" ")[0]
    communities = mapping(best.get("community")).get("list")
    return {
        "local_as": 0, "remote_as": number(first, 0), "peer_id": word(mapping(best.get("peer")).get("peerId")) or "",
        "as_path": "" if as_path == "Local" else as_path,
        "communities": [str(c)[:80] for c in communities] if isinstance(communities, list) else [],
        "local_preference": number(best.get("locPrf"), 100), "preference2": 0,
        "metric": number(best.get("metric"), 0), "metric2": 0,
    }  # fmt: skip
