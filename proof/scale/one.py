"""One size with so many worker processes, measured: prints one JSON document. Database and broker: the environment's.

python -m proof.scale.one --routers 1000 --workers 2 --dir DIR --redis PID
"""

import argparse
import json
import os
import secrets
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from lab.sim import oracle
from lab.sim.fleet import SimFleet
from proof.scale import processes, told, used

STAGE = 500
IDLE_S = 60.0
SETTLED_S = 30.0
TRIES = 5
LONGEST_S = 4 * 3600.0


def stages(routers: int) -> list[int]:
    """Cumulative sizes of stages of 500."""
    return [*range(STAGE, routers, STAGE), routers]


def opened() -> None:
    """A migrated database with two people."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    for person in ("ada", "grace"):
        get_user_model()._default_manager.create_superuser(person, password=secrets.token_urlsafe(9))


def loaded(inventory: Path) -> dict[str, float]:
    """Inventory and facts; seconds of each. What a machine in use is too slow to log in to is asked again."""
    from django.core.management import CommandError, call_command

    from inventory.models import Router

    began = time.monotonic()
    call_command("load_inventory", str(inventory), "--accept-new-host-keys", stdout=StringIO())
    made = {"load_s": round(time.monotonic() - began, 1)}
    began, again = time.monotonic(), 0
    while names := list(Router.objects.filter(observations=None).values_list("name", flat=True)):
        try:
            call_command("collect", *names, stdout=StringIO())
        except CommandError:
            again += 1
            if again > TRIES:
                raise
    return made | {"collect_s": round(time.monotonic() - began, 1), "collected_again": again}


def started(recipe: Path, title: str) -> tuple[Any, dict[str, float]]:
    """A change over all devices, planned, approved and begun; seconds of planning."""
    from django.contrib.auth import get_user_model

    from fleet import clock
    from fleet.changes import drafts, lifecycle
    from fleet.core.explain import sentences

    author, approver = (get_user_model().objects.get(username=name) for name in ("ada", "grace"))
    began, cpu = time.monotonic(), time.process_time()
    change = drafts.open_change(drafts.Request(str(recipe), {}, ()), title=title, author=author, now=clock.now())
    planned = {"plan_s": round(time.monotonic() - began, 2), "plan_cpu_s": round(time.process_time() - cpu, 2)}
    revision = change.revision
    assert revision is not None
    reasons = (
        lifecycle.submit(change, author, clock.now())
        or lifecycle.decide_on(change, approver, clock.now(), approve=True, digest=revision.digest)
        or lifecycle.start(change, author, clock.now())
    )
    assert not reasons, [*sentences(reasons), *(str(f["reason"]) for f in revision.plan["findings"])]
    planned["waves"] = len(set(revision.run.targets.values_list("wave", flat=True)))
    planned["approve_and_start_s"] = round(time.monotonic() - began - planned["plan_s"], 2)
    return change, planned


class Watch(threading.Thread):
    """Memory of the workers, and how many targets are in flight, every few seconds until it is stopped."""

    def __init__(self, worker: int, in_flight: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self._worker, self._in_flight, self._over = worker, in_flight, threading.Event()
        self.seen: list[tuple[int, float]] = []

    def run(self) -> None:
        from django.db import connection

        while not self._over.wait(3.0):
            self.seen.append((self._in_flight(), used.memory_mb(self._worker)))
        connection.close()

    def stop(self) -> None:
        self._over.set()
        self.join()


def changed(recipe: Path, roots: dict[str, int], counted: Path, routers: int) -> dict[str, Any]:
    """Run the change to its end and return its figures."""
    from fleet.changes.models import StepRun, TargetRun
    from fleet.core.states import StepState

    idle_mb = used.memory_mb(roots["worker"])
    before = used.cpu_s(roots)
    began_at = time.time()
    change, planned = started(recipe, "scale")
    targets = TargetRun.objects.filter(run__revision__change=change)
    watch = Watch(roots["worker"], lambda: targets.exclude(state__in=("pending", "done")).count())
    watch.start()
    began = time.monotonic()
    wait(lambda: _ended(change), within_s=LONGEST_S)
    wall = time.monotonic() - began
    watch.stop()
    after = used.cpu_s(roots)
    assert change.state == "succeeded", f"the change ended {change.state}"
    done = StepRun.objects.filter(target__run__revision__change=change, state=StepState.DONE).count()
    return {
        **planned,
        "wall_s": round(wall, 1),
        "targets_per_minute": round(routers / wall * 60, 1),
        "device_steps": done,
        "cpu_s": {name: round(after[name] - before[name], 1) for name in roots},
        "cpu_s_per_target": round((after["worker"] - before["worker"]) / routers, 3),
        "in_flight_at_most": max((n for n, _ in watch.seen), default=0),
        "worker_idle_mb": round(idle_mb),
        "worker_at_most_mb": round(max((mb for _, mb in watch.seen), default=0.0)),
        **tasks(lines(counted, began_at), done),
    }


def lines(folder: Path, since: float) -> list[dict[str, Any]]:
    """What the tasks wrote down since then."""
    texts = [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    return [task for line in texts if (task := json.loads(line))["at"] >= since]


def tasks(seen: Sequence[dict[str, Any]], steps: int) -> dict[str, Any]:
    """Queries per step, and what a tick takes."""
    shards = [t for t in seen if t["task"] == "slipway.run_shard"]
    ticks = sorted((t for t in seen if t["task"] == "slipway.tick"), key=lambda t: float(t["wall_s"]))
    walls = [float(t["wall_s"]) for t in ticks] or [0.0]
    return {
        "shards": len(shards),
        "shards_cpu_s": round(sum(t["cpu_s"] for t in shards), 1),
        "queries_per_step": round(sum(t["queries"] for t in shards) / max(steps, 1), 2),
        "ticks": len(ticks),
        "tick_s_median": round(statistics.median(walls), 3),
        "tick_s_p95": round(walls[int(len(walls) * 0.95)], 3),
        "tick_s_at_most": round(walls[-1], 3),
        "tick_cpu_s": round(sum(t["cpu_s"] for t in ticks), 1),
        "tick_queries_median": statistics.median([t["queries"] for t in ticks] or [0]),
        "tick_queries_at_most": max((t["queries"] for t in ticks), default=0),
    }


def soaking(recipe: Path, roots: dict[str, int], counted: Path, routers: int) -> dict[str, Any]:
    """All of them soaking: CPU of everything over a minute in which nothing is due."""
    from fleet.changes.models import TargetRun
    from inventory.models import KeepConnected

    KeepConnected.objects.all().delete()  # what must stay connected would soak one after the other
    change, _ = started(recipe, "soak")
    targets = TargetRun.objects.filter(run__revision__change=change, state="soaking")
    began = time.monotonic()
    wait(lambda: targets.count() == routers and not _claimed(change), within_s=LONGEST_S)
    reached_s = time.monotonic() - began
    return {"reached_s": round(reached_s, 1), **waited(change, roots, counted, routers)}


def waited(change: Any, roots: dict[str, int], counted: Path, routers: int) -> dict[str, Any]:
    """What a minute costs in which everything of this change soaks; then it is aborted."""
    from fleet import clock
    from fleet.changes import lifecycle

    time.sleep(SETTLED_S)  # the first tick after a start does more: it is not what waiting costs
    before, began_at = used.cpu_s(roots), time.time()
    time.sleep(IDLE_S)
    after = used.cpu_s(roots)
    seen = tasks(lines(counted, began_at), 0)
    lifecycle.abort(change, change.author, clock.now(), why="measured")
    return {
        "targets": routers,
        "seconds": IDLE_S,
        "cpu_s": {name: round(after[name] - before[name], 2) for name in roots},
        **{name: value for name, value in seen.items() if name.startswith("tick")},
        "shards": seen["shards"],
    }


def laid_out(folder: Path, redis: int, routers: int) -> dict[str, Any]:
    """What waiting costs where the rows were laid out (laid.py): there is no device, and nothing goes to one."""
    opened()
    from fleet import clock
    from proof.scale import laid

    change = laid.soaking(routers, clock.now())
    with processes.running(folder, workers=2) as started_ids:
        roots = {**started_ids, "postgresql": _postgresql(), "redis": redis}
        wait(lambda: ready(folder), within_s=600)
        soak = waited(change, roots, folder / "counted", routers)
    return {"routers": routers, "workers": 2, "soaking": {**soak, "laid_out": True}}


def _claimed(change: Any) -> bool:
    from fleet.changes.models import StepRun

    return StepRun.objects.filter(target__run__revision__change=change, state="claimed").exists()


def _ended(change: Any) -> bool:
    change.refresh_from_db()
    if change.state in {"paused", "failed"}:
        raise AssertionError(f"the change is {change.state}")
    return bool(change.ended)


def ready(folder: Path) -> bool:
    """Does the worker take messages? What keeps it from starting is said at once."""
    said = (folder / "worker.log").read_text()
    assert "Traceback" not in said, said[-1500:]
    return "ready." in said


def wait(seen: Callable[[], bool], *, within_s: float) -> None:
    until = time.monotonic() + within_s
    while not seen():
        assert time.monotonic() < until, f"not seen within {within_s:.0f} s"
        time.sleep(1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routers", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--redis", type=int, required=True)
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--soak", choices=("yes", "no", "only", "rows"), default="yes")
    options = parser.parse_args()
    if options.soak == "rows":
        json.dump(laid_out(options.dir, options.redis, options.routers), sys.stdout)
        return
    here = Path(__file__).parent
    recipe = options.dir / "recipe.yaml"
    recipe.write_text((here / "recipe.yaml").read_text().replace("WAVES", ", ".join(map(str, stages(options.routers)))))
    with SimFleet.start(options.dir / "fleet", routers=options.routers, topology="pods", timeout_s=300) as fleet:
        opened()
        figures: dict[str, Any] = {"routers": options.routers, "workers": options.workers, **loaded(fleet.inventory)}
        with processes.running(options.dir, workers=options.workers) as started_ids:
            roots = {**started_ids, "sim": fleet.pid, "postgresql": _postgresql(), "redis": options.redis}
            wait(lambda: ready(options.dir), within_s=600)
            figures["load"] = [round(os.getloadavg()[0], 1)]
            if options.soak != "only":
                figures |= changed(recipe, roots, options.dir / "counted", options.routers)
                if "SLIPWAY_PROFILED" not in os.environ:
                    told.keep(figures | {"load": [*figures["load"], round(os.getloadavg()[0], 1)]})
                assert not (bad := oracle.unknown_commands(fleet.journal())), f"no router understood {bad[:3]}"
            if options.soak != "no":
                figures["soaking"] = soaking(here / "soak.yaml", roots, options.dir / "counted", options.routers)
            figures["load"].append(round(os.getloadavg()[0], 1))
            figures["sim_mb"] = round(used.memory_mb(fleet.pid))
    json.dump(figures, sys.stdout)


def _postgresql() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_read_file('postmaster.pid')")
        return int(cursor.fetchone()[0].splitlines()[0])


if __name__ == "__main__":
    main()
