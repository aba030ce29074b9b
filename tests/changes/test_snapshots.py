"""What the tick reads: right, and in a constant number of queries."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet.changes import calendar, dispatch, legs, orchestrate, snapshots, standing, transitions
from fleet.changes.models import OverrunPolicy, Run, TargetRun
from fleet.core.decide import is_failing
from fleet.core.states import Control, TargetState
from tests.changes import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
T = TargetState


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def started(author: User, approver: User) -> Callable[..., Run]:
    def start(*waves: list[str]) -> Run:
        missing = [n for wave in waves for n in wave]
        builders.fleet([n for n in missing if not TargetRun.objects.filter(name=n).exists()])
        return builders.running(author, approver, builders.plan(list(waves)), NOW)

    return start


def views(run: Run, at: datetime = NOW) -> dict[str, tuple[str, bool, bool, bool]]:
    """name -> state, claimed, due, failed"""
    seen = snapshots.load(run, at).run.targets
    return {t.name: (str(t.state), t.claimed, t.due, t.failed) for t in seen}


def test_claimed_and_due(started: Callable[..., Run]) -> None:
    run = started(["bly", "aebi"])
    builders.begin(run, ["bly"], NOW)
    assert views(run) == {"aebi": ("pending", False, False, False), "bly": ("baselining", False, True, False)}
    builders.claim_step(run, "bly", NOW)
    assert views(run, after(89))["bly"] == ("baselining", True, False, False)
    assert views(run, after(90))["bly"] == ("baselining", False, True, False), "the lease is over"


def test_what_a_message_is_on_its_way_for_is_not_due_again_until_it_must_be_lost(started: Callable[..., Run]) -> None:
    run = started(["bly"])
    builders.begin(run, ["bly"], NOW)
    TargetRun.objects.update(kicked_at=after(1))
    assert views(run, after(2))["bly"][2] is False
    assert views(run, after(10.9))["bly"][2] is False
    assert views(run, after(11.1))["bly"][2] is True, "SLIPWAY_REKICK_SECONDS later"


def test_what_failed_in_traffic(started: Callable[..., Run]) -> None:
    run = started(["bly", "aebi"])
    builders.begin(run, ["bly", "aebi"], NOW)
    for name in ("bly", "aebi"):
        builders.walk(run, name, NOW, until="soak")
    assert views(run)["bly"][3] is False
    builders.fail_step(run, "bly", NOW, "drops")
    assert views(run)["bly"] == ("soaking", False, False, True)
    assert views(run)["aebi"][3] is False


def test_failing_is_one_word(started: Callable[..., Run]) -> None:
    """The query that `resume` counts with, and the decision, mean the same."""
    run = started(["bly", "aebi", "dekker", "lang"])
    builders.begin(run, ["bly", "aebi", "dekker", "lang"], NOW)
    builders.walk(run, "bly", NOW, until="soak")
    builders.fail_step(run, "bly", NOW, "drops")
    builders.stuck(run, "aebi", NOW)
    builders.walk(run, "dekker", NOW, until="nic")
    builders.fail_step(run, "dekker", NOW, "no")
    by_query = set(TargetRun.objects.filter(run=run).failing().values_list("name", flat=True))
    by_decision = {t.name for t in snapshots.load(run, NOW).run.targets if is_failing(t)}
    assert by_query == by_decision == {"bly", "aebi", "dekker"}


def test_what_others_hold(started: Callable[..., Run]) -> None:
    other, run = started(["bly", "aebi", "dekker", "lang"]), started(["bly"])
    builders.begin(other, ["bly", "aebi", "dekker"], NOW)
    builders.walk(other, "aebi", NOW, until="soak")
    builders.walk(other, "dekker", NOW)
    engaged = snapshots.load(run, NOW).fleet.engaged
    assert {n: e.drained for n, e in engaged.items()} == {"bly": True, "aebi": False}
    assert engaged["bly"].by == f"change {other.revision.change_id}"
    assert engaged["bly"].budget is not None and engaged["bly"].budget.total == 2


def test_what_stayed_behind_stuck_counts_but_promises_nothing(started: Callable[..., Run]) -> None:
    other, run = started(["bly"]), started(["aebi"])
    builders.begin(other, ["bly"], NOW)
    builders.stuck(other, "bly", NOW)
    builders.end(other, builders.ChangeState.FAILED, "failed", NOW)
    left = snapshots.load(run, NOW).fleet.engaged["bly"]
    assert (left.drained, left.budget) == (True, None)


def test_what_has_no_way_back_is_looked_up_while_something_is_taken_back(started: Callable[..., Run]) -> None:
    run = started(["bly"])
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW, until="nic")
    row = builders.target(run, "bly").steps.get(verb="nic")
    row.planned = {**row.planned, "reversibility": "not at all"}
    row.save(update_fields=["planned"])
    assert snapshots.load(run, NOW).run.targets[0].one_way is False, "nobody asks"
    Run.objects.filter(pk=run.pk).update(control=Control.ABORT)
    run.refresh_from_db()
    assert snapshots.load(run, NOW).run.targets[0].one_way is True


def begin_half(run: Run) -> None:
    """Every other target begins; the plan of all of them is not read for each, as the builders do."""
    rows = TargetRun.objects.filter(run=run).select_related("run__revision").defer("run__revision__plan").order_by("pk")
    read = snapshots.admission_generation()
    assert transitions.admit(list(rows)[::2], read, transitions.Note("engine", "begins"), NOW)


def queries(act: Callable[[], object]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as seen:
        act()
    return len(seen)


# How many queries it takes is the same on either database.
@pytest.mark.sqlite
@pytest.mark.parametrize("control", [Control.NONE, Control.ROLLBACK])
def test_a_snapshot_takes_the_same_queries_for_ten_and_for_a_thousand(
    started: Callable[..., Run], control: Control
) -> None:
    small, large = started([f"s{n}" for n in range(10)]), started([f"l{n}" for n in range(1000)])
    for run in (small, large):
        begin_half(run)
        run.control = control
    book = calendar.load()  # read once in each tick, for all runs
    counts = [queries(lambda run=run: snapshots.load(run, NOW, book)) for run in (small, large)]  # type: ignore[misc]
    assert counts[0] == counts[1] <= 14, counts


def test_a_tick_and_a_shard_take_the_same_queries_for_ten_and_for_a_hundred(
    started: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "send", lambda ids: None)
    ticks, shards = [], []
    for prefix, count in (("s", 10), ("l", 100)):
        run = started([f"{prefix}{n}" for n in range(count)])
        begin_half(run)
        fresh = Run.objects.select_related("revision__change").get(pk=run.pk)
        ticks.append(queries(lambda: orchestrate.tick_run(fresh, NOW)))  # noqa: B023
        ids = list(TargetRun.objects.filter(run=run).values_list("pk", flat=True))
        shards.append(queries(lambda: legs.load_jobs(ids)))  # noqa: B023
        Run.objects.filter(pk=run.pk).update(ended_at=NOW)
        TargetRun.objects.filter(run=run).update(engaged=False)
    assert ticks[0] == ticks[1], ticks
    assert shards[0] == shards[1] <= 6, shards


def test_a_tick_with_nothing_ahead_asks_what_there_is_with_one_query(transactional_db: None) -> None:
    assert standing.beat(NOW) == standing.Standing(calendar=False, running_out=False, scheduled=False)
    assert queries(lambda: standing.beat(NOW)) == 2
    OverrunPolicy.objects.create(recipe="sysctl", policy="finish", by=builders.person("ada"), at=NOW)
    assert standing.beat(NOW).calendar
    assert queries(lambda: standing.beat(NOW)) == 2
