"""A driver that says what a test wants, and a ledger in place of the database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import base
from playbooks.base import Device, Look, Seen, Step
from playbooks.engine import Outcome, OutcomeKind, perform

WHY = Reason("eth0", "4 queues", "8 queues", "Set them")
DEVICE = Device("bly", "192.0.2.1", 22, "slipway", "file:/k", "ssh-ed25519 A", "frr")
PLANNED = PlannedStep("nic", {}, Reversibility.IN_PLACE, disruptive=False, within_s=60)
STEP = Step("nic", {}, PLANNED, DEVICE, progress={"old": 1})
LATE = replace(STEP, waited_s=60.0)
OLD = {"queues": 4}
D, W, R = OutcomeKind.DONE, OutcomeKind.WAIT, OutcomeKind.RETRY
E, NO, U, L = OutcomeKind.ERROR, OutcomeKind.IMPOSSIBLE, OutcomeKind.UNSURE, OutcomeKind.LOST

Script = Look | Exception | None


def look(seen: Seen, **more: Any) -> Look:
    return Look(seen, (WHY,), **more)


READY = look(Seen.READY, artifact=OLD)
ALREADY = look(Seen.ALREADY, data={"new": 2})
DONE = look(Seen.DONE, data={"new": 2})
WAITING = look(Seen.WAITING, data={"new": 2}, after_s=7)
NOT_DONE = look(Seen.NOT_DONE, data={"new": 2})
NOT_YET = look(Seen.NOT_DONE, data={"new": 2}, after_s=3)
UNKNOWN = look(Seen.UNKNOWN, data={"new": 2})
NEVER = look(Seen.IMPOSSIBLE, data={"new": 2})
UNREACHABLE, UNSURE = base.Unreachable(WHY), base.Unsure(WHY)
REFUSED, HOST_KEY, LOGIN = base.Refused(WHY), base.HostKeyRefused(WHY), base.LoginRefused(WHY)
IMPOSSIBLE, BUG = base.Impossible(WHY), KeyError("peers")


@dataclass
class Scripted:
    """Answers from lists; writes down what it was asked, in order, and with which artifact."""

    precheck_says: list[Script] = field(default_factory=list)
    apply_says: list[Script] = field(default_factory=list)
    observe_says: list[Script] = field(default_factory=list)
    acts: bool = True
    repeatable: bool = True
    reversibility: Reversibility = Reversibility.IN_PLACE
    calls: list[str] = field(default_factory=list)
    artifacts: list[Mapping[str, Json] | None] = field(default_factory=list)
    verb: str = "nic"
    phase: TargetState = TargetState.APPLYING
    disruptive: bool = False
    within_s: float = 60.0
    estimate_s: float = 1.0

    def plan(self, spec: StepSpec, device: Device, facts: Mapping[str, Json]) -> PlannedStep:
        return PLANNED

    def _say(self, what: str, script: list[Script], step: Step) -> Look:
        self.calls.append(what)
        self.artifacts.append(step.artifact)
        answer = script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if answer is not None else Look(Seen.UNKNOWN)

    def precheck(self, session: base.Session, step: Step) -> Look:
        return self._say("precheck", self.precheck_says, step)

    def apply(self, session: base.Session, step: Step, *, deadline_s: float) -> None:
        assert deadline_s > 0
        self._say("apply", self.apply_says, step)

    def observe(self, session: base.Session, step: Step) -> Look:
        return self._say("observe", self.observe_says, step)

    def rollback(self, session: base.Session, step: Step, *, deadline_s: float) -> None:
        self._say("rollback", self.apply_says, step)

    def observe_rollback(self, session: base.Session, step: Step) -> Look:
        return self._say("observe rollback", self.observe_says, step)


@dataclass
class Ledger:
    """Stands for the database: what was written ahead, and whether the claim still holds."""

    holds: bool = True
    written: list[Mapping[str, Json] | None] = field(default_factory=list)

    def __call__(self, artifact: Mapping[str, Json] | None) -> bool:
        self.written.append(artifact)
        return self.holds


SESSION: Any = None


def go(
    driver: Scripted,
    step: Step = STEP,
    *,
    sent: bool = False,
    ledger: Ledger | None = None,
    deadline_s: float = 30.0,
    how: Callable[..., Outcome] = perform,
) -> Outcome:
    ticks = iter(float(n) / 1000 for n in range(100))
    return how(
        driver,
        SESSION,
        step,
        sent=sent,
        deadline_s=deadline_s,
        write_ahead=ledger or Ledger(),
        clock=lambda: next(ticks),
    )


# What a device may say after an act, and what comes of it.
AFTER_ACT: list[tuple[Step, Script, OutcomeKind]] = [
    (STEP, DONE, D),
    (LATE, DONE, D),
    (STEP, WAITING, W),
    (LATE, WAITING, E),
    (STEP, NOT_DONE, E),
    (STEP, NOT_YET, W),
    (LATE, NOT_YET, E),
    (STEP, UNKNOWN, W),
    (LATE, UNKNOWN, U),
    (STEP, NEVER, NO),
    (STEP, ALREADY, E),
    (STEP, UNREACHABLE, W),
    (LATE, UNREACHABLE, E),
    (STEP, UNSURE, W),
    (LATE, UNSURE, U),
    (STEP, REFUSED, E),
    (STEP, HOST_KEY, E),
    (STEP, LOGIN, W),
    (LATE, LOGIN, E),
    (STEP, IMPOSSIBLE, NO),
    (STEP, BUG, E),
]
