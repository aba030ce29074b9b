"""What happens next in a run: every control, every state of a change, every kind of failure, by table."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fleet.core import decide
from fleet.core.decide import (
    Action,
    Admit,
    Decision,
    End,
    FleetView,
    Kick,
    Pause,
    Release,
    Resume,
    RollBack,
    RunView,
    TargetView,
)
from fleet.core.gates import Engaged
from fleet.core.model import Budget, KeepConnected, Link, OnFailure, Strategy, Topology
from fleet.core.states import TARGET_IN_FLIGHT, ChangeState, Control, TargetState
from fleet.core.waves import prepare

NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
OPEN = FleetView(prepare(Topology({})))
T, C = TargetState, ChangeState
WIDE = Strategy(budget=Budget(9, 9))


def targets(*rows: str) -> tuple[TargetView, ...]:
    """`"a 0 soaking due"`: name, wave, state, then any of due, claimed, drained, failed, changed, same."""
    made = []
    for number, row in enumerate(rows):
        name, wave, state, *flags = row.split()
        view = TargetView(number, name, int(wave), f"domain-{name}", T(state))
        changes: dict[str, bool] = {f: True for f in flags if f not in {"changed", "same"}}
        if {"changed", "same"} & set(flags):
            changes["changed"] = "changed" in flags
        made.append(replace(view, **changes))  # type: ignore[arg-type]
    return tuple(made)


def run(
    *rows: str,
    control: Control = Control.NONE,
    state: ChangeState = C.RUNNING,
    strategy: Strategy = WIDE,
    tolerated: int = 0,
    window_end: datetime | None = None,
) -> RunView:
    return RunView(1, state, control, strategy, targets(*rows), window_end, tolerated)


def word(action: Action) -> str:
    match action:
        case Admit(target) | Kick(target) | RollBack(target) | Release(target):
            return f"{type(action).__name__} {target.name}"
        case Pause() | Resume():
            return type(action).__name__
        case End(state):
            return f"End {state}"


def words(decision: Decision) -> list[str]:
    return [word(a) for a in decision.actions]


def decided(view: RunView, fleet: FleetView = OPEN) -> list[str]:
    return words(decide.next_actions(view, fleet, NOW))


def failing(on_failure: OnFailure, max_failures: int = 0) -> Strategy:
    return replace(WIDE, on_failure=on_failure, max_failures=max_failures)


# --- going forward ------------------------------------------------------------------------------------------------


def test_only_the_lowest_unfinished_wave_starts() -> None:
    assert decided(run("a 0 pending", "b 0 pending", "c 1 pending")) == ["Admit a", "Admit b"]
    assert decided(run("a 0 done", "b 0 soaking", "c 1 pending")) == []
    assert decided(run("a 0 done", "b 0 done", "c 1 pending")) == ["Admit c"]


def test_what_is_due_goes_to_a_worker() -> None:
    assert decided(run("a 0 soaking due", "b 0 draining", "c 0 applying due")) == ["Kick a", "Kick c"]


def test_the_run_ends_when_all_is_done() -> None:
    assert decided(run("a 0 done changed", "b 1 done same")) == ["End succeeded"]


def test_a_paused_run_that_was_resumed_goes_on_and_may_end_at_once() -> None:
    assert decided(run("a 0 pending", state=C.PAUSED)) == ["Resume", "Admit a"]
    assert decided(run("a 0 done changed", state=C.PAUSED)) == ["Resume", "End succeeded"]


def test_the_budget_is_spent_once_for_each_tick() -> None:
    tight = replace(WIDE, budget=Budget(2, 1))
    assert decided(run("a 0 pending", "b 0 pending", "c 0 pending", strategy=tight)) == ["Admit a", "Admit b"]
    assert decided(run("a 0 undraining", "b 0 pending", "c 0 pending", strategy=tight)) == ["Admit b"]
    assert decided(run("a 0 soaking", "b 0 pending", "c 0 pending", strategy=tight)) == ["Admit b", "Admit c"]
    stuck = run("a 0 stuck drained", "b 0 pending", "c 0 pending", strategy=replace(tight, max_failures=1))
    assert decided(stuck) == ["Admit b"]


def test_every_hold_is_told_and_nothing_ends_while_something_waits() -> None:
    engaged = {"a": Engaged("domain-a", False, "change 7"), "b": Engaged("domain-b", True, "change 8")}
    view = run("a 0 pending", "b 0 pending", strategy=Strategy(), window_end=NOW + timedelta(hours=1))
    late = replace(view, targets=tuple(replace(t, worst_case_s=7200) for t in view.targets))
    decision = decide.next_actions(late, replace(OPEN, engaged=engaged), NOW)
    assert decision.actions == ()
    assert [r.subject for r in decision.holds] == ["window for a", "a", "budget"]


def test_a_full_domain_does_not_hold_up_the_others() -> None:
    """Thirty domains are at their limit; the thirty-first still starts, however many reasons that makes."""
    rows = [f"r{n}{half} 0 {'draining' if half == 'x' else 'pending'}" for n in range(30) for half in "xy"]
    view = run(*rows, "z 0 pending", strategy=replace(WIDE, budget=Budget(100, 1)))
    by_pair = tuple(replace(t, domain=t.name[:-1]) for t in view.targets)
    decision = decide.next_actions(replace(view, targets=by_pair), OPEN, NOW)
    assert words(decision) == ["Admit z"]
    assert 20 <= len(decision.holds) <= 22


def test_no_wave_together_cuts_what_must_stay_connected() -> None:
    links = tuple(Link(a, b, 10) for a, b in ("ab", "bc", "cd", "da"))
    network = prepare(Topology(dict.fromkeys("abcd", "x"), frozenset(), links, (KeepConnected(frozenset("abcd")),)))
    view = run("a 0 pending", "b 0 pending", "c 0 pending", "d 0 pending")
    assert decided(view, FleetView(network)) == ["Admit a", "Admit b"], "two are left, joined"
    assert decided(run("a 0 draining", "c 0 pending", "d 0 pending"), FleetView(network)) == ["Admit d"]


# --- a person says stop --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(T))
def test_pause_undoes_nothing(state: TargetState) -> None:
    assert decided(run(f"a 0 {state} due", "b 1 pending", control=Control.PAUSE)) == ["Pause"]
    assert decided(run(f"a 0 {state} due", control=Control.PAUSE, state=C.PAUSED)) == []


@pytest.mark.parametrize("state", list(T))
@pytest.mark.parametrize("control", [Control.ABORT, Control.ROLLBACK])
@pytest.mark.parametrize("paused", [False, True])
def test_abort_and_rollback_of_a_target_in_each_state(state: TargetState, control: Control, paused: bool) -> None:
    view = run(f"a 0 {state} changed", "b 1 pending", control=control, state=C.PAUSED if paused else C.RUNNING)
    wanted = {
        T.PENDING: ["End rolled_back"],
        T.BASELINING: ["Release a"],
        T.ROLLING_BACK: [],
        T.ROLLED_BACK: ["End rolled_back"],
        T.STUCK: ["End failed"],
        T.DONE: ["RollBack a"] if control is Control.ROLLBACK else ["End failed"],
    }.get(state, ["RollBack a"])
    assert decided(view) == [*(["Resume"] if paused else []), *wanted]


@pytest.mark.parametrize("state", sorted(TARGET_IN_FLIGHT))
@pytest.mark.parametrize("control", [Control.ABORT, Control.ROLLBACK])
def test_nobody_is_turned_round_under_a_workers_hands(state: TargetState, control: Control) -> None:
    assert decided(run(f"a 0 {state} claimed", control=control)) == []


def test_on_the_way_back_the_due_goes_to_a_worker() -> None:
    assert decided(run("a 0 rolling_back due", control=Control.ABORT)) == ["Kick a"]


def test_an_abort_that_came_too_late_is_a_success() -> None:
    assert decided(run("a 0 done changed", "b 1 done changed", control=Control.ABORT)) == ["End succeeded"]


def test_abort_leaves_what_is_done_rollback_takes_it_back() -> None:
    rows = ("a 0 done changed", "b 1 verifying", "c 2 pending")
    assert decided(run(*rows, control=Control.ABORT)) == ["RollBack b"]
    assert decided(run(*rows, control=Control.ROLLBACK)) == ["RollBack a", "RollBack b"]
    assert decided(run("a 0 done same", "b 1 rolled_back", control=Control.ROLLBACK)) == ["End rolled_back"]


# --- turning round what carries traffic is a start ------------------------------------------------------------------


@pytest.mark.parametrize("row", ["a 0 done changed", "a 0 soaking"])
def test_what_carries_traffic_is_drained_again_only_when_there_is_room(row: str) -> None:
    tight = replace(WIDE, budget=Budget(1, 1))
    decision = decide.next_actions(run(row, "b 0 draining", control=Control.ROLLBACK, strategy=tight), OPEN, NOW)
    assert words(decision) == ["RollBack b"]
    assert "budget" in {r.subject for r in decision.holds}, "why a waits is told"
    assert decided(run(row, "b 0 rolled_back", control=Control.ROLLBACK, strategy=tight)) == ["RollBack a"]
    assert decided(run(row, "b 0 stuck drained", control=Control.ROLLBACK, strategy=tight)) == []


def test_two_soaking_routers_are_not_drained_together_where_that_would_cut() -> None:
    links = (Link("a", "c", 10), Link("b", "c", 10), Link("a", "d", 10), Link("b", "d", 10))
    network = prepare(Topology(dict.fromkeys("abcd", "x"), frozenset(), links, (KeepConnected(frozenset("cd")),)))
    view = run("a 0 soaking", "b 0 soaking", control=Control.ABORT)
    decision = decide.next_actions(view, FleetView(network), NOW)
    assert words(decision) == ["RollBack a"]
    assert "draining a, b" in [r.subject for r in decision.holds]


def test_a_device_that_another_change_has_now_is_not_taken_back_under_it() -> None:
    fleet = replace(OPEN, engaged={"a": Engaged("x", False, "change 8")})
    decision = decide.next_actions(run("a 0 done changed", control=Control.ROLLBACK), fleet, NOW)
    assert decision.actions == ()
    assert "change 8" in decision.holds[1].found


def test_what_failed_under_traffic_is_turned_round_when_there_is_room() -> None:
    tight = Strategy(budget=Budget(1, 1), max_failures=1)
    assert decided(run("a 0 soaking failed", "b 0 pending", strategy=tight)) == ["RollBack a"]
    assert decided(run("a 0 soaking failed", "b 0 draining", "c 0 pending", strategy=tight)) == []
    assert decided(run("a 0 soaking failed", "b 0 draining", strategy=replace(tight, max_failures=0))) == []


# --- failures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failed", ["rolled_back", "stuck", "rolling_back", "soaking failed"])
def test_after_a_failure_nothing_more_starts(failed: str) -> None:
    for on_failure in OnFailure:
        made = decided(run(f"a 0 {failed}", "b 0 pending", "c 1 pending", strategy=failing(on_failure)))
        assert not any(w.startswith("Admit") for w in made), on_failure


@pytest.mark.parametrize("failed", ["rolled_back", "stuck", "rolling_back"])
def test_failures_that_were_allowed_or_looked_at_stop_nothing(failed: str) -> None:
    rows = (f"a 0 {failed}", "b 0 pending")
    assert "Admit b" in decided(run(*rows, strategy=failing(OnFailure.ROLLBACK_TARGET, max_failures=1)))
    assert "Admit b" in decided(run(*rows, strategy=failing(OnFailure.PAUSE), tolerated=1))


def test_rollback_target_lets_the_others_finish() -> None:
    strategy = failing(OnFailure.ROLLBACK_TARGET)
    assert decided(run("a 0 rolled_back", "b 0 applying due", "c 0 soaking", strategy=strategy)) == ["Kick b"]
    assert decided(run("a 0 rolled_back", "b 0 done changed", "c 1 pending", strategy=strategy)) == ["End failed"]
    assert decided(run("a 0 rolled_back", "b 1 pending", strategy=strategy)) == ["End rolled_back"]


def test_rollback_wave_takes_back_the_wave_and_nothing_else() -> None:
    strategy = failing(OnFailure.ROLLBACK_WAVE)
    wave = ("b 1 rolling_back", "c 1 done changed", "d 1 baselining", "e 1 applying", "f 1 soaking")
    made = decided(run("a 0 done changed", *wave, "g 2 pending", strategy=strategy))
    assert made == ["RollBack c", "Release d", "RollBack e", "RollBack f"]
    waits = run("b 1 stuck drained", "c 1 done changed", strategy=replace(strategy, budget=Budget(1, 1)))
    assert decided(waits) == [], "c is owed its way back, so the run does not end"
    assert decided(run("a 0 done changed", "b 1 stuck", "c 1 rolled_back", strategy=strategy)) == ["End failed"]


def test_rollback_all_takes_back_everything_that_changed() -> None:
    strategy = failing(OnFailure.ROLLBACK_ALL)
    rows = ("a 0 done changed", "b 0 done same", "c 1 rolled_back", "d 1 verifying", "e 2 pending")
    assert decided(run(*rows, strategy=strategy)) == ["RollBack a", "RollBack d"]
    assert decided(run("a 0 rolled_back", "b 0 done same", "c 1 rolled_back", strategy=strategy)) == ["End rolled_back"]


def test_nothing_is_turned_round_twice_or_under_a_worker() -> None:
    for on_failure in (OnFailure.ROLLBACK_WAVE, OnFailure.ROLLBACK_ALL):
        rows = ("a 0 rolling_back", "b 0 applying claimed", "c 0 baselining claimed", "d 0 rolled_back", "e 0 stuck")
        assert decided(run(*rows, strategy=failing(on_failure))) == []


def test_on_failure_pause_waits_for_a_person_once_the_failed_is_back() -> None:
    strategy = failing(OnFailure.PAUSE)
    assert decided(run("a 0 rolling_back due", "b 0 applying due", strategy=strategy)) == ["Kick a", "Kick b"]
    rows = ("a 0 rolled_back", "b 0 applying due", "c 1 pending")
    assert decided(run(*rows, strategy=strategy)) == ["Pause"]
    # Resumed, but another one failed before the tick saw it: it pauses again instead of ending.
    assert decided(run(*rows, strategy=strategy, state=C.PAUSED)) == ["Pause"]
    assert decided(run(*rows, strategy=strategy, state=C.PAUSED, tolerated=1)) == ["Resume", "Kick b"]


# --- how a run ended ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        (("a 0 done changed", "b 0 done same"), C.SUCCEEDED),
        (("a 0 rolled_back", "b 0 pending"), C.ROLLED_BACK),
        (("a 0 rolled_back", "b 0 done same"), C.ROLLED_BACK),
        (("a 0 rolled_back", "b 0 done changed"), C.FAILED),
        (("a 0 stuck", "b 0 done changed"), C.FAILED),
        (("a 0 stuck",), C.FAILED),
    ],
)
def test_how_it_ended(rows: Sequence[str], state: ChangeState) -> None:
    """Succeeded is said only when every target is as wanted, also where failures were allowed."""
    assert decide.final_state(targets(*rows)) is state
    allowed = replace(WIDE, max_failures=9)
    if not any("pending" in r for r in rows):
        assert decided(run(*rows, strategy=allowed)) == [f"End {state}"]


def test_the_summary_counts_where_everybody_ended() -> None:
    rows = targets("a 0 done changed", "b 0 done same", "c 0 rolled_back", "d 0 stuck", "e 1 pending")
    assert decide.summary(rows) == "2 done, 1 rolled back, 1 stuck, 1 never started"
    assert decide.summary(()) == "no targets"
