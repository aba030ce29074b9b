"""The verb `driver`: the wanted copy on the disk, in the initramfs and loaded, on a device that puts itself back."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import boot, confirm, detached
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step, write
from playbooks.confirm import DeadMan
from playbooks.detached import Job, Stage
from playbooks.driver import look as looking
from playbooks.driver import render
from playbooks.driver.look import State
from playbooks.driver.params import Activate, DriverParams

_AGAIN_S = 2.0
_UNCHANGED_S = 120.0  # a machine that was told to reboot and still answers in its old boot


@dataclass(frozen=True)
class _Before:
    """What was there before the first touch, from the artifact."""

    token: str
    boot_id: str
    kernel: str
    flavour: str
    version: str
    loaded_flavour: str
    loaded_version: str
    conf: str | None
    reload: bool

    def job(self, kind: str) -> Job:
        return Job(kind, self.token)

    @property
    def man(self) -> DeadMan:
        return DeadMan(self.token)


class Driver:
    """Change the driver of network cards.

    The build runs on the device by itself; `observe` is the second half of the act: when the build has ended and the
    copies are as wanted, it has the device load them (by a reboot or anew), and confirms over a new connection. Every
    part of it is idempotent: a crash anywhere leaves it to the next look.
    """

    verb = "driver"
    phase = TargetState.APPLYING
    reversibility = Reversibility.BY_REBOOT
    disruptive = True
    acts = True
    repeatable = True  # the job has a token, the reboot the boot that it ends
    within_s = 1800.0
    estimate_s = 300.0
    params_model = DriverParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = DriverParams.model_validate(spec.params)
        kernel, now = str(facts.get("kernel") or "KERNEL"), _of_facts(facts, params.name)
        wanted = f"{params.flavour} {params.version}".strip()
        diff = "" if now == wanted else (f"-{params.name}: {now}\n" if now else "") + f"+{params.name}: {wanted}\n"
        conf = render.conf(params)
        diff += "".join(f"+{render.conf_path(params.name)}: {line}\n" for line in (conf or "").splitlines()[1:])
        commands = render.shown(render.install(params, kernel, {}))
        load = {
            Activate.REBOOT: "systemctl reboot",
            Activate.RELOAD: " && ".join(render.shown(render.load(params.name))),
            Activate.AUTO: "loaded anew where neither the way in nor a VLAN, bond or bridge hangs on it, else a reboot",
        }[params.activate]
        armed = f"before it: the device puts itself back unless it is reached within {params.confirm:.0f} s of its boot"
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive, diff=diff,
            commands=(*commands, armed, load), estimate_s=self.estimate_s, within_s=params.within,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        params = DriverParams.model_validate(step.params)
        state = looking.look(session, params.name)
        if isinstance(state, Reason):
            return Look(Seen.UNKNOWN, (state,))
        if state.disk.flavour == "":
            reason = Reason(f"module {params.name}", f"in {state.disk.path}", "the kernel's tree, or dkms")
            return Look(Seen.IMPOSSIBLE, (reason,))
        conf = render.conf(params)
        left = state.differs(params.flavour, params.version, conf)
        if not left and state.runs(params.flavour, params.version):
            return Look(Seen.ALREADY, (), state.data())
        if _foreign(params, state):
            return Look(Seen.IMPOSSIBLE, (_foreign_reason(state),), state.data())
        why = "" if params.activate is Activate.REBOOT else looking.why_no_reload(session, params.name)
        if params.activate is Activate.RELOAD and why:
            reason = Reason(f"reload of {params.name}", why, "a way in beside it", "Choose activate: reboot.")
            return Look(Seen.IMPOSSIBLE, (reason,), state.data())
        loaded = state.loaded or state.disk
        artifact: dict[str, Json] = {
            "token": secrets.token_hex(4), "boot_id": state.boot_id, "kernel": state.kernel,
            "flavour": state.disk.flavour, "version": state.built, "loaded_flavour": loaded.flavour,
            "loaded_version": loaded.version, "conf": state.conf,
            "activate": "reload" if params.activate is not Activate.REBOOT and not why else "reboot",
        }  # fmt: skip
        return Look(Seen.READY, left, {**state.data(), **({"why_reboot": why} if why else {})}, artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        params, before = DriverParams.model_validate(step.params), _before(step)
        state = looking.look(session, params.name)
        if isinstance(state, Reason):
            raise Refused(state)
        if params.tarball:
            _check_digest(session, params)
        conf = render.conf(params)
        if before.conf:
            write(session, before.job("driver").file("conf"), before.conf)  # for the device, if it puts itself back
        if conf is not None:
            _write_conf(session, params.name, conf)
        job = before.job("driver")
        detached.start(session, job, render.install(params, state.kernel, state.known), timeout_s=deadline_s)

    def observe(self, session: Session, step: Step) -> Look:
        """The build, then the copies, then what runs, then the confirmation: the first that is not yet so answers."""
        params, before = DriverParams.model_validate(step.params), _before(step)
        built = detached.going(detached.look(session, before.job("driver")), step, "building the driver")
        if built is not None:
            return built
        state = looking.look(session, params.name)
        if isinstance(state, Reason):
            return Look(Seen.UNKNOWN, (state,), step.progress, after_s=_AGAIN_S)
        if confirm.fired(session, before.man):
            return Look(Seen.IMPOSSIBLE, (_put_back(step, state),), state.data())
        if left := state.differs(params.flavour, params.version, render.conf(params)):
            return Look(Seen.IMPOSSIBLE, left, state.data())
        return self._running(session, step, params, state)

    def _running(self, session: Session, step: Step, params: DriverParams, state: State) -> Look:
        """Everything lies as wanted: have it loaded, and confirm what runs."""
        before = _before(step)
        if before.reload:
            loading = before.job("driver-load")
            seen = detached.look(session, loading)
            if seen.stage is Stage.NEVER:
                revert = [*_back_commands(params.name, before, state), *render.load(params.name)]
                confirm.arm(session, before.man, revert, within_s=params.confirm)
                detached.start(session, loading, render.load(params.name), timeout_s=20.0)
                return Look(Seen.WAITING, (), {**step.progress, **state.data()}, after_s=_AGAIN_S)
            if (going := detached.going(seen, step, f"loading {params.name}")) is not None:
                return going
        elif state.boot_id == before.boot_id:
            return self._reboot(session, step, params, state)
        if not state.runs(params.flavour, params.version):
            found = str(state.loaded) if state.loaded is not None else "not loaded"
            reason = Reason(
                f"{params.name} on {step.device.name}", f"{found} runs", f"{params.flavour} {params.version}"
            )
            return Look(Seen.IMPOSSIBLE, (reason,), state.data())
        if step.progress.get("reached") is not True:
            # The confirmation comes over the connection of the next visit, which is made after the change.
            return Look(Seen.WAITING, (), {**state.data(), "reached": True}, after_s=_AGAIN_S)
        late = confirm.disarm(session, before.man)
        if late is not None:
            return Look(Seen.WAITING, (late,), {**state.data(), "reached": True}, after_s=_AGAIN_S)
        return Look(Seen.DONE, (), {**state.data(), "activated": "reload" if before.reload else "reboot"})

    def _reboot(self, session: Session, step: Step, params: DriverParams, state: State) -> Look:
        before = _before(step)
        sent = step.progress.get("rebooted_at_s")
        sent_at = float(sent) if isinstance(sent, int | float) else step.waited_s
        if step.waited_s - sent_at > _UNCHANGED_S:
            found = f"the old boot {step.waited_s - sent_at:.0f} s after it was sent"
            remedy = "See whether the machine hangs in its shutdown (console)."
            reason = Reason(f"reboot of {step.device.name}", found, "a new boot", remedy)
            return Look(Seen.IMPOSSIBLE, (reason,), state.data())
        revert = [*_back_commands(params.name, before, state), ["systemctl", "reboot"]]
        confirm.arm(session, before.man, revert, within_s=params.confirm, over_reboot=True)
        boot.order(session, before.boot_id, timeout_s=20.0)
        return Look(Seen.WAITING, (), {**state.data(), "rebooted_at_s": sent_at}, after_s=_AGAIN_S)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """The copies as they were, by a job of its own; once they are, what runs."""
        params, before = DriverParams.model_validate(step.params), _before(step)
        state = looking.look(session, params.name)
        if isinstance(state, Reason):
            raise Refused(state)
        if _lies_as_before(state, before):
            if before.reload:
                detached.start(session, before.job("driver-unload"), render.load(params.name), timeout_s=deadline_s)
            else:
                boot.order(session, state.boot_id, timeout_s=deadline_s)
            return
        _write_conf(session, params.name, before.conf or "")
        back = render.switch(params.name, before.version, before.kernel, state.known)
        detached.start(session, before.job("driver-back"), back, timeout_s=deadline_s)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        """DONE when disk, initramfs, options and what runs are as before. A device that went back by itself is that."""
        params, before = DriverParams.model_validate(step.params), _before(step)
        for kind in ("driver", "driver-load", "driver-back", "driver-unload"):
            seen = detached.look(session, before.job(kind))
            if seen.stage in {Stage.RUNNING, Stage.UNKNOWN}:
                return Look(Seen.WAITING, (), {**step.progress}, after_s=detached.AGAIN_S)
            if kind in {"driver-back", "driver-unload"} and seen.stage is not Stage.NEVER and not seen.ok:
                return Look(Seen.IMPOSSIBLE, (detached.not_well(seen, step, "putting the driver back"),), step.progress)
        state = looking.look(session, params.name)
        if isinstance(state, Reason):
            return Look(Seen.UNKNOWN, (state,), step.progress, after_s=_AGAIN_S)
        if session.run(boot.pending(state.boot_id)).ok or confirm.reverting(session, before.man):
            return Look(Seen.WAITING, (), state.data(), after_s=_AGAIN_S)
        runs = state.runs(before.loaded_flavour, before.loaded_version)
        if _lies_as_before(state, before) and runs:
            confirm.disarm(session, before.man)
            return Look(Seen.DONE, (), state.data())
        found = f"{state.loaded or 'nothing'} runs, {state.disk} on the disk"
        wanted = f"{before.loaded_flavour} {before.loaded_version} as before"
        return Look(Seen.NOT_DONE, (Reason(f"{params.name} on {step.device.name}", found, wanted),), state.data())


def _lies_as_before(state: State, before: _Before) -> bool:
    return not state.differs(before.flavour, before.version or state.disk.version, before.conf or "")


def _back_commands(name: str, before: _Before, state: State) -> list[list[str]]:
    """What the device does by itself to go back: the options, then dkms, depmod and the initramfs."""
    kept = before.job("driver").file("conf")
    options = ["cp", kept, render.conf_path(name)] if before.conf else ["rm", "-f", render.conf_path(name)]
    return [options, *render.switch(name, before.version, before.kernel, state.known)]


def _write_conf(session: Session, name: str, text: str) -> None:
    path = render.conf_path(name)
    if text:
        write(session, path, text)
    elif not (gone := session.run(["rm", "-f", path], root=True)).ok:
        raise Refused(Reason(path, gone.said, "no such file"))


def _check_digest(session: Session, params: DriverParams) -> None:
    answer = session.run(["sha256sum", params.tarball], root=True, timeout_s=60.0)
    found = answer.out.split()[0] if answer.ok and answer.out.split() else "no such file"
    if found != params.sha256:
        remedy = "Bring the approved file onto the device."
        raise Refused(Reason(params.tarball, found[:64], f"SHA-256 {params.sha256}", remedy))


def _foreign(params: DriverParams, state: State) -> bool:
    """Is the vendor's copy on the disk none that dkms has built? It could not be put back by it."""
    return state.disk.flavour == "vendor" and not state.built


def _foreign_reason(state: State) -> Reason:
    return Reason(
        state.disk.path, "a driver that dkms has not installed", "one that dkms knows",
        "Install it with dkms, or remove the file by hand: it could not be put back.",
    )  # fmt: skip


def _put_back(step: Step, state: State) -> Reason:
    return Reason(
        f"driver of {step.device.name}",
        f"the device put itself back: it was not reached in time after its boot; {state.loaded} runs",
        "a device that is reachable with the new driver",
        "See whether its interfaces came up with the new driver (console), or give more time with `confirm`.",
    )


def _before(step: Step) -> _Before:
    held = step.artifact or {}
    token, boot_id = held.get("token"), held.get("boot_id")
    if not isinstance(token, str) or not token.isalnum() or not isinstance(boot_id, str):
        raise Impossible(Reason(f"driver of {step.device.name}", "no record of what was there", "the step's artifact"))
    words = {
        key: str(held.get(key) or "") for key in ("kernel", "flavour", "version", "loaded_flavour", "loaded_version")
    }
    conf = held.get("conf")
    return _Before(
        token, boot_id, **words, conf=conf if isinstance(conf, str) else None, reload=held.get("activate") == "reload"
    )


def _of_facts(facts: Mapping[str, Json], name: str) -> str:
    """What runs by the facts, in words; empty where they do not tell."""
    interfaces = facts.get("interfaces")
    for row in interfaces.values() if isinstance(interfaces, Mapping) else ():
        nic = row.get("nic") if isinstance(row, Mapping) else None
        if isinstance(nic, Mapping) and nic.get("driver") == name and nic.get("flavour"):
            version = str(nic.get("version") or "") if nic["flavour"] == "vendor" else ""
            return f"{nic['flavour']} {version}".strip()
    return ""
