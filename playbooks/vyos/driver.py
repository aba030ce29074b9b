"""The verb `vyos-image`: added, tried once, reached; whatever goes wrong, the next boot is the old image."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from napalm.base.exceptions import CommandErrorException

from custom_napalm import vyos
from custom_napalm.vyos import VyOSDriver
from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import boot, detached
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step, write
from playbooks.detached import Job, Stage
from playbooks.vyos import look as looking
from playbooks.vyos import render
from playbooks.vyos.look import State
from playbooks.vyos.params import ImageParams

_AGAIN_S = 3.0
_UNCHANGED_S = 180.0  # a machine that was told to reboot and still answers in its old boot


@dataclass(frozen=True)
class Before:
    """What was there before the first touch, from the artifact."""

    token: str
    boot_id: str
    running: str
    default: str
    install: bool  # the image was not there
    images: tuple[str, ...]  # all that were there

    def ours(self, state: State) -> tuple[str, ...]:
        """What came with this step: also an image that is not the one its ISO was said to hold."""
        return tuple(i for i in state.images.available if self.install and i not in self.images)

    def job(self, kind: str) -> Job:
        return Job(kind, self.token)


class VyosImage:
    """Another image by a boot that happens once. The old one stays installed, and the default (verb vyos-default).

    The installation runs on the device by itself; `observe` is the second half of the act, as with kernels: when the
    image is there it arms the device and reboots it, and confirms over the connection of the new boot.
    """

    verb = "vyos-image"
    phase = TargetState.APPLYING
    reversibility = Reversibility.BY_REBOOT
    disruptive = True
    acts = True
    repeatable = True  # the job has a token, the reboot the boot that it ends
    within_s = 3600.0
    estimate_s = 900.0
    params_model = ImageParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = ImageParams.model_validate(spec.params)
        now = str(facts.get("os_version") or "the image that runs")
        commands = (
            *((" ".join(argv) for argv in render.install(params, Job("vyos", "TOKEN"), "RUNNING"))
              if params.source else ()),
            f"trial entry in {render.TRIAL_FILE}: {params.image}, panic={params.panic}",
            f"the device goes back by itself unless it is reached within {params.confirm:.0f} s",
            f"grub-editenv set {render.ONCE}={render.TRIAL}; systemctl reboot",
        )  # fmt: skip
        diff = f"-image {now}\n+image {params.image}\n" if params.image not in now else ""
        return PlannedStep(
            self.verb, spec.params, self.reversibility, self.disruptive, diff=diff, commands=commands,
            estimate_s=self.estimate_s, within_s=params.within,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        params = ImageParams.model_validate(step.params)
        state = looking.look(session, params.image)
        if isinstance(state, Reason):
            return Look(Seen.IMPOSSIBLE if "no list" in state.found else Seen.UNKNOWN, (state,))
        if state.images.running == params.image:
            return Look(Seen.ALREADY, (), state.data())
        if state.wrong:
            return Look(Seen.IMPOSSIBLE, state.wrong, state.data())
        there = params.image in state.images.available
        if not there and not params.source:
            found = ", ".join(state.images.available)
            reason = Reason(f"image {params.image} on {step.device.name}", f"only {found}", "it, or source and sha256")
            return Look(Seen.IMPOSSIBLE, (reason,), state.data())
        if not there and step.artifact is None and (full := looking.room(session, state.root)):
            return Look(Seen.IMPOSSIBLE, full, state.data())
        artifact: dict[str, Json] = {
            "token": secrets.token_hex(4), "boot_id": state.boot_id, "running": state.images.running,
            "default": state.images.default, "install": not there, "images": list(state.images.available),
        }  # fmt: skip
        return Look(Seen.READY, (), state.data(), artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Begin the installation. Where there is none, `observe` goes on by itself."""
        params, held = ImageParams.model_validate(step.params), before(step)
        if held.install:
            write(session, held.job("vyos").file("sum"), render.checksum(params))
            commands = render.install(params, held.job("vyos"), held.running)
            detached.start(session, held.job("vyos"), commands, timeout_s=deadline_s)

    def observe(self, session: Session, step: Step) -> Look:
        """The installation, then the trial, then the confirmation: the first that is not yet so answers.

        Each image has a disk of its own: what the job left is only asked for in the boot that began it.
        """
        params, held = ImageParams.model_validate(step.params), before(step)
        state = looking.look(session, params.image)
        if isinstance(state, Reason):
            return Look(Seen.UNKNOWN, (state,), step.progress, after_s=_AGAIN_S)
        if state.boot_id != held.boot_id:
            if state.images.running != params.image or state.trial != held.token:
                return _fell_back(session, step, params, state)
            return self._confirm(session, step, state)
        if held.install:
            seen = detached.look(session, held.job("vyos"))
            if (going := detached.going(seen, step, f"adding image {params.image}")) is not None:
                return going
        return self._trial(session, step, params, state)

    def _confirm(self, session: Session, step: Step, state: State) -> Look:
        """The way in is there: this connection was made after the boot. The default stays the old image."""
        session.run(["touch", render.STOPPED], root=True)
        session.run(["systemctl", "stop", render.WATCH], root=True, timeout_s=60.0)
        if state.once:
            reason = Reason(
                f"grubenv of {step.device.name}", f"{render.ONCE}={state.once} after the boot", "empty",
                "GRUB could not write: this boot would be repeated for ever.",
            )  # fmt: skip
            return Look(Seen.IMPOSSIBLE, (reason,), state.data())
        sent = step.progress.get("rebooted_at_s")
        took: dict[str, Json] = {"boot_s": round(step.waited_s - sent, 1)} if isinstance(sent, int | float) else {}
        return Look(Seen.DONE, (), {**step.progress, **state.data(), **took, "image_before": before(step).running})

    def _trial(self, session: Session, step: Step, params: ImageParams, state: State) -> Look:
        """Arm the device and reboot it; each visit puts everything as it has to be."""
        held, sent = before(step), step.progress.get("rebooted_at_s")
        if isinstance(sent, int | float):
            if step.waited_s - sent <= _UNCHANGED_S:
                return Look(Seen.WAITING, (), {**step.progress, **state.data()}, after_s=_AGAIN_S)
            found = f"the old boot {step.waited_s - sent:.0f} s after it was sent"
            remedy = "See whether its shutdown hangs (console)."
            return Look(
                Seen.IMPOSSIBLE, (Reason(f"reboot of {step.device.name}", found, "a new boot", remedy),), state.data()
            )
        if params.image not in state.images.available or not state.entry:
            found = f"images {', '.join(state.images.available)}"
            remedy = "The ISO holds another version than its name says, or the menu was not written."
            reason = Reason(f"image {params.image} on {step.device.name}", found, "it, with an entry", remedy)
            return Look(Seen.IMPOSSIBLE, (reason,), state.data())
        if not session.run(boot.pending(held.boot_id)).ok:
            arm(session, step, state)
            boot.order(session, held.boot_id, timeout_s=20.0)
        data: dict[str, Json] = {**step.progress, **state.data(), "added_s": round(step.waited_s, 1)}
        return Look(Seen.WAITING, (), {**data, "rebooted_at_s": step.waited_s}, after_s=_AGAIN_S)

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """First the old image by a reboot, where another one runs; then the new one away, if it came with us."""
        params, held = ImageParams.model_validate(step.params), before(step)
        state = looking.look(session, params.image)
        if isinstance(state, Reason):
            raise Refused(state)
        editenv(session, "unset", render.ONCE)
        driver = VyOSDriver.over(session)
        if state.images.running != held.running:
            _hold(session, state, (held.running,))
            _default(driver, held.running)
            boot.order(session, state.boot_id, timeout_s=deadline_s)
            return
        _default(driver, held.default if held.default in state.images.available else held.running)
        clean(session, render.UNITS)
        if ours := held.ours(state):
            commands = [*(vyos.delete(image) for image in ours), ["sync"]]
            detached.start(session, held.job("vyos-back"), commands, timeout_s=deadline_s)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        """DONE when the old image runs, is what would boot, and nothing of the trial is left."""
        params, held = ImageParams.model_validate(step.params), before(step)
        state = looking.look(session, params.image)
        if isinstance(state, Reason):
            return Look(Seen.UNKNOWN, (state,), step.progress, after_s=_AGAIN_S)
        if state.images.running == held.running:
            for kind in ("vyos", "vyos-back"):
                seen = detached.look(session, held.job(kind))
                if seen.stage in {Stage.RUNNING, Stage.UNKNOWN}:
                    return Look(Seen.WAITING, (), step.progress, after_s=detached.AGAIN_S)
                if kind == "vyos-back" and seen.stage is not Stage.NEVER and not seen.ok:
                    return Look(Seen.IMPOSSIBLE, (detached.not_well(seen, step, "deleting the image"),), step.progress)
        if session.run(boot.pending(state.boot_id)).ok:
            return Look(Seen.WAITING, (), state.data(), after_s=_AGAIN_S)
        left = _left_of_trial(held, state)
        return Look(Seen.NOT_DONE if left else Seen.DONE, left, state.data())


def _left_of_trial(held: Before, state: State) -> tuple[Reason, ...]:
    reasons = []
    if state.images.running != held.running:
        reasons.append(Reason("image", f"{state.images.running} runs", f"{held.running} as before"))
    default = held.default if held.default in state.images.available else held.running
    if state.images.default != default or state.once:
        found = f"{state.images.default} by default, {state.once or 'nothing'} once"
        reasons.append(Reason("boot loader", found, f"{default} as before, nothing once"))
    if state.menu:
        reasons.append(Reason(render.TRIAL_FILE, "the entry of the trial", "no such file"))
    reasons += [Reason(f"image {image}", "installed", "not there, as before") for image in held.ours(state)]
    return tuple(reasons)


def arm(session: Session, step: Step, state: State) -> None:
    """The trial entry, the watch in the new image, the drain held in both, the old one by default. Raises Refused.

    The variable that GRUB looks at goes last: before it is there, the next boot is the old image.
    """
    params, held = ImageParams.model_validate(step.params), before(step)
    subject = f"trial on {step.device.name}"
    text = render.menu(state.entry, params.image, token=held.token, panic_s=params.panic)
    if text is None:
        raise Refused(Reason(subject, f"{render.entry_file(params.image)} cannot be read", "a menu entry"))
    there = render.overlay(state.root, params.image) + render.UNITS
    _enable(session, there, render.WATCH, render.watch(held.token, params.confirm, held.job("vyos")))
    _hold(session, state, (params.image, held.running))
    write(session, render.TRIAL_FILE, text)
    _default(VyOSDriver.over(session), held.running)
    editenv(session, "set", f"{render.ONCE}={render.TRIAL}")
    listed = session.run(["grub-editenv", render.GRUBENV, "list"], root=True)
    if f"{render.ONCE}={render.TRIAL}" not in listed.out.splitlines():
        raise Refused(Reason(subject, listed.out[:200], f"{render.ONCE}={render.TRIAL}", "Nothing was booted."))
    session.run(["sync"], root=True, timeout_s=60.0)


def _hold(session: Session, state: State, images: tuple[str, ...]) -> None:
    """What drains the router now drains it in the next boot of these images as well. Raises Refused."""
    running = session.run(["vtysh", "-c", "show running-config"], root=True)
    if not running.ok:
        subject, wanted = f"drain of {session.device.name}", "FRR's configuration, to hold what drains it"
        remedy = "Without it a router that is drained would carry traffic before it is verified."
        raise Refused(Reason(subject, "vtysh says nothing", wanted, remedy))
    if hold := render.hold(running.out):
        for image in images:
            own = image == state.images.running
            units = render.UNITS if own else render.overlay(state.root, image) + render.UNITS
            _enable(session, units, render.HOLD, hold)


def _enable(session: Session, units: str, name: str, text: str) -> None:
    """A unit that starts with the image whose units lie there. Raises Refused."""
    write(session, f"{units}/{name}", text)
    session.run(["mkdir", "-p", f"{units}/{render.WANTS}"], root=True)
    made = session.run(["ln", "-sfn", f"../{name}", f"{units}/{render.WANTS}/{name}"], root=True)
    if not made.ok:
        said = " ".join((made.err or made.out).split())[:200]
        raise Refused(Reason(f"{units}/{name}", said, "enabled", "The trial was not begun."))


def clean(session: Session, units: str) -> None:
    """Nothing of a trial in the menu and among those units any more."""
    names = [f"{units}/{part}{name}" for name in (render.WATCH, render.HOLD) for part in ("", f"{render.WANTS}/")]
    session.run(["rm", "-f", render.TRIAL_FILE, *names], root=True)


def _default(driver: VyOSDriver, image: str) -> None:
    try:
        driver.set_default_image(image)
    except CommandErrorException as error:
        raise Refused(Reason(f"default boot of {driver.session.device.name}", str(error)[:200], image)) from None


def _fell_back(session: Session, step: Step, params: ImageParams, state: State) -> Look:
    """Another boot, and it is not the trial. What the kernel said as it died, the engine asks for."""
    left = f"{render.overlay(state.root, params.image)}{before(step).job('vyos').file('reverted')}"
    if session.run(["test", "-e", left], root=True).ok:
        found = f"{state.images.running} again: {params.image} came up and nobody could come in within the time"
        remedy = "See why its network did not come up: its console, its own /config."
    else:
        found = f"{state.images.running} again: {params.image} did not come up"
        remedy = "The machine went back by itself. See what it said as it died, and its console."
    reason = Reason(f"image of {step.device.name}", found, params.image, remedy)
    return Look(Seen.IMPOSSIBLE, (reason,), {**step.progress, **state.data(), "fell_back": True})


def editenv(session: Session, verb: str, what: str) -> None:
    """One change of GRUB's environment block. Raises Refused."""
    answer = session.run(["grub-editenv", render.GRUBENV, verb, what], root=True)
    if not answer.ok:
        said = " ".join((answer.err or answer.out).split())[:200]
        raise Refused(Reason(f"grubenv of {session.device.name}", said, what, "Nothing was booted."))


def before(step: Step) -> Before:
    """The artifact as values. Raises Impossible where there is none."""
    held = step.artifact or {}
    token, boot_id, running = held.get("token"), held.get("boot_id"), held.get("running")
    if not (isinstance(token, str) and isinstance(boot_id, str) and isinstance(running, str)) or not token.isalnum():
        raise Impossible(Reason(f"image of {step.device.name}", "no record of what was there", "the step's artifact"))
    there = held.get("images")
    images = tuple(str(image) for image in there) if isinstance(there, list) else (running,)
    return Before(token, boot_id, running, str(held.get("default") or ""), held.get("install") is True, images)
