"""The verb `napalm`: what compare_config said is approved, committed, confirmed over a new connection, or goes back."""

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any

from napalm.base import NetworkDriver

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import confirm, deadlines, frr_change, network_os
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step
from playbooks.confirm import DeadMan
from playbooks.napalm import render
from playbooks.napalm.params import NapalmParams

_AGAIN_S = 1.0


class Napalm:
    """Replace or merge a configuration through NAPALM.

    The confirmation is done by `observe`, the second half of the act: it must come over a connection that was made
    after the change. It is idempotent; a crash before it lets the device go back, a crash after it finds it done.
    """

    verb = "napalm"
    phase = TargetState.APPLYING
    reversibility = Reversibility.IN_PLACE
    disruptive = True  # a policy or an interface can move all traffic
    acts = True
    repeatable = False  # a timer may be running on the device
    within_s = 300.0
    estimate_s = 20.0
    params_model = NapalmParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = NapalmParams.model_validate(spec.params)
        name = network_os.driver_name(device, params.driver)
        made = network_os.driver_class(device, name)
        _guarded(params, device, name, confirms=network_os.confirms(made))
        text = render.text_of(params, device, name)
        filled: dict[str, Json] = {"rendered": text}
        if name == "frr":
            routing = facts.get("routing")
            known = routing.get("running_config") if isinstance(routing, Mapping) else None
            if not isinstance(known, str):
                raise Impossible(_not_told(device, "the running configuration", "Collect its facts as root."))
            what = render.frr_change_of(params, device, text, known)
            diff = frr_change.redacted(frr_change.diff(known, render.frr_wanted(params, text, known)))
            filled["change"] = render.change_json(what)
        else:
            told = render.told_diff(facts, params.mode, text)
            if told is None:
                remedy = "Run ./manage.py compare on the change: it asks the device and changes nothing."
                raise Impossible(_not_told(device, "what it would change (compare_config)", remedy))
            diff = frr_change.redacted(told)
        lines = "\n".join(render.changed_lines(diff))
        expected: dict[str, Json] = {"changes": hashlib.sha256(lines.encode()).hexdigest()}
        return PlannedStep(
            self.verb, {**spec.params, **filled}, self.reversibility, not params.in_service, diff=diff,
            commands=_commands(params, name, confirms=network_os.confirms(made)), expected=expected,
            estimate_s=self.estimate_s, within_s=2 * params.confirm + 120.0,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        """ALREADY when there is nothing to change; UNKNOWN, naming the lines, when it is not what was approved."""
        params, name = _of(step)
        with network_os.opened(session, name, allow_removal=params.allow_removal) as driver:
            if network_os.confirms(type(driver)) and driver.has_pending_commit():
                found = "a commit that waits for its confirmation"
                remedy = "Somebody else is at work on it: confirm or take back that commit."
                return Look(Seen.UNKNOWN, (Reason(step.device.name, found, "no such commit", remedy),))
            diff = _loaded(driver, params, name)
            config = _digest(driver, name)
            driver.discard_config()
            if not render.changed_lines(diff):
                wrong = _compliance(driver, params, step.device)
                return Look(Seen.UNKNOWN if wrong else Seen.ALREADY, wrong, {"configuration": config})
        if (reason := render.moved(step.device, step.planned.diff, diff)) is not None:
            return Look(Seen.UNKNOWN, (reason,))
        artifact: dict[str, Json] = {"token": secrets.token_hex(4), "driver": name, "configuration": config}
        return Look(Seen.READY, (), {"configuration": config}, artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Load again, compare with what was approved again, commit. A difference is refused before anything is sent."""
        params, name = _of(step)
        with network_os.opened(session, name, allow_removal=params.allow_removal) as driver:
            diff = _loaded(driver, params, name)
            if (reason := render.moved(step.device, step.planned.diff, diff)) is not None:
                driver.discard_config()
                raise Refused(reason)
            message = f"Slipway, step napalm on {step.device.name}"
            deadlines.refuse_late(f"commit on {step.device.name}")
            if network_os.confirms(type(driver)):
                driver.commit_config(message=message, revert_in=network_os.revert_in(name, params.confirm))
                return
            if params.revert:
                confirm.arm(session, _man(step), params.revert, within_s=params.confirm)
            driver.commit_config(message=message)

    def observe(self, session: Session, step: Step) -> Look:
        params, name = _of(step)
        with network_os.opened(session, name, allow_removal=params.allow_removal) as driver:
            waits = _waits(driver, session, step, params)
            diff = _loaded(driver, params, name)
            driver.discard_config()
            if render.changed_lines(diff):
                if waits:
                    return Look(Seen.WAITING, (), {"applied": False}, after_s=2 * _AGAIN_S)
                return Look(Seen.NOT_DONE, (_put_back(driver, step, params, diff),), {"reverted": True})
            if waits and step.progress.get("applied") is not True:
                # Seen over a connection that may be older than the change: only the next one proves it reachable.
                return Look(Seen.WAITING, (), {"applied": True}, after_s=_AGAIN_S)
            wrong = _compliance(driver, params, step.device)
            if wrong:  # not confirmed: what waits goes back by itself, the rollback does not wait for it
                return Look(Seen.NOT_DONE, wrong, {"applied": True, "compliant": False})
            if waits:
                late = _confirmed(driver, session, step)
                if late is not None:
                    return Look(Seen.WAITING, (late,), {"applied": True}, after_s=_AGAIN_S)
            data: dict[str, Json] = {"configuration": _digest(driver, name), "confirmed": True}
            return Look(Seen.DONE, (), {**data, "compliant": True} if params.compliance else data)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        params, name = _of(step)
        with network_os.opened(session, name, allow_removal=True) as driver:
            if params.undo:
                driver.load_merge_candidate(config=params.undo)
                driver.commit_config(message=f"Slipway, rollback of napalm on {step.device.name}")
            else:
                driver.rollback()
        if params.revert:
            confirm.disarm(session, _man(step))

    def observe_rollback(self, session: Session, step: Step) -> Look:
        """DONE when the configuration is the one from before, by its statements, and nothing waits any more."""
        params, name = _of(step)
        with network_os.opened(session, name) as driver:
            found, waits = _digest(driver, name), _waits(driver, session, step, params)
        wanted = (step.artifact or {}).get("configuration")
        if found == wanted and not waits:
            return Look(Seen.DONE, (), {"configuration": found})
        also = ", a commit waits for its confirmation" if waits else ""
        reason = Reason("configuration", f"statements {found[:12]}{also}", f"{str(wanted)[:12]} as before")
        return Look(Seen.NOT_DONE, (reason,))


def _of(step: Step) -> tuple[NapalmParams, str]:
    params = NapalmParams.model_validate(step.params)
    return params, network_os.driver_name(step.device, params.driver)


def _guarded(params: NapalmParams, device: Device, name: str, *, confirms: bool) -> None:
    """What puts the device back by itself must be there, or be done without on purpose. Raises Impossible."""
    if confirms or params.revert or params.unguarded:
        return
    remedy = "Give `revert`, commands of its shell that put it back, or say `unguarded: true`."
    found = f"driver {name} without commit-confirm"
    raise Impossible(Reason(f"way back of {device.name}", found, "a device that puts itself back", remedy))


def _commands(params: NapalmParams, name: str, *, confirms: bool) -> tuple[str, ...]:
    load = f"load_{params.mode}_candidate; compare_config"
    if confirms:
        seconds = network_os.revert_in(name, params.confirm)
        return (load, f"commit_config(revert_in={seconds})", "on a new connection: compare_config", *_report(params),
                "confirm_commit")  # fmt: skip
    armed = (f"timer: put back after {params.confirm:g} s",) if params.revert else ()
    return (load, *armed, "commit_config", "on a new connection: compare_config", *_report(params))


def _report(params: NapalmParams) -> tuple[str, ...]:
    return ("compliance_report",) if params.compliance else ()


def _not_told(device: Device, what: str, remedy: str) -> Reason:
    return Reason(f"facts of {device.name}", f"not {what}", what, remedy)


def _loaded(driver: NetworkDriver, params: NapalmParams, name: str) -> str:
    """Load the candidate; returns what `compare_config` says, without secrets."""
    text = params.rendered or params.config
    if name == "frr":
        running = driver.get_config(retrieve="running")["running"]
        driver.load_replace_candidate(config=frr_change.carried(running, render.change_from(params)))
    elif params.mode == "replace":
        driver.load_replace_candidate(config=text)
    else:
        driver.load_merge_candidate(config=text)
    return frr_change.redacted(driver.compare_config() or "")


def _digest(driver: NetworkDriver, name: str) -> str:
    config = driver.get_config(retrieve="running", sanitized=True)["running"]
    if name == "frr":
        return frr_change.digest(config)
    # Comments hold times of the last change on some platforms.
    kept = [line.rstrip() for line in config.splitlines() if line.strip() and line.lstrip()[:1] not in "!#"]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


def _man(step: Step) -> DeadMan:
    token = (step.artifact or {}).get("token")
    if not isinstance(token, str) or not token.isalnum():
        raise Impossible(Reason(f"napalm on {step.device.name}", "no record of its timer", "the step's artifact"))
    return DeadMan(f"napalm-{token}")


def _waits(driver: NetworkDriver, session: Session, step: Step, params: NapalmParams) -> bool:
    """Does a commit of this step wait for its confirmation?"""
    if network_os.confirms(type(driver)):
        return driver.has_pending_commit()
    if not params.revert or not step.artifact:
        return False
    armed = session.run(["test", "-e", _man(step).file("script")], root=True).ok
    return armed and not session.run(["test", "-e", _man(step).file("reverted")], root=True).ok


def _confirmed(driver: NetworkDriver, session: Session, step: Step) -> Reason | None:
    """Confirm, and look that nothing waits any more; a reason where it was too late."""
    if not network_os.confirms(type(driver)):
        return confirm.disarm(session, _man(step))
    driver.confirm_commit()
    if driver.has_pending_commit():
        return Reason(
            f"confirmation of {step.device.name}", "the commit still waits", "confirmed", "It is tried again."
        )
    return None


def _compliance(driver: NetworkDriver, params: NapalmParams, device: Device) -> tuple[Reason, ...]:
    if not params.compliance:
        return ()
    source: Any = params.compliance  # NAPALM says text and takes a list
    try:
        report: Mapping[str, Any] = driver.compliance_report(validation_source=source)
    except (ValueError, TypeError, KeyError, AttributeError) as error:  # NAPALM compares what it was given as it comes
        return (Reason(f"compliance of {device.name}", f"{type(error).__name__}: {error}"[:200], "a report"),)
    return render.not_compliant(device, report)


def _put_back(driver: NetworkDriver, step: Step, params: NapalmParams, diff: str) -> Reason:
    """Why nothing of it is in effect and nothing waits."""
    left = "; ".join(render.changed_lines(diff)[:4])[:300]
    never = getattr(driver, "put_back", None) is False and step.progress.get("applied") is not True
    if never:
        found = f"never in effect: {left}"
        return Reason(f"configuration of {step.device.name}", found, "in effect", "Nothing was changed: plan it again.")
    return Reason(
        f"configuration of {step.device.name}",
        f"the device put itself back: not confirmed over a new connection within {params.confirm:g} s; it lacks {left}",
        "a device that is reachable with the new configuration",
        "See what in the configuration cuts the management connection, or give more time with `confirm`.",
    )
