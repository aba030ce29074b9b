"""The way back of a step: sent once, looked at, and never without claim, time or artifact."""

from dataclasses import replace

import pytest

from fleet.core.model import Reversibility
from playbooks.base import Step
from playbooks.engine import OutcomeKind, perform_rollback
from tests.playbooks.engine_script import (
    AFTER_ACT,
    BUG,
    DONE,
    HOST_KEY,
    IMPOSSIBLE,
    LATE,
    NEVER,
    NO,
    NOT_DONE,
    OLD,
    REFUSED,
    STEP,
    UNKNOWN,
    UNREACHABLE,
    UNSURE,
    WAITING,
    D,
    E,
    L,
    Ledger,
    R,
    Script,
    Scripted,
    U,
    W,
    go,
)

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
