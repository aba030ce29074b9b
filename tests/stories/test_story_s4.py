"""Story S4: web caches on blades with one receive queue each get eight, wave by wave, through UCS Manager."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from fleet import clock
from fleet.changes import lifecycle
from fleet.changes.models import Change, Run
from inventory import models, ucs
from lab.sim import SimFleet, oracle
from lab.ucsm import Blade, UcsManager
from lab.ucsm.hosts import SimHosts
from playbooks.ucs import client
from tests import needs
from tests.inventory import ucs_scene
from tests.stories import engines
from tests.stories.stage import Stage, targets, wait_ended, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
VNICS = {"eth0": "eth1", "eth1": "eth2"}  # vNIC > interface of the host


class Domain:
    """Blades whose hosts are a simulated fleet, loaded, collected and linked."""

    def __init__(self, fleet: SimFleet, manager: UcsManager, hosts: SimHosts, stage: Stage) -> None:
        self.fleet, self.manager, self.hosts, self.stage = fleet, manager, hosts, stage
        self.names = sorted(fleet.states())

    def collect(self) -> None:
        """As an operator does it: devices first, then the domain."""
        for name in self.names:
            self.fleet.adapter(name, dict.fromkeys(VNICS.values(), 1))
        self.stage.load(self.fleet.inventory)
        macs = {(i.router.name, i.name): i.mac for i in models.Interface.objects.select_related("router")}
        for name in self.names:
            for vnic, interface in VNICS.items():
                self.manager.tree[f"org-root/ls-{name}/ether-{vnic}"].props["addr"] = macs[name, interface].upper()
        row = ucs_scene.domain_row(self.manager, models.Site.objects.order_by("pk")[0])
        found = ucs.collect(row, now=clock.now())
        assert (found.failed, found.unlinked, found.linked) == (None, (), len(self.names))

    def queues(self) -> dict[str, set[int]]:
        """Receive queues on the interfaces of each host's vNICs."""
        states = self.fleet.states()
        return {n: {states[n]["nics"][i]["channels"]["combined"] for i in VNICS.values()} for n in self.names}

    def most_down(self) -> int:
        """The most blades that were without power at once."""
        down: set[str] = set()
        most = 0
        for _, what, name in self.manager.blades.done:
            if what in {"host off", "off"}:
                down.add(name)
            elif what == "up":
                down.discard(name)
            most = max(most, len(down))
        return most


@pytest.fixture
def domain(
    sim_fleet: Callable[..., SimFleet], author: User, approver: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., Domain]]:
    monkeypatch.setenv(ucs_scene.ENV, ucs_scene.PASSWORD)
    open_now: list[Any] = []

    def made(routers: int, *, stage_s: float = 0.1, **blade: Any) -> Domain:
        fleet = sim_fleet(routers=routers, topology="pods", suite_mix="frr=1", timing={"boot_s": 1.0})
        hosts = SimHosts(fleet, VNICS)
        blades = [Blade(name, vnics=2, **blade) for name in sorted(fleet.states())]
        manager = UcsManager(
            blades, password=ucs_scene.PASSWORD, folder=tmp_path / "ucsm", hosts=hosts, stage_s=stage_s
        )
        hosts.manager = manager
        open_now.extend([manager.__enter__(), hosts.__enter__()])
        scene = Domain(fleet, manager, hosts, Stage(author, approver))
        scene.collect()
        return scene

    yield made
    client.close_all()
    for one in reversed(open_now):
        one.__exit__(None, None, None)


@pytest.fixture
def engine(domain: Any, child_environment: dict[str, str], tmp_path: Path) -> Iterator[None]:
    with engines.running("inline", {**child_environment, ucs_scene.ENV: ucs_scene.PASSWORD}, None, tmp_path):
        yield


def reasons(change: Change) -> dict[str, Any]:
    """Of the targets that are not done."""
    return {t.name: (t.state, t.reasons) for t in targets(change).values() if t.state != "done"}


def succeeded(scene: Domain, change: Change, within_s: float) -> None:
    wait_ended(change, within_s=within_s)
    assert change.state == "succeeded", str(reasons(change))
    assert set(map(tuple, scene.queues().values())) == {(8,)}
    assert sorted(scene.manager.history("acknowledged")) == scene.names, "each once"
    assert oracle.max_drained_at_once(scene.fleet.journal()) <= 3 and scene.most_down() <= 3
    assert not oracle.disrupted_undrained(scene.fleet.journal())
    assert not oracle.forgotten_drained(scene.fleet.journal())
    assert not oracle.unknown_commands(scene.fleet.journal())
    default = scene.manager.tree["org-root/eth-profile-default/eth-rcv-q"]
    assert default.props["count"] == "1"


def test_four_blades_and_ucs_manager_restarts_in_the_middle(engine: None, domain: Callable[..., Domain]) -> None:
    scene = domain(4)
    assert set(map(tuple, scene.queues().values())) == {(1,)}
    change = scene.stage.start("quick-ucs", {"queues": 8})
    wait_until(lambda: bool(scene.manager.history("begun")), within_s=60, what="the first association")
    scene.manager.restart(away_s=1.0)
    wait_until(lambda: len(scene.manager.history("host off")) >= 2, within_s=90, what="the second shutdown")
    scene.manager.restart(away_s=1.0)
    succeeded(scene, change, within_s=200)


def test_sixteen_blades_get_eight_queues_wave_by_wave(engine: None, domain: Callable[..., Domain]) -> None:
    needs.need(needs.minutes())
    scene = domain(16)
    change = scene.stage.start("quick-ucs", {"queues": 8})
    succeeded(scene, change, within_s=400)


def test_256_queues_on_an_adapter_that_nobody_knows_end_with_the_canary(
    engine: None, domain: Callable[..., Domain]
) -> None:
    scene = domain(4)
    path_said = scene.stage.draft("quick-ucs", {"queues": 256})
    assert path_said.revision is not None
    said = {f["code"]: str(f["reason"]) for f in path_said.revision.plan["findings"] if f["severity"] == "fatal"}
    assert "vnicEthCreate failed" in said["ucs-above-limit"]
    models.AdapterLimit.objects.create(model="VIC 1240", source="the table is emptied")
    change = scene.stage.start("quick-ucs", {"queues": 256})
    wait_ended(change, within_s=150)
    assert change.state == "rolled_back", reasons(change)
    seen = targets(change)
    (canary,) = [t for t in seen.values() if t.wave == 0]
    assert canary.state == "rolled_back" and "vnicEthCreate failed" in " ".join(canary.reasons)
    assert {t.state for t in seen.values() if t.wave} == {"pending"}
    assert scene.manager.history("failed") == [canary.name]
    assert set(map(tuple, scene.queues().values())) == {(1,)}
    assert not oracle.forgotten_drained(scene.fleet.journal())


def test_immediate_between_approval_and_start_holds(engine: None, domain: Callable[..., Domain]) -> None:
    scene = domain(4)
    change = scene.stage.draft("quick-ucs", {"queues": 8})
    scene.stage.approve(change)
    scene.manager.tree["org-root/maint-ask"].props["uptimeDisr"] = "immediate"
    assert lifecycle.start(change, scene.stage.author, clock.now()) == ()

    def paused() -> bool:
        change.refresh_from_db()
        return change.state == "paused"

    wait_until(paused, within_s=60, what="the hold")
    said = Run.objects.get(revision__change=change).control_reason
    assert "maintenance policy immediate" in said and "chassis-1/blade-" in said
    assert not oracle.drained(scene.fleet.journal()) and not scene.manager.history("commit")
