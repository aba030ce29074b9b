"""The door to a place: why it is closed, until when it is open, what fits, when next; what overrun and conflicts do."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from fleet.core import gates
from fleet.core.decide import Admit, Again, FleetView, Release, RollBack, RunView, TargetView, next_actions
from fleet.core.gates import Engaged
from fleet.core.model import Budget, Link, OnFailure, Strategy, Topology
from fleet.core.states import ChangeState, Control, TargetState
from fleet.core.waves import prepare
from fleet.core.windows import Calendar, Freeze, OnOverrun, Place, Scope, Terms, Window
from fleet.core.windows_door import ALWAYS_OPEN, Beginner, Door, door, outlook, through
from tests.core.test_windows import read, utc

T = TargetState
NIGHTS = Window("nights", read("2026-01-01 01:00 3h UTC FREQ=DAILY"))
STOP = Freeze("stop", read("2026-01-05 02:00 6h UTC", by_clock=True), why="bills")
BOUND = Terms(windowed=True)
EVENING, NIGHT = utc("2026-01-05 20:00"), utc("2026-01-06 01:00")


def subjects(some: Door) -> list[str]:
    return [r.subject for r in some.closed]


def test_closed_says_when_it_opens_and_open_says_until_when() -> None:
    closed = door(Calendar((NIGHTS,)), Place(), BOUND, EVENING)
    assert [str(r) for r in closed.closed] == [
        "window nights: found closed, opens 2026-01-06 01:00 UTC, wanted open. It starts by itself then."
    ]
    assert closed.next_fit(timedelta(hours=3)) == NIGHT
    here = door(Calendar((NIGHTS,)), Place(), BOUND, NIGHT)
    assert (here.closed, here.until, here.owner) == ((), NIGHT + timedelta(hours=3), NIGHT.date())
    assert not door(Calendar((NIGHTS,)), Place(), BOUND, NIGHT + timedelta(hours=3) - timedelta(microseconds=1)).closed
    assert door(Calendar((NIGHTS,)), Place(), BOUND, NIGHT + timedelta(hours=3)).closed


def test_the_zone_of_the_window_is_shown_where_it_differs() -> None:
    sydney = Window("sydney", read("2026-01-01 01:00 3h Australia/Sydney FREQ=DAILY"))
    (reason,) = door(Calendar((sydney,)), Place(), BOUND, EVENING).closed
    assert reason.found == "closed, opens 2026-01-06 14:00 UTC (Wed 01:00 Australia/Sydney)"


def test_a_freeze_and_a_closed_window_are_told_at_once() -> None:
    calendar = Calendar((NIGHTS,), (STOP,))
    assert subjects(door(calendar, Place(), BOUND, utc("2026-01-05 05:00"))) == ["freeze stop", "window nights"]
    assert subjects(door(calendar, Place(), BOUND, utc("2026-01-05 03:00"))) == ["freeze stop"]
    early = door(calendar, Place(), BOUND, utc("2026-01-05 01:30"))
    assert early.until == utc("2026-01-05 02:00"), "the freeze ends it"
    assert through(early, "bly", 1800, utc("2026-01-05 01:30")) == ()
    (reason,) = through(early, "bly", 1801, utc("2026-01-05 01:30"))
    assert reason.remedy == "It is carried to the next opening, 2026-01-06 01:00 UTC."


def test_who_is_bound_to_no_window_is_bound_by_freezes_and_required_windows_only() -> None:
    free = Terms()
    assert door(Calendar((NIGHTS,)), Place(), free, EVENING) == ALWAYS_OPEN
    assert subjects(door(Calendar((NIGHTS,), (STOP,)), Place(), free, utc("2026-01-05 05:00"))) == ["freeze stop"]
    must = replace(NIGHTS, required=True, scope=Scope(sites=frozenset({"ma1"})))
    assert subjects(door(Calendar((must,)), Place("ma1"), free, EVENING)) == ["window nights"]
    assert not door(Calendar((must,)), Place("ma2"), free, EVENING).closed
    assert door(Calendar((must,), (STOP,)), Place("ma1"), Terms(override=True), EVENING) == ALWAYS_OPEN


def test_only_the_window_that_was_chosen_counts() -> None:
    calendar = Calendar((NIGHTS, replace(NIGHTS, name="days", period=read("2026-01-01 12:00 9h UTC FREQ=DAILY"))))
    assert not door(calendar, Place(), BOUND, EVENING).closed
    assert subjects(door(calendar, Place(), Terms(True, "nights"), EVENING)) == ["window nights"]
    assert subjects(door(calendar, Place(), Terms(True, "gone"), EVENING)) == ["window gone"]


def test_a_long_worst_case_is_looked_for_further_ahead() -> None:
    yearly = Window("yearly", read("2026-12-25 00:00 12h UTC FREQ=YEARLY"))
    here = door(Calendar((NIGHTS, yearly)), Place(), BOUND, NIGHT, timedelta(hours=10))
    (reason,) = through(here, "bly", 36_000, NIGHT)
    assert reason.remedy == "It is carried to the next opening, 2026-12-25 00:00 UTC."
    never = door(Calendar((NIGHTS,)), Place(), BOUND, NIGHT, timedelta(hours=10))
    assert through(never, "bly", 36_000, NIGHT)[0].remedy.startswith("No opening within 400 days is long enough")


def test_the_outlook_of_a_change_is_that_of_whichever_device_may_go_first() -> None:
    closed, open_now = door(Calendar((NIGHTS,)), Place(), BOUND, EVENING), ALWAYS_OPEN
    assert outlook([Beginner("bly", 60, closed), Beginner("aebi", 60, open_now)], EVENING).holds == ()
    both = outlook([Beginner("bly", 60, closed), Beginner("aebi", 60, closed)], EVENING)
    assert [r.subject for r in both.holds] == ["window nights"]
    assert both.at == NIGHT
    never = outlook([Beginner("bly", 20_000, door(Calendar((NIGHTS,)), Place(), BOUND, EVENING))], EVENING)
    assert never.at is None
    assert [r.subject for r in never.holds] == ["window nights", "worst case"]


# --- in a run ------------------------------------------------------------------------------------------------------

SHUT = door(Calendar((NIGHTS,)), Place(), BOUND, EVENING)
NETWORK = prepare(Topology({"a": "1", "b": "2", "c": "3"}, links=(Link("a", "b", 1000),)))


def run(*targets: TargetView, on_overrun: OnOverrun = OnOverrun.FINISH) -> RunView:
    strategy = Strategy(("100%",), Budget(9, 9), 0, OnFailure.ROLLBACK_TARGET)
    return RunView(1, ChangeState.RUNNING, Control.NONE, strategy, targets, on_overrun=on_overrun)


def target(name: str, state: TargetState, number: int = 1, **more: object) -> TargetView:
    return TargetView(number, name, 0, name, state, **more)  # type: ignore[arg-type]


def act(view: RunView, now: datetime = EVENING, **engaged: Engaged) -> list[tuple[str, str]]:
    actions = next_actions(view, FleetView(NETWORK, engaged), now).actions
    return [(type(a).__name__, a.target.name) for a in actions if isinstance(a, Admit | Again | RollBack | Release)]


@pytest.mark.parametrize("state", [T.DRAINING, T.DRAINED, T.APPLYING, T.VERIFYING])
def test_the_end_of_a_window_on_unfinished_work(state: TargetState) -> None:
    begun = target("a", state, door=SHUT)
    assert act(run(begun)) == []
    assert act(run(begun, on_overrun=OnOverrun.ROLL_BACK)) == [("RollBack", "a")]
    assert act(run(replace(begun, door=ALWAYS_OPEN), on_overrun=OnOverrun.ROLL_BACK)) == []
    assert act(run(replace(begun, claimed=True), on_overrun=OnOverrun.ROLL_BACK)) == [], "its worker is asked first"


@pytest.mark.parametrize("state", [T.UNDRAINING, T.SOAKING, T.DONE])
def test_what_is_nearly_done_is_finished_whatever_the_policy(state: TargetState) -> None:
    assert act(run(target("a", state, door=SHUT, changed=True), on_overrun=OnOverrun.ROLL_BACK)) == []


def test_what_is_untouched_goes_back_to_pending_and_comes_first_in_the_next_window() -> None:
    assert act(run(target("a", T.BASELINING, door=SHUT))) == [("Release", "a")]
    assert act(run(target("a", T.BASELINING, door=SHUT, claimed=True))) == []
    waiting = (target("a", T.PENDING), target("c", T.PENDING, 2, carried=True))
    assert act(run(*waiting)) == [("Admit", "c"), ("Admit", "a")]


def test_what_was_put_back_at_the_end_of_a_window_is_no_failure() -> None:
    back = target("a", T.ROLLED_BACK, overran=True)
    assert act(run(back, target("c", T.PENDING, 2))) == [("Again", "a")], "and comes before whoever has not begun"
    assert act(run(replace(back, overran=False), target("c", T.PENDING, 2))) == []
    assert act(run(replace(back, state=T.STUCK), target("c", T.PENDING, 2))) == [], "stuck is stuck"


def test_another_change_at_the_other_end_of_a_link_or_in_the_domain_holds() -> None:
    elsewhere = {"a": Engaged("1", True, "change 7")}
    assert [r.subject for r in gates.no_conflict("b", "2", NETWORK, elsewhere)] == ["link b - a"]
    assert [r.subject for r in gates.no_conflict("c", "1", NETWORK, elsewhere)] == ["failure domain 1"]
    assert gates.no_conflict("c", "3", NETWORK, elsewhere) == ()
    assert gates.no_conflict("b", "2", NETWORK, {"a": Engaged("1", False, "change 7")}) == (), "it carries traffic"
    assert act(run(target("b", T.PENDING)), a=Engaged("1", True, "change 7")) == []
    assert act(run(target("b", T.PENDING)), c=Engaged("3", True, "change 7")) == [("Admit", "b")]
