"""Where a router stands between attracting traffic and not: switches for what draws it, and stages. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fleet.core.model import Json


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
    protocol: str  # FRR: bgp | weight | ospf | ospf-cost | ospf6 | isis; BIRD: bird
    where: str  # FRR: the blocks it stands in, with " / " between; BIRD: the name of the constant
    drained: bool
    was: str = ""
    base: int = 0  # of costs: what it is when nothing is drained
    subject: str = ""  # of a weight: the neighbour

    @property
    def key(self) -> tuple[str, str, str]:
        return self.protocol, self.where, self.subject

    def __str__(self) -> str:
        return f"{self.protocol} ({self.where}{' / ' + self.subject if self.subject else ''})"


# Switches of which there are no two positions: the cost of an OSPF interface moves on the way only, at the end maximum
# metric says it all.
ON_THE_WAY = frozenset({"ospf-cost"})


@dataclass(frozen=True)
class State:
    """What a look found. `saved` is None where the startup configuration could not be read."""

    running: tuple[Switch, ...]
    saved: tuple[Switch, ...] | None
    stub_routers: frozenset[str] | None = None  # other routers that announce maximum metric; None: cannot be seen
    graph: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # routers and their costs, as announced
    neighbours: Mapping[str, frozenset[str]] | None = None  # "ospf" | "ospf3" -> router ids that are Full

    def of(self, group: Group) -> tuple[Switch, ...]:
        return tuple(switch for switch in self.running if group.covers(switch.group))


def to_artifact(switches: Iterable[Switch], *, suite: str, extras: tuple[int, ...]) -> Mapping[str, Json]:
    """What was in place before the drain, as it is written ahead, and the costs that it goes through."""
    listed = [{**vars(switch), "group": switch.group.value} for switch in switches]
    drained = any(switch.drained for switch in switches)
    return {"suite": suite, "switches": listed, "extras": list(extras), "prior_drain": drained}


@dataclass(frozen=True)
class Before:
    """An artifact as a value: what was in place, and the extra costs before the last step of the drain."""

    switches: tuple[Switch, ...]
    extras: tuple[int, ...] = ()

    def ours(self, group: Group = Group.ALL) -> tuple[Switch, ...]:
        """What was not drained before us: those that we set, and that we alone put back."""
        return tuple(switch for switch in self.switches if group.covers(switch.group) and not switch.drained)

    def theirs(self, group: Group = Group.ALL) -> tuple[Switch, ...]:
        return tuple(switch for switch in self.switches if group.covers(switch.group) and switch.drained)


def from_artifact(artifact: Mapping[str, Json] | None) -> Before | None:
    """The artifact of a drain; None for what is none."""
    if not isinstance(artifact, Mapping) or not isinstance(artifact.get("switches"), list):
        return None
    try:
        return Before(
            tuple(Switch(**{**one, "group": Group(one["group"])}) for one in artifact["switches"]),
            tuple(int(extra) for extra in artifact.get("extras", ())),
        )
    except (KeyError, TypeError, ValueError):
        return None


def not_drained(switches: Iterable[Switch], wanted: Iterable[Switch]) -> tuple[Switch, ...]:
    """Those of `wanted` that `switches` does not show drained."""
    drained = {switch.key for switch in switches if switch.drained}
    return tuple(one for one in wanted if one.protocol not in ON_THE_WAY and one.key not in drained)


def not_back(switches: Iterable[Switch], wanted: Iterable[Switch]) -> tuple[Switch, ...]:
    """Those of `wanted` that are not as they were. What is gone altogether draws no traffic and needs nothing back."""
    now = {switch.key: switch for switch in switches}
    return tuple(one for one in wanted if one.key in now and (now[one.key].drained or now[one.key].was != one.was))


# -- stages


@dataclass(frozen=True)
class Stage:
    """One moment of a drain or undrain. `extra` (igp): what is added to costs; None = drained, 0 = as before."""

    name: str  # exits | bgp | igp
    on: bool
    extra: int | None = None

    def __str__(self) -> str:
        match self.name:
            case "igp" if self.extra:
                return f"interior costs raised by {self.extra}"
            case "igp":
                return "interior protocols drained" if self.on else "interior protocols as before"
            case "bgp":
                return "BGP drained" if self.on else "BGP as before"
            case _:
                return "own exits preferred" if self.on else "own exits as before"


def stages_to_drain(before: Before, order: Iterable[str]) -> tuple[Stage, ...]:
    """The stages of a drain; those for which this router has nothing to set are left out."""
    made: list[Stage] = []
    for name in order:
        if name == "igp":
            made += [Stage("igp", on=True, extra=extra) for extra in before.extras] + [Stage("igp", on=True)]
        else:
            made.append(Stage(name, on=True))
    return tuple(stage for stage in made if _of(before, stage))


def stages_back(before: Before, group: Group) -> tuple[Stage, ...]:
    """The stages of an undrain: the costs down the same steps; BGP, and then the preference of the own exits."""
    igp = [Stage("igp", on=False, extra=extra) for extra in (*reversed(before.extras), 0)]
    bgp = [Stage("bgp", on=False), Stage("exits", on=False)]
    made = (igp if group.covers(Group.IGP) else []) + (bgp if group.covers(Group.BGP) else [])
    return tuple(stage for stage in made if _of(before, stage))


def _of(before: Before, stage: Stage) -> tuple[Switch, ...]:
    """The switches that a stage is about, without those that were drained before us."""
    match stage.name:
        case "igp":
            return before.ours(Group.IGP)
        case "exits":
            return tuple(switch for switch in before.ours(Group.BGP) if switch.protocol == "weight")
        case _:
            return tuple(switch for switch in before.ours(Group.BGP) if switch.protocol != "weight")


def reached(stage: Stage, now: Iterable[Switch], before: Before) -> bool:
    """Is the router at this stage of its way, or beyond it?"""
    now, mine = tuple(now), _of(before, stage)
    if stage.name != "igp":
        return not (not_drained(now, mine) if stage.on else not_back(now, mine))
    if stage.on and stage.extra is None:
        return not not_drained(now, mine)
    if not stage.on and not stage.extra:
        return not not_back(now, mine)
    extras = [extra for extra in (_extra(one, now) for one in mine) if extra is not None]
    wanted = stage.extra or 0
    if stage.on:
        return all(extra >= wanted for extra in extras)
    return all(extra <= wanted for extra in extras) and not any(
        one.drained for one in now if one.key in {m.key for m in mine}
    )


def _extra(one: Switch, now: Iterable[Switch]) -> int | None:
    """What the cost of an interface (or BIRD's constant) has over its base now; None for what has no cost."""
    found = next((switch for switch in now if switch.key == one.key), None)
    if found is None or one.protocol not in {"ospf-cost", "ospf6", "bird"}:
        return None
    if found.drained:
        return 1 << 16
    last = found.was.split()[-1] if found.was else str(one.base)
    return int(last) - one.base if last.isdecimal() else 0


def position(stages: tuple[Stage, ...], now: Iterable[Switch], before: Before) -> int:
    """How many stages the router has behind it."""
    now = tuple(now)
    return next((n for n, stage in enumerate(stages) if not reached(stage, now, before)), len(stages))


def of_stage(stage: Stage, before: Before) -> tuple[Switch, ...]:
    """The switches that a stage sets."""
    return _of(before, stage)
