"""The verb `routing`: a section of the configuration, with a timer on the router that puts it back."""

import secrets
from collections.abc import Mapping
from typing import Protocol

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks.base import Device, Impossible, Look, Seen, Session, Step
from playbooks.routing import render
from playbooks.routing.bird import Bird
from playbooks.routing.frr import Frr
from playbooks.routing.params import RoutingParams
from playbooks.routing.render import Names, Section, configuration_digest


class Suite(Protocol):
    """A routing suite as this kind sees it."""

    name: str

    def read(self, session: Session) -> str | Reason: ...
    def candidate(self, config: str, section: Section) -> str: ...
    def missing(self, session: Session, config: str, section: Section) -> tuple[Reason, ...]: ...
    def in_effect(self, session: Session, section: Section) -> bool: ...
    def planned(self, section: Section, confirm_s: float) -> tuple[str, ...]: ...
    def apply(self, session: Session, section: Section, names: Names, *, confirm_s: float) -> None: ...
    def observe(self, session: Session, step: Step, section: Section, names: Names) -> Look: ...
    def rollback(self, session: Session, names: Names, *, timeout_s: float) -> None: ...


_SUITES: Mapping[str, Suite] = {"frr": Frr(), "bird": Bird()}


def _suite(device: Device) -> Suite:
    if device.suite not in _SUITES:
        found = f"routing suite {device.suite}"
        raise Impossible(Reason(f"routing of {device.name}", found, "frr or bird", "Set the suite in the inventory."))
    return _SUITES[device.suite]


def section_of(params: RoutingParams, device: Device) -> Section:
    """The section for one device: what the plan rendered, or rendered now."""
    text = params.rendered
    if text is None and params.template is not None:
        about = {"name": device.name, "router_id": device.router_id, "suite": device.suite}
        context = {**params.variables, "values": params.variables, "device": about}
        text = render.section_text(params.template, device.suite, context)
    if text is None:
        text = params.fragment.get(device.suite, "")
    remove = params.remove if device.suite == "frr" else ""
    if not text.strip() and not remove.strip():
        found = f"no text for {device.suite}"
        raise Impossible(Reason(f"section {params.section} on {device.name}", found, "a text, or another target"))
    return Section(params.section, text, remove)


class Routing:
    """Apply a section with commit-confirm: the router goes back by itself unless it is reached again and confirmed.

    The confirmation is done by `observe`, which is the second half of the act: it must come over a connection that was
    made after the change, and only the engine's next visit has one. It is idempotent; a crash before it lets the
    router go back, a crash after it finds it done.
    """

    verb = "routing"
    phase = TargetState.APPLYING
    reversibility = Reversibility.IN_PLACE
    disruptive = True  # a policy or an interface can move all traffic
    acts = True
    repeatable = False  # a timer may be running on the router
    within_s = 180.0
    estimate_s = 15.0
    params_model = RoutingParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = RoutingParams.model_validate(spec.params)
        suite, section = _suite(device), section_of(params, device)
        routing = facts.get("routing")
        known = routing.get("running_config") if isinstance(routing, Mapping) else None
        diff, expected = "", dict[str, Json]()
        if isinstance(known, str):
            diff = render.diff(known, suite.candidate(known, section), suite=suite.name)
            expected = {"configuration": configuration_digest(known, suite=suite.name), "section": section.digest()}
        return PlannedStep(
            self.verb, {**spec.params, "rendered": section.add}, self.reversibility, self.disruptive,
            diff=diff, commands=suite.planned(section, params.confirm), expected=expected,
            estimate_s=self.estimate_s, within_s=2 * params.confirm + 60.0,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        params = RoutingParams.model_validate(step.params)
        suite, section = _suite(step.device), section_of(params, step.device)
        config = suite.read(session)
        if isinstance(config, Reason):
            return Look(Seen.UNKNOWN, (config,))
        if not suite.missing(session, config, section):
            return Look(Seen.ALREADY, (), {"section": section.digest()})
        found = configuration_digest(config, suite=suite.name)
        expected = step.planned.expected
        if (
            expected.get("configuration", found) != found
            or expected.get("section", section.digest()) != section.digest()
        ):
            return Look(Seen.UNKNOWN, (_moved(step, found),))
        names = Names(secrets.token_hex(4))
        artifact = {"token": names.token, "suite": suite.name, "before": names.file("before"), "configuration": found}
        return Look(Seen.READY, (), {"section": section.digest()}, artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        params = RoutingParams.model_validate(step.params)
        section = section_of(params, step.device)
        _suite(step.device).apply(session, section, _names(step), confirm_s=params.confirm)

    def observe(self, session: Session, step: Step) -> Look:
        params = RoutingParams.model_validate(step.params)
        return _suite(step.device).observe(session, step, section_of(params, step.device), _names(step))

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        _suite(step.device).rollback(session, _names(step), timeout_s=min(60.0, deadline_s))

    def observe_rollback(self, session: Session, step: Step) -> Look:
        """DONE when the configuration is the one from before, by its statements."""
        suite = _suite(step.device)
        config = suite.read(session)
        if isinstance(config, Reason):
            return Look(Seen.UNKNOWN, (config,))
        found, wanted = configuration_digest(config, suite=suite.name), (step.artifact or {}).get("configuration")
        section = section_of(RoutingParams.model_validate(step.params), step.device)
        if found == wanted and not suite.in_effect(session, section):
            return Look(Seen.DONE, (), {"configuration": found})
        return Look(
            Seen.NOT_DONE, (Reason("configuration", f"statements {found[:12]}", f"{str(wanted)[:12]} as before"),)
        )


def _names(step: Step) -> Names:
    token = (step.artifact or {}).get("token")
    if not isinstance(token, str) or not token.isalnum():
        raise Impossible(
            Reason(f"routing of {step.device.name}", "no record of the files on it", "the step's artifact")
        )
    return Names(token)


def _moved(step: Step, found: str) -> Reason:
    return Reason(
        f"configuration of {step.device.name}", f"statements {found[:12]}",
        f"{str(step.planned.expected.get('configuration'))[:12]} as it was approved",
        "Somebody changed it since: collect the facts, plan and approve again.",
    )  # fmt: skip
