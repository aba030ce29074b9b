"""The verb `drain`: look, bring the router through the stages, and prove by counters that the traffic is gone.

Each `apply` is one stage, the first that the device has not reached. Between stages `observe` says WAITING until the
network has learned of it, then NOT_DONE, upon which the engine looks before and applies again: no state but the
device's own is needed, and a crash anywhere goes on from what is there.
"""

from collections.abc import Callable, Mapping

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks.base import Answer, Device, Impossible, Look, Refused, Seen, Session, Step
from playbooks.drain import loop_free
from playbooks.drain.cautions import cautions
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
from playbooks.drain.params import DrainParams
from playbooks.drain.proof import COUNTERS, proof
from playbooks.drain.remedy import announce_anew
from playbooks.drain.state import (
    Before,
    Group,
    State,
    from_artifact,
    not_back,
    not_drained,
    of_stage,
    position,
    stages_back,
    stages_to_drain,
    to_artifact,
)


class Drain:
    """Move traffic away: lower preference in BGP, cost out in the interior protocols, saved over a restart."""

    verb = "drain"
    phase = TargetState.DRAINING
    reversibility = Reversibility.IN_PLACE
    disruptive = False
    acts = True
    repeatable = True
    within_s = 300.0
    estimate_s = 20.0
    params_model = DrainParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = DrainParams.model_validate(spec.params)
        suite = suite_of(device)
        before = Before(suite.switches_of(configuration(facts)))
        stages = stages_to_drain(before, params.order)
        steps = ("interior costs rise in steps without loops, from the live OSPF database",)
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff="".join(f"drain {switch}\n" for switch in before.ours() if switch.protocol != "ospf-cost"),
            commands=(*(steps if params.steps == "loop-free" else ()),
                      *suite.planned((stage, of_stage(stage, before)) for stage in stages)),
            estimate_s=4 * params.gate + params.settle, within_s=params.within,
        )  # fmt: skip

    def cautions(self, device: Device, facts: Mapping[str, Json]) -> tuple[Reason, ...]:
        """Routers that have no IPv6 route for a moment whenever one of their neighbours is drained."""
        return cautions(device, facts)

    def precheck(self, session: Session, step: Step) -> Look:
        """READY with what is in place, never ALREADY: also a router that somebody else drained has to be proven quiet.

        UNKNOWN with `{"hold": true}` where the live network does not leave room for one more drained router.
        """
        params = DrainParams.model_validate(step.params)
        state, answers = look_before(session, step)
        if isinstance(state, Reason):
            return unknown(state)
        if not state.running:
            reason = Reason(f"drain of {step.device.name}", "no BGP and no OSPF", "something that draws traffic")
            return Look(Seen.IMPOSSIBLE, (reason,))
        refusals = (*self._budget(step, state), *missing_neighbours(step, state))
        if refusals:
            return unknown(*refusals, hold=True)
        last = suite_of(step.device).last_extra(state.running)
        steps = loop_free.steps(state.graph, step.device.router_id, last) if params.steps == "loop-free" else (last,)
        artifact = to_artifact(state.running, suite=step.device.suite, extras=steps[:-1])
        stubs = None if state.stub_routers is None else sorted(state.stub_routers)
        data = {**kept_progress(step), "prior_drain": artifact["prior_drain"], "stub_routers": stubs}
        return Look(Seen.READY, suite_of(step.device).notes(answers), data, artifact)

    def _budget(self, step: Step, state: State) -> tuple[Reason, ...]:
        """The budget against the live network: whoever announces maximum metric counts, whoever drained it."""
        if state.stub_routers is None:
            return (
                Reason(
                    f"routers drained around {step.device.name}", "no readable OSPF database", "the database of OSPF",
                    "Holding: without it the budget cannot be checked against the live network.",
                ),
            )  # fmt: skip
        drained = sorted((state.stub_routers | set(step.drained_elsewhere)) - {step.device.router_id})
        if len(drained) + 1 <= step.budget_total:
            return ()
        named = ", ".join(f"{r} ({'by Slipway' if r in step.drained_elsewhere else 'by others'})" for r in drained)
        return (
            Reason(
                "budget of drained routers", f"{len(drained)} drained already: {named}",
                f"at most {step.budget_total} with {step.device.name}",
                "Holding until one is back; raise the budget only if the network carries it.",
            ),
        )  # fmt: skip

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        before = from_artifact(step.artifact)
        if before is None:
            raise Impossible(no_artifact(step))
        state, _ = look_before(session, step)
        if isinstance(state, Reason):
            raise Refused(state)
        stages = stages_to_drain(before, DrainParams.model_validate(step.params).order)
        next_stage(session, step, stages, before, state, timeout_s=min(30.0, deadline_s))

    def observe(self, session: Session, step: Step) -> Look:
        """DONE when every stage is reached and saved and forwarding stayed below `below` for `settle`.

        `data`: forwarded (pps by family), quiet_since_s (of `waited_s`), prior_drain; stage while on the way.
        """
        params = DrainParams.model_validate(step.params)
        before = from_artifact(step.artifact)
        if before is None:
            return Look(Seen.NOT_DONE, (no_artifact(step),))
        stages = stages_to_drain(before, params.order)
        begun = step.progress.get("stage") == len(stages) or not stages
        state, answers = look(session, step, COUNTERS if begun else None)
        if isinstance(state, Reason):
            return unknown(state)
        at = position(stages, state.running, before)
        if at < len(stages):
            waiting = settling(step, stages, at, before, state, params.gate) if at else None
            return waiting or Look(Seen.NOT_DONE, are_not("drained", not_drained(state.running, before.ours())))
        if not begun:
            # The counters are looked at from the next visit on: the network needs this long to learn of it anyway.
            return Look(Seen.WAITING, (), {"stage": at, "stage_is": "all stages"}, after_s=AGAIN_S)
        wanted = (*before.theirs(), *(switch for stage in stages for switch in of_stage(stage, before)))
        unsaved = not_drained(state.saved, wanted) if state.saved is not None else wanted
        if unsaved:
            return Look(Seen.NOT_DONE, are_not("saved as drained", unsaved))
        return self._proof(step, params, before, state, answers)

    def _proof(
        self, step: Step, params: DrainParams, before: Before, state: State, answers: Mapping[str, Answer]
    ) -> Look:
        found = proof(step, answers)
        late = step.waited_s > params.within
        loud = (*suite_of(step.device).denied(answers, state), *found.loud(step.device.name, params.below))
        data = {**kept_progress(step), "prior_drain": bool(before.theirs()), **found.data()}
        if not loud:
            since = step.progress.get("quiet_since_s")
            data["quiet_since_s"] = since = since if isinstance(since, int | float) else step.waited_s
            left = params.settle - (step.waited_s - since)
            return Look(Seen.DONE, (), data) if left <= 0 else Look(Seen.WAITING, (), data, after_s=min(left, AGAIN_S))
        if found.pps is None:
            return Look(Seen.UNKNOWN if late else Seen.WAITING, loud, data, after_s=AGAIN_S)
        return Look(Seen.NOT_DONE if late else Seen.WAITING, loud, data, after_s=0.0 if late else AGAIN_S)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """The next stage of the way back to what was in place."""
        before = from_artifact(step.artifact)
        if before is None:
            raise Impossible(no_artifact(step))
        state, _ = look_before(session, step)
        if isinstance(state, Reason):
            raise Refused(state)
        next_stage(session, step, stages_back(before, Group.ALL), before, state, timeout_s=min(30.0, deadline_s))

    def observe_rollback(self, session: Session, step: Step) -> Look:
        before = from_artifact(step.artifact)
        state, _ = look(session, step)
        if isinstance(state, Reason) or before is None:
            return unknown(state if isinstance(state, Reason) else no_artifact(step))
        left = not_back(state.running, before.ours()) or not_back(state.saved or (), before.ours())
        gate_s = max(DrainParams.model_validate(step.params).gate, AGAIN_S)
        return Look(Seen.NOT_DONE, are_not("undrained and saved", left), after_s=gate_s) if left else Look(Seen.DONE)

    def remedy(self, session: Session, step: Step, *, deadline_s: float, begin: Callable[[str], bool]) -> str | None:
        """For a verification that lasts: see remedy.py. The costs are those that this drain has set."""
        return announce_anew(session, step, deadline_s=deadline_s, begin=begin)
