"""`make proof-long`: an hour of changes with faults by real processes, sampled; the section written of what was seen.

python -m proof.long --minutes 60 --seed 1 [--every 60] [--into DIR]       --told: only write the section
python -m proof.long --lab ring ...        on the ring of real routers instead of simulated ones
"""

import argparse
import base64
import contextlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from lab.sim import SimFleet
from lab.tickets.receiver import Receiver
from lab.tickets.server import Site
from proof.faults.told import FOLDER as FAULTS
from proof.long import opening, ring, sampled, services, told, walked, weather
from proof.long.judged import Judge
from slipway_client.api import Api
from slipway_client.where import Where
from tests import needs
from tests.bench import machine
from tests.house.compose import ByHand
from tests.postgresql import free_port, private_cluster
from tests.redis import RedisServer, private_redis

SMALL_MB = 400
TIMING = {"boot_s": 8.0, "halt_s": 0.5, "restart_s": 0.5, "adjacency_s": 1.0, "bgp_s": 2.0, "fib_s": 3.0}
# Facts are collected anew so often: production does it every hour.
COLLECT_S = 600
BETWEEN_S = 3.0
# The slowest table of the ring took 1.6 s to change (lab/netns/README.md): a gate of less loses packets by itself.
ON_RING = {"gate": "3s", "soak": "3s"}


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system that can be filled; None where nobody may mount one."""
    folder.mkdir()
    folder.parent.chmod(0o755)  # the database's user goes through it
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_MB}m", "slipway", str(folder)]
    if needs.root() or subprocess.run(mount).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder])


@contextlib.contextmanager
def servers(small: Path | None) -> Iterator[tuple[str, RedisServer]]:
    """PostgreSQL and Redis; tables and the append-only file on the small disk."""
    with private_cluster() as url, contextlib.ExitStack() as held:
        held.callback(setattr, tempfile, "tempdir", tempfile.tempdir)
        with psycopg.connect(url, autocommit=True) as connection:
            where = ""
            if small is not None:
                tables = small / "tables"
                tables.mkdir(mode=0o700)
                subprocess.run(["chown", "postgres", tables], check=True)
                connection.execute(f"CREATE TABLESPACE small LOCATION '{tables}'")
                where = "TABLESPACE small"
            connection.execute(f"CREATE DATABASE slipway {where}")
        tempfile.tempdir = str(small) if small is not None else None
        redis = held.enter_context(private_redis())
        yield f"{url.rsplit('/', 1)[0]}/slipway", redis


class LongRun:
    """Everything that is up, and what was done so far."""

    def __init__(
        self,
        into: Path,
        *,
        judge: Judge,
        people: walked.People,
        sky: weather.Weather,
        seed: int,
        look: Callable[[str], object],
        probed: Callable[[], contextlib.AbstractContextManager[dict[str, Any]]] | None = None,
    ) -> None:
        self._into, self._judge, self._people, self._sky, self._seed = into, judge, people, sky, seed
        self._probed = probed or (lambda: contextlib.nullcontext({}))  # what is lost meanwhile
        self._look = look  # has Slipway see now how a router is
        self._pool = list(weather.ROUTERS)
        self.counts = {"changes": 0, "targets": 0}

    def on(self, until: float) -> None:
        """One change after another until then (monotonic); the last one is waited for."""
        number = 0
        self._people.wait_for_recipes()
        while time.monotonic() < until and len(self._pool) > 1:
            began = time.monotonic()
            line: dict[str, Any] = {"run": number}
            try:
                self._judge.begin()
                with self._probed() as lost:
                    walk = self._people.walk(number, random.Random(f"{self._seed}/{number}"), among=self._pool)
                line |= self._line(walk)
                if lost:
                    line["lost"] = ring.apart(lost, self._sky.hurt_traffic())
            except Exception as error:
                line |= {
                    "gone": f"{type(error).__name__}: {error}"[:800],
                    "seconds": round(time.monotonic() - began, 1),
                }
                time.sleep(10.0)
            with (self._into / "changes.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")
            number += 1
            time.sleep(BETWEEN_S)

    def _line(self, walk: walked.Walk) -> dict[str, Any]:
        killed = self._sky.killed
        targets, wrong = self._judge.wrong(walk)
        kinds = [f"{f.kind} ({f.on}, {f.seconds:g} s)" for f in self._sky.during(walk.began, walk.ended)]
        line = {
            "change": walk.change, "story": walk.story.recipe, "state": walk.state, "targets": targets, "wrong": wrong,
            "seconds": round(walk.ended - walk.began, 1), "faults": kinds,
            "kinds": sorted({f.kind for f in self._sky.during(walk.began, walk.ended)}),
            "asked": walk.asked, "errors": walk.errors, "answers_missed": walk.answers_missed,
            "released": self._release(walk.change, [n for n, s in targets.items() if s == "stuck"]), "killed": killed,
        }  # fmt: skip
        self.counts["changes"] += 1
        self.counts["targets"] += sum(state != "pending" for state in targets.values())
        return line

    def _release(self, change: int, stuck: list[str]) -> dict[str, str]:
        """A person mends what is stuck and lets go of it; a router that is drained even then is left out."""
        said = {}
        for name in stuck:
            try:
                mended = self._judge.mend(name)
                self._look(name)
                said[name] = self._people.release(change, [name], "files of before and a restart, by hand")
            except Exception as error:  # what became of the change is written down all the same
                mended, said[name] = False, f"{type(error).__name__}: {error}"[:300]
            if said[name] or not mended:
                said[name] += " left out from now on"
                self._pool.remove(name)
        return said


def _lab(postmaster: int, redis: RedisServer, fleet: SimFleet | ring.Ring) -> dict[str, int]:
    lab = {"PostgreSQL": postmaster, "Redis": redis.process.pid if redis.process else 0}
    return lab if isinstance(fleet, ring.Ring) else lab | {"simulation": fleet.pid}


def routers(
    lab: str, folder: Path
) -> contextlib.AbstractContextManager[SimFleet] | contextlib.AbstractContextManager[ring.Ring]:
    if lab == "ring":
        return ring.up(folder)
    return SimFleet.start(folder, prefixes=(200, 50), timing=TIMING, timeout_s=300)


def environment(database: str, redis_url: str, var: Path) -> ByHand:
    os.environ[opening.HOOK_SECRET] = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    hands = ByHand(var=var, port=free_port(), database_url=database, redis_url=redis_url)
    hands.settings |= {"SLIPWAY_COLLECT_SECONDS": str(COLLECT_S), "SLIPWAY_OUTWARD_NETWORKS": "127.0.0.0/8"}
    return hands


def play(into: Path, *, lab: str, minutes: float, seed: int, every_s: float) -> None:
    """The run itself; leaves about.json, samples.jsonl, faults.jsonl, changes.jsonl and the logs of the services."""
    into.mkdir(parents=True, exist_ok=True)
    for old in into.glob("*"):
        old.unlink()
    with contextlib.ExitStack() as held:
        work = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="slipway-long-")))
        small = held.enter_context(small_disk(work / "small"))
        database, redis = held.enter_context(servers(small))
        fleet: SimFleet | ring.Ring = held.enter_context(routers(lab, work / "fleet"))
        real = isinstance(fleet, ring.Ring)
        sink = Site(Receiver())
        held.callback(sink.stop)
        hands = environment(database, redis.url, (small or work) / "var")
        argv = [sys.executable, "-m", "proof.long.opening", "--inventory", str(fleet.inventory), "--sink", sink.url]
        opened = subprocess.run(
            [*argv, "--dir", str(work)], cwd=machine.REPOSITORY, env=hands.environment("worker"), capture_output=True
        )
        if opened.returncode:
            raise SystemExit(opened.stderr.decode()[-3000:])
        tokens = json.loads(opened.stdout.splitlines()[-1])
        url = f"http://127.0.0.1:{hands.port}"
        setting = ring.Ring.setting if real else walked.BACKLOG
        asked = walked.stories(setting, **(ON_RING if real else walked.QUICK))
        apis = (Api(Where(url, tokens[name])) for name in opening.PEOPLE)
        people = walked.People(*apis, stories=asked, most=2 if real else 3)
        kept = held.enter_context(services.running(hands, into))
        among = weather.RING_KINDS if real else weather.KINDS
        faults = weather.drawn(seed, minutes=minutes, every_s=every_s, small=small is not None, among=among)
        sky = weather.Weather(weather.Scene(kept, redis, fleet, database, small), faults, into / "faults.jsonl")
        run = LongRun(
            into, judge=Judge(fleet, database, setting=setting), people=people, sky=sky, seed=seed,
            probed=ring.probed if real else None,
            look=lambda name: hands.run("worker", [sys.executable, "manage.py", "collect", name]),
        )  # fmt: skip
        postmaster = told.postmaster(database)
        samples = sampled.Samples(
            into / "samples.jsonl", database=database, broker=redis.client,
            roots=lambda: {**kept.pids(), **_lab(postmaster, redis, fleet)},
            counts=lambda: {**run.counts, "told": len(sink.fake.asked)},
        )  # fmt: skip
        about = {
            "lab": lab,
            "minutes": minutes,
            "seed": seed,
            "every_s": every_s,
            "small": small is not None,
            "at": time.time(),
        }
        (into / "about.json").write_text(json.dumps(about))
        held.callback(lambda: (into / "ends.json").write_text(json.dumps({n: k.ends for n, k in kept.kept.items()})))
        sky.start()
        held.callback(sky.stop)  # before the services end: what was stopped goes on
        samples.start()
        held.callback(samples.stop)
        run.on(time.monotonic() + minutes * 60)


def _end(*_: object) -> None:
    """Take down what is up, and be stopped in that by nobody."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(143)


def main() -> int:
    signal.signal(signal.SIGTERM, _end)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two faults")
    parser.add_argument("--lab", choices=("sim", "ring"), default="sim")
    parser.add_argument("--into", type=Path, help="where the run leaves its lines")
    parser.add_argument("--told", action="store_true", help="only write the section of what there is")
    options = parser.parse_args()
    folders = {"sim": told.FOLDER, "ring": told.RING}
    if options.into is not None:
        folders[options.lab] = options.into
    if not options.told:
        into = folders[options.lab]
        play(into, lab=options.lab, minutes=options.minutes, seed=options.seed, every_s=options.every)
        told.keep_runs(into, FAULTS)
    return told.write(folders["sim"], folders["ring"])


if __name__ == "__main__":
    raise SystemExit(main())
