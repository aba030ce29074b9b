"""Have a router install a route anew: a hard reset of the BGP session that it comes from.

A soft reset does not repair what the kernel and zebra disagree about; a hard one does, some 3 s after the session is
established again (measured). Nothing is done where the route comes from no BGP session.
"""

import ipaddress
import re
from collections.abc import Mapping

from fleet.core.model import Json, Reason
from playbooks import vtysh
from playbooks.base import Impossible, Refused, Session

_PROTOCOL = re.compile(r"\[(?P<name>[A-Za-z_][\w.-]{0,60}) ")


def reset(session: Session, address: str, *, timeout_s: float = 30.0) -> str:
    """Reset what the route to `address` comes from; returns what was done, in words. Raises as the session, Impossible.

    FRR: the session of the best path, else every internal session that is up. BIRD: the protocol of the route.
    """
    family = "ipv6" if ipaddress.ip_address(address).version == 6 else "ipv4"
    match session.device.suite:
        case "frr":
            peers = _best_peer(session, family, address) or _internal(session, family)
            if not peers:
                raise Impossible(_none(session, address))
            commands = [part for peer in peers for part in ("-c", f"clear bgp {family} unicast {peer}")]
            _do(session, ["vtysh", *commands], timeout_s)
            many = "s" if len(peers) > 1 else ""
            return f"reset the BGP session{many} with {', '.join(peers)} on {session.device.name}"
        case "bird":
            said = session.run(["birdc", "show", "route", "for", address, "primary"], root=True).out
            found = _PROTOCOL.search(said)
            if found is None:
                raise Impossible(_none(session, address))
            _do(session, ["birdc", "restart", found["name"]], timeout_s)
            return f"restarted the protocol {found['name']} on {session.device.name}"
        case _:
            raise Impossible(_none(session, address))


def _do(session: Session, argv: list[str], timeout_s: float) -> None:
    answer = session.run(argv, timeout_s=timeout_s, root=True)
    if not answer.ok:
        said = " ".join((answer.out or answer.err).split())[:200]
        raise Refused(Reason(f"reset on {session.device.name}", f"refused: {said}", "a session that is reset"))


def _best_peer(session: Session, family: str, address: str) -> list[str]:
    found = _asked(session, f"show bgp {family} unicast {address} json")
    paths = found.get("paths")
    for path in paths if isinstance(paths, list) else ():
        best = path.get("bestpath") if isinstance(path, Mapping) else None
        peer = path.get("peer") if isinstance(path, Mapping) else None
        if isinstance(best, Mapping) and best.get("overall") is True and isinstance(peer, Mapping):
            return _addresses([peer.get("peerId")])
    return []


def _internal(session: Session, family: str) -> list[str]:
    """Sessions of our own network that are up."""
    found = _asked(session, f"show bgp {family} unicast summary json")
    if not isinstance(found.get("peers"), Mapping):
        both = _asked(session, "show bgp summary json").get(f"{family}Unicast")
        found = both if isinstance(both, Mapping) else {}
    peers = found.get("peers")
    rows = {p: r for p, r in peers.items() if isinstance(r, Mapping)} if isinstance(peers, Mapping) else {}
    return _addresses([p for p, r in rows.items() if r.get("remoteAs") == r.get("localAs", found.get("as"))])


def _asked(session: Session, command: str) -> Mapping[str, Json]:
    answer = session.run(["vtysh", "-c", command], root=True)
    return vtysh.json_object(answer.out) or {} if answer.ok else {}


def _addresses(values: list[Json]) -> list[str]:
    """Only what is an address goes into a command."""
    made = []
    for value in values:
        try:
            made.append(str(ipaddress.ip_address(str(value))))
        except ValueError:
            continue
    return made


def _none(session: Session, address: str) -> Reason:
    remedy = "Look where the route comes from; restart its routing daemon, drained, if nothing else helps."
    return Reason(f"route to {address} on {session.device.name}", "from no BGP session that can be told", "one", remedy)
