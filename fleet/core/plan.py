"""From rendered steps and topology to the plan that people approve, and its digest."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from fleet.core import lint, waves
from fleet.core.model import (
    Budget,
    CheckSpec,
    Finding,
    Json,
    OnFailure,
    OnOverrun,
    Plan,
    PlannedStep,
    PlannedTarget,
    Reason,
    Recipe,
    Reversibility,
    Severity,
    Strategy,
    Topology,
    to_json,
)
from fleet.core.states import TargetState, phase_of


def make(
    recipe: Recipe,
    steps: Mapping[str, Sequence[PlannedStep]],
    topology: Topology,
    refused: Sequence[Finding] = (),
    *,
    artifact: Mapping[str, Json] | None = None,
) -> Plan:
    """The plan of a recipe over targets whose steps were rendered. Pure and deterministic: same input, same digest.

    The order of `steps` is the order of the waves: the first target is the canary.
    `refused`: findings met while rendering (a device that cannot do a step, a device without facts, what does not go
    together). `artifact`: what is brought onto the devices, so that the digest holds for exactly that.
    """
    names = list(steps)
    wave_of, findings = waves.build(names, recipe.strategy, topology)
    targets = tuple(
        PlannedTarget(name, wave_of[name], topology.domain_of.get(name, ""), tuple(steps[name])) for name in names
    )
    plan = Plan(recipe.name, recipe.inputs, recipe.strategy, recipe.checks, targets)
    return Plan(
        plan.recipe,
        plan.inputs,
        plan.strategy,
        plan.checks,
        tuple(sorted(targets, key=lambda t: (t.wave, t.name))),
        (*refused, *findings, *lint.look_at(plan)),
        artifact or {},
    )


def digest(plan_json: Json) -> str:
    """SHA-256 over the canonical JSON of a plan (`to_json`): what an approval binds to."""
    text = json.dumps(plan_json, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def from_json(data: Mapping[str, Any]) -> Plan:
    """The plan that `to_json` wrote."""
    return Plan(
        recipe=data["recipe"],
        inputs=data["inputs"],
        strategy=strategy_from_json(data["strategy"]),
        checks=tuple(CheckSpec(c["name"], c["expect"]) for c in data["checks"]),
        targets=tuple(
            PlannedTarget(t["name"], t["wave"], t["failure_domain"], tuple(step_from_json(s) for s in t["steps"]))
            for t in data["targets"]
        ),
        findings=tuple(Finding(f["code"], Severity(f["severity"]), Reason(**f["reason"])) for f in data["findings"]),
        artifact=data.get("artifact", {}),  # plans from before there were artifacts have none
    )


def strategy_from_json(data: Mapping[str, Any]) -> Strategy:
    """The strategy that `to_json` wrote."""
    return Strategy(
        waves=tuple(tuple(w) if isinstance(w, list) else w for w in data["waves"]),
        budget=Budget(**data["budget"]),
        max_failures=data["max_failures"],
        on_failure=OnFailure(data["on_failure"]),
        on_overrun=OnOverrun(data.get("on_overrun", OnOverrun.FINISH)),  # plans from before it was in the digest
    )


def step_from_json(data: Mapping[str, Any]) -> PlannedStep:
    """The planned step that `to_json` wrote."""
    return PlannedStep(
        verb=data["verb"],
        params=data["params"],
        reversibility=Reversibility(data["reversibility"]),
        disruptive=data["disruptive"],
        diff=data["diff"],
        commands=tuple(data["commands"]),
        expected=data["expected"],
        estimate_s=data["estimate_s"],
        within_s=data["within_s"],
    )


def document(plan: Plan) -> Json:
    """The JSON that is stored, shown and digested."""
    return to_json(plan)


def worst_case_s(steps: Sequence[PlannedStep]) -> float:
    """Longest that a target may take: every step to its limit, then undone, verified and undrained again (rule 7)."""
    forward = sum(s.within_s for s in steps)
    back = sum(s.within_s for s in steps if s.verb in _ON_THE_WAY_BACK or _is_undone(s))
    return forward + back


_ON_THE_WAY_BACK = frozenset({"drain", "verify", "undrain"})


def _is_undone(step: PlannedStep) -> bool:
    return phase_of(step.verb) is TargetState.APPLYING and step.reversibility is not Reversibility.NOTHING_TO_UNDO


def estimate_s(steps: Sequence[PlannedStep]) -> float:
    """What a target usually takes."""
    return sum(s.estimate_s for s in steps)
