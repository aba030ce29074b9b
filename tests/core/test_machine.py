"""Everything that can happen to the engine, in any order, against what must never happen (DESIGN section 4).

Hypothesis plays operators, ticks, workers, a lossy queue, a clock and dying devices against the real decisions of
`fleet.core` and the real `playbooks.engine`. The devices judge each act (tests/core/model_devices.py), the invariants
here judge the whole after each move, and at the end everything must come to rest.

MACHINE_EXAMPLES=2000 looks longer.
"""

import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from fleet.core import waves
from fleet.core.model import Budget, KeepConnected, Link, OnFailure, Strategy, Topology
from fleet.core.states import TARGET_IN_FLIGHT, Control, TargetState
from tests.core.fleets import REBOOT, SYSCTL
from tests.core.model_devices import DEATHS, FAULTS, Device, Killed
from tests.core.model_engine import Engine

T = TargetState
NAMES = ("a", "b", "c", "d")
TOPOLOGY = Topology(
    domain_of={"a": "north", "b": "north", "c": "south", "d": "south"},
    externals=frozenset({"internet"}),
    links=(
        *(Link(x, y, 10) for x, y in (("a", "b"), ("b", "c"), ("c", "d"), ("d", "a"))),
        *(Link(x, "internet", 10) for x in ("a", "c")),
    ),
    keep_connected=(KeepConnected(frozenset({*NAMES, "internet"}), 10),),
)
RECIPES = (
    REBOOT,
    SYSCTL,
    ("baseline", "drain", "kernel", "reboot", "verify", "undrain", "undrain", "verify", "soak"),
    ("baseline", "drain", "firmware", "verify", "undrain"),
    ("baseline", "drain", "sysctl", "nic", "verify", "undrain", "soak"),
    ("baseline", "verify", "soak"),
)
changes = st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True)
deaths = st.sampled_from(["", "", "", *DEATHS])
strategies = st.builds(
    Strategy,
    waves=st.sampled_from([(1, "100%"), ("100%",), (1, 2, "100%")]),
    budget=st.builds(Budget, st.integers(1, 3), st.integers(1, 2)),
    max_failures=st.integers(0, 1),
    on_failure=st.sampled_from(OnFailure),
)


class Fleet(RuleBasedStateMachine):
    """Four routers in a ring, and up to three changes on them."""

    workers = Bundle("workers")
    snapshots = Bundle("snapshots")

    @initialize(
        starts=st.lists(st.tuples(changes, st.sampled_from(RECIPES), strategies), min_size=1, max_size=2),
        faults=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(FAULTS)), max_size=4),
    )
    def begin(self, starts: list[tuple[list[str], tuple[str, ...], Strategy]], faults: list[tuple[str, str]]) -> None:
        self.engine = self.make_engine()
        for names, verbs, strategy in starts:
            self.start_one(names, verbs, strategy)
        for name, fault in faults:
            self.engine.devices[name].faults.append(fault)

    def make_engine(self) -> Any:
        return Engine(waves.prepare(TOPOLOGY), {n: Device(n) for n in NAMES})

    def start_one(self, names: list[str], verbs: tuple[str, ...], strategy: Strategy) -> None:
        wave_of, _ = waves.build(names, strategy, TOPOLOGY)
        self.engine.start({n: (wave_of[n], TOPOLOGY.domain_of[n]) for n in names}, verbs, strategy)

    # -- people

    @precondition(lambda self: len(self.engine.runs) < 3)
    @rule(names=changes, verbs=st.sampled_from(RECIPES), strategy=strategies)
    def start(self, names: list[str], verbs: tuple[str, ...], strategy: Strategy) -> None:
        self.start_one(names, verbs, strategy)

    def a_run(self, data: st.DataObject) -> Any:
        runs = self.engine.live()
        return data.draw(st.sampled_from(runs)) if runs else None

    @rule(data=st.data(), control=st.sampled_from([None] * 6 + [Control.PAUSE, Control.ABORT, Control.ROLLBACK]))
    def ask(self, data: st.DataObject, control: Control | None) -> None:
        run = self.a_run(data)
        # An abort is not taken back by a pause: fleet/changes/lifecycle.py refuses that.
        if run and control and not (control is Control.PAUSE and run.control in {Control.ABORT, Control.ROLLBACK}):
            self.engine.ask(run, control)

    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        if run := self.a_run(data):
            self.engine.resume(run)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        stuck = [t for t in self.engine.targets.values() if t.state == T.STUCK and t.engaged]
        if stuck:
            self.engine.release(data.draw(st.sampled_from(stuck)))

    # -- the engine

    @rule(data=st.data())
    def tick(self, data: st.DataObject) -> None:
        if run := self.a_run(data):
            self.engine.tick(self.engine.snapshot(run))

    @rule(target=snapshots, data=st.data())
    def tick_reads(self, data: st.DataObject) -> Any:
        run = self.a_run(data)
        return self.engine.snapshot(run) if run else None

    @rule(snapshot=consumes(snapshots))
    def tick_that_was_slow_acts(self, snapshot: Any) -> None:
        if snapshot is not None:
            self.engine.tick(snapshot)

    @precondition(lambda self: self.engine.messages)
    @rule(target=workers, data=st.data(), way=st.sampled_from(["once", "once", "twice", "lost"]), dies=deaths)
    def message(self, data: st.DataObject, way: str, dies: str) -> Any:
        """A message arrives, late or out of order, or arrives and stays in the queue to arrive again, or is lost."""
        number = data.draw(st.sampled_from(self.engine.messages))
        if way != "twice":
            self.engine.messages.remove(number)
        return None if way == "lost" else self.engine.deliver(number, dies=dies)

    @rule(worker=workers, stages=st.sampled_from([1, 2, 3, 30]))
    def works(self, worker: Any, stages: int) -> None:
        self._work(worker, stages)

    @rule(stages=st.sampled_from([5, 40]), rounds=st.integers(1, 9))
    def undisturbed_rounds(self, stages: int, rounds: int) -> None:
        self.rounds(6.0, stages, [""] * 4, rounds)

    @rule(
        seconds=st.sampled_from([0.0, 1.0, 6.0, 11.0, 100.0]),
        stages=st.sampled_from([3, 9, 40]),
        ways=st.lists(deaths, min_size=4, max_size=4),
        rounds=st.integers(1, 4),
    )
    def rounds(self, seconds: float, stages: int, ways: list[str], rounds: int) -> None:
        """Every run is ticked, every message is worked on, time passes: so that runs get somewhere."""
        for _ in range(rounds):
            for snapshot in [self.engine.snapshot(run) for run in self.engine.live()]:
                self.engine.tick(snapshot)  # on what was true before the other runs were ticked
            waiting, self.engine.messages = self.engine.messages, []
            for place, number in enumerate(waiting):
                self._work(self.engine.deliver(number, dies=ways[place % 4]), stages)
                self.no_device_was_wronged()
                self.the_budget_of_every_change_holds()
                self.what_must_stay_connected_is()
            self.engine.seconds += seconds

    def _work(self, worker: Any, stages: int) -> None:
        if worker is None:
            return
        try:
            while stages and self.engine.go_on(worker):
                stages -= 1
        except Killed:
            pass

    # -- the world

    @rule(seconds=st.sampled_from([1.0, 6.0, 20.0, 61.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.engine.seconds += seconds

    @rule(name=st.sampled_from(NAMES), fault=st.sampled_from(FAULTS))
    def plant(self, name: str, fault: str) -> None:
        self.engine.devices[name].faults.append(fault)

    @rule(name=st.sampled_from(NAMES), dead=st.booleans())
    def device_dies_or_comes_back(self, name: str, dead: bool) -> None:
        self.engine.devices[name].dead = dead

    # -- what must hold after each move

    @invariant()
    def no_device_was_wronged(self) -> None:
        assert not [wrong for device in self.engine.devices.values() for wrong in device.wrongs]

    @invariant()
    def the_budget_of_every_change_holds(self) -> None:
        down = {n for n, d in self.engine.devices.items() if d.drained}
        for run, budget in self.engine.budgets_in_force():
            assert len(down) <= budget.total, f"{down} drained, change {run} was promised {budget}"
            for domain in ("north", "south"):
                here = {n for n in down if TOPOLOGY.domain_of[n] == domain}
                assert len(here) <= budget.per_failure_domain, f"{here} drained, change {run} was promised {budget}"

    @invariant()
    def what_must_stay_connected_is(self) -> None:
        down = [n for n, d in self.engine.devices.items() if d.drained]
        assert not waves.broken_promises(self.engine.network, down), down

    @invariant()
    def a_device_is_in_one_change(self) -> None:
        engaged = [t.name for t in self.engine.targets.values() if t.engaged]
        assert len(engaged) == len(set(engaged)), engaged

    @invariant()
    def whatever_is_drained_is_held_by_a_change_that_knows(self) -> None:
        """No router is forgotten drained."""
        for name, device in self.engine.devices.items():
            if device.drained:
                held = [t for t in self.engine.targets.values() if t.name == name and t.engaged]
                assert held and (held[0].drained or held[0].state not in {T.DONE, T.ROLLED_BACK}), name

    @invariant()
    def nothing_ends_in_flight(self) -> None:
        for run in self.engine.runs.values():
            if self.has_ended(run):
                assert not [t.name for t in self.engine.of(run) if t.state in TARGET_IN_FLIGHT]

    # -- and at the end

    def has_ended(self, run: Any) -> bool:
        return bool(run.ended)

    def teardown(self) -> None:
        """Faults stop: every run ends, or says what it needs a person for; then the person comes, and it ends."""
        engine = getattr(self, "engine", None)
        if engine is None:
            return
        for device in engine.devices.values():
            device.faults.clear()
            device.dead = False
        self._settle()
        stuck_before = {t.id for t in engine.targets.values() if t.state == T.STUCK and t.engaged}
        for run in engine.live():
            waits_for = " ".join(run.holds)
            paused = any(r.control == Control.PAUSE for r in engine.live())
            assert paused or stuck_before, (run, waits_for)
            assert waits_for, f"change {run.id} waits and does not say for what"
        for _ in range(4):  # each turn may bring a new failure that on_failure: pause wants looked at
            for row in engine.targets.values():
                engine.release(row)
            for run in engine.live():
                engine.resume(run)
            self._settle()
        assert not engine.live(), [(r.id, r.control, r.holds, [t.state for t in engine.of(r)]) for r in engine.live()]
        assert not [n for n, d in engine.devices.items() if d.drained]
        assert not [t.name for t in engine.targets.values() if t.engaged and t.state != T.STUCK]

    def _settle(self) -> None:
        """Ticks and workers until nothing happens any more; bounded, so that what spins is found."""
        engine, quiet = self.engine, 0
        engine.messages.clear()  # every message was lost: the ticks find everything again
        for _ in range(400):
            moves = sum(engine.tick(engine.snapshot(run)) for run in engine.live())
            while engine.messages:
                self._work(engine.deliver(engine.messages.pop(0)), 200)
                self.no_device_was_wronged()
                self.the_budget_of_every_change_holds()
                self.what_must_stay_connected_is()
            quiet = 0 if moves else quiet + 1
            engine.seconds += 10.0
            if quiet > 12:  # longer than any lease
                return
        raise AssertionError(f"it does not come to rest: {engine.moved[-30:]}")


# Each example is up to 60 moves; the profile (tests/conftest.py) counts single values.
EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES") or settings.default.max_examples // 3)
TestFleet = Fleet.TestCase
TestFleet.settings = settings(max_examples=EXAMPLES, stateful_step_count=60, deadline=None)
