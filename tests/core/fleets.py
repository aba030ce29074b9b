"""Small plans for the tests of the core."""

from collections.abc import Mapping

from fleet.core.model import Json, Plan, PlannedStep, PlannedTarget, Reversibility, Strategy

REBOOT = ("baseline", "drain", "reboot", "verify", "undrain", "verify", "soak")
SYSCTL = ("baseline", "sysctl", "verify", "soak")
# verb -> reversibility, disruptive; what is not named is undone in place and disruptive
_KINDS: Mapping[str, tuple[Reversibility, bool]] = {
    "baseline": (Reversibility.NOTHING_TO_UNDO, False),
    "verify": (Reversibility.NOTHING_TO_UNDO, False),
    "soak": (Reversibility.NOTHING_TO_UNDO, False),
    "drain": (Reversibility.IN_PLACE, False),
    "undrain": (Reversibility.IN_PLACE, False),
    "sysctl": (Reversibility.IN_PLACE, False),
    "reboot": (Reversibility.NOTHING_TO_UNDO, True),
    "kernel": (Reversibility.BY_REBOOT, True),
    "firmware": (Reversibility.BY_REFLASH, True),
    "wipe": (Reversibility.NOT_AT_ALL, True),
}


def kind_of(verb: str) -> tuple[Reversibility, bool]:
    return _KINDS.get(verb, (Reversibility.IN_PLACE, True))


def step(verb: str, *, within_s: float = 60.0, params: Mapping[str, Json] | None = None) -> PlannedStep:
    way, disruptive = kind_of(verb)
    return PlannedStep(verb, params or {}, way, disruptive, within_s=within_s)


def plan_of(*verbs: str, names: tuple[str, ...] = ("bly",), strategy: Strategy | None = None) -> Plan:
    targets = tuple(PlannedTarget(n, 0, "manchester", tuple(step(v) for v in verbs)) for n in names)
    return Plan("a-recipe", {}, strategy or Strategy(), (), targets)
