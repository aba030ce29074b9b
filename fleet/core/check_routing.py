"""Checks of routing: BGP, OSPF, OSPFv3, BFD, and the routing daemon's routes against the kernel's. Pure."""

from collections.abc import Mapping

from fleet.core.check_reading import (
    Check,
    Judged,
    as_map,
    at,
    bad_expect,
    number,
    share,
    untold_reason,
    verdict_of,
)
from fleet.core.model import Json, Reason, Verdict

# drain.md 5: 95 to 98 % of the baseline's prefixes count as a full table; what is missing is churn of the Internet.
LEAST_ROUTES = 0.98


def _peers(measurement: Mapping[str, Json]) -> Mapping[tuple[str, str], Mapping[str, Json]] | None:
    by_family = at(measurement, "bgp", "peers")
    if not isinstance(by_family, Mapping):
        return None
    return {(family, peer): as_map(row) for family, peers in by_family.items() for peer, row in as_map(peers).items()}


def _peer_subject(key: tuple[str, str], row: Mapping[str, Json]) -> str:
    name = row.get("name")
    return f"BGP {key[0]} session with {key[1]}" + (f" ({name})" if isinstance(name, str) and name else "")


def bgp_sessions(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
    """Every session that was Established in the baseline is Established now, per peer and family."""
    before, after = _peers(baseline), _peers(now)
    if before is None:
        return verdict_of((), (untold_reason("BGP sessions in the baseline", "bgp", baseline),))
    wanted = {key: row for key, row in before.items() if row.get("state") == "Established"}
    if after is None:
        return verdict_of((), (untold_reason("BGP sessions", "bgp", now),))
    failed = [
        Reason(_peer_subject(key, row), _state(as_map(after.get(key))), "Established, as in the baseline")
        for key, row in wanted.items()
        if as_map(after.get(key)).get("state") != "Established"
    ]
    return verdict_of(failed, ())


def _state(row: Mapping[str, Json]) -> str:
    return str(row.get("state") or "unknown state")[:60] if row else "no such session"


def route_counts(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
    """Every peer that was Established gives at least 98 % of the baseline's prefixes; `expect`: another percentage."""
    least = LEAST_ROUTES if expect is None else share(expect)
    if least is None:
        return bad_expect("route_counts", expect, 'a percentage from 0 to 100 such as "95%" or 95')
    before, after = _peers(baseline), _peers(now)
    if before is None or after is None:
        where, which = ("bgp", baseline) if before is None else ("bgp", now)
        return verdict_of((), (untold_reason("prefixes received by BGP", where, which),))
    failed, untold = [], []
    for key, row in before.items():
        if row.get("state") != "Established":
            continue
        had, has = number(row.get("received")), number(as_map(after.get(key)).get("received"))
        if had is None or (has is None and key in after):
            untold.append(untold_reason(f"prefixes of {_peer_subject(key, row)}"))
        elif (has or 0) < had * least:
            wanted = f"at least {had * least:.0f} ({least:.0%} of the baseline's {had:.0f})"
            failed.append(Reason(f"prefixes of {_peer_subject(key, row)}", f"{has or 0:.0f}", wanted))
    return verdict_of(failed, untold)


def neighbours(protocol: str, label: str) -> "Check":
    def check(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
        before, after = at(baseline, protocol, "neighbours"), at(now, protocol, "neighbours")
        if not isinstance(before, Mapping) or not isinstance(after, Mapping):
            which = baseline if not isinstance(before, Mapping) else now
            return verdict_of((), (untold_reason(f"{label} neighbours", protocol, which),))
        failed, untold = [], []
        for router, row in before.items():
            had, has = number(at(row, "full")), number(at(after.get(router), "full"))
            if had is None or (has is None and router in after):
                untold.append(untold_reason(f"{label} neighbour {router}"))
            elif (has or 0) < had:
                found = f"{has or 0:.0f} Full adjacencies ({_state(as_map(after.get(router)))})"
                failed.append(Reason(f"{label} neighbour {router}", found, f"{had:.0f} Full, as in the baseline"))
        return verdict_of(failed, untold)

    check.__doc__ = f"Every {label} adjacency that was Full in the baseline is Full now, parallel links counted."
    return check


def bfd(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
    """Every BFD session that was up in the baseline is up now."""
    before, after = at(baseline, "bfd", "peers"), at(now, "bfd", "peers")
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        which = baseline if not isinstance(before, Mapping) else now
        return verdict_of((), (untold_reason("BFD sessions", "bfd", which),))
    failed = [
        Reason(f"BFD session {peer}", str(after.get(peer) or "no such session")[:60], "up, as in the baseline")
        for peer, state in before.items()
        if state == "up" and after.get(peer) != "up"
    ]
    return verdict_of(failed, ())


# -- RIB against FIB


def rib_fib(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
    """For every sample the kernel sends where the routing daemon says (S0-15: zebra's "installed" proves nothing)."""
    return _paths(now.get("paths"), "")


def rib_fib_neighbours(baseline: Mapping[str, Json], now: Mapping[str, Json], expect: Json) -> Judged:
    """The same on the neighbours, whose measurements the caller has put under `neighbours` (name > measurement)."""
    measured = now.get("neighbours")
    if not isinstance(measured, Mapping) or not measured:
        return verdict_of((), (untold_reason("routes on the neighbours"),))
    parts = [_paths(at(one, "paths"), f" on {name}") for name, one in sorted(measured.items())]
    failed = [why for verdict, reasons in parts if verdict is Verdict.FAIL for why in reasons]
    untold = [why for verdict, reasons in parts if verdict is Verdict.INCONCLUSIVE for why in reasons]
    return verdict_of(failed, untold)


def _paths(paths: Json, where: str) -> Judged:
    """Samples that cannot be told are passed over as long as some can; none at all is no proof."""
    judged = [(address, _path(as_map(row))) for address, row in as_map(paths).items()]
    told = [(address, why) for address, why in judged if why is not None]
    if not told:
        return verdict_of((), (untold_reason(f"routes of the sample destinations{where}"),))
    failed = [
        Reason(f"route to {address}{where}", found, f"{wanted}, as the routing daemon says",
               "Clear the session that the route comes from (hard), or have the route installed anew.")
        for address, (found, wanted) in told
        if found != wanted
    ]  # fmt: skip
    return verdict_of(failed, ())


def _path(row: Mapping[str, Json]) -> tuple[str, str] | None:
    """(what the kernel does, what the daemon says), equal when they agree; None when one of them cannot be told."""
    kernel, rib = row.get("kernel"), row.get("rib")
    if not isinstance(kernel, Mapping) or not isinstance(rib, list):
        return None
    hops = [(str(hop[0]), str(hop[1])) for hop in rib if isinstance(hop, list) and len(hop) == 2]
    drops = not hops or hops == [("", "blackhole")]
    said = "no route" if drops else " or ".join(f"{gateway or 'directly'} on {dev}" for gateway, dev in hops)
    if kernel.get("none"):
        return ("no route", said)
    if kernel.get("local"):
        # An own address: the kernel's local table goes before whatever a daemon says, so a
        # gateway there is evidence of nothing. (Seen on a
        # BIRD router whose loopback is in no protocol: BIRD named its default route for it.)
        return (said, said) if any(not gateway for gateway, _ in hops) else None
    mine = (str(kernel.get("gateway") or ""), str(kernel.get("dev")))
    # Of several equal paths the kernel names one.
    return (said, said) if mine in hops else (f"{mine[0] or 'directly'} on {mine[1]}", said)
