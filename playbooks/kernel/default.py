"""The verb `kernel-default`: what was tried and soaked becomes what every later boot is."""

from collections.abc import Mapping

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step
from playbooks.kernel import look as looking
from playbooks.kernel import parse, render
from playbooks.kernel.driver import editenv, put, whole_cores
from playbooks.kernel.look import State
from playbooks.kernel.params import Wanted


class KernelDefault:
    """Make the kernel that runs the default, and its command line that of every later boot.

    The artifact holds the default and the file as they were. Nothing is booted: the running kernel is the one that
    was verified. The old kernel stays installed, with its entry in the menu.
    """

    verb = "kernel-default"
    phase = TargetState.SOAKING
    reversibility = Reversibility.IN_PLACE
    disruptive = False
    acts = True
    repeatable = True
    within_s = 600.0
    estimate_s = 10.0
    params_model = Wanted

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        params = Wanted.model_validate(spec.params)
        line = (f"write {render.DEFAULTS}", "update-grub") if params.cmdline else ()
        kernel = params.release or "the kernel that runs"
        commands = (*line, f"grub-editenv set saved_entry={kernel}", "the trial's entry removed")
        wanted = whole_cores(params.cmdline, device, facts)
        resolved = {**spec.params, **({"cmdline": dict(wanted)} if wanted else {})}
        diff = f"+default of the boot loader: {kernel}\n"
        return PlannedStep(
            self.verb, resolved, self.reversibility, self.disruptive, diff=diff, commands=commands,
            estimate_s=self.estimate_s, within_s=self.within_s,
        )  # fmt: skip

    def _look(self, session: Session, params: Wanted) -> tuple[State, str | None] | Reason:
        state = looking.look(session, f"linux-image-{params.release}" if params.release else "linux-base")
        if isinstance(state, Reason):
            return state
        file = session.run(["cat", render.DEFAULTS], root=True)
        if not file.ok and "No such file" not in file.out + file.err:
            return Reason(render.DEFAULTS, "cannot be read", "its text, or no file")
        return state, file.out if file.ok else None

    def precheck(self, session: Session, step: Step) -> Look:
        params = Wanted.model_validate(step.params)
        seen = self._look(session, params)
        if isinstance(seen, Reason):
            return Look(Seen.UNKNOWN, (seen,))
        state, file = seen
        if params.release and state.release != params.release:
            reason = Reason(
                f"kernel of {step.device.name}", f"{state.release} runs", f"{params.release}, which was verified"
            )
            return Look(Seen.IMPOSSIBLE, (reason,), state.data())
        if state.entry(state.release) is None:
            reason = Reason(
                f"boot loader of {step.device.name}", f"no entry of {state.release}", "one", "Run update-grub."
            )
            return Look(Seen.IMPOSSIBLE, (reason,), state.data())
        if not _missing(params, state):
            return Look(Seen.ALREADY, (), state.data())
        return Look(Seen.READY, (), state.data(), {"saved": state.saved, "file": file, "custom": state.custom})

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        params = Wanted.model_validate(step.params)
        if params.cmdline:
            put(session, render.DEFAULTS, render.defaults(params.cmdline))
            _update_grub(session, deadline_s)
        seen = self._look(session, params)
        entry = seen[0].entry(seen[0].release) if not isinstance(seen, Reason) else None
        if isinstance(seen, Reason) or entry is None:
            raise Refused(
                Reason(f"boot loader of {step.device.name}", "no entry of what runs", "one to make the default")
            )
        editenv(session, "set", f"saved_entry={entry.id}")
        editenv(session, "unset", "next_entry")
        put(session, render.CUSTOM, render.with_trial(seen[0].custom, ""))
        session.run(["rm", "-f", render.UNIT, render.WANTS, render.WATCH], root=True)
        session.run(["sync"], root=True)

    def observe(self, session: Session, step: Step) -> Look:
        params = Wanted.model_validate(step.params)
        seen = self._look(session, params)
        if isinstance(seen, Reason):
            return Look(Seen.UNKNOWN, (seen,), step.progress, after_s=2.0)
        missing = _missing(params, seen[0])
        return Look(Seen.NOT_DONE if missing else Seen.DONE, missing, seen[0].data())

    def rollback(self, session: Session, step: Step, *, deadline_s: float) -> None:
        saved, file = _held(step)
        if file is None:
            session.run(["rm", "-f", render.DEFAULTS], root=True)
        else:
            put(session, render.DEFAULTS, file)
        if Wanted.model_validate(step.params).cmdline:
            _update_grub(session, deadline_s)
        editenv(session, "set", f"saved_entry={saved}")

    def observe_rollback(self, session: Session, step: Step) -> Look:
        """DONE when the default and the file are as before; the trial's entry is the business of the step before."""
        saved, file = _held(step)
        seen = self._look(session, Wanted.model_validate(step.params))
        if isinstance(seen, Reason):
            return Look(Seen.UNKNOWN, (seen,), step.progress, after_s=2.0)
        wrong = [Reason("saved_entry", seen[0].saved, f"{saved} as before")] if seen[0].saved != saved else []
        wrong += [Reason(render.DEFAULTS, "not as before", "the file as it was")] if seen[1] != file else []
        return Look(Seen.NOT_DONE if wrong else Seen.DONE, tuple(wrong), seen[0].data())


def _missing(params: Wanted, state: State) -> tuple[Reason, ...]:
    """What keeps the next boot from being as the one that runs."""
    entry, reasons = state.entry(state.release), []
    if entry is None or state.saved != entry.id or state.next:
        found = f"saved_entry={state.saved}, next_entry={state.next}"
        reasons.append(Reason("grubenv", found, f"the entry of {state.release}, no next_entry"))
    for name, found in parse.differs(entry.args if entry is not None else "", params.cmdline).items():
        reasons.append(Reason(f"cmdline {name} of the menu", found, str(params.cmdline[name])))
    if render.with_trial(state.custom, "") != state.custom:
        reasons.append(Reason(render.CUSTOM, "the entry of the trial", "none"))
    return tuple(reasons)


def _update_grub(session: Session, deadline_s: float) -> None:
    answer = session.run(["update-grub"], timeout_s=min(240.0, deadline_s), root=True)
    if not answer.ok:
        said = " ".join((answer.err or answer.out).split())[-200:]
        raise Refused(Reason(f"update-grub on {session.device.name}", said, "a new menu"))


def _held(step: Step) -> tuple[str, str | None]:
    held = step.artifact or {}
    saved, file = held.get("saved"), held.get("file")
    if not isinstance(saved, str):
        raise Impossible(Reason(f"rollback of {step.verb}", "no default on record", "the one from before"))
    return saved, file if isinstance(file, str) else None
