"""Every combination of what a driver may say and what the engine makes of it, with a scripted driver."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from fleet.core.model import Json
from playbooks.base import DeviceError, Look, Seen, Session, Step
from playbooks.deadlines import too_late
from playbooks.engine import OutcomeKind, perform
from tests.playbooks.engine_script import (
    AFTER_ACT,
    ALREADY,
    BUG,
    DONE,
    HOST_KEY,
    IMPOSSIBLE,
    LATE,
    LOGIN,
    NEVER,
    NO,
    NOT_DONE,
    NOT_YET,
    OLD,
    PLANNED,
    READY,
    REFUSED,
    SESSION,
    STEP,
    UNKNOWN,
    UNREACHABLE,
    UNSURE,
    WAITING,
    WHY,
    D,
    E,
    L,
    Ledger,
    R,
    Script,
    Scripted,
    W,
    go,
    look,
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


def test_every_device_error_of_the_contract_has_its_outcome() -> None:
    kinds = {type(e) for e in (UNREACHABLE, UNSURE, REFUSED, HOST_KEY, LOGIN, IMPOSSIBLE)}
    assert kinds == set(DeviceError.__subclasses__())


def test_an_act_that_was_stopped_in_the_middle_sends_no_more() -> None:
    """Between two requests of one act the process stood still for longer than its claim: the second is not sent."""
    now, sent = [0.0], list[str]()

    class TwoRequests(Scripted):
        def apply(self, session: Session, step: Step, *, deadline_s: float) -> None:
            for request in ("reset", "restart"):
                if too_late():
                    raise UNREACHABLE
                sent.append(request)
                now[0] += 150.0

    driver = TwoRequests(precheck_says=[READY])
    outcome = perform(
        driver, SESSION, STEP, sent=False, deadline_s=75.0, write_ahead=lambda _: True, clock=lambda: now[0]
    )
    assert (sent, outcome.kind) == (["reset"], W)
    assert not too_late()
