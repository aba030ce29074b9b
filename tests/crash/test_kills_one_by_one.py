"""A worker killed with SIGKILL after any event and in the middle of any step: the next one ends the run as if nothing
had been.

By default a few points of each story, evenly spread; CRASH_ALL=1 is all of them, CRASH_SHARE=1/2 the first half. What
is put back is left, on PostgreSQL, to workers that all die young (test_kills_again.py) unless all was asked for.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from lab.sim import SimFleet, oracle
from tests.crash.kills import NAMES, Bench, End, Engine
from tests.stories.stage import Stage

ALL = os.environ.get("CRASH_ALL") == "1"
SHARE, SHARES = (int(n) for n in os.environ.get("CRASH_SHARE", "1/1").split("/"))
FEW = {"sqlite": 1, "postgresql": 1}  # of each kind: after an event, before a request, after it
TIMING = {
    "boot_s": 0.5, "halt_s": 0.2, "adjacency_s": 0.2, "bgp_s": 0.3, "fib_s": 0.4, "detect_s": 0.3, "drain_s": 0.1,
}  # fmt: skip
FRAGMENTS = {
    "frr": "interface eth1\n description from a story\nexit\n",
    "bird": "protocol static story4 { ipv4; route 192.0.2.77/32 blackhole; }\n",
}
once = (lambda test: test) if ALL else pytest.mark.sqlite
Stories = Callable[[str, Mapping[str, Any]], Bench]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(7200 if ALL else 300)]


@pytest.fixture
def bench(
    sim_fleet: Callable[..., SimFleet], author: Any, approver: Any, child_environment: dict[str, str], tmp_path: Path
) -> Iterator[Stories]:
    fleet = sim_fleet(routers=6, timing=TIMING)
    stage = Stage(author, approver)
    stage.load(fleet.inventory)
    with Engine.started(child_environment, tmp_path) as engine:
        yield lambda recipe, inputs: Bench(fleet, stage, engine, recipe, inputs)


def chosen(points: Sequence[str]) -> list[str]:
    """All of them, or a few of each kind, evenly spread."""
    if ALL:
        return list(points)[SHARE - 1 :: SHARES]
    few, some = FEW[connection.vendor], []
    for kind in ("event", "before", "after"):
        of_kind = [p for p in points if p.startswith(f"{kind}:")]
        some += [of_kind[(2 * i + 1) * len(of_kind) // (2 * few)] for i in range(min(few, len(of_kind)))]
    return some


def kill_everywhere(bench: Bench) -> End:
    """Run the story once undisturbed, then once for each chosen point; returns how the undisturbed one ended."""
    end, points = bench.undisturbed()
    some, wrong, missed = chosen(points), list[str](), list[str]()
    for wish in some:
        began = time.monotonic()
        try:
            where = bench.killed(wish, end)
        except AssertionError as error:
            where = f"WRONG: {error}"
            wrong.append(str(error))
        if not where:
            missed.append(wish)
        print(f"{bench.recipe} {wish}, {time.monotonic() - began:.1f} s: {where or 'not reached'}", flush=True)
    print(f"{bench.recipe}: killed at {len(some) - len(missed)} points of {len(points)}; not reached: {missed}")
    assert not wrong, "\n".join([f"{len(wrong)} of {len(some)} wrong", *wrong])
    # How many events a run has depends a little on how long things take: its last points may lie beyond another's end.
    assert len(missed) <= len(some) // 10, f"not reached: {missed}"
    return end


def test_killed_anywhere_in_a_restart(bench: Stories) -> None:
    end = kill_everywhere(bench("restarted", {}))
    assert end.change == "succeeded"
    assert {name: n for (name, change), n in end.applied.items() if change == "reboot"} == dict.fromkeys(NAMES, 1)


@once
def test_killed_anywhere_in_a_change_that_is_put_back(bench: Stories) -> None:
    end = kill_everywhere(bench("put-back", FRAGMENTS))
    assert {t[0] for t in end.targets.values()} == {"rolled_back"}
    changed = {(name, oracle.kind_of(change)) for name, change in end.applied}
    assert changed >= {(n, k) for n in NAMES for k in (oracle.Kind.NIC, oracle.Kind.SYSCTL, oracle.Kind.CONFIG)}
