"""Every combination of what a driver may say and what the engine makes of it, with a scripted driver."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fleet.core.model import Json, PlannedStep, Reason, Reversibility, StepSpec
from fleet.core.states import TargetState
from playbooks import base
from playbooks.base import Device, DeviceError, Look, Seen, Step
from playbooks.engine import Outcome, OutcomeKind, perform, perform_rollback

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


@pytest.mark.parametrize(
    ("step", "says", "kind"),
    [
        (STEP, DONE, D),
        (STEP, WAITING, W),
        (LATE, WAITING, E),
        (STEP, NOT_DONE, E),
        (STEP, NOT_YET, W),
        (LATE, NOT_YET, E),
        (STEP, UNKNOWN, W),
        (LATE, UNKNOWN, E),
        (STEP, NEVER, NO),
        (STEP, READY, E),
        (STEP, UNREACHABLE, R),
        (LATE, UNREACHABLE, E),
        (STEP, UNSURE, R),
        (LATE, UNSURE, E),
        (STEP, REFUSED, E),
        (STEP, HOST_KEY, E),
        (STEP, LOGIN, E),
        (STEP, IMPOSSIBLE, NO),
        (STEP, BUG, E),
    ],
)
def test_a_step_that_only_looks(step: Step, says: Script, kind: OutcomeKind) -> None:
    driver, ledger = Scripted(observe_says=[says], acts=False), Ledger()
    outcome = go(driver, step, ledger=ledger)
    assert (outcome.kind, outcome.changed, driver.calls, ledger.written) == (kind, False, ["observe"], [])
    assert outcome.reasons


@pytest.mark.parametrize(
    ("step", "says", "kind"),
    [
        (STEP, ALREADY, D),
        (STEP, NEVER, NO),
        (STEP, UNKNOWN, E),
        (STEP, NOT_DONE, E),
        (STEP, WAITING, W),
        (LATE, WAITING, E),
        (STEP, DONE, E),
        (STEP, UNREACHABLE, R),
        (LATE, UNREACHABLE, E),
        (STEP, UNSURE, R),
        (LATE, UNSURE, E),
        (STEP, REFUSED, E),
        (STEP, HOST_KEY, E),
        (STEP, LOGIN, E),
        (STEP, IMPOSSIBLE, NO),
        (STEP, BUG, E),
    ],
)
def test_nothing_is_sent_unless_the_precheck_says_ready(step: Step, says: Script, kind: OutcomeKind) -> None:
    driver, ledger = Scripted(precheck_says=[says]), Ledger()
    outcome = go(driver, step, ledger=ledger)
    assert (outcome.kind, outcome.changed, driver.calls, ledger.written) == (kind, False, ["precheck"], [])
    assert outcome.reasons


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


@pytest.mark.parametrize(("step", "says", "kind"), AFTER_ACT)
def test_the_device_says_whether_it_is_done(step: Step, says: Script, kind: OutcomeKind) -> None:
    driver, ledger = Scripted([READY], [DONE], [says]), Ledger()
    outcome = go(driver, step, ledger=ledger)
    assert (outcome.kind, driver.calls) == (kind, ["precheck", "apply", "observe"])
    assert outcome.changed is (kind is D)
    assert ledger.written == [OLD]
    assert driver.artifacts == [None, OLD, OLD]
    assert outcome.reasons


@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize(("step", "says", "kind"), [row for row in AFTER_ACT if row[1] not in (NOT_DONE, NOT_YET)])
def test_after_a_crash_or_a_wait_it_looks_and_does_not_act(
    step: Step, says: Script, kind: OutcomeKind, repeatable: bool
) -> None:
    driver, ledger = Scripted(observe_says=[says], repeatable=repeatable), Ledger()
    outcome = go(driver, step, sent=True, ledger=ledger)
    assert (outcome.kind, driver.calls, ledger.written) == (kind, ["observe"], [])
    assert outcome.changed is (kind is D)


@pytest.mark.parametrize(
    ("step", "says", "kind"), [(STEP, NOT_DONE, E), (STEP, NOT_YET, W), (LATE, NOT_YET, E), (LATE, NOT_DONE, E)]
)
def test_what_counts_is_never_sent_twice(step: Step, says: Look, kind: OutcomeKind) -> None:
    driver, ledger = Scripted([READY], [DONE], [says, DONE], repeatable=False), Ledger()
    outcome = go(driver, step, sent=True, ledger=ledger)
    assert (outcome.kind, driver.calls, ledger.written) == (kind, ["observe"], [])
    assert outcome.reasons == (WHY,)


@pytest.mark.parametrize("recorded", [OLD, None])
def test_what_declares_a_state_is_sent_again_and_never_captures_its_own_change(recorded: Mapping[str, Json]) -> None:
    own_change = look(Seen.READY, artifact={"queues": 8})
    driver, ledger = Scripted([own_change], [DONE], [NOT_DONE, DONE]), Ledger()
    outcome = go(driver, replace(STEP, artifact=recorded), sent=True, ledger=ledger)
    assert (outcome.kind, outcome.changed) == (D, True)
    assert driver.calls == ["observe", "precheck", "apply", "observe"]
    assert ledger.written == [None]
    assert set(map(str, driver.artifacts)) == {str(recorded)}


@pytest.mark.parametrize(("step", "kind"), [(STEP, W), (LATE, E)])
def test_already_after_not_done_is_looked_at_again(step: Step, kind: OutcomeKind) -> None:
    driver = Scripted([ALREADY], [], [NOT_DONE])
    assert go(driver, step, sent=True).kind is kind
    assert driver.calls == ["observe", "precheck"]


def test_a_captured_artifact_is_never_overwritten() -> None:
    driver, ledger = Scripted([look(Seen.READY, artifact={"queues": 8})], [DONE], [DONE]), Ledger()
    assert go(driver, replace(STEP, artifact=OLD), ledger=ledger).kind is D
    assert ledger.written == [None]
    assert driver.artifacts == [OLD, OLD, OLD]


def test_already_keeps_what_was_captured_and_learned() -> None:
    driver = Scripted([look(Seen.ALREADY, data={"new": 2}, artifact=OLD)])
    outcome = go(driver)
    assert (outcome.kind, outcome.changed, outcome.data, outcome.artifact) == (D, False, {"new": 2}, OLD)


@pytest.mark.parametrize(
    ("step", "error", "kind"),
    [
        (STEP, UNREACHABLE, W),
        (LATE, UNREACHABLE, E),
        (STEP, UNSURE, W),
        (LATE, UNSURE, W),
        (STEP, REFUSED, E),
        (STEP, HOST_KEY, E),
        (STEP, LOGIN, W),
        (STEP, IMPOSSIBLE, NO),
        (STEP, BUG, E),
    ],
)
def test_an_act_that_fails(step: Step, error: Exception, kind: OutcomeKind) -> None:
    driver, ledger = Scripted([READY], [error]), Ledger()
    outcome = go(driver, step, ledger=ledger)
    assert (outcome.kind, outcome.changed, driver.calls) == (kind, False, ["precheck", "apply"])
    assert ledger.written == [OLD] and outcome.data == {"old": 1}
    assert outcome.after_s > 0 or kind not in (W, R)


def test_an_unsure_act_is_looked_at_after_a_second() -> None:
    assert go(Scripted([READY], [UNSURE])).after_s == 1.0


def test_a_lost_claim_stops_before_the_act() -> None:
    driver = Scripted([READY], [DONE], [DONE])
    assert go(driver, ledger=Ledger(holds=False)).kind is L
    assert driver.calls == ["precheck"]


def test_a_failing_database_is_not_the_device_s_fault() -> None:
    def broken(artifact: Mapping[str, Json] | None) -> bool:
        raise RuntimeError("the database is gone")

    driver = Scripted([READY], [DONE], [DONE])
    with pytest.raises(RuntimeError):
        perform(driver, SESSION, STEP, sent=False, deadline_s=30, write_ahead=broken)
    assert driver.calls == ["precheck"]


def test_nothing_is_written_or_sent_when_the_deadline_has_passed() -> None:
    driver, ledger = Scripted([READY], [DONE], [DONE]), Ledger()
    assert go(driver, ledger=ledger, deadline_s=0).kind is R
    assert (driver.calls, ledger.written) == (["precheck"], [])


def test_a_deadline_that_passes_while_writing_ahead_leaves_the_step_to_the_next_claim() -> None:
    times = iter([0.0, 1.0, 31.0])
    driver, ledger = Scripted([READY], [DONE], [DONE]), Ledger()
    outcome = perform(driver, SESSION, STEP, sent=False, deadline_s=30, write_ahead=ledger, clock=lambda: next(times))
    assert (outcome.kind, driver.calls, ledger.written) == (L, ["precheck"], [OLD])


@pytest.mark.parametrize(("waited", "after"), [(0, 1.0), (8, 2.0), (40, 10.0), (500, 15.0)])
def test_tries_grow_apart_up_to_a_bound(waited: float, after: float) -> None:
    planned = replace(PLANNED, within_s=900)
    assert go(Scripted([UNREACHABLE]), replace(STEP, planned=planned, waited_s=waited)).after_s == after


def test_a_bug_is_named_with_type_and_text_and_shortened() -> None:
    outcome = go(Scripted([ValueError("x" * 5000)]))
    assert outcome.reasons[0].found.startswith("ValueError: xxx") and len(outcome.reasons[0].found) < 400


ROLLBACK = replace(STEP, artifact=OLD)
ROLLBACK_LATE = replace(LATE, artifact=OLD)


@pytest.mark.parametrize("sent", [True, False])
def test_a_rollback_of_what_is_back_already_sends_nothing(sent: bool) -> None:
    driver, ledger = Scripted(observe_says=[DONE]), Ledger()
    outcome = go(driver, ROLLBACK, sent=sent, ledger=ledger, how=perform_rollback)
    assert (outcome.kind, outcome.changed) == (D, sent)
    assert (driver.calls, ledger.written) == (["observe rollback"], [])


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize(("step", "says", "kind"), AFTER_ACT)
def test_a_rollback_is_sent_and_looked_at(step: Step, says: Script, kind: OutcomeKind, sent: bool) -> None:
    driver, ledger = Scripted([], [DONE], [NOT_DONE, says]), Ledger()
    outcome = go(driver, replace(step, artifact=OLD), sent=sent, ledger=ledger, how=perform_rollback)
    assert (outcome.kind, outcome.changed) == (kind, kind is D)
    assert driver.calls == ["observe rollback", "rollback", "observe rollback"]
    assert ledger.written == [None] and driver.artifacts == [OLD, OLD, OLD]


@pytest.mark.parametrize(
    ("step", "says", "sent", "kind"),
    [
        (ROLLBACK, WAITING, True, W),
        (ROLLBACK_LATE, WAITING, True, E),
        (ROLLBACK, UNKNOWN, True, W),
        (ROLLBACK_LATE, UNKNOWN, True, U),
        (ROLLBACK, UNREACHABLE, True, W),
        (ROLLBACK, UNREACHABLE, False, R),
        (ROLLBACK_LATE, UNREACHABLE, False, E),
        (ROLLBACK, HOST_KEY, True, E),
        (ROLLBACK, NEVER, True, NO),
        (ROLLBACK, BUG, True, E),
    ],
)
def test_a_rollback_that_cannot_see_does_not_act(step: Step, says: Script, sent: bool, kind: OutcomeKind) -> None:
    driver, ledger = Scripted(observe_says=[says]), Ledger()
    assert go(driver, step, sent=sent, ledger=ledger, how=perform_rollback).kind is kind
    assert (driver.calls, ledger.written) == (["observe rollback"], [])


@pytest.mark.parametrize(
    ("error", "kind"), [(UNSURE, W), (UNREACHABLE, W), (REFUSED, E), (IMPOSSIBLE, NO), (BUG, E), (HOST_KEY, E)]
)
def test_a_rollback_that_fails(error: Exception, kind: OutcomeKind) -> None:
    driver = Scripted([], [error], [NOT_DONE])
    assert go(driver, ROLLBACK, how=perform_rollback).kind is kind
    assert driver.calls == ["observe rollback", "rollback"]


def test_a_rollback_without_claim_time_or_artifact_sends_nothing() -> None:
    lost = Scripted([], [DONE], [NOT_DONE])
    assert go(lost, ROLLBACK, ledger=Ledger(holds=False), how=perform_rollback).kind is L
    late = Scripted([], [DONE], [NOT_DONE])
    assert go(late, ROLLBACK, deadline_s=0, how=perform_rollback).kind is R
    for driver, step in (
        (Scripted(), STEP),
        (Scripted(reversibility=Reversibility.NOT_AT_ALL), ROLLBACK),
    ):
        outcome = go(driver, step, how=perform_rollback)
        assert outcome.kind is NO and outcome.reasons and not driver.calls
    for driver in (Scripted(acts=False), Scripted(reversibility=Reversibility.NOTHING_TO_UNDO)):
        assert go(driver, STEP, how=perform_rollback).kind is D and not driver.calls
    assert "rollback" not in lost.calls + late.calls


def test_every_device_error_of_the_contract_has_its_outcome() -> None:
    kinds = {type(e) for e in (UNREACHABLE, UNSURE, REFUSED, HOST_KEY, LOGIN, IMPOSSIBLE)}
    assert kinds == set(DeviceError.__subclasses__())
