"""The engine in memory: rows, guarded moves, ticks and legs, as fleet/changes carries them out on a database.

Every decision is asked of the real `fleet.core`, every step is carried out by the real `playbooks.engine`; only the
rows are plain objects. One call is one transaction. A worker and a tick read copies, as the real ones do, so what they
write may come too late.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from fleet.core import decide
from fleet.core.decide import FleetView, RunView, TargetView
from fleet.core.gates import Engaged
from fleet.core.model import Budget, Strategy
from fleet.core.states import (
    CHANGE_MOVES,
    STEP_FAILED,
    STEP_MOVES,
    STEP_OPEN,
    TARGET_IN_FLIGHT,
    TARGET_MOVES,
    ChangeState,
    Control,
    StepState,
    TargetState,
    phase_of,
)
from fleet.core.target import AfterStep, Then, after_step, can_roll_back, way_back
from fleet.core.waves import Network
from playbooks.base import Device as DeviceValue
from playbooks.base import DeviceError, Seen, Step
from playbooks.engine import Outcome, OutcomeKind, perform, perform_rollback
from tests.core.fleets import step as planned_step
from tests.core.model_devices import Device, Killed, Scripted
from tests.core.model_rows import C, RunRow, S, Snapshot, StepRow, T, TargetRow, Worker

BEGIN = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
LEASE_S, REKICK_S, DEADLINE_S = 90.0, 10.0, 75.0


@dataclass
class Engine:
    """All rows, and the moves on them."""

    network: Network
    devices: dict[str, Device]
    seconds: float = 0.0
    admission: int = 0
    runs: dict[int, RunRow] = field(default_factory=dict)
    targets: dict[int, TargetRow] = field(default_factory=dict)
    messages: list[int] = field(default_factory=list)  # target ids on their way to a worker
    moved: list[tuple[str, str]] = field(default_factory=list)  # what happened, for the reader of a failure

    def __post_init__(self) -> None:
        for device in self.devices.values():
            device.changes_here = self._holders(device.name)

    def _holders(self, name: str) -> Callable[[], set[int]]:
        return lambda: {t.run for t in self.targets.values() if t.name == name and t.engaged}

    @property
    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.seconds)

    def start(self, names: dict[str, tuple[int, str]], verbs: Sequence[str], strategy: Strategy) -> RunRow:
        """A run over these devices (name -> wave, domain), each with these steps."""
        run = RunRow(len(self.runs) + 1, strategy, [])
        for name, (wave, domain) in names.items():
            number = len(self.targets) + 1
            steps = [StepRow(number * 100 + i, i, v, planned_step(v), phase_of(v)) for i, v in enumerate(verbs)]
            self.targets[number] = TargetRow(number, name, wave, domain, run.id, steps)
            run.targets.append(number)
        self.runs[run.id] = run
        return run

    def of(self, run: RunRow) -> list[TargetRow]:
        return [self.targets[n] for n in run.targets]

    def live(self) -> list[RunRow]:
        return [r for r in self.runs.values() if not r.ended]

    # -- moves, each as transitions.py makes them

    def _move(self, row: TargetRow, to: TargetState, *, changed: bool | None = None) -> None:
        assert to in TARGET_MOVES[row.state], f"{row.name}: {row.state} > {to}"
        origin = row.state
        row.state, row.generation = to, row.generation + 1
        self.moved.append((row.name, str(to)))
        match to:
            case T.DRAINING:
                row.drained = True
            case T.PENDING:
                row.engaged = False
            case T.DONE | T.ROLLED_BACK:
                row.engaged = row.drained = False
                row.changed = bool(changed)
            case T.SOAKING:
                row.drained = False
            case T.STUCK:
                row.changed = None
                if not row.drained:
                    row.engaged = origin is not T.BASELINING
            case T.ROLLING_BACK if origin in {T.DONE, T.SOAKING, T.UNDRAINING}:
                if origin is T.DONE:
                    row.engaged = True
                row.drained = True

    def _step(self, step: StepRow, to: StepState) -> None:
        assert to in STEP_MOVES[step.state], f"step {step.verb}: {step.state} > {to}"
        step.state = to

    def change_to(self, run: RunRow, to: ChangeState) -> None:
        assert to in CHANGE_MOVES[run.state], f"change {run.id}: {run.state} > {to}"
        run.state = to
        self.moved.append((f"change {run.id}", str(to)))

    def device_taken(self, row: TargetRow) -> bool:
        """The unique constraint: one run for each device."""
        return any(t.engaged and t.name == row.name and t.id != row.id for t in self.targets.values())

    def admit(self, ids: Sequence[int], admission: int) -> bool:
        rows = [self.targets[n] for n in ids]
        going = all(self.runs[r.run].control is Control.NONE for r in rows)
        free = all(r.state is T.PENDING and not r.engaged and not self.device_taken(r) for r in rows)
        if admission != self.admission or not going or not free:
            return False
        self.admission += 1
        for row in rows:
            self._move(row, T.BASELINING)
            row.engaged, row.kicked = True, None
            row.steps[0].due = self.seconds
        return True

    def roll_back(self, seen: TargetView, admission: int) -> bool:
        row = self.targets[seen.id]
        if row.state is not seen.state or (seen.carries and admission != self.admission):
            return False
        open_step = next(iter(row.reached), None)
        if open_step and open_step.state is S.CLAIMED and open_step.due is not None and open_step.due > self.seconds:
            return False
        if (row.state is T.DONE and self.device_taken(row)) or not can_roll_back(row.view()):
            return False
        self.admission += seen.carries
        if open_step:
            open_step.due, open_step.generation = None, open_step.generation + 1
        back = self.back_rows(row)
        self._move(row, T.ROLLING_BACK)
        row.steps += back
        if not back:
            self._move(row, T.ROLLED_BACK)
        return True

    def strand(self, seen: TargetView) -> bool:
        row = self.targets[seen.id]
        open_step = next(iter(row.reached), None)
        claimed = open_step and open_step.state is S.CLAIMED and (open_step.due or 0.0) > self.seconds
        if row.state is not seen.state or claimed:
            return False
        if open_step:
            open_step.due, open_step.generation = None, open_step.generation + 1
        self._move(row, T.STUCK)
        return True

    def back_rows(self, row: TargetRow) -> list[StepRow]:
        made = []
        first = len(row.steps)
        for index, back in enumerate(way_back(row.view()), start=first):
            like = row.steps[back.like if back.like is not None else back.undoes or 0]
            step = StepRow(row.id * 100 + index, index, back.verb, like.planned, T.ROLLING_BACK, back=True)
            step.due, step.undoes = self.seconds if index == first else None, back.undoes
            made.append(step)
        return made

    def back_to_pending(self, seen: TargetView) -> bool:
        row = self.targets[seen.id]
        claimed = any(s.state is S.CLAIMED and s.due is not None and s.due > self.seconds for s in row.steps)
        if row.state is not seen.state or claimed:
            return False
        for step in row.steps:
            if step.state is not S.READY or step.due is not None:
                if step.state is not S.READY:
                    self._step(step, S.READY)
                step.due = step.first_claimed = None
                step.generation += 1
        self._move(row, T.PENDING)
        return True

    def ask(self, run: RunRow, control: Control) -> None:
        if not run.ended:
            run.control = control
            self.moved.append((f"change {run.id}", f"asked: {control}"))

    def resume(self, run: RunRow) -> None:
        if run.control is Control.PAUSE and not run.ended:
            run.tolerated = sum(decide.is_failing(v) for v in self.snapshot(run).run.targets)
            self.ask(run, Control.NONE)

    def release(self, row: TargetRow) -> None:
        """A person puts a stuck device right and takes it out of Slipway's hands."""
        if row.state is T.STUCK and row.engaged:
            row.engaged = row.drained = False
            self.moved.append((row.name, "released"))
            device = self.devices[row.name]
            device.drained = device.worse = device.dead = False
            device.verified = True
            device.faults.clear()

    # -- the tick

    def snapshot(self, run: RunRow) -> Snapshot:
        views = tuple(self._target_view(row) for row in self.of(run))
        engaged = {
            t.name: Engaged(
                t.domain,
                t.drained or t.state not in {T.SOAKING, T.STUCK},
                f"change {t.run}",
                None if self.runs[t.run].ended else self.runs[t.run].strategy.budget,
            )
            for t in self.targets.values()
            if t.engaged and t.run != run.id
        }
        seen = RunView(run.id, run.state, run.control, run.strategy, views, run.window_end, run.tolerated)
        return Snapshot(seen, FleetView(self.network, engaged), self.admission, copy.copy(run))

    def _target_view(self, row: TargetRow) -> TargetView:
        failed = row.state is T.SOAKING and any(s.state in STEP_FAILED and not s.back for s in row.steps)
        claimed = due = False
        for step in row.reached:
            assert step.due is not None
            if step.due > self.seconds:
                claimed = claimed or step.state is S.CLAIMED
            elif row.kicked is None or row.kicked < step.due or row.kicked < self.seconds - REKICK_S:
                due = True
        worst = sum(s.planned.within_s for s in row.steps)
        one_way = not can_roll_back(row.view())
        return TargetView(
            row.id, row.name, row.wave, row.domain, row.state, row.changed, row.drained, failed, claimed, due, worst,
            one_way,
        )  # fmt: skip

    def tick(self, seen: Snapshot) -> int:
        """Carry out what is decided on a snapshot, however old. Returns how many moves were made."""
        decision = decide.next_actions(seen.run, seen.fleet, self.now)
        row, admission, made = self.runs[seen.run.id], seen.admission, 0
        kicked = [a.target.id for a in decision.actions if isinstance(a, decide.Kick)]
        admitted = [a.target.id for a in decision.actions if isinstance(a, decide.Admit)]
        if admitted and self.admit(admitted, admission):
            kicked += admitted
            admission += 1
        for action in decision.actions:
            if isinstance(action, decide.RollBack):
                if self.roll_back(action.target, admission):
                    kicked.append(action.target.id)
                    admission += action.target.carries
            else:
                made += self._carry_out(action, row, seen.row)
        row.holds = tuple(str(r) for r in decision.holds)
        for number in kicked:
            self.targets[number].kicked = self.seconds
        self.messages += kicked
        return made + len(kicked)

    def _carry_out(self, action: decide.Action, row: RunRow, seen: RunRow) -> bool:
        match action:
            case decide.Strand(target):
                return self.strand(target)
            case decide.Release(target):
                return self.back_to_pending(target)
            case decide.Pause():
                if seen.control is Control.NONE and row.control is Control.NONE:
                    self.ask(row, Control.PAUSE)
                if seen.state is row.state and row.state is not C.PAUSED and not row.ended:
                    self.change_to(row, C.PAUSED)
                    return True
            case decide.Resume() if seen.state is row.state is C.PAUSED:
                self.change_to(row, C.RUNNING)
                return True
            case decide.End(state):
                return self.end(row, seen, state)
            case _:
                pass
        return False

    def end(self, row: RunRow, seen: RunRow, state: ChangeState) -> bool:
        flying = any(t.state in TARGET_IN_FLIGHT for t in self.of(row))
        if flying or row.ended or row.control is not seen.control or state not in CHANGE_MOVES[row.state]:
            return False
        self.change_to(row, state)
        row.ended = True
        return True

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

    def budgets_in_force(self) -> list[tuple[int, Budget]]:
        """The budget of every run in flight that holds a device."""
        holding = {t.run for t in self.targets.values() if t.engaged}
        return [(r.id, r.strategy.budget) for r in self.live() if r.id in holding]
