"""Findings on a plan before anybody approves it: FATAL stops it, WARN is shown."""

from collections.abc import Iterator

from fleet.core.model import Finding, Plan, PlannedTarget, Reason, Reversibility, Severity
from fleet.core.states import TARGET_MOVES, TargetState, phase_of


def look_at(plan: Plan) -> tuple[Finding, ...]:
    """Every finding that the plan itself shows; topology findings come from the wave builder."""
    findings = list(_strategy(plan))
    for target in plan.targets:
        findings += _step_order(target)
        findings += _drain_order(target)
        findings += _one_way(target)
        findings += _firmware_alone(target)
    if not plan.targets:
        reason = Reason("targets", "none", "at least one device", "Widen the target selection.")
        findings.append(Finding("no-targets", Severity.FATAL, reason))
    return tuple(dict.fromkeys(findings))


def _strategy(plan: Plan) -> Iterator[Finding]:
    budget = plan.strategy.budget
    if budget.total < 1 or budget.per_failure_domain < 1:
        found = f"total {budget.total}, per failure domain {budget.per_failure_domain}"
        yield Finding(
            "budget-empty",
            Severity.FATAL,
            Reason("strategy.budget", found, "at least 1 each", "No target could ever start; raise it."),
        )


def _step_order(target: PlannedTarget) -> Iterator[Finding]:
    """The baseline comes first, and every step may follow the one before: what is not in the table cannot be run."""
    if target.steps and target.steps[0].verb != "baseline":
        yield Finding(
            "no-baseline",
            Severity.FATAL,
            Reason(
                f"recipe on {target.name}",
                f"{target.steps[0].verb} as its first step",
                "a baseline, taken before anything is touched",
                "Begin the recipe with a baseline step.",
            ),
        )
    state, before = TargetState.BASELINING, "the beginning"
    for step in target.steps:
        phase = phase_of(step.verb)
        if phase is not state and phase not in TARGET_MOVES[state]:
            yield Finding(
                "step-order",
                Severity.FATAL,
                Reason(
                    f"recipe on {target.name}",
                    f"{step.verb} after {before}",
                    "baseline, drain, what is applied, verify, undrain, soak in this order",
                    "Move the step; two rounds of drain and undrain are two changes.",
                ),
            )
        state, before = TargetState.DRAINED if phase is TargetState.DRAINING else phase, step.verb


def _drain_order(target: PlannedTarget) -> Iterator[Finding]:
    """Nothing disruptive outside drain .. undrain; nothing undrained that was not verified (rule 2)."""
    drained = verified = False
    for step in target.steps:
        match step.verb:
            case "drain":
                drained, verified = True, False
            case "verify":
                verified = True
            case "undrain":
                if not verified:
                    yield Finding(
                        "undrain-unverified",
                        Severity.FATAL,
                        Reason(
                            f"recipe step undrain on {target.name}",
                            "no verify before it",
                            "a verify between the last act and undrain",
                            "Add a verify step.",
                        ),
                    )
                drained = False
            case "baseline" | "soak" | "probe" | "probe-again":
                pass
            case _:
                verified = False
                if step.disruptive and not drained:
                    yield Finding(
                        "disruptive-undrained",
                        Severity.FATAL,
                        Reason(
                            f"recipe step {step.verb} on {target.name}",
                            "not drained before it",
                            "a drain step before anything disruptive",
                            "Add drain and undrain around it.",
                        ),
                    )
    if drained:
        yield Finding(
            "never-undrained",
            Severity.FATAL,
            Reason(
                f"recipe on {target.name}",
                "drain without undrain",
                "an undrain after the last verify",
                "Add an undrain step.",
            ),
        )


def _one_way(target: PlannedTarget) -> Iterator[Finding]:
    for step in target.steps:
        if step.reversibility in {Reversibility.BY_REFLASH, Reversibility.NOT_AT_ALL}:
            yield Finding(
                "one-way",
                Severity.WARN,
                Reason(
                    f"{step.verb} on {target.name}",
                    f"reversible {step.reversibility}",
                    "a step that can be undone by itself",
                    "Approve only with a way back in mind.",
                ),
            )


# What goes with any change: it restarts, and leaves nothing that a flash could be mixed up with.
_GOES_WITH_ANYTHING = frozenset({"firmware", "reboot", "restart", "drain", "undrain"})


def _firmware_alone(target: PlannedTarget) -> Iterator[Finding]:
    """Firmware is never in one change with something else unless asked (S0-11): what failed could not be told apart."""
    others = [s.verb for s in target.steps if phase_of(s.verb) is TargetState.APPLYING]
    others = [verb for verb in others if verb not in _GOES_WITH_ANYTHING]
    for step in target.steps:
        if step.verb == "firmware" and others and step.params.get("together") is not True:
            yield Finding(
                "firmware-together",
                Severity.FATAL,
                Reason(
                    f"firmware on {target.name}",
                    f"in one change with {', '.join(dict.fromkeys(others))}",
                    "a change of its own: it has no way back, and what failed could not be told apart",
                    "Make two changes, or ask for it with `together: true`.",
                ),
            )
