"""How long a step will take: the median of past ones where there are any, else what the planner estimates. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from fleet.core.model import PlannedStep

# Below three a median is just one of them. The newest 50 of a kind are asked for: a median of 50 moves by a few percent
# when one is added, and what was measured long ago was measured on other software.
ENOUGH, NEWEST = 3, 50


@dataclass(frozen=True)
class Past:
    """One step that was done: how long it was planned to take, and how long it took, in s."""

    verb: str
    device: str
    role: str
    planned_s: float
    took_s: float


@dataclass(frozen=True)
class Expected:
    """How long something takes, in s. `measured`: of how many past steps that is the median (0: estimated);
    `by`: whose, "this device", "role edge" or "any device"."""

    seconds: float
    measured: int = 0
    by: str = ""

    @property
    def words(self) -> str:
        return f"measured, n={self.measured}, {self.by}" if self.measured else "estimated"


@dataclass(frozen=True)
class Known:
    """What the past says. Only steps that were planned to take as long count: a soak of 5 s says nothing about one of
    15 min, and what makes a step long (settle, gates, soak) is in its estimate."""

    medians: Mapping[tuple[str, float, str, str], tuple[float, int]] = field(default_factory=dict)

    def step(self, step: PlannedStep, device: str, role: str) -> Expected:
        """The device's own past, else that of its role, else that of all."""
        places = (("device", device, "this device"), ("role", role, f"role {role}"), ("", "", "any device"))
        for place, name, by in places:
            found = self.medians.get((step.verb, step.estimate_s, place, name))
            if found is not None:
                return Expected(found[0], found[1], by)
        return Expected(step.estimate_s)

    def target(self, steps: Sequence[PlannedStep], device: str, role: str) -> Expected:
        """All steps after one another; measured when most of its time is, then by the fewest of past steps."""
        parts = [self.step(s, device, role) for s in steps]
        seconds = sum(p.seconds for p in parts)
        known = [p for p in parts if p.measured]
        if known and sum(p.seconds for p in known) * 2 >= seconds:
            least = min(known, key=lambda p: p.measured)
            return Expected(seconds, least.measured, least.by)
        return Expected(seconds)


def learn(past: Iterable[Past]) -> Known:
    """Medians by device, by role and over all. `past`: the newest first; NEWEST of each kind count."""
    took: dict[tuple[str, float, str, str], list[float]] = defaultdict(list)
    for one in past:
        for place, name in (("device", one.device), ("role", one.role), ("", "")):
            kept = took[one.verb, one.planned_s, place, name]
            if len(kept) < NEWEST and one.took_s >= 0.0:
                kept.append(one.took_s)
    return Known({key: (median(times), len(times)) for key, times in took.items() if len(times) >= ENOUGH})
