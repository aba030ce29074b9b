"""One run of a change with one death in it, and what is asked of it: the same end, nothing twice, nobody drained."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from fleet.changes import seals
from fleet.changes.models import Change, StepRun
from lab.sim import SimFleet, oracle
from tests.stories.stage import Stage, targets

ROOT = Path(__file__).resolve().parents[2]
RECIPES = Path(__file__).parent / "recipes"
NAMES = ("bly", "wells")  # one on FRR, one on BIRD
LEASE_S = 3.0
# A file or a timer of Slipway's own may be written again: it says the same, and no packet sees it.
HARMLESS = frozenset({oracle.Kind.FILE, oracle.Kind.TIMER, oracle.Kind.SERVICE})


class Engine:
    """`tests.crash.mortal_engine` in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process, self._folder, self._count = process, folder, 0

    @classmethod
    @contextmanager
    def started(cls, environment: Mapping[str, str], folder: Path) -> Iterator[Self]:
        (folder / "var").mkdir(exist_ok=True)
        made = {
            **environment, "SLIPWAY_DISPATCH": "inline", "SLIPWAY_TICK_SECONDS": "0.3", "SLIPWAY_REKICK_SECONDS": "1",
            "SLIPWAY_LEASE_SECONDS": str(LEASE_S),
        }  # fmt: skip
        with (folder / "engine.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.mortal_engine"], cwd=ROOT, env=made, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip
            with process:
                yield cls(process, folder)
                if process.stdin is not None:
                    process.stdin.close()

    def work(self, change: Change, wish: str = "") -> tuple[bool, list[dict[str, Any]]]:
        """Let it work until it dies (True) or sees the end of the change (False); and the points it passed."""
        self._count += 1
        log = self._folder / f"points-{self._count}.jsonl"
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"change": change.pk, "wish": wish, "log": str(log)}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert answer["status"] == 0, (self._folder / "engine.log").read_text()[-3000:]
        assert answer["signal"] in {0, 9}, f"{change}: no end within the time of an engine ({answer})"
        points = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return answer["signal"] == 9, points


@dataclass(frozen=True)
class End:
    """What a run leaves behind: in the rows, and of what it did to the routers."""

    change: str
    targets: Mapping[str, tuple[Any, ...]]
    steps: Sequence[tuple[Any, ...]]
    routers: Mapping[str, Mapping[str, Any]]
    applied: Mapping[tuple[str, str], int]


# Of a router's state: what a run must leave alike. The boot id and what time does are left out.
LASTING = ("drained", "converged", "nics", "sysctls", "enabled", "unknown")
CONFIGURATION = {
    "bly": ("vtysh -c 'show running-config'", "cat /etc/frr/frr.conf"),
    "wells": ("cat /etc/bird/bird.conf", "cat /etc/bird/slipway-drain.conf"),
}


@dataclass(frozen=True)
class Bench:
    """A fleet, its people and an engine that may die; every run uses the same routers."""

    fleet: SimFleet
    stage: Stage
    engine: Engine
    recipe: str
    inputs: Mapping[str, Any]
    names: tuple[str, ...] = NAMES

    def undisturbed(self) -> tuple[End, list[str]]:
        """The run that all others are compared with, and every point at which a worker can die in it."""
        change, before = self._start()
        died, points = self.engine.work(change)
        assert not died
        return self._judge(change, before), _all(points)

    def killed(self, wish: str, expected: End) -> str:
        """One run with one death; returns where it died ("" if it never came there). Raises AssertionError."""
        change, before = self._start()
        died, points = self.engine.work(change, wish)
        if died:
            assert not self.engine.work(change)[0]
        where = points[-1]["what"] if died else ""
        try:
            found = self._judge(change, before)
            assert found == expected, _difference(found, expected)
        except AssertionError as error:
            raise AssertionError(f"killed at {wish} ({where}): {error}") from None
        return where

    def killed_again(self, wish: str, expected: End, *, at_most: int = 60) -> int:
        """One run in which every worker dies at this point of its own life; returns how many did.

        How each step went may differ (a configuration that nobody lives to confirm goes back by itself); how the
        targets and the routers are left may not.
        """
        change, before = self._start()
        deaths = 0
        while self.engine.work(change, wish)[0]:
            deaths += 1
            assert deaths < at_most, f"{deaths} workers killed at {wish} and no end in sight"
        found = replace(self._judge(change, before), steps=expected.steps, applied=expected.applied)
        assert found == expected, f"killed {deaths} times at {wish}: {_difference(found, expected)}"
        return deaths

    def _start(self) -> tuple[Change, int]:
        seen = len(self.fleet.journal())
        return self.stage.start(str(RECIPES / f"{self.recipe}.yaml"), self.inputs, self.names), seen

    def _judge(self, change: Change, before: int) -> End:
        change.refresh_from_db()
        entries = self.fleet.journal()[before:]
        why = {t.name: (t.state, t.reasons) for t in targets(change).values()}
        assert not (repeated := oracle.repeated(entries)), f"done twice: {repeated} {why}"
        assert max(oracle.reboots(entries).values(), default=0) <= 1, f"restarted twice: {why}"
        assert not (forgotten := oracle.forgotten_drained(entries)), f"forgotten drained: {forgotten} {why}"
        assert not (bad := oracle.disrupted_undrained(entries)), f"disrupted while it carried traffic: {bad} {why}"
        assert not (bad2 := oracle.undrained_unverified(entries)), f"undrained unverified: {bad2} {why}"
        assert oracle.max_drained_at_once(entries) <= 1, why
        seals.seal(change.pk)
        assert (broken := seals.verify(change).broken) is None, broken
        return self._end(change, entries)

    def _end(self, change: Change, entries: Sequence[oracle.Entry]) -> End:
        rows = StepRun.objects.filter(target__run__revision__change=change).order_by("target__name", "index")
        applied = Counter((m.router, m.change) for m in oracle.mutations(entries) if m.kind not in HARMLESS)
        states = self.fleet.states()
        return End(
            change.state,
            {t.name: (t.state, t.engaged, t.drained, t.changed) for t in targets(change).values()},
            [(s.target.name, s.title, s.state, s.changed) for s in rows.select_related("target")],
            {name: self._lasting(name, states[name]) for name in NAMES},
            applied,
        )

    def _lasting(self, name: str, state: Mapping[str, Any]) -> Mapping[str, Any]:
        configuration = {command: self.fleet.console(name, command) for command in CONFIGURATION[name]}
        # What Slipway keeps for itself over there is named after the change.
        files = [path for path in state["files"] if not path.startswith("/var/lib/slipway/")]
        more = {"timers": sorted(state["timers"]), "files": files, **configuration}
        return {key: state[key] for key in LASTING} | more


def _all(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every point at which a death makes a difference.

    Between two requests of one act nothing is recorded: to die after the first is to die before the second.
    """
    events = sorted({p["n"] for p in points if p["at"] == "event"})
    requests = [p for p in points if p["at"] == "request"]
    acts = [p["act"] for p in requests]
    ends = [p["n"] for p, act, following in zip(requests, acts, [*acts[1:], -1], strict=True) if act != following]
    return [f"event:{n}" for n in events] + [f"before:{p['n']}" for p in requests] + [f"after:{n}" for n in ends]


def _difference(found: Any, expected: Any, where: str = "") -> str:
    """Only what differs, found beside wanted."""
    if isinstance(found, End):
        found, expected = vars(found), vars(expected)
    if isinstance(found, Mapping):
        keys = sorted({*found, *expected}, key=str)
        parts = [_difference(found.get(k), expected.get(k), f"{where} {k}") for k in keys]
    elif isinstance(found, list) and len(found) == len(expected):
        parts = [_difference(one, other, where) for one, other in zip(found, expected, strict=True)]
    else:
        parts = [] if found == expected else [f"{where.strip()}: found {found}, wanted {expected}"]
    return "; ".join(p for p in parts if p)
