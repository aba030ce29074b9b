"""Parameters of the verbs of VPP."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from fleet.core.model import Json
from fleet.core.vpp import Dataplane, Wish
from playbooks.params import Duration

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
_NETNS = r"^[a-z][a-z0-9-]{0,30}$"


def names(value: Any) -> Any:
    """Names with blanks or commas between them, as a list; a list as it is. ValueError for what is no name."""
    listed = re.split(r"[\s,]+", value.strip()) if isinstance(value, str) else list(value)
    listed = [one for one in listed if one]
    if wrong := [one for one in listed if not isinstance(one, str) or not NAME.fullmatch(one)]:
        raise ValueError(f"found {wrong[0]!r}, wanted names such as eth0 with blanks between them")
    return tuple(listed)


Names = Annotated[tuple[str, ...], BeforeValidator(names)]
Services = Literal["ssh", "snmpd"]


class VppParams(BaseModel):
    """How a router shall forward with VPP. What is not said here comes from its kernel."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataplane: Dataplane = Field(default=Dataplane.DPDK, description="how VPP gets at the packets")
    keep: Names = Field(default=(), description="interfaces that stay with the kernel: management")
    workers: int = Field(default=0, ge=0, le=256, description="cores of VPP; 0: its main thread alone")
    routes: int = Field(default=1_200_000, ge=0, le=20_000_000, description="routes that must fit, of both families")
    buffers: int = Field(default=128_000, ge=2_048, le=4_000_000, description="of packets, on each NUMA node")
    netns: str = Field(default="dataplane", pattern=_NETNS, description="namespace of its interfaces in Linux")
    services: tuple[Services, ...] = Field(default=("ssh",), description="what is started there a second time")
    loopback6_on: str = Field(default="", max_length=15, description="interface that takes the loopback's IPv6")
    loopback6_known_good: bool = Field(
        default=False, description="this VPP was tried with IPv6 on a loopback in OSPFv3"
    )
    confirm: Duration = Field(default=180.0, description="back to the kernel unless the router is reached so soon")
    within: Duration = Field(default=900.0, description="from its first command to the look that says that it is done")
    stage: Literal["prepare", "launch"] | None = Field(default=None, description="what this line is turned into")
    rendered: dict[str, Json] | None = Field(default=None, description="made by the plan")

    def wish(self) -> Wish:
        return Wish(self.dataplane, self.keep, self.loopback6_on)


class ChangeParams(BaseModel):
    """A small change of a router that forwards with VPP."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    config: str = Field(min_length=1, max_length=20_000, description="YAML in vppcfg's schema, laid over what it has")
    netns: str = Field(default="dataplane", pattern=_NETNS, description="namespace of its interfaces in Linux")
    loopback6_known_good: bool = Field(
        default=False, description="this VPP was tried with IPv6 on a loopback in OSPFv3"
    )
    confirm: Duration = Field(
        default=60.0, ge=10.0, le=3600.0,
        description="the router takes the planned way back by itself unless it is reached so soon by a new connection",
    )  # fmt: skip
    within: Duration = Field(default=120.0, description="how long the router may take")
    rendered: dict[str, Json] | None = Field(default=None, description="made by the plan")


Group = Literal["ospf", "ospf3", "ibgp", "members", "ebgp"]
ORDER: tuple[Group, ...] = ("ospf", "ospf3", "ibgp", "members", "ebgp")


class SessionParams(BaseModel):
    """In which order sessions come back, and what must be so before the next group."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: tuple[Group, ...] = Field(default=ORDER, min_length=1, description="groups, one after another")
    group: Group | None = Field(default=None, description="one group; what `order` is turned into")
    members: str = Field(default="", max_length=200, description="members are peers whose description matches this")
    gate: Duration = Field(default=5.0, description="how long a group is watched after it is back")
    within: Duration = Field(default=120.0, description="how long a group may take to be back")
    # 5 s: a main thread that loads a full table answers late; one that hangs never (vpp.md 3).
    alive: Duration = Field(default=5.0, description="within this VPP's control plane answers")
