"""What a run has changed is collected again as soon as the device is out of its hands, and only then."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from fleet.changes import facts_again
from fleet.changes.models import Run, TargetRun
from inventory.models import Observation, Router
from inventory.recording import record
from tests.changes import builders

NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the devices that were rung for, in order."""
    names: list[str] = []

    def ring(ids: list[int]) -> None:
        names.extend(Router.objects.filter(pk__in=ids).order_by("name").values_list("name", flat=True))

    monkeypatch.setattr(facts_again, "_ring", ring)
    return names


@pytest.fixture
def run(author: User, approver: User) -> Run:
    """A run over bly and aebi, both begun."""
    builders.fleet(["bly", "aebi"])
    run = builders.running(author, approver, builders.plan([["bly", "aebi"]]), NOW)
    builders.begin(run, ["bly", "aebi"], NOW)
    return run


def observed(name: str, at: datetime) -> Observation:
    facts = {"kernel": "6.1", "interfaces": {}}
    return record({Router.objects.get(name=name): facts}, now=at)[0][name]


@pytest.mark.django_db
def test_a_device_whose_leg_has_ended_is_collected_at_once_and_one_in_hand_is_not(run: Run, rung: list[str]) -> None:
    ended = builders.walk(run, "bly", NOW)
    assert facts_again.take_up(ended) == 1
    assert rung == ["bly"]
    assert facts_again.take_up(ended + MINUTE) == 0, "its message is on the way"
    observed("bly", ended + MINUTE)
    assert facts_again.take_up(ended + 10 * MINUTE) == 0, "it was seen since"


@pytest.mark.django_db
def test_what_was_seen_before_its_end_settles_nothing(run: Run, rung: list[str]) -> None:
    assert observed("bly", NOW + timedelta(seconds=1)).during_change
    ended = builders.walk(run, "bly", NOW)
    observed("bly", ended - timedelta(seconds=1))
    assert facts_again.take_up(ended) == 1


@pytest.mark.django_db
def test_a_lost_message_costs_minutes_and_a_silent_device_is_not_asked_for_ever(run: Run, rung: list[str]) -> None:
    ended = at = builders.walk(run, "bly", NOW)
    while at - ended < timedelta(hours=3):
        facts_again.take_up(at)
        at += MINUTE
    assert 2 <= len(rung) <= 2 + facts_again.GIVEN_UP_AFTER / facts_again.AGAIN_AFTER
    assert set(rung) == {"bly"}
    assert not TargetRun.objects.filter(look_due_at__isnull=False).exists()


@pytest.mark.django_db
def test_a_stuck_device_is_collected_when_a_person_has_released_it(run: Run, rung: list[str]) -> None:
    builders.stuck(run, "bly", NOW)
    later = NOW + timedelta(hours=9)
    assert facts_again.take_up(later) == 0, "the change holds it"
    TargetRun.objects.filter(name="bly").update(engaged=False)
    assert facts_again.take_up(later) == 1
    assert facts_again.take_up(later + timedelta(hours=1)) == 0
    assert rung == ["bly"]


@pytest.mark.django_db
def test_a_quiet_system_is_asked_one_query(django_assert_num_queries, run: Run) -> None:  # type: ignore[no-untyped-def]
    with django_assert_num_queries(1):
        assert facts_again.take_up(NOW) == 0
