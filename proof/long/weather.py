"""Faults of the long run: what is killed, stopped, emptied, filled or cut off, about once a minute; drawn by a seed."""

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from lab.sim import SimFleet
from proof.long import processes
from proof.long.ring import Ring
from proof.long.services import Services
from tests.redis import RedisServer

ROUTERS = ("bly", "aebi", "dekker", "tarbell", "wells", "lang")
WORKERS = ("worker", "worker 2")
CALM_S = 90.0  # nothing goes wrong in the first and the last of the time


@dataclass(frozen=True)
class Scene:
    """What can be hurt. `small`: a file system that Redis, Slipway's files and the tables lie on; None: not here."""

    services: Services
    redis: RedisServer
    fleet: SimFleet | Ring
    database: str
    small: Path | None


@dataclass(frozen=True)
class Drawn:
    """One fault: when, what, how long, on what. `kind` as the campaign calls it where it is the same."""

    at: float
    kind: str
    seconds: float
    on: str


# How long each lasts at least and at most, and what it may be done to. A worker is also stopped for longer than its
# lease (90 s): another takes its step over, and then it goes on.
KINDS: Mapping[str, tuple[float, float, tuple[str, ...]]] = {
    "worker killed": (0.5, 20, ("worker",)),
    "one process of a worker killed": (0, 0, ("worker",)),
    "worker stopped": (10, 130, WORKERS),
    "ticker killed": (0.5, 10, ("ticker",)),
    "ticker stopped": (10, 60, ("ticker",)),
    "beat killed": (5, 60, ("beat",)),
    "web killed": (0.5, 10, ("web",)),
    "web stopped": (5, 30, ("web",)),
    "Redis killed": (1, 15, ("redis",)),
    "Redis stopped": (5, 30, ("redis",)),
    "Redis emptied": (0, 0, ("redis",)),
    "database stopped": (3, 20, ("postgresql",)),
    "database connections ended": (0, 0, ("postgresql",)),
    "database crashes": (0, 0, ("postgresql",)),
    "disk full": (15, 45, ("postgresql",)),
    "SSH drops before the command": (30, 60, ROUTERS),
    "SSH drops after the command": (30, 60, ROUTERS),
    "SSH hangs": (30, 60, ROUTERS),
    "late answer": (30, 60, ROUTERS),
    "garbage as output": (30, 60, ROUTERS),
    "device lies": (30, 60, ROUTERS),
    "login refused": (10, 60, ROUTERS),
    "another host key": (10, 60, ROUTERS),
    "device panics": (0, 0, ROUTERS),
    "OSPFv3 LSAs lost": (60, 90, ROUTERS),
}
# What can be done to a router of the ring; the services are hurt as above.
_OF_ROUTERS: Mapping[str, tuple[float, float]] = {
    "SSH drops before the command": (20, 40),
    "SSH drops in the middle of the command": (20, 40),
    "SSH drops after the command": (20, 40),
    "SSH hangs": (30, 60),
    "late answer": (30, 60),
    "garbage as output": (20, 40),
    "login refused": (10, 60),
    "another host key": (10, 60),
    "device panics": (0, 0),
    "routing daemon killed": (0, 0),
    "link down": (3, 15),
    "router stands still": (5, 20),
    "disk of a router full": (20, 60),
}
RING_KINDS: Mapping[str, tuple[float, float, tuple[str, ...]]] = {
    **{kind: how for kind, how in KINDS.items() if how[2] is not ROUTERS},
    **{kind: (*how, ROUTERS) for kind, how in _OF_ROUTERS.items()},
}
# After these, packets are lost whatever Slipway does.
HURT_TRAFFIC = frozenset({"device panics", "routing daemon killed", "link down", "router stands still"})
_BEHAVIOURS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "SSH drops before the command": ("drop_before", {"match": ""}),
    "SSH drops after the command": ("drop_after", {"match": ""}),
    "SSH hangs": ("hang", {"executed": True, "match": ""}),
    "late answer": ("slow", {"seconds": 20.0, "match": "", "once": True}),
    "garbage as output": ("garbage_output", {"match": "show|birdc"}),
    "device lies": ("lie", {"match": "graceful-shutdown|max-metric|SLIPWAY|sysctl|ethtool -L|restart"}),
    "login refused": ("refuse_login", {}),
    "another host key": ("wrong_host_key", {}),
    "SSH drops in the middle of the command": ("drop_amid", {}),
    "routing daemon killed": ("daemon_dies", {}),
    "link down": ("link_down", {}),
    "router stands still": ("stands_still", {}),
    "disk of a router full": ("router_disk_full", {}),
    "OSPFv3 LSAs lost": ("loses_ospf6_lsas_after_restart", {}),
}


Kinds = Mapping[str, tuple[float, float, tuple[str, ...]]]


def drawn(seed: int, *, minutes: float, every_s: float, small: bool, among: Kinds = KINDS) -> list[Drawn]:
    """All faults of a run: every kind in turn, in an order of its own each time round."""
    rng, made, at = random.Random(f"long/{seed}"), list[Drawn](), CALM_S
    kinds = [kind for kind in among if small or kind != "disk full"]
    while True:
        for kind in rng.sample(kinds, len(kinds)):
            if at > minutes * 60 - CALM_S:
                return made
            least, most, on = among[kind]
            made.append(Drawn(round(at, 1), kind, round(rng.uniform(least, most), 1), rng.choice(on)))
            at += rng.uniform(0.6, 1.4) * every_s


class Weather(threading.Thread):
    """Has the faults happen when they are due and writes each down; `since` tells which there were."""

    def __init__(self, scene: Scene, faults: list[Drawn], path: Path) -> None:
        super().__init__(name="weather", daemon=True)
        self._scene, self._faults, self._path = scene, faults, path
        self._over, self._began = threading.Event(), time.monotonic()
        self._mending: list[tuple[float, Callable[[], object]]] = []
        self.seen: list[tuple[float, float, Drawn]] = []  # monotonic, from and to
        self.killed = 0

    def during(self, begin: float, end: float) -> list[Drawn]:
        return [fault for since, until, fault in self.seen if since <= end and until >= begin]

    def hurt_traffic(self) -> list[tuple[float, float]]:
        """From when to when (wall clock) something was done to a router that loses packets by itself."""
        offset = time.time() - time.monotonic()
        return [(at + offset, at + offset + f.seconds) for at, _, f in self.seen if f.kind in HURT_TRAFFIC]

    def run(self) -> None:
        self._began = time.monotonic()
        waiting = list(self._faults)
        while not self._over.wait(0.2):
            now = time.monotonic() - self._began
            self._mend(now)
            if waiting and waiting[0].at <= now:
                self._strike(waiting.pop(0), now)
        self._mend(float("inf"))

    def stop(self) -> None:
        self._over.set()
        self.join(60)

    def _mend(self, now: float) -> None:
        due = [(at, mend) for at, mend in self._mending if at <= now]
        self._mending = [pair for pair in self._mending if pair not in due]
        for _, mend in due:
            with contextlib.suppress(Exception):
                mend()

    def _strike(self, fault: Drawn, now: float) -> None:
        failed = ""
        at = time.monotonic()
        self.seen.append((at, at + fault.seconds + 30.0, fault))  # what it did to a run is over a little later
        try:
            if (mend := self._happen(fault)) is not None:
                self._mending.append((now + fault.seconds, mend))
        except Exception as error:  # a fault that did not come about is none: it is written down as that
            failed = f"{type(error).__name__}: {error}"[:200]
            self.seen.pop()
        with self._path.open("a") as file:
            file.write(json.dumps({**vars(fault), "really_at": round(now, 1), "failed": failed}) + "\n")

    def _happen(self, fault: Drawn) -> Callable[[], object] | None:
        here, services, name = self._scene, self._scene.services, fault.on
        match fault.kind:
            case "worker killed" | "ticker killed" | "beat killed" | "web killed":
                self.killed += 1
                services.kill(name, away_s=fault.seconds)
            case "one process of a worker killed":
                self.killed += 1
                os.kill(services.child(name), signal.SIGKILL)
            case "worker stopped" | "ticker stopped" | "web stopped":
                services.signal(name, signal.SIGSTOP)
                return lambda: services.signal(name, signal.SIGCONT)
            case "Redis killed":
                here.redis.kill()
                return here.redis.start
            case "Redis stopped":
                assert here.redis.process is not None
                here.redis.process.send_signal(signal.SIGSTOP)
                return lambda: here.redis.process and here.redis.process.send_signal(signal.SIGCONT)
            case "Redis emptied":
                here.redis.flush()
            case "device panics":
                here.fleet.panic(name, "Kernel panic - not syncing: injected\n")
            case kind if kind in _BEHAVIOURS:
                behaviour, params = _BEHAVIOURS[kind]
                here.fleet.inject(name, behaviour, **params)
                return lambda: here.fleet.clear(name, behaviour)
            case _:
                return _to_database(here, fault)
        return None


def _to_database(here: Scene, fault: Drawn) -> Callable[[], object] | None:
    if fault.kind == "disk full":
        assert here.small is not None
        ballast = here.small / "ballast"
        _fill(ballast)
        return ballast.unlink
    with psycopg.connect(here.database, autocommit=True, connect_timeout=5) as connection:
        [(postmaster,)] = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchall()
        others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        if fault.kind == "database connections ended":
            connection.execute(f"SELECT pg_terminate_backend(pid) {others}")
            return None
        backends = [pid for (pid,) in connection.execute(f"SELECT pid {others}").fetchall()]
    if fault.kind == "database crashes":  # one process of it dies: all others end, it recovers from its log
        os.kill(random.choice(backends), signal.SIGKILL)
        return None
    server = sorted(processes.below(int(postmaster.splitlines()[0])))
    for pid in server:
        _signal(pid, signal.SIGSTOP)
    return lambda: [_signal(pid, signal.SIGCONT) for pid in server]


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _fill(path: Path) -> None:
    """Take all the room that is left."""
    with path.open("wb") as file:
        left = os.statvfs(path.parent)
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, left.f_bavail * left.f_frsize)
