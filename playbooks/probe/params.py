"""Parameters of the verbs `probe` and `probe-again`."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from playbooks.params import Duration, Share

HERE, NEIGHBOURS, BEACON = "slipway", "neighbours", "beacon"
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,62}")
# One visit of a step holds a worker: more than this long and the lease runs out.
MOST_S = 30.0


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError(f'found "{text[:60]}", wanted a device, an address, slipway, neighbours or beacon')
    return text


def _listed(value: object) -> object:
    """Text with blanks or commas between the words, as one input of a recipe gives it, is a list as well."""
    if isinstance(value, list | tuple) and not value:
        raise ValueError("found an empty list, wanted at least one place")
    return tuple(word for word in re.split(r"[\s,]+", value) if word) if isinstance(value, str) else value


Words = Annotated[tuple[Annotated[str, AfterValidator(_word)], ...], BeforeValidator(_listed)]


class ProbeParams(BaseModel):
    """From where to where, how many, how fast. Both families are probed where both ends have them."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: Words = Field(
        default=(NEIGHBOURS,), alias="from", max_length=8,
        description="vantage points: devices of the inventory, neighbours (of the device), slipway; none: not measured",
    )  # fmt: skip
    to: Words = Field(
        default=(BEACON,), min_length=1, max_length=8,
        description="devices, neighbours, addresses, or beacon (those of the device)",
    )  # fmt: skip
    count: int = Field(default=100, ge=20, le=5000, strict=True, description="probes of each pair and family")
    interval: Duration = Field(default=0.1, description="from one probe to the next")
    way_back: bool = Field(default=True, description="only pairs whose way back is the way there may decide")
    dry_run: bool = Field(default=False, description="measured and shown, never decides")

    @model_validator(mode="after")
    def _short(self) -> "ProbeParams":
        if not 0.002 <= self.interval <= 10 or self.count * self.interval > MOST_S:
            raise ValueError(
                f"found {self.count} probes {self.interval:g} s apart, wanted at most {MOST_S:.0f} s in all, 2ms to 10s"
            )
        return self

    @property
    def took_s(self) -> float:
        return self.count * self.interval


class AgainParams(BaseModel):
    """What is let pass; which probes, and how many, is what `probe` has measured before."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    from_: Words | None = Field(
        default=None, alias="from", description="as `probe` has it: none, and nothing is measured"
    )
    loss: Share = Field(default=0.0, ge=0.0, le=1.0, description="share of the probes that may be lost")
    slower: Share = Field(default=0.2, ge=0.0, le=10.0, description="share by which they may take longer")
    tries: int = Field(default=3, ge=1, le=10, description="how often it is measured while it cannot be told")
    dry_run: bool = Field(default=False, description="measured and shown, never decides")
