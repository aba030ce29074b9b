"""Whole changes on real rows over scripted devices, with a clock of the test's own: each story from start to end."""

from collections.abc import Sequence

import pytest
from django.contrib.auth.models import User

from fleet.changes import lifecycle
from fleet.changes.models import Event, Run, TargetRun
from fleet.core import waves
from fleet.core.model import Budget, KeepConnected, Link, OnFailure, Strategy, Topology
from fleet.core.states import Control
from tests.changes import real_engine
from tests.changes.real_engine import RealEngine
from tests.core.fleets import REBOOT, SYSCTL

pytestmark = pytest.mark.django_db

RING = ("bly", "aebi", "dekker", "tarbell", "wells", "lang")
TOPOLOGY = Topology(
    domain_of=dict(zip(RING, ("m", "m", "d", "d", "n", "n"), strict=True)),
    externals=frozenset({"internet"}),
    links=(
        *(Link(a, b, 10) for a, b in zip(RING, RING[1:] + RING[:1], strict=True)),
        Link("bly", "internet", 10),
        Link("dekker", "internet", 10),
    ),
    keep_connected=(KeepConnected(frozenset({*RING, "internet"}), 10),),
)
FIRM = ("baseline", "drain", "firmware", "reboot", "verify", "undrain")


@pytest.fixture
def engine(author: User, approver: User) -> RealEngine:
    real_engine.load_inventory(TOPOLOGY)
    return real_engine.engine_on(TOPOLOGY, author, approver)


def strategy(
    on_failure: OnFailure = OnFailure.ROLLBACK_TARGET, *, total: int = 1, max_failures: int = 0, first: int = 1
) -> Strategy:
    return Strategy((first, "100%"), Budget(total, 1), max_failures, on_failure)


def start(engine: RealEngine, how: Strategy, names: Sequence[str] = RING, verbs: Sequence[str] = REBOOT) -> Run:
    wave_of, findings = waves.build(names, how, TOPOLOGY)
    assert not findings
    return engine.start({n: (wave_of[n], TOPOLOGY.domain_of[n]) for n in names}, verbs, how)


def go(engine: RealEngine, *, rounds: int = 200, until: str = "", work: bool = True) -> None:
    """Ticks and legs, a second apart, until nothing moves, or until the event whose text begins so."""
    for _ in range(rounds):
        if not (live := engine.live()):
            break
        for run in live:
            engine.tick(engine.snapshot(run))
        while work and engine.messages:
            if (worker := engine.deliver(engine.messages.pop(0))) is not None:
                engine.go_on(worker)
        if until and Event.objects.filter(text__startswith=until).exists():
            return
        engine.seconds += 1.0
    assert not until, f"{until}: not reached; {list(Event.objects.values_list('text', flat=True))[-8:]}"


def states(run: Run) -> dict[str, str]:
    return {t.name: str(t.state) for t in TargetRun.objects.filter(run=run)}


def ended(run: Run) -> str:
    run.refresh_from_db()
    assert run.ended_at, (states(run), run.holds)
    return run.outcome


def told(kind: str) -> list[str]:
    return list(Event.objects.filter(kind=kind).order_by("id").values_list("text", flat=True))


def holds(run: Run) -> str:
    run.refresh_from_db()
    return " ".join(run.holds)


# --- forward ------------------------------------------------------------------------------------------------------


def test_six_routers_in_waves(engine: RealEngine) -> None:
    run = start(engine, strategy(total=2))
    go(engine)
    assert ended(run) == "succeeded: 6 done"
    assert {d.name: (d.drained, sum(d.rebooted.values())) for d in engine.devices.values()} == dict.fromkeys(
        RING, (False, 1)
    )
    begun = [text.partition(":")[0] for text in told("target baselining")]
    assert begun[0] == "bly", "the canary"
    first_of_second_wave = Event.objects.filter(text__startswith="aebi: ").earliest("id")
    assert first_of_second_wave.id > Event.objects.get(text="bly: done").id, "the next wave waits for the canary"
    assert not [w for d in engine.devices.values() for w in d.wrongs]
    assert engine.chains_hold()


def test_what_is_already_as_wanted_is_not_touched(engine: RealEngine) -> None:
    for name in ("bly", "aebi"):
        engine.devices[name].in_place.add("sysctl")
    run = start(engine, strategy(first=3), ("bly", "aebi", "dekker"), SYSCTL)
    go(engine)
    assert ended(run) == "succeeded: 3 done"
    assert dict(TargetRun.objects.values_list("name", "changed")) == {"bly": False, "aebi": False, "dekker": True}
    assert len(told("target applying")) == 1


def test_two_changes_take_turns_on_a_device(engine: RealEngine) -> None:
    first = start(engine, strategy(), ("bly",))
    second = start(engine, strategy(), ("bly",))
    go(engine, until="bly: reboot begins")
    assert "in the hands of change" in holds(second)
    go(engine)
    assert ended(first) == ended(second) == "succeeded: 1 done"
    assert sum(engine.devices["bly"].rebooted.values()) == 2


# --- failures -----------------------------------------------------------------------------------------------------


def test_a_canary_that_fails_is_rolled_back_and_later_waves_never_start(engine: RealEngine) -> None:
    engine.devices["bly"].faults.append("makes it worse")
    run = start(engine, strategy(), verbs=("baseline", "drain", "kernel", "verify", "undrain", "soak"))
    go(engine)
    assert ended(run) == "rolled back: 1 rolled back, 5 never started"
    assert states(run) == {"bly": "rolled_back", **dict.fromkeys(RING[1:], "pending")}
    bly = engine.devices["bly"]
    assert (bly.drained, bly.worse, bly.in_place, bly.wrongs) == (False, False, set(), [])
    assert TargetRun.objects.get(name="bly").reasons, "why"


def test_a_canary_that_cannot_be_put_back_is_stuck_and_stays_drained(engine: RealEngine) -> None:
    engine.devices["bly"].faults += ["makes it worse"]  # by a reboot, which nothing undoes
    run = start(engine, strategy())
    go(engine)
    assert ended(run) == "failed: 1 stuck, 5 never started"
    row = TargetRun.objects.get(name="bly")
    assert (row.state, row.drained, row.engaged, engine.devices["bly"].drained) == ("stuck", True, True, True)
    other = start(engine, strategy(), ("aebi",))
    go(engine, rounds=5)
    assert "budget: found 1 of 1 drained" in holds(other), "what is stuck takes room from every change"
    engine.release(TargetRun.objects.get(pk=row.pk))
    go(engine)
    assert ended(other) == "succeeded: 1 done"


@pytest.mark.parametrize(
    ("on_failure", "outcome"),
    [
        (OnFailure.ROLLBACK_TARGET, "failed: 2 done, 1 rolled back, 3 never started"),
        (OnFailure.ROLLBACK_WAVE, "failed: 1 done, 2 rolled back, 3 never started"),
        (OnFailure.ROLLBACK_ALL, "rolled back: 3 rolled back, 3 never started"),
    ],
)
def test_what_else_goes_back_with_a_failure(engine: RealEngine, on_failure: OnFailure, outcome: str) -> None:
    """bly is the canary and done; in the second wave aebi is done when dekker fails."""
    engine.devices["dekker"].faults.append("makes it worse")
    run = start(engine, strategy(on_failure), verbs=("baseline", "drain", "kernel", "verify", "undrain"))
    go(engine)
    assert ended(run) == outcome
    assert not [d.name for d in engine.devices.values() if d.drained or d.wrongs]
    kernels = {n for n, d in engine.devices.items() if "kernel" in d.in_place}
    assert kernels == {t.name for t in TargetRun.objects.filter(state="done")}


def test_on_failure_pause_waits_for_a_person_and_goes_on(engine: RealEngine, author: User) -> None:
    engine.devices["bly"].faults.append("refused")
    run = start(engine, strategy(OnFailure.PAUSE))
    go(engine, rounds=60)  # it holds after some twenty; whoever holds goes on holding
    run.refresh_from_db()
    assert (run.control, run.control_by, run.ended_at) == (Control.PAUSE, "engine", None)
    assert states(run)["bly"] == "rolled_back"
    assert lifecycle.resume(run.revision.change, author, engine.now) == ()
    go(engine)
    assert ended(run) == "failed: 5 done, 1 rolled back"


def test_allowed_failures_stop_nothing_and_are_not_called_success(engine: RealEngine) -> None:
    engine.devices["aebi"].faults.append("refused")
    run = start(engine, strategy(max_failures=1))
    go(engine)
    assert ended(run) == "failed: 5 done, 1 rolled back"


def test_nothing_starts_while_one_is_on_its_way_back(engine: RealEngine) -> None:
    engine.devices["aebi"].faults.append("makes it worse")
    run = start(engine, strategy(total=2), verbs=("baseline", "drain", "kernel", "verify", "undrain", "soak"))
    go(engine, until="aebi: rolling_back")
    before = len(told("target baselining"))
    go(engine)
    assert len(told("target baselining")) == before
    assert "rolled back" in ended(run)


def test_a_failure_under_traffic_waits_for_room_before_it_is_drained_again(engine: RealEngine) -> None:
    run = start(engine, strategy(first=3), ("aebi", "dekker", "wells"))
    go(engine, until="dekker: drain begins")
    engine.devices["aebi"].faults.append("fails under traffic")
    go(engine)
    assert "rolled back" in ended(run)
    texts = list(Event.objects.order_by("id").values_list("text", flat=True))
    failed = texts.index(next(t for t in texts if t.startswith("aebi: soak did not succeed")))
    turned = texts.index(next(t for t in texts if t.startswith("aebi: rolling back: aebi: found not so")))
    between = [t for t in texts[failed:turned] if t.startswith(("dekker: done", "dekker: soaking"))]
    assert between, "dekker was drained when aebi failed, so aebi waited"
    assert not [w for d in engine.devices.values() for w in d.wrongs]


def test_what_cannot_be_undone_is_left_for_a_person(engine: RealEngine, author: User) -> None:
    run = start(engine, strategy(), ("bly",), FIRM)
    go(engine, until="bly: reboot begins")
    assert lifecycle.abort(run.revision.change, author, engine.now) == ()
    go(engine)
    assert ended(run) == "failed: 1 stuck"
    row = TargetRun.objects.get()
    assert row.drained and "cannot be undone by itself" in row.reasons[0]
    assert engine.devices["bly"].in_place == {"firmware"}


# --- people -------------------------------------------------------------------------------------------------------


def test_abort_rolls_back_what_is_in_flight_and_leaves_what_is_done(engine: RealEngine, author: User) -> None:
    run = start(engine, strategy(), verbs=("baseline", "drain", "kernel", "verify", "undrain", "soak"))
    go(engine, until="aebi: soak begins")
    assert lifecycle.abort(run.revision.change, author, engine.now, why="smoke") == ()
    go(engine)
    assert ended(run) == "failed: 1 done, 1 rolled back, 4 never started"
    assert {n for n, d in engine.devices.items() if "kernel" in d.in_place} == {"bly"}
    assert any("smoke" in text for text in told("run abort"))


def test_rollback_takes_everything_back_one_after_the_other(engine: RealEngine, author: User) -> None:
    run = start(engine, strategy(), verbs=("baseline", "drain", "kernel", "verify", "undrain", "soak"))
    go(engine, until="dekker: soak begins")
    assert lifecycle.roll_back(run.revision.change, author, engine.now) == ()
    go(engine)
    assert ended(run) == "rolled back: 3 rolled back, 3 never started"
    assert not any(d.in_place or d.drained or d.wrongs for d in engine.devices.values())


def test_pause_stops_where_it_stands_and_resume_goes_on(engine: RealEngine, author: User) -> None:
    run = start(engine, strategy(), ("bly", "aebi"))
    go(engine, until="bly: reboot begins")
    assert lifecycle.pause(run.revision.change, author, engine.now, why="coffee") == ()
    before = Event.objects.filter(kind="step claimed").count()
    go(engine, rounds=30)
    assert Event.objects.filter(kind="step claimed").count() == before
    assert engine.devices["bly"].drained, "what is drained stays drained"
    assert holds(run) == "run: found pause was asked for, wanted no such request. Resume it, or abort it to roll back."
    change = engine.run_of(run.revision.change_id).revision.change
    assert change.state == "paused"
    assert lifecycle.resume(change, author, engine.now) == ()
    go(engine)
    assert ended(run) == "succeeded: 2 done"
    assert sum(engine.devices["bly"].rebooted.values()) == 1


def test_an_abort_is_not_paused_away(engine: RealEngine, author: User) -> None:
    run = start(engine, strategy(), ("bly", "aebi"))
    go(engine, until="bly: reboot begins")
    change = run.revision.change
    assert lifecycle.abort(change, author, engine.now) == ()
    (reason,) = lifecycle.pause(change, author, engine.now)
    assert reason.found == "abort asked for by author"
    go(engine)
    assert "1 rolled back, 1 never started" in ended(run)


def test_facts_that_moved_since_approval_hold_the_run_and_name_them(engine: RealEngine, author: User) -> None:
    engine.devices["bly"].faults.append("drift")
    run = start(engine, strategy(), ("bly",))
    go(engine)
    run.refresh_from_db()
    assert (run.control, states(run)) == (Control.PAUSE, {"bly": "pending"})
    assert "facts that moved" in run.control_reason
    assert not engine.devices["bly"].drained
    assert lifecycle.resume(run.revision.change, author, engine.now) == ()
    go(engine)
    assert ended(run) == "succeeded: 1 done", "the baseline is taken anew"


# --- a device that dies ------------------------------------------------------------------------------------------


def test_a_device_that_dies_in_the_middle_is_stuck_and_drained(engine: RealEngine) -> None:
    run = start(engine, strategy(), ("bly", "aebi"))
    go(engine, until="bly: reboot begins")
    engine.devices["bly"].dead = True
    go(engine, rounds=400)
    assert ended(run) == "failed: 1 stuck, 1 never started"
    row = TargetRun.objects.get(name="bly")
    assert row.drained and "no answer" in " ".join(row.reasons)


def test_a_device_that_was_never_reached_is_in_nobodys_way(engine: RealEngine) -> None:
    engine.devices["bly"].dead = True
    run = start(engine, strategy(), ("bly",))
    go(engine)
    assert ended(run) == "failed: 1 stuck"
    row = TargetRun.objects.get(name="bly")
    assert (row.drained, row.engaged) == (False, False)


def test_a_bug_in_a_driver_does_not_go_round_for_ever(engine: RealEngine) -> None:
    engine.devices["bly"].faults += ["bug"]
    engine.devices["aebi"].faults += ["takes time", "bug"]
    run = start(engine, strategy(max_failures=5, first=2), ("bly", "aebi"))
    go(engine)
    assert "stuck" in ended(run)
    assert any("a bug in a driver" in r for t in TargetRun.objects.all() for r in t.reasons)


# --- the engine itself is disturbed ------------------------------------------------------------------------------


def test_every_message_lost(engine: RealEngine) -> None:
    run = start(engine, strategy(), ("bly", "aebi"))
    for _ in range(600):
        engine.tick(engine.snapshot(run))
        lost = engine.messages[:1]
        engine.messages.clear()
        if lost and engine.seconds % 2 == 0:  # every other round something gets through
            worker = engine.deliver(lost[0])
            assert worker is not None
            engine.go_on(worker)
        engine.seconds += 1.0
        if not engine.live():
            break
    assert ended(run) == "succeeded: 2 done"


def test_every_message_twice(engine: RealEngine) -> None:
    run = start(engine, strategy(), ("bly", "aebi"))
    for _ in range(200):
        for live in engine.live():
            engine.tick(engine.snapshot(live))
        for number in engine.messages * 2:
            worker = engine.deliver(number)
            assert worker is not None
            engine.go_on(worker)
        engine.messages.clear()
        engine.seconds += 1.0
    assert ended(run) == "succeeded: 2 done"
    assert [sum(engine.devices[n].rebooted.values()) for n in ("bly", "aebi")] == [1, 1]


def test_holds_are_told_when_they_change_and_not_with_every_tick(engine: RealEngine) -> None:
    run = start(engine, strategy(first=3), ("bly", "aebi", "dekker"))
    go(engine, rounds=12, work=False)
    assert len(told("run holds")) == 1
    assert "budget" in holds(run)
