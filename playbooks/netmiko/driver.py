"""The verb `netmiko`: lines for a platform that only netmiko knows, with an explicit undo and an explicit look."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager

from netmiko.ssh_dispatcher import CLASS_MAPPER_BASE

from fleet.core import redact
from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks.base import Device, Impossible, Look, Seen, Session, Step
from playbooks.netmiko import reach
from playbooks.netmiko.params import NetmikoParams
from playbooks.netmiko.reach import Cli

_AGAIN_S = 1.0
_SHOWN = 300


class Netmiko:
    """Enter lines in configuration mode; undo lines take them back; the output of `show` says what is so.

    With `arm` the device goes back by itself; `observe` disarms it over the connection after the one that saw it in
    effect, and saves then. A command line has no transactions: half of the lines may be in when one is refused, and
    the undo is entered whole.
    """

    verb = "netmiko"
    phase = TargetState.APPLYING
    reversibility = Reversibility.IN_PLACE
    disruptive = True
    acts = True
    repeatable = False  # a timer may be running on the device
    within_s = 300.0
    estimate_s = 20.0
    params_model = NetmikoParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = NetmikoParams.model_validate(spec.params)
        _device_type(params, device)
        commands = (
            f"{params.show}  # has {', '.join(params.has) or '-'}; lacks {', '.join(params.lacks) or '-'}",
            *params.arm, *(f"(config) {line}" for line in params.lines), f"on a new connection: {params.show}",
            *params.disarm, *(("save",) if params.save else ()),
        )  # fmt: skip
        undone = "".join(f"+{line}\n" for line in params.lines)
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive,
            diff=f"--- taken back by: {'; '.join(params.undo)}\n+++ entered in configuration mode\n{undone}",
            commands=commands, estimate_s=self.estimate_s, within_s=self.within_s,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        params = NetmikoParams.model_validate(step.params)
        with _opened(step, params) as cli:
            output = cli.show(params.show)
        if (reason := _no_answer(step, params, output)) is not None:
            return Look(Seen.UNKNOWN, (reason,))
        missing = _missing(step, params, output)
        if not missing:
            return Look(Seen.ALREADY, (), {"in_effect": True})
        return Look(
            Seen.READY, (), {"in_effect": False}, {"shown": _shown(output), "patterns": _patterns(params, output)}
        )

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        params = NetmikoParams.model_validate(step.params)
        with _opened(step, params) as cli:
            if params.arm:
                cli.say(params.arm)
            cli.enter(params.lines, refused=params.refused)

    def observe(self, session: Session, step: Step) -> Look:
        params = NetmikoParams.model_validate(step.params)
        with _opened(step, params) as cli:
            output = cli.show(params.show)
            if (reason := _no_answer(step, params, output)) is not None:
                return Look(Seen.UNKNOWN, (reason,), step.progress, after_s=_AGAIN_S)
            missing = _missing(step, params, output)
            if missing:
                return Look(Seen.NOT_DONE, missing, {"in_effect": False})
            if step.progress.get("in_effect") is not True:
                # Seen over a connection that may be older than the change: only the next one proves it reachable.
                return Look(Seen.WAITING, (), {"in_effect": True}, after_s=_AGAIN_S)
            cli.say(params.disarm)
            if params.save:
                cli.save()
        return Look(Seen.DONE, (), {"in_effect": True, "confirmed": True})

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """The undo, whole: a line of it that says that there is nothing to take back is no failure."""
        params = NetmikoParams.model_validate(step.params)
        with _opened(step, params) as cli:
            cli.enter(params.undo, refused="")
            cli.say(params.disarm)
            if params.save:
                cli.save()

    def observe_rollback(self, session: Session, step: Step) -> Look:
        """DONE when every pattern is there or not there as before: half of the lines may be in."""
        params = NetmikoParams.model_validate(step.params)
        with _opened(step, params) as cli:
            output = cli.show(params.show)
        if (reason := _no_answer(step, params, output)) is not None:
            return Look(Seen.UNKNOWN, (reason,))
        if _patterns(params, output) == (step.artifact or {}).get("patterns"):
            return Look(Seen.DONE, (), {"in_effect": False})
        wanted = f"as before: {(step.artifact or {}).get('shown')}"
        return Look(Seen.NOT_DONE, (Reason(f"{params.show} on {step.device.name}", _shown(output), wanted),))


def _device_type(params: NetmikoParams, device: Device) -> str:
    """netmiko's name of the platform. Raises Impossible."""
    if params.device_type is not None:
        return params.device_type
    if device.platform in CLASS_MAPPER_BASE:
        return device.platform
    remedy = "Give `device_type`, or correct the platform in the inventory."
    raise Impossible(Reason(f"platform of {device.name}", device.platform, "a device type of netmiko", remedy))


def _opened(step: Step, params: NetmikoParams) -> AbstractContextManager[Cli]:
    return reach.opened(step.device, _device_type(params, step.device), answer_s=params.answer)


def _missing(step: Step, params: NetmikoParams, output: str) -> tuple[Reason, ...]:
    """What of `has` and `lacks` the output does not show; () when it is in effect."""
    subject = f"{params.show} on {step.device.name}"
    shown = _shown(output)
    return (
        *(Reason(subject, shown, f"/{p}/") for p in params.has if not re.search(p, output, re.MULTILINE)),
        *(Reason(subject, shown, f"not /{p}/") for p in params.lacks if re.search(p, output, re.MULTILINE)),
    )


def _patterns(params: NetmikoParams, output: str) -> list[Json]:
    """Which of the patterns the output shows, `has` before `lacks`."""
    return [re.search(p, output, re.MULTILINE) is not None for p in (*params.has, *params.lacks)]


def _no_answer(step: Step, params: NetmikoParams, output: str) -> Reason | None:
    """A `show` that the device does not know tells nothing."""
    if params.refused and re.search(params.refused, output):
        return Reason(f"{params.show} on {step.device.name}", _shown(output), "its output", "Correct `show`.")
    return None


def _shown(output: str) -> str:
    return redact.text(" ".join(output.split()))[:_SHOWN] or "nothing"
