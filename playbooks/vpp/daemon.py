"""FRR around VPP: its configuration, holds set and taken away, what its sessions and tables are."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fleet.core.model import Reason
from playbooks.base import Device, Impossible, Refused, Session
from playbooks.vpp.holds import Hold, lines
from playbooks.vtysh import argv, refusal

CONF = "/etc/frr/frr.conf"
_ASK: Mapping[str, list[str]] = {
    "ospf": argv("show ip ospf neighbor json"),
    "ospf3": argv("show ipv6 ospf6 neighbor json"),
    "bgp": argv("show bgp summary json"),
    "bfd": argv("show bfd peers json"),
    "routes4": argv("show ip route summary json"),
    "routes6": argv("show ipv6 route summary json"),
}


def must_be_frr(device: Device) -> None:
    """Raises Impossible: how sessions of BIRD are held back from its first moment on is not known here yet."""
    if device.suite != "frr":
        found = f"routing suite {device.suite}"
        raise Impossible(Reason(f"VPP on {device.name}", found, "frr", "BIRD is not supported by this kind yet."))


def running(session: Session) -> str | Reason:
    """The running configuration of FRR; a reason where it cannot be told."""
    answer = session.run(argv("show running-config"), root=True)
    _, found, body = answer.out.partition("Current configuration:\n")
    if not answer.ok or not found or "frr version" not in body:
        return Reason("running configuration of FRR", "no configuration", "the configuration of a running FRR")
    return body


def configure(session: Session, chosen: Iterable[Hold], *, hold: bool, timeout_s: float) -> None:
    """Shut or open, and save: the daemon comes back with it. Raises Refused."""
    said = lines(chosen, hold=hold)
    commands = [argv("configure terminal", *said, "end")] if said else []
    for command in (*commands, argv("write memory")):
        answer = session.run(command, timeout_s=timeout_s, root=True)
        wrong = refusal(answer.out) or refusal(answer.err)
        if not answer.ok or wrong:
            text = " ".join((wrong or answer.out or answer.err).split())[:200]
            raise Refused(Reason("FRR", f"refused: {text}", "accepted", "Enter the lines in vtysh to see why."))


def asked(session: Session) -> dict[str, Any]:
    """What FRR says of its neighbours, peers and tables, as JSON; what cannot be read is not there."""
    answers = session.batch(dict(_ASK), timeout_s=30.0, root=True)
    made: dict[str, Any] = {}
    for name, answer in answers.items():
        try:
            made[name] = json.loads(answer.out)
        except ValueError:
            continue
    return made


def full(said: Mapping[str, Any], protocol: str) -> frozenset[str] | None:
    """Router ids with a Full adjacency; None where it cannot be told."""
    found = said.get(protocol)
    listed = found.get("neighbors") if isinstance(found, Mapping) else None
    if protocol == "ospf":
        if not isinstance(listed, Mapping):
            return None
        return frozenset(
            str(name)
            for name, rows in listed.items()
            if any(str(r.get("nbrState", "")).startswith("Full") for r in rows)
        )
    if not isinstance(listed, list):
        return None
    return frozenset(str(row.get("neighborId")) for row in listed if row.get("state") == "Full")


def sessions(said: Mapping[str, Any]) -> dict[str, tuple[bool, int]] | None:
    """Peer > (established, prefixes received); None where it cannot be told."""
    found = said.get("bgp")
    if not isinstance(found, Mapping):
        return None
    made: dict[str, tuple[bool, int]] = {}
    for family in found.values():
        peers = family.get("peers") if isinstance(family, Mapping) else None
        for name, row in peers.items() if isinstance(peers, Mapping) else ():
            made[str(name)] = (row.get("state") == "Established", int(row.get("pfxRcd") or 0))
    return made


def bfd(said: Mapping[str, Any]) -> dict[str, str] | None:
    """PEER%INTERFACE > status; None where it cannot be told. Keys as the baseline has them."""
    found = said.get("bfd")
    if not isinstance(found, list):
        return None
    rows = (row for row in found if isinstance(row, Mapping))
    return {f"{row.get('peer')}%{row.get('interface', '')}": str(row.get("status")) for row in rows}


def routes(said: Mapping[str, Any], family: str) -> int | None:
    """Routes that the daemon has given to the kernel."""
    found = said.get(f"routes{family[-1]}")
    total = found.get("routesTotalFib") if isinstance(found, Mapping) else None
    return total if isinstance(total, int) else None
