"""A machine that says nothing when its time is over: console read, power cycled once, waited for again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User

from fleet import clock
from fleet.changes import lifecycle, silent, transitions
from fleet.changes.models import Event, StepRun, TargetRun
from fleet.core import plan as planning
from fleet.core.model import Reason
from inventory.models import Console
from playbooks import oob
from playbooks.base import Unreachable
from playbooks.engine import Outcome, OutcomeKind
from tests.changes import builders

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
DEAF = Outcome(OutcomeKind.ERROR, (Reason("bly", "no answer", "an answer"),))


@pytest.fixture
def hand(author: User, approver: User) -> transitions.StepInHand:
    """A reboot of bly that was sent and is claimed."""
    builders.fleet(["bly"])
    now = clock.now()
    change = builders.draft(author, builders.plan([["bly"]]), now)
    assert lifecycle.submit(change, author, now) == ()
    assert change.revision is not None
    digest = change.revision.digest
    assert lifecycle.decide_on(change, approver, now, approve=True, digest=digest) == ()
    assert lifecycle.start(change, author, now) == ()
    target = TargetRun.objects.get()
    step = StepRun.objects.filter(target=target, planned__verb="nic").first() or StepRun.objects.get(index=2)
    StepRun.objects.filter(pk=step.pk).update(
        verb="reboot", claimed_by="worker", first_claimed_at=now, sent_at=now, due_at=now + timedelta(seconds=60),
        state="claimed",
    )  # fmt: skip
    step.refresh_from_db()
    return transitions.StepInHand(step, target, change.pk)


@pytest.fixture
def cycled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Consoles that were asked to switch; each shows a panic."""
    asked: list[str] = []

    def cycle(console: oob.Console) -> str:
        asked.append(console.kind)
        if console.kind == "ipmi":
            raise Unreachable(Reason("console", "no answer", "one"))
        return "ForceRestart by Redfish"

    monkeypatch.setattr(oob, "power_cycle", cycle)
    monkeypatch.setattr(oob, "last_lines", lambda console, **more: "Kernel panic - not syncing: hung\n")
    return asked


def ask(hand: transitions.StepInHand, now: datetime, *, spoke: bool = False, outcome: Outcome = DEAF) -> Outcome:
    session: Any = SimpleNamespace(spoke=spoke)
    value: Any = SimpleNamespace(device=SimpleNamespace(name="bly"))
    return silent.asked(hand, session, value, outcome, now)


def add(hand: transitions.StepInHand, *kinds: str) -> None:
    for kind in kinds:
        Console.objects.create(
            router=hand.target.router, kind=kind, address="192.0.2.9", port=443 if kind == "redfish" else 623,
            credential=hand.target.router.credential,
        )  # fmt: skip


def test_it_is_switched_off_and_on_once_and_waited_for(
    hand: transitions.StepInHand, cycled: list[str], django_assert_num_queries: Callable[..., Any]
) -> None:
    add(hand, "ipmi", "redfish")
    now = clock.now()
    first = ask(hand, now)
    assert first.kind is OutcomeKind.WAIT and cycled == ["ipmi", "redfish"], "the second, where the first says nothing"
    assert "ForceRestart by Redfish" in str(first.reasons[0]) and first.data["power"] == "ForceRestart by Redfish"
    assert "Kernel panic" in first.data["panic"]["headline"] and "serial console" in " ".join(map(str, first.reasons))
    event = Event.objects.get(kind=silent.EVENT)
    assert "Kernel panic" in event.data["console"] and event.step_id == hand.row.pk
    assert ask(hand, now).kind is OutcomeKind.ERROR and len(cycled) == 2, "never a second time"
    planned = replace(planning.step_from_json(hand.row.planned), within_s=100.0)
    with django_assert_num_queries(0):
        assert silent.longer(hand.row, planned, now + timedelta(seconds=50)) is planned
    assert silent.longer(hand.row, planned, now + timedelta(seconds=200)).within_s > silent.GRACE_S - 5


def test_without_a_console_it_says_so_and_who_spoke_or_was_not_touched_is_left_alone(
    hand: transitions.StepInHand, cycled: list[str]
) -> None:
    now = clock.now()
    assert "none on record" in str(ask(hand, now).reasons[-1])
    add(hand, "redfish")
    assert ask(hand, now, spoke=True) is DEAF
    waits = Outcome(OutcomeKind.WAIT)
    assert ask(hand, now, outcome=waits) is waits
    hand.row.sent_at = None
    assert ask(hand, now) is DEAF and not cycled


def test_a_worker_whose_claim_is_not_the_newest_switches_nothing(
    hand: transitions.StepInHand, cycled: list[str]
) -> None:
    add(hand, "redfish")
    StepRun.objects.update(generation=99)
    assert ask(hand, clock.now()).kind is OutcomeKind.LOST and not cycled
