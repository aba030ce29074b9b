"""Parameters of the verb `nic`."""

import datetime
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from fleet.core.intent_settings import cpus
from playbooks.params import Duration

_NAME = re.compile(r"[a-z][a-zA-Z0-9_-]{0,59}")
_FLAG = re.compile(r"[A-Za-z][A-Za-z0-9 _().-]{0,59}")
_LETTERS = re.compile(r"(?!.*(.).*\1)[mvtsdfnr]{1,8}")
_FLOW = re.compile(r"(tcp|udp|ah|esp|sctp)[46]")


def _cpu_list(text: str) -> str:
    if not cpus(text):
        raise ValueError(f'found "{text[:60]}", wanted CPUs such as 2-5,8')
    return text


def _names(values: Mapping[str, object], pattern: re.Pattern[str], wanted: str) -> None:
    for name in values:
        if not pattern.fullmatch(name):
            raise ValueError(f'found "{name[:60]}", wanted {wanted}')


def _lines(given: object) -> object:
    """A mapping, or lines NAME = VALUE as an input of a recipe has them; ValueError for another line."""
    if not isinstance(given, str):
        return given
    made: dict[str, object] = {}
    for line in filter(None, map(str.strip, given.splitlines())):
        name, sign, value = line.rpartition(" = ")
        if not sign or name in made:
            raise ValueError(f'found the line "{line[:60]}", wanted NAME = VALUE, each name once')
        made[name.strip()] = {"on": True, "off": False}.get(value, int(value) if value.isdecimal() else value)
    return made


Lines = BeforeValidator(_lines, json_schema_input_type=dict[str, bool | int | str] | str)
LOCAL = "local"


def _cpus_or_local(text: str) -> str:
    return text if text == LOCAL else _cpu_list(text)


# An input of a recipe that nobody filled in is an empty text or 0: it asks for nothing.
AsItIs = BeforeValidator(lambda given: None if given in ("", 0) and given is not False else given)
Cpus = Annotated[Annotated[str, AfterValidator(_cpu_list)] | None, BeforeValidator(lambda given: given or None)]


class NicParams(BaseModel):
    """What is wanted of which cards. `queues` is combined where the card has that, receive and transmit elsewhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interface: str = Field(default="all", pattern=r"^[A-Za-z0-9_.*?\[\]-]{1,60}$", description="name, pattern or all")
    queues: Annotated[int | None, BeforeValidator(lambda given: None if given == 0 else given)] = Field(
        default=None, ge=1, le=1024, strict=True, description="combined, or rx and tx alike; 0: as they are"
    )
    rx: int | None = Field(default=None, ge=1, le=1024, strict=True, description="receive queues")
    tx: int | None = Field(default=None, ge=1, le=1024, strict=True, description="transmit queues")
    rings_rx: Annotated[int | None, AsItIs] = Field(
        default=None, ge=1, le=65536, strict=True, description="receive descriptors; 0: as they are"
    )
    rings_tx: Annotated[int | None, AsItIs] = Field(
        default=None, ge=1, le=65536, strict=True, description="transmit descriptors; 0: as they are"
    )
    spread: bool = Field(default=False, description="an indirection table even over the receive queues")
    equal: Annotated[int | None, AsItIs] = Field(
        default=None, ge=1, le=1024, strict=True, description="an indirection table even over so many; 0: as it is"
    )
    rss_key: Annotated[str | None, AsItIs] = Field(
        default=None, pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){39,127}$", description="hash key, as ethtool -x prints it"
    )
    udp: str = Field(default="", pattern=r"^[mvtsdfnr]{0,8}$", description="fields hashed of UDP over IPv4 and IPv6")
    flow_hash: Annotated[dict[str, str], Lines] = Field(
        default_factory=dict, description="fields hashed by kind: {udp4: sdfn}"
    )
    coalesce: Annotated[dict[str, bool | int], Lines] = Field(
        default_factory=dict, description="coalescing: {rx-usecs: 50}"
    )
    offloads: Annotated[dict[str, bool], Lines] = Field(default_factory=dict, description="offloads: {gro: true}")
    priv_flags: Annotated[dict[str, bool], Lines] = Field(
        default_factory=dict, description="private flags of the driver"
    )
    interrupts: Annotated[
        Annotated[str, AfterValidator(_cpus_or_local)] | None, BeforeValidator(lambda given: given or None)
    ] = Field(
        default=None,
        description="CPUs for the interrupts, one for each receive queue; local: of the card's NUMA node, none that is "
        "isolated",
    )
    irqbalance: bool = Field(default=True, description="false: stop and disable it, else it moves what is pinned")
    rps: Cpus = Field(default=None, description="CPUs that packets are spread over in software")
    xps: Cpus = Field(default=None, description="CPUs that send")
    because: str = Field(default="", max_length=200, description="of a mitigation: why")
    confirm: Duration = Field(
        default=60.0, ge=10.0, le=3600.0,
        description="the device puts all of it back by itself unless it is reached so soon over a new connection",
    )  # fmt: skip
    until: datetime.date | None = Field(default=None, description="of a mitigation: until when it may stay")

    @model_validator(mode="after")
    def _something(self) -> "NicParams":
        if not self.channels() and not self.rings() and self.queues is None and not self.has_settings:
            raise ValueError("queues, rx, tx, rings_rx, rings_tx, or another setting")
        if self.queues is not None and self.channels():
            raise ValueError("either queues, or rx and tx")
        _names(self.flow_hash, _FLOW, "tcp4, udp4, esp4, ah4, sctp4 or the same with 6")
        letters = (*self.flow_hash.values(), *([self.udp] if self.udp else []))
        _names(dict.fromkeys(letters), _LETTERS, "letters as ethtool -N takes them, each once: sdfn")
        _names({**self.coalesce, **self.offloads}, _NAME, "a name as ethtool prints it")
        _names(self.priv_flags, _FLAG, "a name as ethtool prints it")
        if self.equal is not None and self.spread:
            raise ValueError("either equal, or spread")
        if (self.until is None) != (not self.because):
            raise ValueError("a mitigation has both: because and until")
        return self

    @property
    def has_settings(self) -> bool:
        """Is anything wanted beside queues and rings?"""
        dicts = (self.flow_hash, self.coalesce, self.offloads, self.priv_flags)
        texts = (self.equal, self.rss_key, self.udp, self.interrupts, self.rps, self.xps)
        return self.spread or not self.irqbalance or any(dicts) or any(texts)

    def hashes(self) -> Mapping[str, str]:
        """Kind of flow > letters."""
        both = {"udp4": self.udp, "udp6": self.udp} if self.udp else {}
        return {**both, **self.flow_hash}

    def channels(self) -> Mapping[str, int]:
        return {key: value for key, value in (("rx", self.rx), ("tx", self.tx)) if value is not None}

    def rings(self) -> Mapping[str, int]:
        return {key: value for key, value in (("rx", self.rings_rx), ("tx", self.rings_tx)) if value is not None}

    def chooses(self, interface: str) -> bool:
        return self.interface == "all" or fnmatchcase(interface, self.interface)

    @property
    def is_pattern(self) -> bool:
        return self.interface == "all" or any(mark in self.interface for mark in "*?[")
