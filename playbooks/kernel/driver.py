"""The verb `kernel`: installed, tried once, reached; whatever goes wrong, the next boot is the old one."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import boot, detached
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step, write
from playbooks.detached import Job, Stage
from playbooks.kernel import look as looking
from playbooks.kernel import parse, render
from playbooks.kernel.loaders import Trial
from playbooks.kernel.look import State
from playbooks.kernel.params import OF_PROCESSORS, KernelParams, with_siblings

_AGAIN_S = 3.0
_UNCHANGED_S = (
    180.0  # a machine that was told to reboot and still answers in its old boot (systemd gives a service 90 s)
)


@dataclass(frozen=True)
class Before:
    """What was there before the first touch, from the artifact."""

    token: str
    boot_id: str
    release: str
    saved: str
    entry: str
    had: bool  # a package of that name was there already
    install: bool  # it has to be installed
    holds: tuple[str, ...]
    cmdline: Mapping[str, str | bool]  # what the boot that is to end had of the parameters that are changed

    def job(self, kind: str) -> Job:
        return Job(kind, self.token)


class Kernel:
    """Another kernel, or another command line, by a boot that happens once.

    The installation runs on the device by itself; `observe` is the second half of the act: when it has ended and the
    kernel is fit, it arms the device and reboots it, and confirms over the connection of the new boot. Every part is
    idempotent: a crash anywhere leaves it to the next look. The default stays the old kernel (verb kernel-default).
    """

    verb = "kernel"
    phase = TargetState.APPLYING
    reversibility = Reversibility.BY_REBOOT
    disruptive = True
    acts = True
    repeatable = True  # the job has a token, the reboot the boot that it ends
    within_s = 2400.0
    estimate_s = 300.0
    params_model = KernelParams

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        """The step with lists of processors filled up by sibling threads, as the facts have them. Raises Impossible."""
        params = KernelParams.model_validate(spec.params)
        wanted = whole_cores(params.cmdline, device, facts)
        now, line = str(facts.get("kernel") or ""), str(facts.get("cmdline") or "")
        diff = f"-kernel {now}\n+kernel {params.release}\n" if params.release and params.release != now else ""
        for name, found in parse.differs(line, wanted).items():
            diff += f"-cmdline {name}: {found}\n+cmdline {name}: {wanted[name]}\n"
        job = Job("kernel", "TOKEN")
        commands = (
            *(render.shown(render.install(params, job, now or "RUNNING")) if params.version else ()),
            f"trial entry in the menu (GRUB: {render.CUSTOM}): {params.release or now}, panic={params.panic}",
            f"the device goes back by itself unless it is reached within {params.confirm:.0f} s",
            f"default: the kernel that runs; {render.TRIAL} once (grub-reboot, bootctl set-oneshot); systemctl reboot",
        )
        resolved = {**spec.params, **({"cmdline": dict(wanted)} if wanted else {})}
        return PlannedStep(
            self.verb, resolved, self.reversibility, self.disruptive, diff=diff, commands=commands,
            estimate_s=self.estimate_s, within_s=params.within,
        )  # fmt: skip

    def precheck(self, session: Session, step: Step) -> Look:
        params = KernelParams.model_validate(step.params)
        state = looking.look(session, params.debian_package)
        if isinstance(state, Reason):
            return Look(Seen.UNKNOWN, (state,))
        release = params.release or state.release
        if state.release == release and not parse.differs(state.cmdline, params.cmdline):
            if not params.version or state.installed == params.version:
                return Look(Seen.ALREADY, (), state.data())
            return Look(Seen.IMPOSSIBLE, (_in_place(params, state),), state.data())
        if state.wrong:
            return Look(Seen.IMPOSSIBLE, state.wrong, state.data())
        if state.installed != params.version and params.version:
            if state.release == release:
                return Look(Seen.IMPOSSIBLE, (_in_place(params, state),), state.data())
            if step.artifact is None and (full := looking.room(session)):
                return Look(Seen.IMPOSSIBLE, full, state.data())
        elif state.entry(release) is None:
            wanted = f"an entry of {release}, or version, source and sha256 of its package"
            return Look(Seen.IMPOSSIBLE, (Reason(f"boot loader of {step.device.name}", "none", wanted),), state.data())
        running, had = state.entry(state.release), parse.words(state.cmdline)
        artifact: dict[str, Json] = {
            "token": secrets.token_hex(4), "boot_id": state.boot_id, "release": state.release, "saved": state.saved,
            "entry": running.id if running is not None else "", "had": bool(state.package and state.package[0]),
            "install": bool(params.version) and state.installed != params.version, "holds": list(state.holds),
            "cmdline": {name: had.get(name, False) for name in params.cmdline},
        }  # fmt: skip
        return Look(Seen.READY, (), state.data(), artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """Begin the installation. Where there is none, `observe` goes on by itself."""
        params, held = KernelParams.model_validate(step.params), before(step)
        if held.install:
            # systemd-boot takes the newest where nobody says what is the default: not before it was tried.
            state = looking.look(session, params.debian_package)
            if isinstance(state, Reason):
                raise Refused(state)
            state.loader.set_default(session, held.entry)
            # Before the package: its installation makes the initramfs, with the watch in it.
            write(session, render.WATCH, render.watch(params.confirm), mode="0755")
            write(session, held.job("kernel").file("sum"), render.checksum(params))
            commands = render.install(params, held.job("kernel"), held.release)
            detached.start(session, held.job("kernel"), commands, timeout_s=deadline_s)

    def observe(self, session: Session, step: Step) -> Look:
        """The installation, then the trial, then the confirmation: the first that is not yet so answers."""
        params, held = KernelParams.model_validate(step.params), before(step)
        if held.install:
            seen = detached.look(session, held.job("kernel"))
            if (going := detached.going(seen, step, f"installing {params.debian_package}")) is not None:
                return going
        state = looking.look(session, params.debian_package)
        if isinstance(state, Reason):
            return Look(Seen.UNKNOWN, (state,), step.progress, after_s=_AGAIN_S)
        if state.boot_id == held.boot_id:
            return self._trial(session, step, params, state)
        release = params.release or held.release
        if state.release != release or state.trial != held.token:
            return _fell_back(session, step, state, release)
        if wrong := parse.differs(state.cmdline, params.cmdline):
            reasons = tuple(Reason(f"cmdline {n}", found, str(params.cmdline[n])) for n, found in wrong.items())
            return Look(Seen.IMPOSSIBLE, reasons, state.data())
        return self._confirm(session, step, state)

    def _confirm(self, session: Session, step: Step, state: State) -> Look:
        """The way in is there: this connection was made after the boot. The default stays as it is."""
        session.run(["touch", render.STOPPED], root=True)
        session.run(["systemctl", "stop", "slipway-trial.service"], root=True, timeout_s=60.0)
        held = before(step)
        if state.next:
            reason = Reason(
                f"{state.loader.name} of {step.device.name}", f"{state.next} after the boot", "nothing once",
                "The boot loader could not forget it: this boot would be repeated for ever.",
            )  # fmt: skip
            return Look(Seen.IMPOSSIBLE, (reason,), state.data())
        sent = step.progress.get("rebooted_at_s")
        took: dict[str, Json] = {"boot_s": round(step.waited_s - sent, 1)} if isinstance(sent, int | float) else {}
        return Look(Seen.DONE, (), {**step.progress, **state.data(), **took, "kernel_before": held.release})

    def _trial(self, session: Session, step: Step, params: KernelParams, state: State) -> Look:
        """Arm the device and reboot it; each visit puts everything as it has to be."""
        held, release = before(step), params.release or state.release
        sent = step.progress.get("rebooted_at_s")
        if isinstance(sent, int | float):
            if step.waited_s - sent <= _UNCHANGED_S:
                return Look(Seen.WAITING, (), {**step.progress, **state.data()}, after_s=_AGAIN_S)
            found = f"the old boot {step.waited_s - sent:.0f} s after it was sent"
            reason = Reason(
                f"reboot of {step.device.name}", found, "a new boot", "See whether its shutdown hangs (console)."
            )
            return Look(Seen.IMPOSSIBLE, (reason,), state.data())
        if params.version and state.installed != params.version:
            found = " ".join(state.package or ("cannot tell",)).strip() or "not installed"
            return Look(Seen.IMPOSSIBLE, (Reason(params.debian_package, found, params.version),), state.data())
        entry = state.entry(release)
        if entry is None:
            reason = Reason(f"boot loader of {step.device.name}", f"no entry of {release}", "one", "See update-grub.")
            return Look(Seen.IMPOSSIBLE, (reason,), state.data())
        if not session.run(boot.pending(held.boot_id)).ok:
            if unfit := looking.unfit(session, release, state.release):
                return Look(Seen.IMPOSSIBLE, unfit, state.data())
            arm(session, step, state, entry)
            boot.order(session, held.boot_id, timeout_s=20.0)
        installed = {"installed_s": round(step.waited_s, 1)}
        return Look(
            Seen.WAITING,
            (),
            {**step.progress, **state.data(), **installed, "rebooted_at_s": step.waited_s},
            after_s=_AGAIN_S,
        )

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        """First the old kernel by a reboot, where another one runs; then the package away, if it came with us."""
        params, held = KernelParams.model_validate(step.params), before(step)
        state = looking.look(session, params.debian_package)
        if isinstance(state, Reason):
            raise Refused(state)
        state.loader.set_default(session, held.entry)
        state.loader.set_once(session, on=False)
        if _runs_another(held, state):
            boot.order(session, state.boot_id, timeout_s=deadline_s)
            return
        state.loader.remove_trial(session, state.custom)
        state.loader.set_default(session, held.saved)
        session.run(["rm", "-f", render.UNIT, render.WANTS, render.WATCH], root=True)
        session.run(["systemctl", "daemon-reload"], root=True, timeout_s=60.0)
        if _ours(held, state):
            commands = render.remove(params.debian_package, held.release, held.holds)
            detached.start(session, held.job("kernel-back"), commands, timeout_s=deadline_s)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        """DONE when the old kernel runs, is what would boot, and nothing of the trial is left."""
        params, held = KernelParams.model_validate(step.params), before(step)
        for kind in ("kernel", "kernel-back"):
            seen = detached.look(session, held.job(kind))
            if seen.stage in {Stage.RUNNING, Stage.UNKNOWN}:
                return Look(Seen.WAITING, (), step.progress, after_s=detached.AGAIN_S)
            if kind == "kernel-back" and seen.stage is not Stage.NEVER and not seen.ok:
                return Look(Seen.IMPOSSIBLE, (detached.not_well(seen, step, "removing the kernel"),), step.progress)
        state = looking.look(session, params.debian_package)
        if isinstance(state, Reason):
            return Look(Seen.UNKNOWN, (state,), step.progress, after_s=_AGAIN_S)
        if session.run(boot.pending(state.boot_id)).ok:
            return Look(Seen.WAITING, (), state.data(), after_s=_AGAIN_S)
        if lost := _no_way_back(held, state):
            return Look(Seen.IMPOSSIBLE, (lost,), state.data())
        left = _left_of_trial(params.debian_package, held, state)
        if left:
            return Look(Seen.NOT_DONE, left, state.data())
        return Look(Seen.DONE, (), state.data())


def _runs_another(held: Before, state: State) -> bool:
    """Is this boot another kernel, or another command line, than the one from before?"""
    return bool(state.trial or state.release != held.release or parse.differs(state.cmdline, held.cmdline))


def _no_way_back(held: Before, state: State) -> Reason | None:
    """Why a reboot would not bring back what was: it is not repeated for ever then."""
    entry = state.entry(held.release)
    if not _runs_another(held, state) or (entry is not None and not parse.differs(entry.args, held.cmdline)):
        return None
    found = "no entry of it in the menu" if entry is None else f"its entry has {entry.args}"
    return Reason(
        f"kernel {held.release}", found, "an entry that boots it as before",
        "See /etc/default/grub and /etc/default/grub.d; run update-grub.",
    )  # fmt: skip


def _left_of_trial(package: str, held: Before, state: State) -> tuple[Reason, ...]:
    reasons = []
    if _runs_another(held, state):
        reasons.append(Reason("kernel", f"{state.release} runs with {state.cmdline}", f"{held.release} as before"))
    if state.saved != held.saved or state.next:
        found = f"saved_entry={state.saved}, next_entry={state.next}"
        reasons.append(Reason(state.loader.name, found, f"saved_entry={held.saved} as before, no next_entry"))
    if state.has_trial:
        reasons.append(Reason(f"menu of {state.loader.name}", "the entry of the trial", "none"))
    if _ours(held, state):
        reasons.append(Reason(package, "installed", "not there, as before"))
    return tuple(reasons)


def _ours(held: Before, state: State) -> bool:
    """Did this step bring the package, and is it (or a part of it) still there?"""
    return held.install and not held.had and bool(state.package and state.package[0])


def arm(session: Session, step: Step, state: State, entry: parse.Entry) -> None:
    """The trial entry, the watch, the old kernel as the default, the new one for the next boot. Raises Refused."""
    params, held = KernelParams.model_validate(step.params), before(step)
    trial = Trial(params.cmdline, held.token, params.panic)
    state.loader.write_trial(session, state.custom, entry, trial)
    write(session, render.UNIT, render.unit(held.token, params.confirm, held.job("kernel")))
    session.run(["systemctl", "daemon-reload"], root=True, timeout_s=60.0)
    enabled = session.run(["systemctl", "enable", "slipway-trial.service"], root=True, timeout_s=60.0)
    if not enabled.ok:
        said = " ".join((enabled.err or enabled.out).split())[:200]
        raise Refused(Reason(f"watch of the trial on {step.device.name}", said, "enabled", "The trial was not begun."))
    if not held.install:
        write(session, held.job("kernel").file("begun"), held.boot_id + "\n")  # what is newer belongs to this trial
    state.loader.set_default(session, held.entry)
    state.loader.set_once(session, on=True)
    standing = state.loader.standing(session)
    if standing != (held.entry, state.loader.trial):
        found = f"{standing[0]} by default, {standing[1] or 'nothing'} once"[:200]
        raise Refused(Reason(f"boot loader of {step.device.name}", found, f"{held.entry}, and the trial once"))
    session.run(["sync"], root=True, timeout_s=60.0)


def _fell_back(session: Session, step: Step, state: State, release: str) -> Look:
    """It booted, and this is not (or no longer) the trial. What the kernel said as it died, the engine asks for."""
    if looking.unreached(session, before(step).job("kernel")):
        found = f"{state.release} again: {release} came up and nobody could come in within the time"
        remedy = "See why its network did not come up (console, journalctl -b -1)."
    else:
        found = f"{state.release} again: {release} did not come up"
        remedy = "The machine went back by itself. See what it said as it died, and its console."
    reason = Reason(f"kernel of {step.device.name}", found, release, remedy)
    return Look(Seen.IMPOSSIBLE, (reason,), {**step.progress, **state.data(), "fell_back": True})


def _in_place(params: KernelParams, state: State) -> Reason:
    return Reason(
        f"{params.debian_package}", f"{state.installed or 'no package'}, which runs", params.version,
        "A package of the same name would overwrite the modules of the running kernel: there would be no way back.",
    )  # fmt: skip


def whole_cores(
    cmdline: Mapping[str, str | bool], device: Device, facts: Mapping[str, Json]
) -> Mapping[str, str | bool]:
    """The command line with every list of processors filled up with sibling threads. Raises Impossible."""
    cpu = facts.get("cpu")
    known = cpu.get("siblings") if isinstance(cpu, Mapping) else None
    made = dict(cmdline)
    for name in OF_PROCESSORS & cmdline.keys():
        value = cmdline[name]
        if not isinstance(value, str):
            continue
        whole = with_siblings(value, known) if isinstance(known, list) else None
        if whole is None:
            found = value if isinstance(known, list) else "threads that are not known"
            wanted = "processors of this device" if isinstance(known, list) else "facts with the threads of each core"
            raise Impossible(Reason(f"{name} of {device.name}", found, wanted, "Collect its facts; see lscpu."))
        made[name] = whole
    return made


def before(step: Step) -> Before:
    """The artifact as values. Raises Impossible where there is none."""
    held = step.artifact or {}
    token, boot_id, entry = held.get("token"), held.get("boot_id"), held.get("entry")
    if not isinstance(token, str) or not token.isalnum() or not isinstance(boot_id, str) or not isinstance(entry, str):
        raise Impossible(Reason(f"kernel of {step.device.name}", "no record of what was there", "the step's artifact"))
    holds = held.get("holds")
    names = tuple(str(h) for h in holds) if isinstance(holds, list) else ()
    cmdline = held.get("cmdline")
    line = {str(name): value for name, value in cmdline.items()} if isinstance(cmdline, Mapping) else {}
    return Before(
        token, boot_id, str(held.get("release") or ""), str(held.get("saved") or ""), entry,
        held.get("had") is True, held.get("install") is True, names, line,
    )  # fmt: skip
