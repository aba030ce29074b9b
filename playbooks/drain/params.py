"""Parameters of drain and undrain."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from fleet.core.model import Json
from playbooks.drain.state import Group
from playbooks.params import Duration

_RATE = re.compile(r"(\d+(?:\.\d+)?)([kM]?)pps")
_FACTOR = {"": 1.0, "k": 1e3, "M": 1e6}


def rate_pps(value: Any) -> float:
    """Packets per second of "300pps", "1kpps" or "1.5Mpps". ValueError for anything else."""
    match = _RATE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError('a rate of packets such as "300pps", "1kpps" or "1.5Mpps"')
    return float(match[1]) * _FACTOR[match[2]]


Rate = Annotated[
    float,
    BeforeValidator(rate_pps),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?[kM]?pps$", "examples": ["1kpps"]}),
]


class DrainParams(BaseModel):
    """How quiet a router must be, for how long, before it counts as drained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Measured on the ring: quiet 1.2 to 1.5 s after the commands; five seconds see a neighbour that comes back to it.
    settle: Duration = Field(default=5.0, description="how long forwarding must stay below `below`")
    # What is left on a drained router of the ring is 100 packets/s: its neighbours' own sessions across it.
    below: Rate = Field(default=1000.0, description="forwarded packets per second, for each family")
    within: Duration = Field(default=300.0, description="how long the traffic may take to go away")
    # Measured on the ring: who sends to the router moves away within 1.4 s of the command; what it would turn around
    # itself meanwhile, and what loops between old and new costs, is lost (557 packets of 63,240 with one step).
    order: tuple[Literal["exits", "bgp", "igp"], ...] = Field(
        default=("exits", "bgp", "igp"), description="the stages, one after another"
    )
    gate: Duration = Field(default=4.0, description="how long the network gets after each stage")
    steps: Literal["loop-free", "one"] = Field(
        default="loop-free", description="how the interior costs rise: so that no packet can loop, or at once"
    )

    @model_validator(mode="after")
    def _each_once(self) -> "DrainParams":
        if len(set(self.order)) != len(self.order) or not {"bgp", "igp"} <= set(self.order):
            raise ValueError("bgp and igp, once each, and exits at most once")
        return self


_IGP = ("ospf", "ospf3", "isis")
_BGP = ("ibgp", "ebgp")
Protocol = Literal["ospf", "ospf3", "isis", "ibgp", "ebgp", "igp", "bgp", "all"]


def groups_of(order: tuple[str, ...]) -> tuple[Group, ...]:
    """The groups of an order, neighbours merged. ValueError where one switch would have to be set twice."""
    made: list[Group] = []
    for protocol in order:
        group = Group.IGP if protocol in _IGP else Group.BGP if protocol in _BGP else Group(protocol)
        if made and made[-1] is group:
            continue
        if group in made or Group.ALL in made or (group is Group.ALL and made):
            raise ValueError(
                f"an order in which {group.value} stands together: it is one switch (found {', '.join(order)})"
            )
        made.append(group)
    return tuple(made)


class UndrainParams(BaseModel):
    """What is put back, in which order, and how long the network gets between two groups."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: tuple[Protocol, ...] | None = Field(default=None, description="the groups, one after another")
    group: Group | None = Field(default=None, description="one group; what `order` is turned into")
    # Measured on the ring: all at once lost 345 to 1,165 packets (IPv6); the stages of the drain backwards, none.
    gate: Duration = Field(default=4.0, description="how long the network gets after each stage")
    within: Duration = Field(default=120.0, description="how long a group may take to be back")

    @model_validator(mode="after")
    def _one_of_both(self) -> "UndrainParams":
        if self.order is not None and self.group is not None:
            raise ValueError("either `order` or `group`")
        if self.order is not None:
            if not self.order:
                raise ValueError("at least one group in `order`")
            self.groups()
        return self

    def groups(self) -> tuple[Group, ...]:
        """What one line stands for: its order, its one group, or the interior protocols before BGP."""
        if self.group is not None:
            return (self.group,)
        return groups_of(self.order) if self.order is not None else (Group.IGP, Group.BGP)


def for_group(params: Mapping[str, Json], group: Group) -> Mapping[str, Json]:
    """The parameters of one group's step: everything but the order."""
    return {**{key: value for key, value in params.items() if key != "order"}, "group": group.value}
