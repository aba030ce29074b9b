"""The values that the rooms hand to each other: reasons, verdicts, the network, recipes and plans.

Frozen; equal when their content is equal; JSON-able through `to_json`. No behaviour beyond what a value can say about
itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any

Json = Any  # None | bool | int | float | str | list[Json] | dict[str, Json]; mypy has no useful recursive spelling here


class Verdict(StrEnum):
    """What a check says. Only PASS lets traffic back on; cannot-tell is never a pass."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


class Reversibility(StrEnum):
    """How a step can be undone; shown before approval."""

    IN_PLACE = "in place"
    BY_REBOOT = "by reboot"
    BY_REFLASH = "by reflash"
    NOT_AT_ALL = "not at all"
    NOTHING_TO_UNDO = "nothing to undo"


class Severity(StrEnum):
    """FATAL stops a plan; WARN is shown to the approver."""

    FATAL = "fatal"
    WARN = "warn"


class OnFailure(StrEnum):
    """What a run does when a target fails."""

    ROLLBACK_TARGET = "rollback_target"
    ROLLBACK_WAVE = "rollback_wave"
    ROLLBACK_ALL = "rollback_all"
    PAUSE = "pause"


class OnOverrun(StrEnum):
    """What happens to devices that are not finished when the window closes: see them through, or put them back."""

    FINISH = "finish"
    ROLL_BACK = "roll_back"


class Impact(StrEnum):
    """Impact words of the maintenance notice standard (maintnote)."""

    NO_IMPACT = "NO-IMPACT"
    REDUCED_REDUNDANCY = "REDUCED-REDUNDANCY"
    DEGRADED = "DEGRADED"
    OUTAGE = "OUTAGE"


@dataclass(frozen=True)
class Reason:
    """Why the answer is no: what is spoken of, what was found, what was wanted, and what to do about it."""

    subject: str
    found: str
    wanted: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.subject}: found {self.found}, wanted {self.wanted}"
        return f"{text}. {self.remedy}" if self.remedy else f"{text}."


@dataclass(frozen=True)
class Finding:
    """One result of looking at a plan before it is approved."""

    code: str
    severity: Severity
    reason: Reason


@dataclass(frozen=True)
class Link:
    """One link of the topology: two device names and what it carries, in Mb/s."""

    a: str
    b: str
    capacity_mbps: int


@dataclass(frozen=True)
class KeepConnected:
    """Names of which every pair that is not itself drained must stay connected, with at least `floor_mbps`."""

    names: frozenset[str]
    floor_mbps: int = 0


@dataclass(frozen=True)
class Topology:
    """Devices (managed routers and externals), links, and what redundancy promises."""

    domain_of: Mapping[str, str]  # managed router -> failure domain; externals are not in it
    externals: frozenset[str] = frozenset()
    links: tuple[Link, ...] = ()
    keep_connected: tuple[KeepConnected, ...] = ()


@dataclass(frozen=True)
class Budget:
    """Most devices drained at once: in all, and per failure domain."""

    total: int = 1
    per_failure_domain: int = 1


@dataclass(frozen=True)
class Strategy:
    """How a change walks over its targets.

    `waves`: sizes, cumulative, each a count or a percentage ("25%"); or explicit lists of names, which are taken as
    written and refused when one of them would cut what must stay connected.
    """

    waves: tuple[int | str | tuple[str, ...], ...] = (1, "100%")
    budget: Budget = Budget()
    max_failures: int = 0
    on_failure: OnFailure = OnFailure.ROLLBACK_TARGET
    on_overrun: OnOverrun = OnOverrun.FINISH


@dataclass(frozen=True)
class StepSpec:
    """One line of a recipe with its lookups resolved: verb and parameters."""

    verb: str
    params: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckSpec:
    """One check of a recipe: its name and what it expects beyond "as in the baseline"."""

    name: str
    expect: Json = None


@dataclass(frozen=True)
class Recipe:
    """A recipe with its inputs resolved, ready to be planned."""

    name: str
    summary: str
    strategy: Strategy
    checks: tuple[CheckSpec, ...]
    steps: tuple[StepSpec, ...]
    inputs: Mapping[str, Json] = field(default_factory=dict)
    artifact: str = ""  # what its steps bring onto the devices, by name; empty: nothing


@dataclass(frozen=True)
class PlannedStep:
    """One step on one device as the approver sees it and the executor does it."""

    verb: str
    params: Mapping[str, Json]
    reversibility: Reversibility
    disruptive: bool
    diff: str = ""
    commands: tuple[str, ...] = ()
    expected: Mapping[str, Json] = field(default_factory=dict)  # precondition: facts this was computed from
    estimate_s: float = 0.0
    within_s: float = 60.0


@dataclass(frozen=True)
class PlannedTarget:
    """One device of the plan: its wave and its steps in order."""

    name: str
    wave: int
    failure_domain: str
    steps: tuple[PlannedStep, ...]


@dataclass(frozen=True)
class Plan:
    """What will happen, wave by wave and device by device; its digest is what gets approved."""

    recipe: str
    inputs: Mapping[str, Json]
    strategy: Strategy
    checks: tuple[CheckSpec, ...]
    targets: tuple[PlannedTarget, ...]
    findings: tuple[Finding, ...] = ()
    artifact: Mapping[str, Json] = field(default_factory=dict)  # kind, name, version, sha256; empty: none

    def waves(self) -> tuple[tuple[PlannedTarget, ...], ...]:
        count = max((t.wave for t in self.targets), default=-1) + 1
        return tuple(tuple(t for t in self.targets if t.wave == n) for n in range(count))


def to_json(value: Any) -> Json:
    """The JSON form of any value of this module: dataclasses to dicts, tuples and sets to (sorted) lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(to_json(v) for v in value)
    if isinstance(value, list | tuple):
        return [to_json(v) for v in value]
    if isinstance(value, StrEnum):
        return value.value
    return value
