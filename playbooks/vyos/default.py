"""The verb `vyos-default`: the image that was tried and soaked is what every later boot is."""

from collections.abc import Mapping

from napalm.base.exceptions import CommandErrorException

from custom_napalm import vyos
from custom_napalm.vyos import VyOSDriver
from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step
from playbooks.vyos import look as looking
from playbooks.vyos import render
from playbooks.vyos.driver import clean, editenv
from playbooks.vyos.look import State
from playbooks.vyos.params import DefaultParams


class VyosDefault:
    """Make the image that runs the default. The artifact holds the default before. The old image stays installed."""

    verb = "vyos-default"
    phase = TargetState.SOAKING
    reversibility = Reversibility.IN_PLACE
    disruptive = False
    acts = True
    repeatable = True
    within_s = 300.0
    estimate_s = 10.0
    params_model = DefaultParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = DefaultParams.model_validate(spec.params)
        commands = (" ".join(vyos.set_default(params.image)), f"rm {render.TRIAL_FILE}")
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive, diff=f"+default boot {params.image}\n",
            commands=commands, estimate_s=self.estimate_s, within_s=self.within_s,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        params = DefaultParams.model_validate(step.params)
        state = looking.look(session, params.image)
        if isinstance(state, Reason):
            return Look(Seen.UNKNOWN, (state,))
        if not _missing(params, state):
            return Look(Seen.ALREADY, (), state.data())
        return Look(Seen.READY, (), state.data(), {"default": state.images.default})

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        params, held = DefaultParams.model_validate(step.params), _held(step)
        state = looking.look(session, params.image)
        if isinstance(state, Reason):
            raise Refused(state)
        # Not in the look before: every step is asked before the drain as well, when the old image still runs.
        if state.images.running != params.image:
            subject, found = f"image of {step.device.name}", f"{state.images.running} runs"
            raise Refused(Reason(subject, found, f"{params.image}, which was verified"))
        _set(session, params.image)
        editenv(session, "unset", render.ONCE)
        clean(session, render.UNITS)
        # What would have drained the router in a boot of the old image: whoever goes back by hand is not surprised.
        clean(session, render.overlay(state.root, held) + render.UNITS)
        session.run(["sync"], root=True, timeout_s=60.0)

    def observe(self, session: Session, step: Step) -> Look:
        params = DefaultParams.model_validate(step.params)
        state = looking.look(session, params.image)
        if isinstance(state, Reason):
            return Look(Seen.UNKNOWN, (state,), step.progress, after_s=2.0)
        missing = _missing(params, state)
        return Look(Seen.NOT_DONE if missing else Seen.DONE, missing, state.data())

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        _set(session, _held(step))

    def observe_rollback(self, session: Session, step: Step) -> Look:
        state = looking.look(session, DefaultParams.model_validate(step.params).image)
        if isinstance(state, Reason):
            return Look(Seen.UNKNOWN, (state,), step.progress, after_s=2.0)
        if state.images.default == _held(step):
            return Look(Seen.DONE, (), state.data())
        reason = Reason(f"default boot of {step.device.name}", state.images.default, f"{_held(step)} as before")
        return Look(Seen.NOT_DONE, (reason,), state.data())


def _missing(params: DefaultParams, state: State) -> tuple[Reason, ...]:
    """What keeps the next boot from being as the one that runs."""
    reasons = []
    if state.images.default != params.image or state.once:
        found = f"{state.images.default}, {state.once or 'nothing'} once"
        reasons.append(Reason("default boot", found, f"{params.image}, nothing once"))
    if state.menu:
        reasons.append(Reason(render.TRIAL_FILE, "the entry of the trial", "no such file"))
    return tuple(reasons)


def _set(session: Session, image: str) -> None:
    try:
        VyOSDriver.over(session).set_default_image(image)
    except CommandErrorException as error:
        raise Refused(Reason(f"default boot of {session.device.name}", str(error)[:200], image)) from None


def _held(step: Step) -> str:
    default = (step.artifact or {}).get("default")
    if not isinstance(default, str) or not default:
        raise Impossible(Reason(f"default boot of {step.device.name}", "none on record", "the one from before"))
    return default
