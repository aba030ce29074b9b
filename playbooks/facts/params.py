"""Parameters of baseline, verify and soak."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from fleet.core.checks import CHECKS, Policy
from fleet.core.soak_judge import COST_TOLERATED, LEAK_TOLERATED, LOSS_TOLERATED
from playbooks.addresses import is_address
from playbooks.params import Duration, Share


def _address(text: str) -> str:
    if not is_address(text):
        raise ValueError(f'found "{text[:60]}", wanted an IPv4 or IPv6 address')
    return text


def _check(name: str) -> str:
    if name not in CHECKS:
        raise ValueError(f'found the check "{name[:60]}", wanted one of {", ".join(sorted(CHECKS))}')
    return name


class BaselineParams(BaseModel):
    """Which destinations are compared besides those that are chosen from the routes and peers themselves."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples: tuple[Annotated[str, AfterValidator(_address)], ...] = Field(
        default=(), max_length=8, description="addresses whose routes are looked up in any case"
    )


class VerifyParams(BaseModel):
    """How many good rounds in a row are wanted, how far apart, and until when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    initial_delay: Duration = Field(default=0.0, description="before the first round")
    interval: Duration = Field(default=5.0, description="from one round to the next")
    passes: int = Field(default=3, ge=1, le=100, description="rounds in a row that must pass")
    # A full table from several peers is loaded in minutes (drain.md 5).
    within: Duration = Field(default=300.0, description="how long it may take to get them")
    failure_limit: int | None = Field(
        default=None,
        ge=0,
        description="more failed rounds than this, and it has failed at once; none: only time decides",
    )

    def policy(self) -> Policy:
        """The same as the pure decision takes it."""
        return Policy(self.interval, self.passes, self.within, self.initial_delay, self.failure_limit)


class SoakParams(BaseModel):
    """How long a router is watched under traffic, how often, and for what beside the checks of the recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    for_: Duration = Field(default=900.0, alias="for", description="how long")
    every: Duration = Field(default=30.0, description="from one measurement to the next")
    watch: tuple[Annotated[str, AfterValidator(_check)], ...] = Field(
        default=("boot_id", "drops", "interface_errors", "slab"),
        description="checks that compare with the first measurement of the soak itself",
    )
    trends: tuple[Literal["slab", "memory", "cpu_per_gbps", "lost"], ...] = Field(
        default=(), description="metrics that are sampled, from the baseline on, and judged by statistics"
    )
    sample: Duration = Field(default=30.0, description="from one sample to the next")
    before: Duration = Field(default=86_400.0, description="how far back samples from before the change are taken")
    prometheus: dict[str, str] = Field(
        default_factory=dict, description="levels that are asked of Prometheus: name > query; $device is the device"
    )
    grows: Share = Field(default=LEAK_TOLERATED, ge=0, le=1, description="share an hour that a level may grow by")
    dearer: Share = Field(default=COST_TOLERATED, ge=0, le=10, description="share that the same load may cost more")
    loses: Share = Field(default=LOSS_TOLERATED, ge=0, le=1, description="share of the packets that may be lost")
    dry_run: tuple[str, ...] = Field(default=(), description="of these, what is measured and never decides")
