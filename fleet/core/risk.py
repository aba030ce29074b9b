"""How risky a plan is, and why: from impact, blast radius, reversibility, findings and the number of devices. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from fleet.core.cuts import cuts, prepare
from fleet.core.model import Impact, Plan, PlannedStep, PlannedTarget, Reversibility, Severity, Topology
from fleet.core.redundancy import Redundancy
from fleet.core.states import TargetState, phase_of


class Risk(StrEnum):
    """How risky a plan is; in order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    VERY_HIGH = "very high"


_ORDER = tuple(Risk)

# More devices than this are no longer looked at one by one by whoever approves: a plan page shows 25 of them, and four
# pages are what people read. More than 100 in one change is a fleet.
FEW, MANY = 10, 100


def at_least(risk: Risk, least: Risk) -> bool:
    """Is this risk as high as `least`, or higher?"""
    return _ORDER.index(risk) >= _ORDER.index(least)


@dataclass(frozen=True)
class Factor:
    """One thing that makes a plan as risky as `risk`, in words: "12 devices", "nic is reversible by reboot"."""

    risk: Risk
    text: str


@dataclass(frozen=True)
class Assessment:
    """The risk of a plan: the highest of its factors, highest first. `blast_radius`: what a bad step takes down."""

    risk: Risk
    impact: Impact
    blast_radius: int
    factors: tuple[Factor, ...]

    @property
    def why(self) -> tuple[str, ...]:
        """The factors that make it this risky."""
        return tuple(f.text for f in self.factors if f.risk is self.risk)


def assess(plan: Plan, topology: Topology) -> Assessment:
    """The risk of a plan on this topology. Deterministic; an empty plan has no impact and a low risk."""
    impact, words = impact_of(plan, topology)
    radius, cuts = _blast(plan, topology)
    factors = [Factor(_OF_IMPACT[impact], f"impact {impact}: {words}")]
    factors += [_radius(radius, cuts), _size(len(plan.targets)), _way_back(plan), *_of_findings(plan)]
    ordered = sorted(factors, key=lambda f: -_ORDER.index(f.risk))
    return Assessment(ordered[0].risk, impact, radius, tuple(ordered))


_OF_IMPACT = {
    Impact.NO_IMPACT: Risk.LOW,
    Impact.REDUCED_REDUNDANCY: Risk.MEDIUM,
    Impact.DEGRADED: Risk.HIGH,
    Impact.OUTAGE: Risk.VERY_HIGH,
}


def impact_of(plan: Plan, topology: Topology) -> tuple[Impact, str]:
    """What users of the network may notice if all goes as planned, in the words of maintenance notices, and why.

    OUTAGE: draining one device by itself cuts what must stay connected. DEGRADED: a disruptive step on a device that
    still carries traffic. REDUCED-REDUNDANCY: something is drained. NO-IMPACT: nothing of that.
    """
    network = prepare(topology)
    drained = sorted({t.name for t in plan.targets if any(s.verb == "drain" for s in t.steps)})
    proofs = Redundancy(network)
    for name in drained:
        if not proofs.spares(name):
            return Impact.OUTAGE, f"without {name}, {proofs.reasons(name)[0].found}"
    for target in plan.targets:
        if step := _disruptive_in_traffic(target):
            return Impact.DEGRADED, f"{step.verb} on {target.name} while it carries traffic"
    if drained:
        return (
            Impact.REDUCED_REDUNDANCY,
            f"{len(drained)} {'device is' if len(drained) == 1 else 'devices are'} drained within the budget",
        )
    return Impact.NO_IMPACT, "nothing is drained and nothing disruptive is done"


def _disruptive_in_traffic(target: PlannedTarget) -> PlannedStep | None:
    drained = False
    for step in target.steps:
        if step.verb == "drain":
            drained = True
        elif step.verb == "undrain":
            drained = False
        elif step.disruptive and not drained:
            return step
    return None


def _blast(plan: Plan, topology: Topology) -> tuple[int, str]:
    """Most devices that are worked on at once, and what would be cut if all of a wave that may fly together died."""
    waves = plan.waves()
    at_once = [min(len(wave), max(1, plan.strategy.budget.total)) for wave in waves]
    radius = max(at_once, default=0)
    network = prepare(topology)
    for number, wave in enumerate(waves):
        if at_once[number] == len(wave) and (cut := next(cuts(network, [t.name for t in wave]), None)):
            return radius, f"wave {number} as a whole: {cut.subject}, {cut.found}"
    return radius, ""


def _radius(radius: int, cuts: str) -> Factor:
    text = f"a bad step takes down at most {radius} device{'' if radius == 1 else 's'} before it is seen"
    if cuts:
        return Factor(Risk.HIGH, f"{text}; {cuts}")
    return Factor(Risk.LOW if radius <= 1 else Risk.MEDIUM, text)


def _size(count: int) -> Factor:
    risk = Risk.LOW if count <= FEW else Risk.MEDIUM if count <= MANY else Risk.HIGH
    return Factor(risk, f"{count} device{'' if count == 1 else 's'}")


_OF_WAY_BACK = {
    Reversibility.NOTHING_TO_UNDO: Risk.LOW,
    Reversibility.IN_PLACE: Risk.LOW,
    Reversibility.BY_REBOOT: Risk.MEDIUM,
    Reversibility.BY_REFLASH: Risk.HIGH,
    Reversibility.NOT_AT_ALL: Risk.VERY_HIGH,
}


def _way_back(plan: Plan) -> Factor:
    """The step with the worst way back."""
    acting = {
        (step.verb, step.reversibility)
        for target in plan.targets
        for step in target.steps
        if phase_of(step.verb) is TargetState.APPLYING
    }
    if not acting:
        return Factor(Risk.LOW, "nothing is changed that would have to be undone")
    verb, way = max(sorted(acting), key=lambda pair: _ORDER.index(_OF_WAY_BACK[pair[1]]))
    return Factor(_OF_WAY_BACK[way], f"{verb} is reversible {way}")


def _of_findings(plan: Plan) -> Iterator[Factor]:
    for severity, risk in ((Severity.FATAL, Risk.VERY_HIGH), (Severity.WARN, Risk.MEDIUM)):
        codes = sorted({f.code for f in plan.findings if f.severity is severity})
        if codes:
            count = sum(f.severity is severity for f in plan.findings)
            yield Factor(risk, f"{count} {severity.upper()} finding{'' if count == 1 else 's'}: {', '.join(codes)}")
