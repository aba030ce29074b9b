"""Slipway as in production, in one process on the play's clock: controllers with beat, workers and a broker each.

Ticks, legs, transitions and their database are the real ones. Replaced are the clock, the broker, and the channel below
an SSH session (devices.py). Every statement, commit and request passes a gate where faults happen.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from fleet import clock
from fleet.changes import dispatch, lazy_session, legs, orchestrate, tasks
from fleet.changes.transitions import rows
from playbooks import engine, transport
from playbooks.base import Device
from proof.faults.devices import EPOCH, Devices, monotonic_of
from proof.faults.theatre import Actor, Killed, Theatre

TICK_S = 5.0
CALM_S, SLOW_TICK_S = 300.0, 15.0  # when nothing new goes wrong any more, a slower beat will do
AGAIN_S = 3.0  # until what was killed is started again
REDELIVERED_S = 60.0  # until the broker gives the message of a killed worker to another


@dataclass(eq=False)
class Proc:
    """One operating system process: what is killed or stopped as a whole."""

    name: str
    controller: "Controller"
    dead: bool = False
    frozen_until: float = 0.0


@dataclass
class Controller:
    """One machine that runs Slipway: its clock, its ways to the database, the devices and its broker."""

    name: str
    steps: list[tuple[float, float]] = field(default_factory=list)  # from when its clock is off by how much
    database_away: list[tuple[float, float]] = field(default_factory=list)
    disk_full: list[tuple[float, float]] = field(default_factory=list)
    devices_away: list[tuple[float, float]] = field(default_factory=list)
    broker_away: list[tuple[float, float]] = field(default_factory=list)
    beat_away: list[tuple[float, float]] = field(default_factory=list)
    loses: float = 0.0  # share of messages that never arrive
    doubles: float = 0.0
    delays: float = 0.0
    messages: list[tuple[float, str, list[int]]] = field(default_factory=list)  # when it can be taken, what, ids
    idle: list[Actor] = field(default_factory=list)  # workers without a message

    def off_s(self, now: float) -> float:
        return sum(by for since, by in self.steps if now >= since)


def within(spans: Sequence[tuple[float, float]], now: float) -> bool:
    return any(begin <= now < end for begin, end in spans)


@dataclass
class Trap:
    """Something that happens at the nth passing of a gate by a worker. what: kill | freeze | lost | refused."""

    gate: str
    nth: int
    what: str
    seconds: float = 0.0
    where: str = ""  # filled in when it has sprung


class Plant:
    """Everything around the engine during one play."""

    def __init__(self, rng: random.Random, *, yields: float = 0.2) -> None:
        self.rng, self.yields = rng, yields
        self.theatre = Theatre(rng, leave=lambda: connection.close())
        self.devices = Devices(self.theatre, self.gate, self._reachable)
        self.controllers: list[Controller] = []
        self.traps: list[Trap] = []
        self.passed: dict[str, int] = {}
        self.deaths, self.stopped_until = 0, 0.0
        self._procs: list[Proc] = []
        self._again = True  # what is killed is started again
        self.theatre.held = self._held

    # --- who runs, and what holds them up ---

    @property
    def me(self) -> Proc | None:
        actor = self.theatre.me
        return actor.who if actor is not None and isinstance(actor.who, Proc) else None

    def now(self) -> datetime:
        """The wall clock of the controller that asks."""
        mine = self.me
        off = mine.controller.off_s(self.theatre.now) if mine is not None else 0.0
        return datetime.fromtimestamp(EPOCH + self.theatre.now + off, UTC)

    def _held(self, actor: Actor) -> float:
        """Seconds that an actor that was woken must go on sleeping: its process is stopped. Raises Killed."""
        if not isinstance(actor.who, Proc):
            return 0.0
        if actor.who.dead:
            raise Killed
        left_s = actor.who.frozen_until - self.theatre.now
        return left_s + 0.001 if left_s > 0 else 0.0  # never so little that the clock stands

    def _reachable(self) -> bool:
        mine = self.me
        return mine is None or not within(mine.controller.devices_away, self.theatre.now)

    # --- gates ---

    def gate(self, gate: str, what: str) -> None:
        """A worker passes: it may be killed or stopped here, and others may overtake it."""
        mine = self.me
        if mine is None:
            return
        if mine.dead:
            raise Killed
        self.passed[gate] = number = self.passed.get(gate, 0) + 1
        for trap in self.traps:
            if trap.gate == gate and trap.nth == number and trap.what in {"kill", "freeze"}:
                self._spring(trap, mine, what)
        if gate != "statement" and self.rng.random() < self.yields:
            self.theatre.pause(0.0)

    def _spring(self, trap: Trap, mine: Proc, what: str) -> None:
        trap.where = f"{mine.name}: {what[:80]}"
        if trap.what == "kill":
            mine.dead = True
            self.deaths += 1
            raise Killed
        mine.frozen_until = self.stopped_until = self.theatre.now + trap.seconds
        if trap.gate != "statement":
            self.theatre.pause(0.0)

    def _statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Around every statement of every connection."""
        mine = self.me
        if mine is None:
            return execute(sql, params, many, context)
        now, controller = self.theatre.now, mine.controller
        if within(controller.database_away, now):
            raise OperationalError("injected: the database is away")
        if within(controller.disk_full, now) and sql.lstrip()[:6].upper() in {"INSERT", "UPDATE", "DELETE"}:
            raise OperationalError("injected: database or disk is full")
        self.gate("statement", sql)
        made = execute(sql, params, many, context)
        # BEGIN takes SQLite's one writer's place, and so does an INSERT until what it returns was read: who paused
        # there would hold up everybody for real.
        outside = not context["connection"].in_atomic_block and sql.startswith("SELECT")
        if outside and self.rng.random() < self.yields / 2:
            self.theatre.pause(0.0)
        return made

    def _commit(self, real: Callable[[Any], None], wrapper: Any) -> None:
        """Around every commit: refused, or carried out and not answered."""
        if self.me is None:
            return real(wrapper)
        number = self.passed.get("commit", 0) + 1
        trap = next((t for t in self.traps if t.gate == "commit" and t.nth == number), None)
        if trap is not None and trap.what == "refused":
            trap.where, self.passed["commit"] = "refused", number
            raise OperationalError("injected: the commit did not arrive")
        real(wrapper)
        if trap is not None and trap.what == "lost":
            trap.where, self.passed["commit"] = "lost", number
            raise OperationalError("injected: the answer to the commit did not arrive")
        return self.gate("commit", "after a commit")

    # --- the broker ---

    def _put(self, what: str, ids: list[int]) -> None:
        mine = self.me
        assert mine is not None
        here, now = mine.controller, self.theatre.now
        if within(here.broker_away, now):
            raise ConnectionError("injected: the broker is away")
        if self.rng.random() < here.loses:
            return
        for _ in range(2 if self.rng.random() < here.doubles else 1):
            late = self.rng.uniform(0.0, 30.0) if self.rng.random() < here.delays else 0.0
            here.messages.append((now + late, what, ids))
            self._ring(here, late)

    def _ring(self, here: Controller, late: float) -> None:
        for actor in here.idle[:1]:
            here.idle.remove(actor)
            self.theatre.unpark(actor, after=late + 0.001)

    def _put_shard(self, ids: Sequence[int]) -> None:
        self._put("shard", list(ids))

    def _put_tick(self, **_: object) -> None:
        self._put("tick", [])

    def _who(self) -> str:
        return self.me.name if self.me is not None else "nobody"

    def _take(self, here: Controller) -> tuple[float, str, list[int]] | None:
        now = self.theatre.now
        if within(here.broker_away, now):
            here.messages.clear()  # killed without its file: everything queued is gone
            return None
        ready = [m for m in here.messages if m[0] <= now]
        if not ready:
            return None
        here.messages.remove(ready[0])
        return ready[0]

    # --- processes ---

    def open_controller(self, controller: Controller, *, workers: int, beats: int) -> None:
        self.controllers.append(controller)
        for number in range(workers):
            self._start(f"{controller.name}/worker{number}", controller, self._worker, after=0.0)
        for number in range(beats):
            self._start(f"{controller.name}/beat{number}", controller, self._beat, after=0.3 * number)

    def _start(self, name: str, controller: Controller, body: Callable[[Proc], None], *, after: float) -> None:
        """A process that is started again whenever it is killed, as systemd or Docker do it."""
        proc = Proc(name, controller)
        self._procs.append(proc)

        def live() -> None:
            try:
                body(proc)
            finally:
                if proc.dead and self._again:
                    self._start(name, controller, body, after=AGAIN_S)

        self.theatre.spawn(name, live, who=proc, after=after)

    def kill_all(self) -> None:
        """Every process dies where it stands, and none is started again but by `open_controller`."""
        self._again = False
        for proc in self._procs:
            proc.dead = True
        self.theatre.drop()
        self._again = True

    def _beat(self, proc: Proc) -> None:
        while True:
            if not within(proc.controller.beat_away, self.theatre.now):
                with suppress(ConnectionError):
                    self._put("tick", [])
            self.theatre.pause(TICK_S if self.theatre.now < CALM_S else SLOW_TICK_S)

    def _worker(self, proc: Proc) -> None:
        while True:
            message = self._take(proc.controller)
            if message is None:
                me = self.theatre.me
                assert me is not None
                if waiting := [at for at, *_ in proc.controller.messages]:
                    self.theatre.pause(max(min(waiting) - self.theatre.now, 0.0) + 0.001)
                    continue
                proc.controller.idle.append(me)
                self.theatre.park()
                continue
            _, what, ids = message
            self.theatre.pause(0.01)  # what taking a message costs: nothing happens in no time
            try:
                self._carry_out(what, ids)
            except Killed:
                if proc.dead:  # it was not acknowledged
                    proc.controller.messages.append((self.theatre.now + REDELIVERED_S, what, ids))
                    self._ring(proc.controller, REDELIVERED_S)
                raise
            except Exception as error:  # a task that fails is over; its worker takes the next
                self.errors.append(f"{what}: {type(error).__name__}: {error}"[:200])

    errors: list[str]

    def _carry_out(self, what: str, ids: list[int]) -> None:
        if what == "tick":
            orchestrate.tick(clock.now())
        else:
            tasks.run_shard(ids)

    def run_shard(
        self, devices: Sequence[Device], leg: Callable[[Device], Any], workers: int = 1, **_: Any
    ) -> dict[str, Any]:
        """In the place of nornir's threads: a leg is an actor of the same process."""
        results: dict[str, Any] = {}

        def one(device: Device) -> None:
            held: list[Any] = []

            def session() -> Any:
                if not held or not held[0].alive:
                    held[:] = [self.devices.connect(device)]
                return held[0]

            token = transport._current.set((device, session))
            try:
                results[device.name] = leg(device)
            except Exception as error:  # as transport.run_shard does
                results[device.name] = error
            finally:
                transport._current.reset(token)

        mine = self.me
        if mine is None or len(devices) == 1:
            for device in devices:
                one(device)
            return results
        team = [self.theatre.spawn(f"{mine.name}/{d.name}", partial(one, d), who=mine) for d in devices]
        while not all(actor.ended for actor in team):
            self.theatre.pause(0.1)
        return results

    @contextmanager
    def running(self) -> Iterator[None]:
        """Everything that reads the clock, sends a message or reaches a device does it in the play."""
        theatre, real = self.theatre, BaseDatabaseWrapper._commit  # type: ignore[attr-defined]
        wall = monotonic_of(theatre)
        self.errors = []

        def install(connection: Any, **_: Any) -> None:
            if self._statement not in connection.execute_wrappers:
                connection.execute_wrappers.append(self._statement)

        connection.close()  # each of the play's connections is a new one
        connection_created.connect(install, weak=False)
        plant = self
        try:
            with (
                mock.patch.object(clock, "now", self.now),
                mock.patch.dict(legs.run_leg.__kwdefaults__ or {}, now=self.now),
                mock.patch.dict(engine.perform.__kwdefaults__ or {}, clock=wall),
                mock.patch.dict(engine.perform_rollback.__kwdefaults__ or {}, clock=wall),
                mock.patch.object(legs, "time", SimpleNamespace(sleep=theatre.pause)),
                mock.patch.object(lazy_session, "time", SimpleNamespace(monotonic=wall)),
                mock.patch.object(rows, "_one_writer", nullcontext()),
                mock.patch.object(transport, "run_shard", self.run_shard),
                mock.patch.object(transport, "connect", self.devices.connect),
                mock.patch.object(tasks.run_shard, "delay", self._put_shard),
                mock.patch.object(tasks.tick, "apply_async", self._put_tick),
                mock.patch.object(dispatch, "worker_name", self._who),
                mock.patch.object(BaseDatabaseWrapper, "_commit", lambda wrapper: plant._commit(real, wrapper)),
            ):
                yield
        finally:
            theatre.close()
            connection_created.disconnect(install)
            connection.close()
