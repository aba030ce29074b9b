"""The verb `undrain`: put back what we drained, through the stages of the drain backwards, and nothing else."""

from collections.abc import Mapping

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step
from playbooks.drain.look import (
    AGAIN_S,
    are_not,
    configuration,
    kept_progress,
    look,
    look_before,
    missing_neighbours,
    next_stage,
    no_artifact,
    settling,
    suite_of,
    unknown,
)
from playbooks.drain.params import DrainParams, UndrainParams, for_group
from playbooks.drain.state import (
    Before,
    Group,
    Stage,
    from_artifact,
    not_back,
    not_drained,
    of_stage,
    position,
    stages_back,
    stages_to_drain,
    to_artifact,
)


class Undrain:
    """Put traffic back: what we drained, and nothing that somebody else had drained before."""

    verb = "undrain"
    phase = TargetState.UNDRAINING
    reversibility = Reversibility.IN_PLACE
    disruptive = False
    acts = True
    repeatable = True
    within_s = 120.0
    estimate_s = 10.0
    params_model = UndrainParams

    def expand(self, spec: StepSpec) -> tuple[StepSpec, ...]:
        """One step for each group of `order`, each with its own gate. One that names its group stays as it is."""
        params = UndrainParams.model_validate(spec.params)
        if params.group is not None:
            return (spec,)
        return tuple(StepSpec(spec.verb, for_group(spec.params, group)) for group in params.groups())

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = UndrainParams.model_validate(spec.params)
        suite, group = suite_of(device), _group(params)
        before = Before(suite.switches_of(configuration(facts)))
        stages = stages_back(before, group)
        shown = [switch for switch in before.ours(group) if switch.protocol != "ospf-cost"]
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff="".join(f"undrain {switch}, unless it was drained before\n" for switch in shown),
            commands=suite.planned((stage, of_stage(stage, before)) for stage in stages),
            estimate_s=2.0 + len(stages) * params.gate, within_s=params.within,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        before, group = from_artifact(step.drain_artifact), _group(UndrainParams.model_validate(step.params))
        if before is None:
            return unknown(no_artifact(step), hold=True)
        state, _ = look_before(session, step)
        if isinstance(state, Reason):
            return unknown(state)
        data = {**kept_progress(step), **_theirs(before, group)}
        wanted = before.ours(group)
        if not not_back(state.running, wanted) and not not_back(state.saved or (), wanted):
            return Look(Seen.ALREADY, (), data)
        refusals = missing_neighbours(step, state)
        if refusals and "stage" in step.progress:
            return Look(Seen.WAITING, refusals, data, after_s=AGAIN_S)
        if refusals:
            return unknown(*refusals, hold=True)
        artifact = to_artifact(state.of(group), suite=step.device.suite, extras=before.extras)
        return Look(Seen.READY, (), data, artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        before, group = from_artifact(step.drain_artifact), _group(UndrainParams.model_validate(step.params))
        if before is None:
            raise Impossible(no_artifact(step))
        self._next(session, step, stages_back(before, group), before, deadline_s)

    def _next(self, session: Session, step: Step, stages: tuple[Stage, ...], before: Before, deadline_s: float) -> None:
        state, _ = look_before(session, step)
        if isinstance(state, Reason):
            raise Refused(state)
        next_stage(session, step, stages, before, state, timeout_s=min(30.0, deadline_s))

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when the group is back and saved, every neighbour of the baseline is Full, and `gate` has passed."""
        params = UndrainParams.model_validate(step.params)
        before, group = from_artifact(step.drain_artifact), _group(params)
        if before is None:
            return unknown(no_artifact(step))
        state, _ = look(session, step)
        if isinstance(state, Reason):
            return unknown(state)
        stages = stages_back(before, group)
        at = position(stages, state.running, before)
        waiting = settling(step, stages, at, before, state, params.gate) if at else None
        theirs = _theirs(before, group)
        if at < len(stages):
            left = are_not("undrained", not_back(state.running, before.ours(group)))
            return _with(waiting, theirs) or Look(Seen.NOT_DONE, left, theirs)
        unsaved = not_back(state.saved or (), before.ours(group))
        if unsaved:
            return Look(Seen.NOT_DONE, are_not("saved as before", unsaved), theirs)
        missing = missing_neighbours(step, state)
        if missing:
            late = step.waited_s > params.within
            data = {**kept_progress(step), **theirs}
            return Look(Seen.NOT_DONE if late else Seen.WAITING, missing, data, after_s=0.0 if late else AGAIN_S)
        return _with(waiting, theirs) or Look(Seen.DONE, (), theirs)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """The next stage of draining again what this step undrained."""
        before, group = from_artifact(step.drain_artifact), _group(UndrainParams.model_validate(step.params))
        if before is None:
            raise Impossible(no_artifact(step))
        self._next(session, step, _again(before, group), before, deadline_s)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        params = UndrainParams.model_validate(step.params)
        before, group = from_artifact(step.drain_artifact), _group(params)
        state, _ = look(session, step)
        if isinstance(state, Reason) or before is None:
            return unknown(state if isinstance(state, Reason) else no_artifact(step))
        unset = not_drained(state.running, before.ours(group))
        return (
            Look(Seen.NOT_DONE, are_not("drained", unset), after_s=max(params.gate, AGAIN_S))
            if unset
            else Look(Seen.DONE)
        )


def _group(params: UndrainParams) -> Group:
    groups = params.groups()
    return groups[0] if len(groups) == 1 else Group.ALL


def _again(before: Before, group: Group) -> tuple[Stage, ...]:
    stages = stages_to_drain(before, DrainParams().order)
    return tuple(s for s in stages if group.covers(Group.IGP if s.name == "igp" else Group.BGP))


def _theirs(before: Before, group: Group) -> dict[str, Json]:
    left = before.theirs(group)
    return {"prior_drain": bool(left), "left_drained": [str(switch) for switch in left]}


def _with(waiting: Look | None, data: Mapping[str, Json]) -> Look | None:
    return (
        None
        if waiting is None
        else Look(waiting.seen, waiting.reasons, {**waiting.data, **data}, None, waiting.after_s)
    )
