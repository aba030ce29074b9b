"""One measured change over N sim routers by the engine, then the same by two scripts without database or decisions.

    python -m tests.bench.engine_run --routers 1000 --dir DIR        prints one JSON document

`typed` is the script that an engineer writes: nornir, and netmiko's `send_command` for each command that the engine
sent to one such device (plain_script.py). `script` is the same over Slipway's own transport, which sends many commands
in one request: nobody has it, it shows what the engine itself costs.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import threading
import time
import types
from collections import Counter
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from lab.demo.stage import Stage, open_stage
from lab.sim import oracle
from lab.sim.fleet import SimFleet

AT_ONCE = 100  # devices in flight for both: INLINE_SHARDS x INLINE_LEGS of dispatch.py against as many workers
RECIPE = Path(__file__).parent / "recipe.yaml"
STOP_RECIPE = Path(__file__).parent / "recipe_stop.yaml"  # another value, so that there is something to do again


class QueryCount:
    """Counts statements on every connection of every thread; BEGIN and COMMIT are not counted."""

    def __init__(self) -> None:
        self.total = 0
        self.keeps = 0  # of them those of steps that wait longer than HELD_AT_MOST_S: a slow machine makes more
        self.kinds: Counter[str] = Counter()
        self.ticks: list[int] = []  # queries of each tick
        self.idle_ticks: list[int] = []  # of those that had nobody to send
        self._mine = threading.local()
        # BEGIN IMMEDIATE is how SQLite's transactions start; it is no query and PostgreSQL has none like it.
        self._lock = threading.Lock()

    def install(self) -> None:
        from django.db import connection
        from django.db.backends.signals import connection_created

        connection.execute_wrappers.append(self)  # this thread's is open already
        connection_created.connect(lambda connection, **_: connection.execute_wrappers.append(self), weak=False)

    def of_this_thread(self) -> int:
        return getattr(self._mine, "count", 0)

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self._mine.count = getattr(self._mine, "count", 0) + (not sql.startswith("BEGIN"))
        with self._lock:
            self.total += not sql.startswith("BEGIN")
            self.keeps += sql.strip().startswith("UPDATE changes_steprun SET due_at")
            self.kinds[" ".join(sql.split()[:3])[:60]] += 1
        return execute(sql, params, many, context)


def count_ticks(count: QueryCount) -> None:
    """Keep what each tick asks and writes: the rest is what the legs ask and write."""
    from fleet.changes import orchestrate

    tick = orchestrate.tick

    def counted(now: Any) -> int:
        before = count.of_this_thread()
        sent = tick(now)
        count.ticks.append(count.of_this_thread() - before)
        if not sent:
            count.idle_ticks.append(count.ticks[-1])
        return sent

    orchestrate.tick = counted


@dataclass
class Work:
    """What has been done to the devices so far: counted where both sides meet, at session, sleep and sim process."""

    sim_pid: int
    requests: int = 0
    connections: int = 0
    waited_s: float = 0.0  # for the device, on its open connection; all devices together
    adding: threading.Lock = field(default_factory=threading.Lock)

    def pause(self, seconds: float) -> None:
        with self.adding:
            self.waited_s += seconds
        time.sleep(seconds)

    def now(self) -> tuple[float, ...]:
        """Requests, connections, seconds waited; CPU seconds of the sim, which shares the cores with either side."""
        fields = Path(f"/proc/{self.sim_pid}/stat").read_text().rpartition(")")[2].split()
        sim_cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return self.requests, self.connections, self.waited_s, sim_cpu_s

    def since(self, before: tuple[float, ...], routers: int) -> dict[str, Any]:
        requests, connections, waited_s, sim_cpu_s = (b - a for a, b in zip(before, self.now(), strict=True))
        return {
            "requests": requests,
            "requests_per_device": round(requests / routers, 1),
            "connections": connections,
            "waited_s_per_device": round(waited_s / routers, 2),
            "sim_cpu_s": round(sim_cpu_s, 2),
        }


def record_requests(name: str, work: Work) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """From now on keep what is sent to the device of that name, in order; and count what is sent to all of them."""
    from fleet.changes import legs
    from playbooks import transport
    from playbooks.ssh import SshSession

    seen: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
    connect = transport.connect

    def connected(*args: Any, **kwargs: Any) -> Any:
        with work.adding:
            work.connections += 1
        return connect(*args, **kwargs)

    transport.connect = connected
    for method in ("run", "batch", "put"):
        original = getattr(SshSession, method)

        def wrapped(self: Any, *args: Any, _of: Any = original, _name: str = method, **kwargs: Any) -> Any:
            with work.adding:
                work.requests += 1
            if self.device.name == name:
                seen.append((_name, args, kwargs))
            return _of(self, *args, **kwargs)

        setattr(SshSession, method, wrapped)

    def pause(seconds: float) -> None:
        """What the engine waits for the device on an open connection, the script has to wait as well."""
        device, _ = transport._current.get()
        if device.name == name:
            seen.append(("sleep", (seconds,), {}))
        work.pause(seconds)

    legs.time = types.SimpleNamespace(sleep=pause)  # type: ignore[assignment, attr-defined]
    return seen


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def warm() -> float:
    """What a process does once, before its first change: read the recipes and the sheets of compatibility. Seconds."""
    from fleet.changes import draft_requests
    from inventory.compat import files

    began = time.monotonic()
    draft_requests.publish_once()
    files.knowledge()
    return time.monotonic() - began


def engine(stage: Stage, routers: int, count: QueryCount, work: Work) -> dict[str, Any]:
    """Run the change and return its figures. The ticks are this thread's, the legs have threads of their own."""
    from fleet.changes.models import StepRun
    from fleet.core.states import StepState

    warm_s, keeps = warm(), count.keeps
    of_legs, before = count.total - count.of_this_thread(), work.now()
    began, cpu = time.monotonic(), cpu_s()
    change = stage.change(str(RECIPE), {}, [], title=f"bench over {routers}", tell=lambda _: None)
    wall = time.monotonic() - began
    of_legs = count.total - count.of_this_thread() - of_legs
    keeps = count.keeps - keeps
    done = StepRun.objects.filter(state=StepState.DONE).count()
    assert change.state == "succeeded", f"the change ended {change.state}"
    return {
        "wall_s": round(wall, 2),
        "warm_s": round(warm_s, 2),
        "cpu_s": round(cpu_s() - cpu, 2),
        **work.since(before, routers),
        "device_steps": done,
        "device_steps_per_s": round(done / wall, 1),
        "queries_of_legs": of_legs,
        "queries_per_device_step": round(of_legs / done, 2),
        "keeps_per_device_step": round(keeps / done, 2),
        "queries_per_idle_tick": statistics.median(count.idle_ticks or [0]),
        "queries_per_tick_at_most": max(count.ticks),
        "ticks": len(count.ticks),
    }


def stop(stage: Stage, routers: int) -> dict[str, Any]:
    """Another change over all routers, aborted in the middle: seconds from the abort's commit to the last claims.

    `last_claim_s`: of any step forward (what DESIGN.md section 8 limits to 5 s); 0 when none began after the abort.
    `commit_s`: from the button to that commit. `last_let_go_s`: until the last step that was under way ended.
    `ended_s`: until everything was put back.
    """
    from django.core.management import call_command

    from fleet import clock
    from fleet.changes import lifecycle
    from fleet.changes.models import Change, Event, Run, StepRun

    # The change before has set what this one sets again: a plan on older facts would hold, as it should.
    call_command("collect", "--all", stdout=StringIO())
    title, pressed = f"bench of a stop over {routers}", list[Any]()

    def press() -> None:
        steps = StepRun.objects.filter(target__run__revision__change__title=title, verb="drain")
        while steps.filter(first_claimed_at__isnull=False).count() < min(routers, AT_ONCE) / 2:
            time.sleep(0.05)
        change, person, began = Change.objects.get(title=title), stage.person("ada"), time.monotonic()
        reasons = lifecycle.abort(change, person, clock.now(), why="bench")
        pressed.extend((clock.now(), reasons, round(time.monotonic() - began, 3)))

    presser = threading.Thread(target=press)
    presser.start()
    change = stage.change(str(STOP_RECIPE), {}, [], title=title, tell=lambda _: None)
    presser.join(60)
    at, reasons, commit_s = pressed
    assert not reasons and change.state == "rolled_back", (reasons, change.state)

    def after(moment: Any) -> float:
        return round(max(0.0, (moment - at).total_seconds()), 3) if moment is not None else 0.0

    forward = StepRun.objects.filter(target__run__revision__change=change, back=False)
    claims = Event.objects.filter(change=change, kind="step claimed", step__back=False)
    return {
        "commit_s": commit_s,
        "last_claim_s": after(claims.order_by("-at").values_list("at", flat=True).first()),
        "claims_after": claims.filter(at__gt=at).count(),
        "last_let_go_s": after(
            forward.order_by("-ended_at").exclude(ended_at=None).values_list("ended_at", flat=True)[0]
        ),
        "begun": forward.filter(verb="drain", first_claimed_at__isnull=False).count(),
        "ended_s": after(Run.objects.get(revision__change=change).ended_at),
    }


def script(requests: list[tuple[str, tuple[Any, ...], dict[str, Any]]], work: Work) -> dict[str, Any]:
    """The same requests to every device by a bare nornir run."""
    from inventory.models import Router
    from playbooks.transport import leg_session, run_shard

    devices = list(Router.objects.devices().values())

    def leg(device: Any) -> None:
        for method, args, kwargs in requests:
            if method == "sleep":
                work.pause(*args)
            else:
                getattr(leg_session(device), method)(*args, **kwargs)

    before, began, cpu = work.now(), time.monotonic(), cpu_s()
    results = run_shard(devices, leg, AT_ONCE)
    bad = [r for r in results.values() if isinstance(r, Exception)]
    assert not bad, bad[0]
    wall, cpu = time.monotonic() - began, cpu_s() - cpu
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), **work.since(before, len(devices))}


def typed(requests: list[tuple[str, tuple[Any, ...], dict[str, Any]]], work: Work) -> dict[str, Any]:
    """The same commands to every device as an engineer's script sends them: one by one, by netmiko's send_command."""
    from inventory.models import Interface, Router
    from tests.bench import plain_script

    names: dict[str, list[str]] = {}
    for router, name in Interface.objects.values_list("router__name", "name").order_by("router__name", "name"):
        names.setdefault(router, []).append(name)
    before, cpu = work.now(), cpu_s()
    wall, counted = plain_script.run(
        requests,
        list(Router.objects.devices().values()),
        lambda router: names.get(router, []),
        at_once=AT_ONCE,
        pause=work.pause,
    )
    did = work.since(before, len(names))
    did |= {"requests": counted.commands, "connections": counted.connections}
    did["requests_per_device"] = round(counted.commands / max(counted.connections, 1), 1)
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu_s() - cpu, 2), **did}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routers", type=int, required=True)
    parser.add_argument("--dir", type=Path, required=True)
    options = parser.parse_args()
    with SimFleet.start(options.dir / "fleet", routers=options.routers, topology="pods", timeout_s=180) as fleet:
        stage = open_stage(options.dir)
        count = QueryCount()
        count.install()
        count_ticks(count)
        began = time.monotonic()
        stage.fleet_from(fleet.inventory, tell=lambda _: None)
        collect_s = time.monotonic() - began
        from inventory.models import KeepConnected, Router

        # The script knows no redundancy and takes all devices at once; to be compared, the engine is told of none.
        KeepConnected.objects.all().delete()
        work = Work(fleet.pid)
        requests = record_requests(Router.objects.order_by("name").first().name, work)  # type: ignore[union-attr]
        figures: dict[str, Any] = {"routers": options.routers, "load_and_collect_s": round(collect_s, 2)}
        figures["engine"] = engine(stage, options.routers, count, work)
        recorded = list(requests)
        figures["script"] = script(recorded, work)
        figures["typed"] = typed(recorded, work)
        assert not (bad := oracle.unknown_commands(fleet.journal())), f"no router understood {bad[:3]}"
        figures["stop"] = stop(stage, options.routers)
        figures["top_queries"] = count.kinds.most_common(12)
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
