"""A scheduled change starts by itself in its window, waits outside of it with every reason, and goes on in the next."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from fleet.changes import calendar, conflicts, lifecycle, orchestrate, scheduled, windows
from fleet.changes.models import (
    Change,
    Event,
    Freeze,
    OverrunPolicy,
    Run,
    Schedule,
    TargetRun,
    Window,
    WindowOverride,
)
from fleet.core.model import Link, Topology
from fleet.core.states import ChangeState
from inventory.models import Router
from tests.changes import builders

pytestmark = pytest.mark.django_db
# A Monday evening. `window` opens each night at 01:00 for three hours; one target takes 1,620 s at worst.
NOW = datetime(2026, 1, 5, 20, 0, tzinfo=UTC)
NIGHT = datetime(2026, 1, 6, 1, 0, tzinfo=UTC)
WORST_S = 1620.0


@pytest.fixture
def window(author: User) -> Callable[..., Window]:
    def make(name: str = "nights", **more: object) -> Window:
        values = {"day": date(2026, 1, 1), "time": time(1), "length": timedelta(hours=3), "zone": "UTC"}
        row = windows.window_row(windows.Wanted(name, **{**values, "recurrence": "FREQ=DAILY", **more}), author, NOW)
        builders.done(windows.add(row))
        return row

    return make


@pytest.fixture
def freeze(author: User) -> Callable[..., Freeze]:
    def make(name: str = "billing", **more: object) -> Freeze:
        values = {"day": date(2026, 1, 6), "time": time(0), "length": timedelta(hours=24), "zone": "UTC"}
        wanted = windows.Wanted(name, **{**values, "why": "bills are sent", **more})
        row = windows.freeze_row(wanted, author, NOW)
        builders.done(windows.add(row))
        return row

    return make


@pytest.fixture
def approved(author: User, approver: User) -> Callable[..., Change]:
    def make(*waves: list[str]) -> Change:
        names = [n for wave in waves for n in wave]
        have = set(Router.objects.values_list("name", flat=True))
        builders.fleet([n for n in names if n not in have])
        return builders.approved(author, approver, builders.plan(list(waves)), NOW)

    return make


def state(change: Change) -> ChangeState:
    change.refresh_from_db()
    return ChangeState(change.state)


def states(change: Change) -> dict[str, str]:
    return dict(TargetRun.objects.filter(run__revision__change=change).values_list("name", "state"))


def test_it_starts_by_itself_when_the_window_opens(
    approved: Callable[..., Change], window: Callable[..., Window], approver: User
) -> None:
    window()
    change = approved(["bly"], ["aebi"])
    builders.done(lifecycle.schedule(change, approver, NOW))
    assert state(change) is ChangeState.SCHEDULED
    orchestrate.tick(NOW)
    orchestrate.tick(NIGHT - timedelta(seconds=1))
    assert state(change) is ChangeState.SCHEDULED
    (hold,) = Schedule.objects.get().holds
    assert hold == "window nights: found closed, opens 2026-01-06 01:00 UTC, wanted open. It starts by itself then."
    assert Event.objects.filter(kind="change holds").count() == 1, "told once, not at every tick"
    orchestrate.tick(NIGHT)
    assert state(change) is ChangeState.RUNNING
    assert states(change) == {"bly": "baselining", "aebi": "pending"}
    assert Run.objects.get().started_by == approver


def test_a_freeze_wins_and_both_reasons_are_told(
    approved: Callable[..., Change], window: Callable[..., Window], freeze: Callable[..., Freeze], approver: User
) -> None:
    window()
    change = approved(["bly"])
    builders.done(lifecycle.schedule(change, approver, NOW))
    freeze()
    orchestrate.tick(NIGHT + timedelta(hours=5))
    assert [h.split(":")[0] for h in Schedule.objects.get().holds] == ["freeze billing", "window nights"]
    orchestrate.tick(NIGHT + timedelta(minutes=1))
    (hold,) = Schedule.objects.get().holds
    assert hold.startswith("freeze billing: found until 2026-01-07 00:00 UTC (bills are sent), wanted no freeze.")
    tomorrow = NIGHT + timedelta(days=1)
    assert scheduled.ahead(change, NIGHT) == scheduled.Ahead((hold,), tomorrow, scheduled=True)
    orchestrate.tick(tomorrow)
    assert state(change) is ChangeState.RUNNING


def test_a_freeze_also_stops_who_presses_start_until_it_is_overridden(
    approved: Callable[..., Change], freeze: Callable[..., Freeze], approver: User, admin: User
) -> None:
    freeze(day=date(2026, 1, 5))
    change = approved(["bly"])
    (reason,) = lifecycle.start(change, approver, NOW)
    assert reason.subject == "freeze billing"
    assert "override" in reason.remedy
    assert [r.subject for r in lifecycle.override_windows(change, approver, NOW, why="")] == ["permission", "reason"]
    builders.done(lifecycle.override_windows(change, admin, NOW, why="customers are down"))
    assert [r.subject for r in lifecycle.override_windows(change, admin, NOW, why="again")] == ["override"]
    event = Event.objects.get(kind="change override")
    assert (event.actor, event.at) == ("admin", NOW)
    assert "customers are down" in event.text
    change.refresh_from_db()
    builders.done(lifecycle.start(change, approver, NOW))
    orchestrate.tick(NOW)
    assert states(change) == {"bly": "baselining"}


def test_an_override_can_neither_be_changed_nor_deleted(approved: Callable[..., Change], admin: User) -> None:
    change = approved(["bly"])
    builders.done(lifecycle.override_windows(change, admin, NOW, why="customers are down"))
    with pytest.raises(Exception, match="append-only"):
        WindowOverride.objects.update(why="nothing")


def test_a_required_window_binds_who_presses_start_and_nobody_else(
    approved: Callable[..., Change], window: Callable[..., Window], approver: User
) -> None:
    change, other = approved(["bly"]), approved(["aebi"])
    window(required=True, sites=("site0",))
    (reason,) = lifecycle.start(change, approver, NOW)
    assert reason.subject == "window nights"
    builders.done(lifecycle.start(other, approver, NOW))


def test_without_windows_and_freezes_all_is_as_ever(approved: Callable[..., Change], approver: User) -> None:
    change = approved(["bly"])
    builders.done(lifecycle.start(change, approver, NOW))
    orchestrate.tick(NOW)
    assert states(change) == {"bly": "baselining"}


def test_what_never_fits_is_refused_when_it_is_scheduled(
    approved: Callable[..., Change], window: Callable[..., Window], approver: User
) -> None:
    change = approved(["bly"])
    reasons = lifecycle.schedule(change, approver, NOW)
    assert [r.subject for r in reasons] == ["windows", "worst case"]
    short = window("short", length=timedelta(minutes=20))
    assert [r.subject for r in lifecycle.schedule(change, approver, NOW)] == ["window short", "worst case"]
    builders.done(windows.withdraw(short, approver, NOW))
    short.refresh_from_db()
    assert "window short" in [r.subject for r in lifecycle.schedule(change, approver, NOW, window=short)]
    assert state(change) is ChangeState.APPROVED
    assert not Schedule.objects.exists()


def test_only_what_is_approved_is_scheduled(author: User, approver: User, window: Callable[..., Window]) -> None:
    window()
    builders.fleet(["bly"])
    change = builders.submitted(author, builders.plan([["bly"]]), NOW)
    assert [r.subject for r in lifecycle.schedule(change, approver, NOW)][:2] == ["change", "approval"]
    assert scheduled.ahead(change, NOW).holds[0].startswith("change: found submitted, wanted approved.")


def test_another_window_can_be_chosen_and_a_person_may_start_it_at_once(
    approved: Callable[..., Change], window: Callable[..., Window], approver: User
) -> None:
    window()
    sunday = window("sundays", day=date(2026, 1, 4), recurrence="FREQ=WEEKLY")
    change = approved(["bly"], ["aebi"])
    builders.done(lifecycle.schedule(change, approver, NOW))
    builders.done(lifecycle.schedule(change, approver, NOW, window=sunday))
    orchestrate.tick(NIGHT)
    assert state(change) is ChangeState.SCHEDULED
    assert Schedule.objects.get().holds[0].startswith("window sundays: found closed, opens 2026-01-11 01:00 UTC")
    change.refresh_from_db()
    builders.done(lifecycle.start(change, approver, NIGHT))
    orchestrate.tick(NIGHT + timedelta(days=1, hours=12))
    assert states(change)["bly"] == "baselining", "it is bound to no window any more"


def test_another_change_at_the_other_end_of_a_link_or_in_the_failure_domain_holds(
    approved: Callable[..., Change], window: Callable[..., Window], approver: User
) -> None:
    window()
    first = approved(["bly"], ["aebi"], ["zug"], ["ulm"])
    builders.done(lifecycle.start(first, approver, NIGHT))
    orchestrate.tick(NIGHT)
    neighbour = Router.objects.get(name="ulm")  # the same failure domain as bly: the fourth of three
    assert neighbour.site.failure_domain.name == Router.objects.get(name="bly").site.failure_domain.name
    second = approved(["ulm"])
    same = approved(["bly"])
    for change in (second, same):
        builders.done(lifecycle.schedule(change, approver, NOW))
    orchestrate.tick(NIGHT + timedelta(seconds=2))
    assert [s.holds for s in Schedule.objects.order_by("id")] == [
        [f"failure domain fd0: found bly is in the hands of change {first.pk}, wanted no other change in it. "
         "It starts when that has ended."],
        [f"bly: found in the hands of change {first.pk}, wanted no other change on it. "
         "It starts when that has ended."],
    ]  # fmt: skip


def test_a_window_that_cannot_be_read_never_opens_and_a_freeze_that_cannot_be_read_holds(
    approved: Callable[..., Change], window: Callable[..., Window], freeze: Callable[..., Freeze], approver: User
) -> None:
    window()
    change = approved(["bly"])
    builders.done(lifecycle.schedule(change, approver, NOW))
    freeze(day=date(2026, 3, 1))
    Freeze.objects.update(zone="Europe/Atlantis")
    orchestrate.tick(NIGHT)
    assert state(change) is ChangeState.SCHEDULED
    assert "cannot be read: 'Europe/Atlantis'" in Schedule.objects.get().holds[0]


def test_ticks_take_the_same_queries_for_one_scheduled_change_and_for_ten(
    approved: Callable[..., Change], window: Callable[..., Window], approver: User
) -> None:
    window()
    counts = []
    for number in (1, 9):
        for n in range(number):
            builders.done(lifecycle.schedule(approved([f"r{number}-{n}"]), approver, NOW))
        orchestrate.tick(NOW)
        with CaptureQueriesContext(
            connection,
        ) as seen:
            scheduled.start_due(calendar.load(), NOW)
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 9, counts


def test_the_calendar_shows_windows_freezes_and_changes_in_a_constant_number_of_queries(
    approved: Callable[..., Change], window: Callable[..., Window], freeze: Callable[..., Freeze], approver: User
) -> None:
    waits = approved(["bly"])
    window(sites=("site0",))
    builders.done(lifecycle.schedule(waits, approver, NOW))
    runs = approved(["aebi"])
    builders.done(lifecycle.start(runs, approver, NOW))
    freeze()
    with CaptureQueriesContext(connection) as few:
        shown = calendar.entries(NOW - timedelta(hours=1), NOW + timedelta(days=3), NOW)
    kinds = [(str(e.kind), e.start, e.change) for e in shown]
    assert ("running", NOW, runs.pk) in kinds
    assert ("scheduled", NIGHT + timedelta(days=1), waits.pk) in kinds, "the freeze is over then"
    assert [e.start for e in shown if e.kind is calendar.Kind.WINDOW] == [NIGHT + timedelta(days=n) for n in range(3)]
    (frozen,) = [e for e in shown if e.kind is calendar.Kind.FREEZE]
    assert (frozen.title, frozen.day, frozen.scope) == ("billing", date(2026, 1, 6), "everything")
    for n in range(4):
        window(f"more {n}")
        builders.done(lifecycle.schedule(approved([f"r{n}"]), approver, NOW))
    with CaptureQueriesContext(connection) as many:
        calendar.entries(NOW - timedelta(hours=1), NOW + timedelta(days=31), NOW)
    assert len(few) == len(many) <= 8


def test_what_is_entered_wrongly_is_refused_with_everything_that_is_wrong(author: User) -> None:
    builders.fleet(["bly"])
    wanted = windows.Wanted(
        " ", date(2026, 1, 1), time(1), timedelta(hours=-1), "Europe/Atlantis", "FREQ=HOURLY", sites=("site7",),
        roles=("egde",),
    )  # fmt: skip
    reasons = windows.add(windows.window_row(wanted, author, NOW))
    assert [r.subject for r in reasons] == ["name", "recurrence", "zone", "site", "role"]
    assert reasons[3].remedy == "Did you mean site2?"
    assert reasons[4].remedy == "Did you mean edge?"
    assert not Window.objects.exists()
    assert [r.subject for r in windows.decide_overrun("x", "explode", author, NOW)] == ["overrun"]
    assert not OverrunPolicy.objects.exists()


def test_a_name_is_taken_until_it_is_withdrawn(author: User, window: Callable[..., Window]) -> None:
    window()
    twice = windows.Wanted("nights", date(2026, 1, 1), time(1), timedelta(hours=1), "UTC")
    assert [r.found for r in windows.add(windows.window_row(twice, author, NOW))] == ["taken"]
    with pytest.raises(IntegrityError):
        windows.window_row(twice, author, NOW).save()


def test_the_page_and_the_command_say_when_it_starts_and_why_not_now(
    approved: Callable[..., Change], window: Callable[..., Window], approver: User, client: Client, capsys: Any
) -> None:
    window(length=timedelta(hours=3), day=date(2099, 1, 1))
    change = approved(["bly"])
    builders.done(lifecycle.schedule(change, approver, datetime(2098, 12, 31, tzinfo=UTC)))
    client.force_login(approver)
    page = client.get(change.get_absolute_url()).content.decode()
    assert "window nights: found closed, and no opening within 400 days" in page
    call_command("explain", str(change.pk))
    assert "window nights: found closed" in capsys.readouterr().out


def test_a_conflict_is_told_when_the_second_change_is_planned(approved: Callable[..., Change], approver: User) -> None:
    first = approved(["bly"], ["aebi"])
    topology = Topology({"bly": "fd0", "aebi": "fd1", "ulm": "fd0", "zug": "fd2"}, links=(Link("zug", "aebi", 1000),))
    found = conflicts.look(["bly", "ulm", "zug"], topology)
    assert [(f.code, f.reason.subject, f.reason.found) for f in found] == [
        ("conflict-device", f"change {first.pk}, approved", "device bly"),
        ("conflict-link", f"change {first.pk}, approved", "link zug - aebi"),
        ("conflict-failure-domain", f"change {first.pk}, approved", "failure domain fd0"),
    ]
    assert [f.code for f in conflicts.look(["ulm"], topology)] == ["conflict-failure-domain"]
    assert conflicts.look(["bly"], topology, but=first) == ()
