"""Stories of four routers in a ring, each a text that an operator can read: tests/core/scenarios/*.txt.

The ring is a-b-c-d, a and c lead to the internet; a, b are one failure domain and c, d another. `recipe`, `waves`,
`budget` (total / per domain), `max_failures` and `on_failure` are as in a recipe. `fault: NAME WORDS` plants a fault;
`when NAME STATE: WHAT` and `after N minutes: WHAT` say what happens then: pause, abort, rollback, resume,
release NAME, NAME dies, NAME FAULT. The rest is what must be so in the end.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.core import waves
from fleet.core.model import Budget, OnFailure, Strategy
from fleet.core.states import Control
from tests.core.model_devices import FAULTS, Device
from tests.core.model_engine import Engine
from tests.core.model_rows import RunRow
from tests.core.test_machine import NAMES, TOPOLOGY

FOLDER = Path(__file__).parent / "scenarios"
SETTINGS = frozenset({"recipe", "waves", "budget", "max_failures", "on_failure", "fault", "end", "drained", "holds"})


def read(path: Path) -> list[tuple[str, str]]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines)]


def begun(said: Mapping[str, str]) -> tuple[Engine, RunRow]:
    total, _, per_domain = said.get("budget", "1/1").partition("/")
    sizes = tuple(int(w) if w.isdigit() else w for w in said["waves"].split())
    strategy = Strategy(sizes, Budget(int(total), int(per_domain)), int(said.get("max_failures", "0")))
    strategy = replace(strategy, on_failure=OnFailure(said.get("on_failure", "rollback_target")))
    engine = Engine(waves.prepare(TOPOLOGY), {n: Device(n) for n in NAMES})
    wave_of, _ = waves.build(NAMES, strategy, TOPOLOGY)
    wanted = {n: (wave_of[n], TOPOLOGY.domain_of[n]) for n in NAMES}
    return engine, engine.start(wanted, said["recipe"].split(), strategy)


def happens(engine: Engine, run: RunRow, what: str) -> None:
    first, _, rest = what.partition(" ")
    match first:
        case "pause" | "abort" | "rollback":
            engine.ask(run, Control(first))
        case "resume":
            engine.resume(run)
        case "release":
            engine.release(next(t for t in engine.of(run) if t.name == rest))
        case _ if rest == "dies":
            engine.devices[first].dead = True
        case _:
            assert rest in FAULTS, what
            engine.devices[first].faults.append(rest)


def play(engine: Engine, run: RunRow, script: list[tuple[str, str]]) -> None:
    """Half an hour, a tick each second; every message is worked on at once."""
    left = [(key.split(), what) for key, what in script if key.startswith(("when ", "after "))]

    def look() -> None:
        for when, what in list(left):
            now = engine.seconds >= 60 * int(when[1]) if when[0] == "after" else (when[1], when[2]) in engine.moved
            if now:
                left.remove((when, what))
                happens(engine, run, what)

    for _ in range(1800):
        look()
        for live in engine.live():
            engine.tick(engine.snapshot(live))
        while engine.messages:
            worker = engine.deliver(engine.messages.pop(0))
            while worker is not None and engine.go_on(worker):
                look()
        engine.seconds += 1.0
    assert not left, f"never came to: {left}"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda p: p.stem)
def test_scenario(path: Path) -> None:
    script = read(path)
    said = dict(script)
    engine, run = begun(said)
    for key, value in script:
        if key == "fault":
            happens(engine, run, value)
    play(engine, run, script)
    assert not [w for d in engine.devices.values() for w in d.wrongs]
    assert run.state == said["end"], (run.holds, engine.moved[-20:])
    for key, value in script:
        if key not in SETTINGS and not key.startswith(("when ", "after ")):
            assert {n: str(t.state) for t in engine.of(run) for n in key.split() if t.name == n} == dict.fromkeys(
                key.split(), value
            ), engine.moved[-20:]
    assert " ".join(n for n, d in engine.devices.items() if d.drained) == said.get("drained", "")
    assert said.get("holds", "") in " ".join(run.holds)


def test_there_are_scenarios() -> None:
    assert len(list(FOLDER.glob("*.txt"))) >= 13
