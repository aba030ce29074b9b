"""The engine in memory: rows, guarded moves and ticks, as fleet/changes carries them out on a database.

Every decision is asked of the real `fleet.core`, every step is carried out by the real `playbooks.engine`; only the
rows are plain objects. One call is one transaction. A worker and a tick read copies, as the real ones do, so what they
write may come too late.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from fleet.core import decide
from fleet.core.decide import FleetView, RunView, TargetView
from fleet.core.gates import Engaged
from fleet.core.model import Budget, Strategy
from fleet.core.states import (
    CHANGE_MOVES,
    STEP_FAILED,
    STEP_MOVES,
    TARGET_IN_FLIGHT,
    TARGET_MOVES,
    ChangeState,
    Control,
    StepState,
    TargetState,
    phase_of,
)
from fleet.core.target import can_roll_back, way_back
from fleet.core.waves import Network
from tests.core.fleets import step as planned_step
from tests.core.model_devices import Device
from tests.core.model_rows import C, RunRow, S, Snapshot, StepRow, T, TargetRow

BEGIN = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
REKICK_S = 10.0


@dataclass
class Rows:
    """All rows, and the moves on them; the legs are in model_engine.py."""

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

    def budgets_in_force(self) -> list[tuple[int, Budget]]:
        """The budget of every run in flight that holds a device."""
        holding = {t.run for t in self.targets.values() if t.engaged}
        return [(r.id, r.strategy.budget) for r in self.live() if r.id in holding]
