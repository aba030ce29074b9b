"""The engine on the test database with scripted devices and a clock of the test's own: ticks and legs, one at a time.

It answers to the same calls as the in-memory engine of tests/core, so that the same machine can play on both. What
carries out is the real thing: orchestrate, transitions, snapshots, legs, way_back, lifecycle.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest import mock

from django.contrib.auth.models import User

from fleet.changes import dispatch, legs, lifecycle, orchestrate, seals, snapshots, transitions
from fleet.changes.models import Change, Revision, Run, TargetRun
from fleet.core import decide
from fleet.core import plan as planning
from fleet.core.decide import FleetView, RunView
from fleet.core.model import Budget, Plan, PlannedTarget, Strategy, Topology
from fleet.core.states import Control
from fleet.core.waves import Network, prepare
from inventory import models as inventory
from playbooks import registry
from tests.core.fleets import step as planned_step
from tests.core.model_devices import Device, Killed, Scripted

BEGIN = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)


@dataclass
class Snapshot:
    run: RunView
    fleet: FleetView
    loaded: snapshots.Snapshot
    read: Run  # the row as the tick read it


@dataclass
class Worker:
    target: int
    dies: str = ""


@dataclass
class RealEngine:
    """`send` collects messages instead of handing them to a worker; `deliver` and `go_on` walk a whole leg."""

    network: Network
    devices: dict[str, Device]
    author: User
    approver: User
    seconds: float = 0.0
    messages: list[int] = field(default_factory=list)
    moved: list[Any] = field(default_factory=list)
    dies: str = ""
    step_id: int = 0
    during_act: Callable[[], None] | None = None  # what else happens while a device is acted on, once

    def __post_init__(self) -> None:
        for device in self.devices.values():
            device.changes_here = self._holders(device.name)

    def _holders(self, name: str) -> Callable[[], set[int]]:
        return lambda: set(TargetRun.objects.engaged().filter(name=name).values_list("run_id", flat=True))

    @property
    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.seconds)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Drivers, queue and step in hand are this engine's while the block runs."""
        visit = legs._visit
        record, record_and_claim = transitions.record, transitions.record_and_claim

        def visited(job: Any, hand: Any, *args: Any, **more: Any) -> Any:
            self.step_id = hand.row.pk
            return visit(job, hand, *args, **more)

        def dying(write: Callable[..., bool]) -> Callable[..., bool]:
            def written(*args: Any, **more: Any) -> bool:
                if self.dies == "before the record":
                    raise Killed
                done = write(*args, **more)
                if self.dies == "after the record":
                    raise Killed
                return done

            return written

        with (
            mock.patch.object(registry, "driver", self._driver),
            mock.patch.object(dispatch, "send", self.messages.extend),
            mock.patch.object(legs, "_visit", visited),
            mock.patch.object(legs, "time", SimpleNamespace(sleep=self._sleep)),
            mock.patch.object(transitions, "record", dying(record)),
            mock.patch.object(transitions, "record_and_claim", dying(record_and_claim)),
        ):
            yield

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def _driver(self, verb: str) -> Scripted:
        made = Scripted(verb, self.devices, self.dies, self.step_id)
        if self.during_act is None:
            return made
        act = made._act

        def interrupted(*args: Any) -> None:
            then, self.during_act = self.during_act, None
            act(*args)
            if then:
                then()

        made._act = interrupted  # type: ignore[method-assign]
        return made

    # -- people

    def start(self, names: dict[str, tuple[int, str]], verbs: Sequence[str], strategy: Strategy) -> Run:
        """A change with these targets (name -> wave, domain), approved and started."""
        steps = tuple(planned_step(v) for v in verbs)
        targets = tuple(PlannedTarget(name, wave, domain, steps) for name, (wave, domain) in names.items())
        document = planning.document(Plan("a-recipe", {}, strategy, (), targets))
        change = Change.objects.create(title="machine", author=self.author, created_at=self.now)
        digest = planning.digest(document)
        Revision.objects.create(
            change=change, number=1, recipe="a-recipe", recipe_text="", plan=document, digest=digest,
            created_by=self.author, created_at=self.now,
        )  # fmt: skip
        assert not lifecycle.submit(change, self.author, self.now)
        assert not lifecycle.decide_on(change, self.approver, self.now, approve=True, digest=digest)
        assert not lifecycle.start(change, self.author, self.now)
        return self.run_of(change.pk)

    def run_of(self, change_id: int) -> Run:
        return Run.objects.select_related("revision__change").get(revision__change=change_id)

    def ask(self, run: Run, control: Control) -> None:
        ask = {Control.PAUSE: lifecycle.pause, Control.ABORT: lifecycle.abort, Control.ROLLBACK: lifecycle.roll_back}
        ask[control](run.revision.change, self.author, self.now)

    def resume(self, run: Run) -> None:
        lifecycle.resume(run.revision.change, self.author, self.now)

    def release(self, row: TargetRun) -> None:
        change = row.run.revision.change
        if row.state != "stuck" or not row.engaged:
            return
        assert not lifecycle.release(change, self.author, self.now, names=[row.name], why="put right by hand")
        device = self.devices[row.name]
        device.drained = device.worse = device.dead = False
        device.verified = True
        device.faults.clear()

    # -- rows

    def live(self) -> list[Run]:
        return list(Run.objects.live().select_related("revision__change").order_by("pk"))

    @property
    def runs(self) -> dict[int, Run]:
        return {r.pk: r for r in Run.objects.order_by("pk")}

    @property
    def targets(self) -> dict[int, TargetRun]:
        rows = TargetRun.objects.select_related("run__revision__change").order_by("pk")
        return {t.pk: t for t in rows}

    def of(self, run: Run) -> list[TargetRun]:
        return [t for t in self.targets.values() if t.run_id == run.pk]

    # -- the engine

    def snapshot(self, run: Run) -> Snapshot:
        read = self.run_of(run.revision.change_id)
        loaded = snapshots.load(read, self.now)
        return Snapshot(loaded.run, loaded.fleet, loaded, read)

    def tick(self, seen: Snapshot) -> int:
        """Carry out what is decided on a snapshot, however old. Returns how many moves were decided."""
        with self.working(), mock.patch.object(snapshots, "load", return_value=seen.loaded):
            orchestrate.tick_run(seen.read, self.now)
        return len(decide.next_actions(seen.run, seen.fleet, self.now).actions)

    def deliver(self, number: int, *, dies: str = "") -> Worker | None:
        return Worker(number, dies)

    def go_on(self, worker: Worker) -> bool:
        """One leg, to where it waits. Raises Killed."""
        self.dies = worker.dies
        try:
            with self.working():
                for job in legs.load_jobs([worker.target]):
                    legs.run_leg(job, worker=f"worker-{worker.target}", now=lambda: self.now)
        finally:
            self.dies = ""
        return False

    def budgets_in_force(self) -> list[tuple[int, Budget]]:
        """The budget of every run in flight that holds a device."""
        holding = set(TargetRun.objects.engaged().values_list("run_id", flat=True))
        return [(r.pk, planning.strategy_from_json(r.strategy).budget) for r in self.live() if r.pk in holding]

    def chains_hold(self) -> bool:
        """Every change's events are sealed and the chain is whole."""
        seals.seal_all()
        return all(seals.verify(change).broken is None for change in Change.objects.all())


def load_inventory(topology: Topology) -> None:
    """The topology as rows, so that the engine reads it as in use."""
    credential = inventory.Credential.objects.create(name="lab", username="slipway", reference="env:SECRET")
    domains = {d: inventory.FailureDomain.objects.create(name=d) for d in sorted(set(topology.domain_of.values()))}
    sites = {d: inventory.Site.objects.create(name=f"site-{d}", failure_domain=row) for d, row in domains.items()}
    routers = {}
    for number, (name, domain) in enumerate(topology.domain_of.items(), start=1):
        routers[name] = inventory.Router.objects.create(
            name=name, site=sites[domain], role="edge", suite="frr", address=f"192.0.2.{number}",
            router_id=f"10.0.0.{number}", credential=credential,
        )  # fmt: skip
    externals = {n: inventory.External.objects.create(name=n) for n in sorted(topology.externals)}
    for number, link in enumerate(topology.links):
        row = inventory.Link.objects.create(kind="core", capacity_mbps=link.capacity_mbps)
        for side, name in (("a", link.a), ("b", link.b)):
            end: dict[str, Any] = {"external": externals[name]} if name in externals else {"router": routers[name]}
            interface = "" if name in externals else f"eth{number}{side}"
            inventory.LinkEnd.objects.create(link=row, side=side, interface=interface, **end)
    for promise in topology.keep_connected:
        inventory.KeepConnected.objects.create(names=sorted(promise.names), floor_mbps=promise.floor_mbps)


def engine_on(topology: Topology, author: User, approver: User) -> RealEngine:
    """An engine over devices of this topology, whose inventory was loaded."""
    return RealEngine(prepare(topology), {n: Device(n) for n in topology.domain_of}, author, approver)
