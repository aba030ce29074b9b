"""The verb `kernel-default`: what was tried and soaked becomes what every later boot is."""

from collections.abc import Mapping

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks.base import Device, Impossible, Look, Refused, Seen, Session, Step
from playbooks.kernel import loaders, parse, render
from playbooks.kernel import look as looking
from playbooks.kernel.driver import whole_cores
from playbooks.kernel.loaders import Line
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
        line = (f"write {render.DEFAULTS}, update-grub (systemd-boot: {loaders.CMDLINE}, kernel-install)",)
        kernel = params.release or "the kernel that runs"
        commands = (
            *(line if params.cmdline else ()),
            f"default of the boot loader: {kernel}",
            "the trial's entry removed",
        )
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
        path = state.loader.defaults
        file = session.run(["cat", path], root=True)
        if not file.ok and "No such file" not in file.out + file.err:
            return Reason(path, "cannot be read", "its text, or no file")
        return state, file.out if file.ok else None

    def precheck(self, session: Session, step: Step) -> Look:
        params = Wanted.model_validate(step.params)
        seen = self._look(session, params)
        if isinstance(seen, Reason):
            return Look(Seen.UNKNOWN, (seen,))
        state, file = seen
        entry = state.entry(state.release)
        if entry is None:
            reason = Reason(
                f"boot loader of {step.device.name}", f"no entry of {state.release}", "one", "Run update-grub."
            )
            return Look(Seen.IMPOSSIBLE, (reason,), state.data())
        if params.release in {"", state.release} and not _missing(params, state):
            return Look(Seen.ALREADY, (), state.data())
        artifact: dict[str, Json] = {"saved": state.saved, "file": file, "custom": state.custom, "line": entry.args}
        return Look(Seen.READY, (), state.data(), artifact)

    def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
        params = Wanted.model_validate(step.params)
        seen = self._look(session, params)
        # Not in the look before: every step is asked before the drain as well, when the old kernel still runs.
        if not isinstance(seen, Reason) and params.release and seen[0].release != params.release:
            subject, found = f"kernel of {step.device.name}", f"{seen[0].release} runs"
            raise Refused(Reason(subject, found, f"{params.release}, which was verified"))
        if params.cmdline and not isinstance(seen, Reason):
            entry = seen[0].entry(seen[0].release)
            seen[0].loader.write_line(session, entry, params.cmdline, deadline_s=deadline_s)
            seen = self._look(session, params)
        entry = seen[0].entry(seen[0].release) if not isinstance(seen, Reason) else None
        if isinstance(seen, Reason) or entry is None:
            raise Refused(
                Reason(f"boot loader of {step.device.name}", "no entry of what runs", "one to make the default")
            )
        seen[0].loader.set_default(session, entry.id)
        seen[0].loader.set_once(session, on=False)
        seen[0].loader.remove_trial(session, seen[0].custom)
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
        params = Wanted.model_validate(step.params)
        seen = self._look(session, params)
        if isinstance(seen, Reason):
            raise Refused(seen)
        state, now = seen
        if params.cmdline or now != file:
            entry, line = state.entry(state.release), (step.artifact or {}).get("line")
            args = line if isinstance(line, str) else entry.args if entry is not None else ""
            state.loader.restore_line(session, Line(file, state.release, args), deadline_s=deadline_s)
        state.loader.set_default(session, saved)

    def observe_rollback(self, session: Session, step: Step) -> Look:
        """DONE when the default and the file are as before; the trial's entry is the business of the step before."""
        saved, file = _held(step)
        seen = self._look(session, Wanted.model_validate(step.params))
        if isinstance(seen, Reason):
            return Look(Seen.UNKNOWN, (seen,), step.progress, after_s=2.0)
        wrong = (
            [Reason("default of the boot loader", seen[0].saved, f"{saved} as before")]
            if seen[0].saved != saved
            else []
        )
        wrong += [Reason(seen[0].loader.defaults, "not as before", "the file as it was")] if seen[1] != file else []
        return Look(Seen.NOT_DONE if wrong else Seen.DONE, tuple(wrong), seen[0].data())


def _missing(params: Wanted, state: State) -> tuple[Reason, ...]:
    """What keeps the next boot from being as the one that runs."""
    entry, reasons = state.entry(state.release), []
    if entry is None or state.saved != entry.id or state.next:
        found = f"{state.saved or 'nothing'} by default, {state.next or 'nothing'} once"
        reasons.append(Reason(state.loader.name, found, f"the entry of {state.release}, nothing once"))
    for name, found in parse.differs(entry.args if entry is not None else "", params.cmdline).items():
        reasons.append(Reason(f"cmdline {name} of the menu", found, str(params.cmdline[name])))
    if state.has_trial:
        reasons.append(Reason(f"menu of {state.loader.name}", "the entry of the trial", "none"))
    return tuple(reasons)


def _held(step: Step) -> tuple[str, str | None]:
    held = step.artifact or {}
    saved, file = held.get("saved"), held.get("file")
    if not isinstance(saved, str):
        raise Impossible(Reason(f"rollback of {step.verb}", "no default on record", "the one from before"))
    return saved, file if isinstance(file, str) else None
