"""The verb `vpp-change`: a sub-interface, an address, in place; the approved commands, one by one, each read."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import confirm
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step, write
from playbooks.confirm import DeadMan
from playbooks.vpp import look, parse, render, rendering
from playbooks.vpp.params import ChangeParams

CANDIDATE = f"{render.STATE}/vppcfg-candidate.yaml"
_COMMAND_S = 20.0


class VppChange:
    """Bring VPP from the configuration that it has to one that differs a little, without taking traffic away.

    What vppcfg plans on the router must be what was approved, line by line; else it holds. Each command's success is
    read from what VPP says; in the end vppcfg must have nothing left to plan. The approved way back lies on the router
    before, armed: an interface of VPP may be the way in.
    """

    verb = "vpp-change"
    phase = TargetState.APPLYING
    reversibility = Reversibility.IN_PLACE
    disruptive = False
    acts = True
    # Commands that were carried out are in no plan any more: what is left is planned, compared and sent again.
    repeatable = True
    within_s = 120.0
    estimate_s = 10.0
    params_model = ChangeParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = ChangeParams.model_validate(spec.params)
        made = rendering.change(params, device, facts)
        diff = "".join(f"+{line}\n" for line in made["commands"])
        return PlannedStep(
            self.verb, {**spec.params, "rendered": made}, self.reversibility, self.disruptive, diff=diff,
            commands=tuple(made["commands"]), estimate_s=self.estimate_s,
            within_s=max(params.within, 2 * params.confirm),
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        _, rendered = _params(step)
        found = self._left(session, str(rendered["yaml"]))
        if isinstance(found, Reason):
            return Look(Seen.UNKNOWN, (found,))
        if not found and self._saved(session, str(rendered["yaml"])):
            return Look(Seen.ALREADY)
        # After a crash what is left is the end of what was approved.
        approved = list(rendered["commands"])
        rest = approved[len(approved) - len(found) :] if step.artifact is not None else approved
        if wrong := look.same_plan(found, rest, step.device.name):
            return Look(Seen.UNKNOWN, wrong, {"hold": True})
        had = session.run(["cat", render.CONFIG], root=True)
        if not had.ok:
            return Look(Seen.UNKNOWN, (Reason(render.CONFIG, "not there", "the configuration that is in force"),))
        boot = session.run(["cat", render.BOOT], root=True)
        artifact: dict[str, Json] = {
            "config": had.out, "boot": boot.out if boot.ok else None, "vpp": look.look(session).kept(),
            "token": secrets.token_hex(4),
        }  # fmt: skip
        return Look(Seen.READY, (), {}, artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        params, rendered = _params(step)
        found = self._left(session, str(rendered["yaml"]))
        if isinstance(found, Reason):
            raise Refused(found)
        if (man := confirm.of(step)) is not None:
            confirm.arm(session, man, _back(session, step, man), within_s=params.confirm, lasting=True)
        send(session, found, approved=rendered["commands"], device=step.device.name)
        self._keep(session, str(rendered["yaml"]))

    def observe(self, session: Session, step: Step) -> Look:
        _, rendered = _params(step)
        left = self._left(session, str(rendered["yaml"]))
        if isinstance(left, Reason):
            return Look(Seen.UNKNOWN, (left,), after_s=1.0)
        if left or not self._saved(session, str(rendered["yaml"])):
            found = f"vppcfg would still do: {', '.join(left[:3])}" if left else f"{render.CONFIG} is not what it has"
            left_over = Reason(f"VPP on {step.device.name}", found, "nothing left to plan")
            return confirm.put_back(session, step) or Look(Seen.NOT_DONE, (left_over,))
        was = (step.artifact or {}).get("vpp")
        wrong = look.failed(look.health(look.look(session), _wanted(rendered), before=was))
        if wrong:
            return confirm.put_back(session, step) or Look(Seen.NOT_DONE, wrong)
        return confirm.confirmed(session, step, {"commands": len(rendered["commands"])})

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """The commands that vppcfg plans for the configuration from before: all of them were shown as the way back."""
        before = str((step.artifact or {}).get("config", ""))
        if (man := confirm.of(step)) is not None:
            confirm.disarm(session, man)
        found = self._left(session, before)
        if isinstance(found, Reason):
            raise Refused(found)
        send(session, found, approved=None, device=step.device.name)
        if isinstance(boot := (step.artifact or {}).get("boot"), str):
            write(session, render.BOOT, boot)
        write(session, render.CONFIG, before)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        before = str((step.artifact or {}).get("config", ""))
        left = self._left(session, before)
        if isinstance(left, Reason):
            return Look(Seen.UNKNOWN, (left,), after_s=1.0)
        if left or not self._saved(session, before):
            return Look(Seen.NOT_DONE, (Reason(f"VPP on {step.device.name}", ", ".join(left[:3]), "as before"),))
        armed = confirm.still_armed(session, step)
        return Look(Seen.NOT_DONE, armed) if armed else Look(Seen.DONE)

    def _left(self, session: Session, text: str) -> tuple[str, ...] | Reason:
        """What vppcfg on the router would do for this configuration."""
        answer = session.put(CANDIDATE, text, mode="0600")
        if not answer.ok:
            return Reason(CANDIDATE, answer.said, "written")
        return look.plan_now(session, CANDIDATE)

    def _saved(self, session: Session, text: str) -> bool:
        return session.run(["cat", render.CONFIG], root=True).out == text

    def _keep(self, session: Session, text: str) -> None:
        """What a restart of VPP loads: as commands for an empty VPP its start file, then the configuration (the
        candidate), by which a look tells that both are there. Raises Refused."""
        boot = session.run(["cat", render.BOOT], root=True)
        if boot.ok:
            made = session.run(
                ["vppcfg", "-q", "plan", "--novpp", "-c", CANDIDATE, "-o", "-"], timeout_s=60.0, root=True
            )
            if not made.ok:
                raise Refused(Reason(f"vppcfg on {session.device.name}", made.said, "the commands for an empty VPP"))
            creating = ("create host-interface", "create interface")
            kept = [line for line in boot.out.splitlines() if line.startswith(creating)]
            if "create sub" in boot.out + made.out:
                write(session, render.BOOT, "\n".join([*kept, *made.out.splitlines()]) + "\n")
        write(session, render.CONFIG, text)


def send(session: Session, commands: Sequence[str], *, approved: Sequence[str] | None, device: str) -> None:
    """The commands, one by one. Raises Refused at the first that was not approved or that VPP does not carry out."""
    for command in commands:
        if approved is not None and command not in approved:
            raise Refused(Reason(f"VPP on {device}", f"{command}, which was not approved", "approved commands only"))
        answer = session.run(look.ctl(command, seconds=_COMMAND_S), timeout_s=_COMMAND_S + 10.0, root=True)
        said = parse.complaint(answer.out + answer.err, parse.expected(command))
        if not answer.ok or said:
            remedy = "What was carried out before it is put back with the rest."
            raise Refused(
                Reason(f"VPP on {device}: {command}", said or f"status {answer.status}", "carried out", remedy)
            )


def _back(session: Session, step: Step, man: DeadMan) -> list[list[str]]:
    """What the router does by itself: the way back that was planned and shown, and the files of a restart."""
    held, (_, rendered) = step.artifact or {}, _params(step)
    boot = held.get("boot")
    files = {render.CONFIG: str(held.get("config", "")), render.BOOT: boot if isinstance(boot, str) else None}
    commands = [look.ctl(line, seconds=_COMMAND_S) for line in rendered.get("back") or ()]
    return [*commands, *confirm.files_back(session, man, files), ["sync"]]


def _params(step: Step) -> tuple[ChangeParams, Mapping[str, Any]]:
    params = ChangeParams.model_validate(step.params)
    if params.rendered is None:
        raise Impossible(Reason(f"VPP on {step.device.name}", "a step without what was approved", "a planned step"))
    return params, params.rendered


def _wanted(rendered: Mapping[str, Any]) -> dict[str, Any]:
    config = render.config_of(str(rendered["yaml"])) or {}
    bonds = config.get("bondethernets") or {}
    return {"pairs": rendered["pairs"], "bonds": {name: about.get("interfaces", []) for name, about in bonds.items()}}
