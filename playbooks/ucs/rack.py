"""A standalone server's adapter as its management controller (Cisco IMC) says it, as values. Never guesses."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from fleet.core import ucs
from fleet.core.model import Json
from fleet.core.ucs import Policy
from playbooks.ucs.render import properties
from playbooks.ucs.seen import count, text

# Words differ from UCS Manager's in their case, and from release to release (domain facts of UCS, §7).
_ON = "enabled"
PARTS = ("eth-int", "eth-comp-q", "eth-work-q", "eth-rcv-q", "rss")
# What its schema takes (imcsdk 0.9.17); the narrower one of its two kinds of platforms.
RANGES = tuple(
    replace(one, most={"receive": 256, "transmit": 256, "completion": 512, "interrupts": 514}.get(one.field, one.most))
    for one in ucs.ranges("4.1(1a)")
)


@dataclass(frozen=True)
class Vnic:
    """A vNIC: `dn` (sys/rack-unit-1/adaptor-1/host-eth-eth0) and its own counts; None where one of them is missing."""

    dn: str
    name: str
    mac: str
    counts: Policy | None


@dataclass(frozen=True)
class Server:
    """A server with all vNICs of its adapters. `adapter`: their model; "" where there are several kinds."""

    model: str
    serial: str
    uuid: str
    version: str
    power: str
    adapter: str
    vnics: tuple[Vnic, ...] = ()


def server(unit: Any, adapters: Iterable[Any], ports: Iterable[Any], parts: Iterable[Any], version: str) -> Server:
    """From the managed objects of one server; `parts`: those below its vNICs, of all of them."""
    below: dict[str, list[Any]] = {}
    for one in parts:
        below.setdefault(text(one, "dn").rpartition("/")[0], []).append(one)
    models = {text(one, "model") for one in adapters}
    vnics = [
        Vnic(dn := text(p, "dn"), text(p, "name"), text(p, "mac").lower(), counts(text(p, "name"), below.get(dn, ())))
        for p in ports
    ]
    return Server(
        text(unit, "model"), text(unit, "serial"), text(unit, "uuid"), version, text(unit, "oper_power").lower(),
        models.pop() if len(models) == 1 else "", tuple(sorted(vnics, key=lambda v: v.dn)),
    )  # fmt: skip


def counts(name: str, parts: Iterable[Any]) -> Policy | None:
    """The counts of a vNIC from the objects below it; None where one that matters is missing or is no number."""
    found = {text(one, "dn").rpartition("/")[2]: one for one in parts}
    wanted = {
        "receive": ("eth-rcv-q", "count"), "transmit": ("eth-work-q", "count"), "completion": ("eth-comp-q", "count"),
        "interrupts": ("eth-int", "count"), "receive_ring": ("eth-rcv-q", "ring_size"),
        "transmit_ring": ("eth-work-q", "ring_size"),
    }  # fmt: skip
    numbers = {key: count(found.get(rn), prop) for key, (rn, prop) in wanted.items()}
    known = {key: value for key, value in numbers.items() if value is not None}
    if len(known) < len(wanted) or "rss" not in found:
        return None
    return Policy(name[:16], **known, rss=text(found["rss"], "receive_side_scaling").lower() == _ON, arfs=False)


def changes(now: Policy, wanted: Policy) -> dict[str, dict[str, str]]:
    """rn > property > value of what differs, in the order in which it is written: one request for each.

    Nothing holds them together, so what would boot in between must do: room for more queues comes before the queues,
    and goes after them.
    """
    values = [properties(now), properties(wanted)]
    grows = wanted.receive + wanted.transmit >= now.receive + now.transmit
    made = {}
    for rn in PARTS if grows else reversed(PARTS):
        differs = {key: value for key, value in values[1][rn].items() if values[0][rn][key] != value}
        if differs:
            made[rn] = differs
    return made


def vnic_json(one: Vnic) -> dict[str, Json]:
    """For a row and for a plan."""
    return asdict(one)


def vnic_of(row: Mapping[str, Json]) -> Vnic:
    """The opposite of `vnic_json`."""
    told = row.get("counts")
    return Vnic(str(row["dn"]), str(row["name"]), str(row["mac"]), Policy(**told) if told is not None else None)
