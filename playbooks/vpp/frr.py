"""FRR around VPP: holds are lines of its running configuration, set and taken away by vtysh."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fleet.core.model import Reason
from playbooks.base import Refused, Session
from playbooks.vpp.daemon import Said
from playbooks.vpp.holds import Hold, held, holds, lines
from playbooks.vtysh import argv, refusal

_ASK: Mapping[str, list[str]] = {
    "ospf": argv("show ip ospf neighbor json"),
    "ospf3": argv("show ipv6 ospf6 neighbor json"),
    "bgp": argv("show bgp summary json"),
    "bfd": argv("show bfd peers json"),
    "routes4": argv("show ip route summary json"),
    "routes6": argv("show ipv6 route summary json"),
}


class Frr:
    """What is held back stands in the running configuration, and is saved: the daemon comes back with it."""

    conf = "/etc/frr/frr.conf"

    def holds(self, config: str, *, members: str = "") -> tuple[Hold, ...]:
        return holds(config, members=members)

    def against(self, config: str) -> tuple[Reason, ...]:
        return ()

    def present(self, session: Session) -> tuple[Hold, ...] | Reason:
        config = _running(session)
        return config if isinstance(config, Reason) else holds(config)

    def shut(self, session: Session, chosen: Iterable[Hold]) -> tuple[Hold, ...] | Reason:
        config = _running(session)
        return config if isinstance(config, Reason) else held(config, chosen)

    def open(self, session: Session, chosen: Iterable[Hold]) -> tuple[Hold, ...] | Reason:
        mine = tuple(chosen)
        shut = self.shut(session, mine)
        return shut if isinstance(shut, Reason) else tuple(one for one in mine if one not in shut)

    def configure(self, session: Session, chosen: Iterable[Hold], *, hold: bool, timeout_s: float) -> None:
        said = lines(chosen, hold=hold)
        commands = [argv("configure terminal", *said, "end")] if said else []
        for command in (*commands, argv("write memory")):
            answer = session.run(command, timeout_s=timeout_s, root=True)
            wrong = refusal(answer.out) or refusal(answer.err)
            if not answer.ok or wrong:
                text = " ".join((wrong or answer.out or answer.err).split())[:200]
                raise Refused(Reason("FRR", f"refused: {text}", "accepted", "Enter the lines in vtysh to see why."))

    def planned(self, chosen: Iterable[Hold]) -> tuple[str, ...]:
        said = lines(chosen, hold=False)
        return (" / ".join(said),) if said else ()

    def asked(self, session: Session) -> Said:
        said: dict[str, Any] = {}
        for name, answer in session.batch(dict(_ASK), timeout_s=30.0, root=True).items():
            try:
                said[name] = json.loads(answer.out)
            except ValueError:
                continue
        full = {"ospf": _full(said.get("ospf")), "ospf3": _full6(said.get("ospf3"))}
        routes = {f"ipv{n}": _routes(said.get(f"routes{n}")) for n in (4, 6)}
        return Said(full, _sessions(said.get("bgp")), _bfd(said.get("bfd")), routes)


def _running(session: Session) -> str | Reason:
    """The running configuration; a reason where it cannot be told."""
    answer = session.run(argv("show running-config"), root=True)
    _, found, body = answer.out.partition("Current configuration:\n")
    if not answer.ok or not found or "frr version" not in body:
        return Reason("running configuration of FRR", "no configuration", "the configuration of a running FRR")
    return body


def _rows(found: Any) -> list[Mapping[str, Any]]:
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def _full(found: Any) -> frozenset[str] | None:
    listed = found.get("neighbors") if isinstance(found, Mapping) else None
    if not isinstance(listed, Mapping):
        return None
    return frozenset(
        str(name)
        for name, rows in listed.items()
        if any(str(r.get("nbrState", "")).startswith("Full") for r in _rows(rows))
    )


def _full6(found: Any) -> frozenset[str] | None:
    listed = found.get("neighbors") if isinstance(found, Mapping) else None
    if not isinstance(listed, list):
        return None
    return frozenset(str(row.get("neighborId")) for row in _rows(listed) if row.get("state") == "Full")


def _sessions(found: Any) -> dict[str, tuple[bool, int]] | None:
    if not isinstance(found, Mapping):
        return None
    made: dict[str, tuple[bool, int]] = {}
    for family in found.values():
        peers = family.get("peers") if isinstance(family, Mapping) else None
        for name, row in peers.items() if isinstance(peers, Mapping) else ():
            if isinstance(row, Mapping):
                prefixes = row.get("pfxRcd")
                made[str(name)] = (row.get("state") == "Established", prefixes if isinstance(prefixes, int) else 0)
    return made


def _bfd(found: Any) -> dict[str, str] | None:
    if not isinstance(found, list):
        return None
    return {f"{row.get('peer')}%{row.get('interface', '')}": str(row.get("status")) for row in _rows(found)}


def _routes(found: Any) -> int | None:
    total = found.get("routesTotalFib") if isinstance(found, Mapping) else None
    return total if isinstance(total, int) else None
