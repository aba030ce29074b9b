"""The rows of the in-memory engine, and what a tick and a worker hold in their hands."""

from dataclasses import dataclass
from datetime import datetime

from fleet.core.decide import FleetView, RunView
from fleet.core.model import PlannedStep, Strategy
from fleet.core.states import STEP_OPEN, ChangeState, Control, StepState, TargetState
from fleet.core.target import StepView
from playbooks.engine import Outcome

T, S, C = TargetState, StepState, ChangeState


@dataclass
class StepRow:
    id: int
    index: int
    verb: str
    planned: PlannedStep
    phase: TargetState
    state: StepState = S.READY
    generation: int = 0
    due: float | None = None
    first_claimed: float | None = None
    sent: bool = False
    artifact: object = None
    changed: bool = False
    back: bool = False
    undoes: int | None = None
    hold: str = ""


@dataclass
class TargetRow:
    id: int
    name: str
    wave: int
    domain: str
    run: int
    steps: list[StepRow]
    state: TargetState = T.PENDING
    generation: int = 0
    engaged: bool = False
    drained: bool = False
    changed: bool | None = None
    kicked: float | None = None

    def view(self) -> tuple[StepView, ...]:
        return tuple(
            StepView(
                s.index, s.verb, s.phase, s.state, s.verb not in {"baseline", "verify", "soak"}, s.planned.disruptive,
                s.planned.reversibility, s.back, s.sent, s.changed,
            )
            for s in self.steps
        )  # fmt: skip

    @property
    def reached(self) -> list[StepRow]:
        return [s for s in self.steps if s.state in STEP_OPEN and s.due is not None]


@dataclass
class RunRow:
    id: int
    strategy: Strategy
    targets: list[int]
    state: ChangeState = C.RUNNING
    control: Control = Control.NONE
    tolerated: int = 0
    window_end: datetime | None = None
    ended: bool = False
    holds: tuple[str, ...] = ()


@dataclass
class Snapshot:
    run: RunView
    fleet: FleetView
    admission: int
    row: RunRow  # as it was read


@dataclass
class Worker:
    """A worker in a leg: its own copy of the target, and how far it is with the step it claimed."""

    target: TargetRow
    dies: str = ""
    step: StepRow | None = None
    outcome: Outcome | None = None
    survey: tuple[bool, bool] = (False, False)
