"""The verbs `vpp-vrrp`, the last group of all, and `vpp-default`: what soaked is what every later boot starts."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks.base import Device, Look, Refused, Seen, Session, Step, write
from playbooks.params import Duration
from playbooks.vpp import render, rendering
from playbooks.vpp.params import VppParams

_VRRP = "keepalived"
_AGAIN_S = 1.0


class VrrpParams(BaseModel):
    """How long keepalived may take to be active in the namespace."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    within: Duration = Field(default=30.0, description="how long keepalived may take to be active")


class VppVrrp:
    """keepalived comes back where VPP's interfaces are, after the traffic; where it did not run, nothing does."""

    verb = "vpp-vrrp"
    phase = TargetState.UNDRAINING
    reversibility = Reversibility.IN_PLACE
    disruptive = False
    acts = True
    repeatable = True
    within_s = 60.0
    estimate_s = 3.0
    params_model = VrrpParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = VrrpParams.model_validate(spec.params)
        routing = facts.get("routing")
        listed = routing.get("daemon_list") if isinstance(routing, Mapping) else None
        ran = isinstance(listed, Mapping) and _VRRP in listed
        diff = "+keepalived in the namespace\n" if ran else ""
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive, diff=diff,
            commands=(f"systemctl start {_VRRP}",) if ran else (), expected={"vrrp": ran}, estimate_s=self.estimate_s,
            within_s=params.within,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        if not step.planned.expected.get("vrrp") or self._active(session):
            return Look(Seen.ALREADY)
        return Look(Seen.READY, (), {}, {"started": True})

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        systemctl(session, "start", _VRRP)

    def observe(self, session: Session, step: Step) -> Look:
        if self._active(session):
            return Look(Seen.DONE)
        reason = Reason(f"{_VRRP} on {step.device.name}", "not active", "active", "See its log.")
        late = step.waited_s > VrrpParams.model_validate(step.params).within
        return Look(Seen.NOT_DONE if late else Seen.WAITING, (reason,), after_s=0.0 if late else _AGAIN_S)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        systemctl(session, "stop", _VRRP)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        return Look(Seen.NOT_DONE) if self._active(session) else Look(Seen.DONE)

    def _active(self, session: Session) -> bool:
        return session.run(["systemctl", "is-active", f"{_VRRP}.service"]).out.strip() == "active"


class VppDefault:
    """After the soak: VPP, its namespace and its services come up with every boot, with all that was applied."""

    verb = "vpp-default"
    phase = TargetState.SOAKING
    reversibility = Reversibility.IN_PLACE
    disruptive = False
    acts = True
    repeatable = True
    within_s = 60.0
    estimate_s = 5.0
    params_model = VppParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = VppParams.model_validate(spec.params)
        made = rendering.migration(params, device, facts)
        short: dict[str, Any] = {key: made[key] for key in ("commands", "creating", "yaml", "startup", "pages")}
        return PlannedStep(
            self.verb, {**spec.params, "rendered": short}, self.reversibility, self.disruptive,
            diff="+VPP with every boot\n", commands=tuple(f"systemctl enable {unit}" for unit in units(params)),
            estimate_s=self.estimate_s, within_s=self.within_s,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        if not self._missing(session, step):
            return Look(Seen.ALREADY)
        had = {path: session.run(["cat", path], root=True) for path in self._files(step)}
        before = {path: answer.out if answer.ok else None for path, answer in had.items()}
        return Look(Seen.READY, (), {}, {"files": before})

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        for path, text in self._files(step).items():
            write(session, path, text)
        systemctl(session, "daemon-reload")
        for unit in units(VppParams.model_validate(step.params)):
            systemctl(session, "enable", unit)

    def observe(self, session: Session, step: Step) -> Look:
        wrong = self._missing(session, step)
        return Look(Seen.NOT_DONE, wrong) if wrong else Look(Seen.DONE)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        for unit in units(VppParams.model_validate(step.params)):
            systemctl(session, "disable", unit)
        for path, text in self._before(step).items():
            if text is None:
                session.run(["rm", "-f", path], root=True)
            else:
                write(session, path, text)
        systemctl(session, "daemon-reload")

    def observe_rollback(self, session: Session, step: Step) -> Look:
        for path, text in self._before(step).items():
            answer = session.run(["cat", path], root=True)
            if (answer.out if answer.ok else None) != text:
                return Look(Seen.NOT_DONE, (Reason(path, "another text", "as it was before"),))
        return Look(Seen.DONE)

    def _before(self, step: Step) -> dict[str, str | None]:
        return dict((step.artifact or {}).get("files") or {})

    def _files(self, step: Step) -> dict[str, str]:
        """The drop-ins where they outlive a boot, and a start file with every command."""
        params = VppParams.model_validate(step.params)
        rendered = params.rendered or {}
        made = render.files(params, rendered, step.device.suite)
        lasting = {
            path.replace(render.DROPINS, render.UNITS, 1): text
            for path, text in made.items()
            if path.startswith(f"{render.DROPINS}/")
        }
        lines = [*rendered.get("creating", ()), *rendered.get("commands", ())]
        return {**lasting, render.BOOT: "".join(f"{line}\n" for line in lines)}

    def _missing(self, session: Session, step: Step) -> tuple[Reason, ...]:
        reasons = []
        for path, text in self._files(step).items():
            answer = session.run(["cat", path], root=True)
            if not answer.ok or answer.out != text:
                reasons.append(Reason(path, "another text", "what was approved"))
        for unit in units(VppParams.model_validate(step.params)):
            if session.run(["systemctl", "is-enabled", unit]).out.strip() != "enabled":
                reasons.append(Reason(f"{unit} on {step.device.name}", "not enabled", "enabled"))
        return tuple(reasons)


def units(params: VppParams) -> tuple[str, ...]:
    """What every boot must start."""
    return (render.NETNS_UNIT, "vpp.service", *(f"slipway-{name}.service" for name in params.services))


def systemctl(session: Session, *words: str) -> None:
    """Raises Refused."""
    answer = session.run(["systemctl", *words], timeout_s=60.0, root=True)
    if not answer.ok:
        said = " ".join((answer.err or answer.out).split())[:200]
        raise Refused(Reason(f"systemctl {' '.join(words)}", f"refused: {said}", "done"))
