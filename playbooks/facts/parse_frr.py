"""What FRR prints, as values: FRR 8.4 to 10. Pure; no text makes it raise. None means: cannot tell.

A daemon that does not run answers in plain text although JSON was asked for (drain.md 2.2); that is an answer too:
{"running": false}. FRR 8.4 has old and new keys side by side, later ones only the new.
"""

import re
from collections.abc import Mapping

from fleet.core.model import Json
from playbooks.addresses import family_of
from playbooks.facts.text import document, documents, mapping, rows, whole, word

_FAMILY = {"ipv4Unicast": "ipv4", "ipv6Unicast": "ipv6"}
_NOT_RUNNING = re.compile(r"^\w+ is not running$|failed to connect to any daemons", re.MULTILINE)
_LEAST_FIRST = ("Down", "Attempt", "Init", "2-Way", "ExStart", "Exchange", "Loading", "Full")


def not_running(text: str) -> bool:
    """Does vtysh say that the daemon that should answer is not there?"""
    return _NOT_RUNNING.search(text) is not None


def version(text: str) -> str | None:
    """`show version`: "8.4.4"."""
    match = re.search(r"^FRRouting (\d[\w.+~-]{0,40})", text, re.MULTILINE)
    return match[1] if match else None


def zebra_options(text: str) -> str | None:
    """`pgrep -a -x zebra`: the options that zebra was started with; None where none runs."""
    match = re.search(r"^[0-9]{1,10} \S{0,200}zebra(?: (.{0,500}))?$", text, re.MULTILINE)
    return (match[1] or "").strip() if match else None


def bgp(text: str) -> dict[str, Json] | None:
    """`show bgp summary json`: {"running", "peers": {family: {peer: {...}}}}. A family without peers is absent.

    Per peer: state, received and sent prefixes, dropped (connections lost so far), name (description).
    """
    if not_running(text):
        return {"running": False, "peers": {}}
    found = document(text)
    if not isinstance(found, Mapping) or not set(found) <= set(_FAMILY) | _other(found):
        return None
    made: dict[str, Json] = {}
    for key, family in _FAMILY.items():
        peers = mapping(mapping(found.get(key)).get("peers"))
        if peers:
            made[family] = {peer: _peer(mapping(row)) for peer, row in peers.items()}
    return {"running": True, "peers": made}


def _other(found: Mapping[str, Json]) -> set[str]:
    """Address families that we do not look at (VPN, flowspec ...); their names follow one pattern."""
    return {key for key in found if re.fullmatch(r"(ipv4|ipv6|l2Vpn|linkState)\w{1,20}", key)}


def _peer(row: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "state": word(row.get("state")),
        "received": whole(row.get("pfxRcd")),
        "sent": whole(row.get("pfxSnt")),
        "dropped": whole(row.get("connectionsDropped")),
        "name": word(row.get("desc")) or word(row.get("hostname")) or "",
    }


def ospf(text: str) -> dict[str, Json] | None:
    """`show ip ospf neighbor json`: {"running", "neighbours": {router id: {"state", "full", "interfaces"}}}.

    Parallel links are one neighbour: `state` is the least of its adjacencies, `full` how many are Full.
    """
    found = document(text)
    by_router = mapping(found).get("neighbors")
    if not isinstance(by_router, Mapping):
        return _no_ospf(text, found)
    # ifaceName is NAME:LOCAL-ADDRESS.
    flat = [
        (router, word(row.get("nbrState", row.get("state"))), str(row.get("ifaceName", "")).rpartition(":")[0])
        for router, listed in by_router.items()
        for row in rows(listed)
    ]
    return {"running": True, "neighbours": merged(flat)}


def ospf6(text: str) -> dict[str, Json] | None:
    """`show ipv6 ospf6 neighbor json`: as `ospf`."""
    found = document(text)
    listed = mapping(found).get("neighbors")
    if not isinstance(listed, list):
        return _no_ospf(text, found)
    flat = [
        (str(row.get("neighborId", "?"))[:40], word(row.get("state")), str(row.get("interfaceName", "")))
        for row in rows(listed)
    ]
    return {"running": True, "neighbours": merged(flat)}


def _no_ospf(text: str, found: Json) -> dict[str, Json] | None:
    if not_running(text):
        return {"running": False, "neighbours": {}}
    # The daemon runs without an instance: ospfd answers {}, ospf6d 8.4 nothing at all.
    return {"running": True, "neighbours": {}} if found == {} or not text.strip() else None


def merged(flat: list[tuple[str, str | None, str]]) -> dict[str, Json]:
    """Adjacencies (router id, state, interface) by router id."""
    made: dict[str, dict[str, Json]] = {}
    for router, state, interface in flat:
        entry = made.setdefault(router, {"state": state, "full": 0, "interfaces": []})
        entry["full"] += int(bool(state) and str(state).startswith("Full"))
        entry["interfaces"] = sorted([*entry["interfaces"], interface[:64]])
        if state is None or (entry["state"] is not None and _rank(state) < _rank(entry["state"])):
            entry["state"] = state
    return dict(made)


def _rank(state: str) -> int:
    base = state.partition("/")[0]
    return _LEAST_FIRST.index(base) if base in _LEAST_FIRST else -1


def bfd(text: str) -> dict[str, Json] | None:
    """`show bfd peers json`: {"running", "peers": {"PEER%INTERFACE": status}}."""
    if not_running(text):
        return {"running": False, "peers": {}}
    found = document(text)
    if not isinstance(found, list):
        return None
    return {
        "running": True,
        "peers": {
            f"{str(row.get('peer', '?'))[:64]}%{str(row.get('interface', ''))[:64]}": word(row.get("status"))
            for row in rows(found)
        },
    }


def routes(text: str) -> dict[str, Json] | None:
    """`show ip route summary json`: routes in all in the RIB and the FIB, and by type in the FIB."""
    found = mapping(document(text))
    rib, fib = whole(found.get("routesTotal")), whole(found.get("routesTotalFib"))
    if rib is None or fib is None:
        return None
    by_type = {str(row.get("type"))[:20]: whole(row.get("fib")) for row in rows(found.get("routes"))}
    return {"rib": rib, "fib": fib, "by_type": by_type}


def daemons(text: str) -> dict[str, Json] | None:
    """`show watchfrr`: daemon > state in lower case ("up", "down" ...). None where watchfrr does not run."""
    if not text.lstrip().startswith("watchfrr global phase"):
        return None
    found = re.findall(r"^  (\w[\w-]{0,30}) +(?:Ignoring Timeout/)?(\w+)", text, re.MULTILINE)
    return {name: state.lower() for name, state in found} or None


def rib_hops(text: str, addresses: list[str]) -> dict[str, list[list[str]] | None]:
    """`vtysh -c 'show ip route A json' -c ...`: address > next hops [gateway, interface] in the FIB of zebra.

    [] = zebra has no route; ["", "blackhole"] for one that drops; None = cannot tell (so it is for all that follow an
    unreadable answer: they are told apart by their order).
    """
    answers = documents(text)
    return {a: _hops(answers[n]) if n < len(answers) else None for n, a in enumerate(addresses)}


def _hops(answer: Json) -> list[list[str]] | None:
    if not isinstance(answer, Mapping):
        return None
    entries = [row for listed in answer.values() for row in rows(listed) if row.get("selected") is True]
    if not entries:
        # Nothing for the prefix, or routes of which none is selected.
        return [] if all(isinstance(listed, list) for listed in answer.values()) else None
    made: list[list[str]] = []
    for hop in rows(entries[0].get("nexthops")):
        if hop.get("fib") is not True:
            continue
        if hop.get("blackhole") or hop.get("unreachable") or hop.get("reject"):
            made.append(["", "blackhole"])
        else:
            made.append([word(hop.get("ip")) or "", word(hop.get("interfaceName")) or ""])
    return made


def peers_reached(section: Json) -> list[str]:
    """Addresses of the Established peers of a `bgp` section, both families."""
    by_family = mapping(mapping(section).get("peers"))
    found = {
        peer
        for family in by_family.values()
        for peer, row in mapping(family).items()
        if mapping(row).get("state") == "Established"
    }
    return sorted(found, key=lambda peer: (family_of(peer), peer))
