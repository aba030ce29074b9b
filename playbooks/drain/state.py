"""Where a router stands between attracting traffic and not: one switch for each thing that draws it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from fleet.core.model import Json, Reason


class Group(StrEnum):
    """What is drained and put back together."""

    IGP = "igp"  # OSPF, OSPFv3, IS-IS
    BGP = "bgp"  # graceful shutdown is one switch for internal and external sessions
    ALL = "all"

    def covers(self, other: "Group") -> bool:
        return self is Group.ALL or self is other


@dataclass(frozen=True)
class Switch:
    """One thing that draws traffic. `was`: the line that a drain replaces, empty where it only adds one."""

    group: Group
    protocol: str  # "bgp" | "ospf" | "ospf6" | "isis" | "bird"
    where: str  # FRR: the block it stands in; BIRD: the name of the constant
    drained: bool
    was: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.protocol, self.where

    def __str__(self) -> str:
        return f"{self.protocol} ({self.where})"


@dataclass(frozen=True)
class State:
    """What a look found. `saved` is None where the startup configuration could not be read."""

    running: tuple[Switch, ...]
    saved: tuple[Switch, ...] | None
    stub_routers: frozenset[str] | None = None  # other routers that announce maximum metric; None: cannot be seen
    neighbours: Mapping[str, frozenset[str]] | None = None  # "ospf" | "ospf3" -> router ids that are Full
    notes: tuple[Reason, ...] = ()

    def of(self, group: Group) -> tuple[Switch, ...]:
        return tuple(switch for switch in self.running if group.covers(switch.group))


def to_artifact(switches: Iterable[Switch], *, suite: str) -> Mapping[str, Json]:
    """What was in place before the drain, as it is written ahead."""
    listed = [
        {"group": s.group.value, "protocol": s.protocol, "where": s.where, "drained": s.drained, "was": s.was}
        for s in switches
    ]
    return {"suite": suite, "switches": listed, "prior_drain": any(s.drained for s in switches)}


def from_artifact(artifact: Mapping[str, Json] | None) -> tuple[Switch, ...] | None:
    """The switches of an artifact; None for what is no artifact of a drain."""
    listed = artifact.get("switches") if isinstance(artifact, Mapping) else None
    if not isinstance(listed, list):
        return None
    try:
        return tuple(
            Switch(Group(s["group"]), str(s["protocol"]), str(s["where"]), s["drained"] is True, str(s["was"]))
            for s in listed
        )
    except (KeyError, TypeError, ValueError):
        return None


def ours(before: Iterable[Switch], group: Group) -> tuple[Switch, ...]:
    """The switches of a group that were not drained before us: those that we set, and that we alone put back."""
    return tuple(switch for switch in before if group.covers(switch.group) and not switch.drained)


def not_as(switches: Iterable[Switch], wanted: Iterable[Switch], *, drained: bool) -> tuple[Switch, ...]:
    """Those of `wanted` that `switches` does not show drained (or not drained). A switch that is gone counts as not
    drained: what does not exist draws no traffic and needs nothing back."""
    by_key = {switch.key: switch for switch in switches}
    missing = []
    for switch in wanted:
        found = by_key.get(switch.key)
        if found is None:
            if drained:
                missing.append(switch)
        elif found.drained is not drained or (not drained and found.was != switch.was):
            missing.append(switch)
    return tuple(missing)
