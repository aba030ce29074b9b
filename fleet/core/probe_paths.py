"""Which way probes go, there and back, and whether a beacon is announced by one device alone. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from fleet.core.model import Reason
from fleet.core.probes import Pair

SILENT = "?"  # a hop that does not answer


def named(source: str, hops: Sequence[str], owners: Mapping[str, str]) -> tuple[str, ...]:
    """The routers on a way, its beginning included: hops as they answered, by the name of whose address it is.

    One router that answers twice in a row (its own address at the end of the way) is there once.
    """
    made = [source]
    for hop in hops:
        name = owners.get(hop, hop)
        if name == SILENT or name != made[-1]:
            made.append(name)
    return tuple(made)


def asymmetric(pair: Pair, there: Sequence[str], back: Sequence[str], *, gateway: bool = False) -> Reason | None:
    """Why loss or delay of this pair could be that of another way; None: the way back is the way there.

    Compared from both ends: first hop with last hop, and so on. A router has another address on the way back: what is
    silent, or an address that nobody is known by, is passed over in the middle; beside an end it cannot be told.

    `gateway`: the source is no router but a host, behind a gateway, a translation of addresses or a container's bridge
    that nobody knows by name: its ways are compared from the first known router on.
    """
    subject = f"{pair}, the way back"
    if len(there) < 2 or len(back) < 2:
        return Reason(subject, "not known", "the same way as there", "Probe to a vantage point, or to a beacon.")
    if there[-1] != back[0] or back[-1] != there[0]:
        found = f"there {_shown(there)}, back {_shown(back)}"
        return Reason(subject, found, f"ways between {there[0]} and {pair.target}", "Is every router of it reachable?")
    reverse = list(reversed(back))
    one, other = (_past_gateway(there), _past_gateway(reverse)) if gateway else (there, reverse)
    ends_told = not any(map(_unknown, (one[1], there[-2], other[1], reverse[-2])))
    same = len(one) == len(other) and all(a == b or _unknown(a) or _unknown(b) for a, b in zip(one, other, strict=True))
    if same and ends_told:
        return None
    found = f"there {_shown(there)}, back {_shown(back)}"
    if same:
        wanted = "a first and a last router that answer and are known"
        return Reason(subject, found, wanted, "Name them in the inventory, or probe from nearer.")
    return Reason(subject, found, "the same way as there", "What is lost may be lost on the other way.")


def _past_gateway(way: Sequence[str]) -> Sequence[str]:
    """Without what is beside its beginning and known by no name."""
    rest = list(way[1:])
    while _unknown(rest[0]) and len(rest) > 1:
        rest.pop(0)
    return [way[0], *rest]


def _unknown(hop: str) -> bool:
    if hop == SILENT:
        return True
    try:
        ip_address(hop)
    except ValueError:
        return False
    return True


def _shown(way: Sequence[str]) -> str:
    return " > ".join(way)


@dataclass(frozen=True)
class Heard:
    """What one router knows of a prefix, exactly that. `own`: it has it itself; `origins`: who BGP says it comes from
    (router ids; "AS 65001" for one from outside). `there` None: it could not be asked."""

    router: str
    there: bool | None
    own: bool = False
    origins: tuple[str, ...] = ()


def announced_alone(device: str, router_id: str, prefix: str, heard: Sequence[Heard]) -> tuple[Reason, ...]:
    """Why a beacon may not be used; empty: `device` alone announces it, as every other router that was asked sees it.

    An address that somebody else announces as well may be answered by them, and says nothing about this device.
    """
    subject = f"beacon {prefix} of {device}"
    reasons = []
    mine = next((h for h in heard if h.router == device), None)
    if mine is None or mine.there is None:
        reasons.append(Reason(subject, f"{device} could not be asked", "its own routing table"))
    elif not mine.own:
        reasons.append(Reason(subject, f"{device} has no such route of its own", "a connected or static route"))
    others = [h for h in heard if h.router != device]
    if not others:
        reasons.append(Reason(subject, "no other router that could be asked", "one that hears it"))
    for one in others:
        foreign = sorted({o for o in one.origins if o != router_id})
        if one.there is None:
            reasons.append(Reason(subject, f"{one.router} could not be asked", "its routing table"))
        elif one.own:
            reasons.append(Reason(subject, f"{one.router} has it as well", f"{device} alone", "Choose another prefix."))
        elif foreign:
            found = f"{one.router} hears it from {', '.join(foreign)}"
            reasons.append(Reason(subject, found, f"{device} alone", "Choose another prefix."))
        elif not one.there:
            remedy = "It must be announced as exactly this prefix: a covering one may lead elsewhere."
            reasons.append(Reason(subject, f"{one.router} does not hear it", f"a route for {prefix}", remedy))
    return tuple(reasons)
