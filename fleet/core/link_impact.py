"""What a plan does to who is at the end of a link, in the words of maintenance notices. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fleet.core.model import Impact, Plan, PlannedTarget
from fleet.core.reach import reachable
from fleet.core.waves import Network

_GRAVITY = (Impact.NO_IMPACT, Impact.REDUCED_REDUNDANCY, Impact.DEGRADED, Impact.OUTAGE)


def worst(impacts: Iterable[Impact]) -> Impact:
    """The gravest of them; of none: no impact."""
    return max(impacts, key=_GRAVITY.index, default=Impact.NO_IMPACT)


@dataclass(frozen=True)
class Disturbed:
    """What a plan does to its devices: drained, or disturbed while they carry traffic; and who may fly together."""

    drained: frozenset[str]
    in_traffic: frozenset[str]
    waves: tuple[frozenset[str], ...]
    at_once: int


def of_plan(plan: Plan) -> Disturbed:
    """The devices of a plan by what happens to them; those that nothing disturbs are in neither set."""
    drained = frozenset(t.name for t in plan.targets if any(s.verb == "drain" for s in t.steps))
    waves = tuple(frozenset(t.name for t in wave) & drained for wave in plan.waves())
    in_traffic = frozenset(t.name for t in plan.targets if _in_traffic(t))
    return Disturbed(drained, in_traffic, waves, max(1, plan.strategy.budget.total))


def _in_traffic(target: PlannedTarget) -> bool:
    drained = False
    for step in target.steps:
        if step.verb in {"drain", "undrain"}:
            drained = step.verb == "drain"
        elif step.disruptive and not drained:
            return True
    return False


def on_link(a: str, b: str, disturbed: Disturbed, network: Network) -> Impact | None:
    """What the plan does to a service over the link between a and b. None: it touches neither end.

    OUTAGE: the end that stays has no other way into the network while the plan takes this one (devices of one wave that
    may be drained together count together). DEGRADED: an end is disturbed while it carries traffic. REDUCED-REDUNDANCY:
    an end is drained, and there is another way.
    """
    found = []
    for device, far in ((a, b), (b, a)):
        if device in disturbed.drained:
            kept = _kept(device, far, disturbed, network)
            found.append(Impact.REDUCED_REDUNDANCY if kept else Impact.OUTAGE)
        if device in disturbed.in_traffic:
            found.append(Impact.DEGRADED)
    return worst(found) if found else None


def _kept(device: str, far: str, disturbed: Disturbed, network: Network) -> bool:
    """Does `far` still reach some router while `device` is drained, alone or with others of its wave?"""
    beside: Mapping[str, int] = network.capacity.get(far, {})
    wave = next((w for w in disturbed.waves if device in w), frozenset())
    together = frozenset(n for n in beside if n in wave)
    down = {device} if len(together) > disturbed.at_once else {device, *together}
    left = reachable(network, far, frozenset(down))
    return bool(left - network.externals - {far})
