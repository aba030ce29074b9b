"""The in-memory engine, whole: what a worker does on a leg, as fleet/changes/legs.py does it.

Every step is carried out by the real `playbooks.engine`. A worker reads a copy, so what it writes may come too late.
"""

import copy
from dataclasses import replace

from fleet.core.states import (
    STEP_OPEN,
    TARGET_IN_FLIGHT,
    Control,
    phase_of,
)
from fleet.core.target import AfterStep, Then, after_step
from playbooks.base import Device as DeviceValue
from playbooks.base import DeviceError, Seen, Step
from playbooks.engine import Outcome, OutcomeKind, perform, perform_rollback
from tests.core.model_devices import Killed, Scripted
from tests.core.model_moves import Rows
from tests.core.model_rows import S, StepRow, T, TargetRow, Worker

LEASE_S, DEADLINE_S = 90.0, 75.0


class Engine(Rows):
    """Rows, ticks and legs."""

    # -- the leg

    def deliver(self, number: int, *, dies: str = "") -> Worker | None:
        """A worker reads the target of a message; None when there is nothing to do any more."""
        row = self.targets[number]
        return Worker(copy.deepcopy(row), dies) if row.state in TARGET_IN_FLIGHT else None

    def go_on(self, worker: Worker) -> bool:
        """One stage of a leg: claim, carry out, or record. False: the leg is over. Raises Killed."""
        if worker.step is None:
            return self.claim(worker)
        if worker.outcome is None:
            worker.outcome = self.visit(worker)
            return worker.outcome.kind is not OutcomeKind.LOST
        if worker.dies == "before the record":
            raise Killed
        going = self.record(worker, worker.outcome)
        if worker.dies == "after the record":
            raise Killed
        worker.step = worker.outcome = None
        return going

    def claim(self, worker: Worker) -> bool:
        mine = worker.target
        due = [s for s in mine.reached if s.due is not None and s.due <= self.seconds]
        if not due:
            return False
        step = min(due, key=lambda s: s.index)
        row = self.targets[mine.id]
        true = row.steps[step.index] if step.index < len(row.steps) else None
        allowed = {Control.NONE, Control.ABORT, Control.ROLLBACK} if step.back else {Control.NONE}
        if (
            true is None
            or self.runs[row.run].control not in allowed
            or row.generation != mine.generation
            or true.generation != step.generation
            or true.state not in STEP_OPEN
            or true.due is None
            or true.due > self.seconds
        ):
            return False
        self._step(true, S.CLAIMED)
        true.generation += 1
        true.due = self.seconds + LEASE_S
        true.first_claimed = self.seconds if true.first_claimed is None else true.first_claimed
        if true.phase is not row.state:
            self._move(row, true.phase)
        worker.target = copy.deepcopy(row)
        worker.step = worker.target.steps[step.index]
        return True

    def _value(self, worker: Worker, step: StepRow) -> Step:
        origin = step if step.undoes is None else worker.target.steps[step.undoes]
        device = DeviceValue(worker.target.name, "", 22, "", "", "", "frr")
        waited = 0.0 if step.first_claimed is None else self.seconds - step.first_claimed
        artifact = origin.artifact
        assert artifact is None or isinstance(artifact, dict)
        return Step(step.verb, {}, step.planned, device, artifact=artifact, waited_s=waited)

    def visit(self, worker: Worker) -> Outcome:
        step = worker.step
        assert step is not None
        driver = Scripted(step.verb, self.devices, worker.dies, step.id)
        true = self.targets[worker.target.id].steps[step.index]

        def ahead(artifact: object) -> bool:
            if true.generation != step.generation or true.state is not S.CLAIMED:
                return False
            true.sent = step.sent = True
            if true.artifact is None and artifact is not None:
                true.artifact = step.artifact = artifact
            return True

        act = perform if step.undoes is None else perform_rollback
        outcome = act(
            driver, None, self._value(worker, step), sent=step.sent, deadline_s=DEADLINE_S, write_ahead=ahead,
            clock=lambda: self.seconds,
        )  # type: ignore[arg-type]  # fmt: skip
        if step.verb == "baseline" and outcome.kind is OutcomeKind.DONE:
            worker.survey = self._survey(worker)
        return outcome

    def _survey(self, worker: Worker) -> tuple[bool, bool]:
        """Whether all is as wanted already, and whether facts moved; what `legs.look_ahead` asks."""
        seen = []
        for step in worker.target.steps:
            if step.back or phase_of(step.verb) is not T.APPLYING:
                continue
            try:
                look = Scripted(step.verb, self.devices).precheck(None, self._value(worker, step))  # type: ignore[arg-type]
            except (DeviceError, RuntimeError):
                return False, True
            seen.append(look.seen)
        return bool(seen) and all(s is Seen.ALREADY for s in seen), Seen.UNKNOWN in seen

    def record(self, worker: Worker, outcome: Outcome) -> bool:
        step, mine = worker.step, worker.target
        assert step is not None
        row = self.targets[mine.id]
        true = row.steps[step.index]
        if true.generation != step.generation or true.state is not S.CLAIMED:
            return False
        ends = {
            OutcomeKind.DONE: S.DONE, OutcomeKind.IMPOSSIBLE: S.IMPOSSIBLE, OutcomeKind.UNSURE: S.UNSURE,
            OutcomeKind.WAIT: S.READY, OutcomeKind.RETRY: S.READY,
        }  # fmt: skip
        state = ends.get(outcome.kind, S.ERROR)
        if state is S.READY:
            self._step(true, S.READY)
            true.due = self.seconds + outcome.after_s
            return False
        already, drifted = worker.survey
        worker.survey = (False, False)
        if already and not drifted:
            follow = AfterStep(Then.FINISH, T.DONE, changed=False)
        else:
            views = tuple(
                replace(v, state=state, changed=outcome.changed) if v.index == step.index else v for v in mine.view()
            )
            follow = after_step(mine.state, views, step.index, moved=drifted)
        self._step(true, state)
        true.due, true.changed = None, outcome.changed
        return self._follow(worker, row, true, follow)

    def _follow(self, worker: Worker, row: TargetRow, true: StepRow, follow: AfterStep) -> bool:
        match follow.then:
            case Then.NEXT:
                if true.verb == "drain" and not true.back:
                    self._move(row, T.DRAINED)
                upcoming = next(s for s in row.steps if s.index == follow.next_index)
                upcoming.due = self.seconds
            case Then.FINISH | Then.STUCK:
                self._move(row, follow.state, changed=follow.changed)
            case Then.TURN:
                pass
            case Then.HOLD:
                self._move(row, T.PENDING)
                self._step(true, S.READY)
                true.first_claimed = None
                run = self.runs[row.run]
                if run.control is Control.NONE:
                    self.ask(run, Control.PAUSE)
            case Then.ROLL_BACK:
                back = self.back_rows(row)
                self._move(row, T.ROLLING_BACK)
                row.steps += back
                if not back:
                    self._move(row, T.ROLLED_BACK)
        worker.target = copy.deepcopy(row)
        return follow.then in {Then.NEXT, Then.ROLL_BACK}
