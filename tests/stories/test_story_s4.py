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
from lab.ucsm.build import BUNDLES
from tests import needs
from tests.inventory import ucs_scene
from tests.stories import engines
from tests.stories.blades import Blades, standing
from tests.stories.stage import Stage, targets, wait_ended, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


@pytest.fixture
def domain(
    sim_fleet: Callable[..., SimFleet], author: User, approver: User, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., Blades]]:
    open_now: list[Any] = []

    def made(hosts: int, **blade: Any) -> Blades:
        stage = Stage(author, approver)
        open_now.append(standing(sim_fleet, stage, tmp_path, monkeypatch, hosts=hosts, **blade))
        found: Blades = open_now[-1].__enter__()
        return found

    yield made
    for one in reversed(open_now):
        one.__exit__(None, None, None)


@pytest.fixture
def engine(domain: Any, child_environment: dict[str, str], tmp_path: Path) -> Iterator[None]:
    with engines.running("inline", {**child_environment, ucs_scene.ENV: ucs_scene.PASSWORD}, None, tmp_path):
        yield


def reasons(change: Change) -> dict[str, Any]:
    """Of the targets that are not done."""
    return {t.name: (t.state, t.reasons) for t in targets(change).values() if t.state != "done"}


def succeeded(scene: Blades, change: Change, within_s: float) -> None:
    wait_ended(change, within_s=within_s)
    assert change.state == "succeeded", str(reasons(change))
    assert set(map(tuple, scene.queues().values())) == {(8,)}
    assert sorted(scene.manager.history("acknowledged")) == scene.names, "each once"
    scene.judge(budget=3)
    default = scene.manager.tree["org-root/eth-profile-default/eth-rcv-q"]
    assert default.props["count"] == "1"


def test_four_blades_and_ucs_manager_restarts_in_the_middle(engine: None, domain: Callable[..., Blades]) -> None:
    scene = domain(4)
    assert set(map(tuple, scene.queues().values())) == {(1,)}
    change = scene.stage.start("quick-ucs", {"queues": 8})
    wait_until(lambda: bool(scene.manager.history("begun")), within_s=60, what="the first association")
    scene.manager.restart(away_s=1.0)
    wait_until(lambda: len(scene.manager.history("host off")) >= 2, within_s=90, what="the second shutdown")
    scene.manager.restart(away_s=1.0)
    succeeded(scene, change, within_s=200)


def test_256_queues_on_an_adapter_that_nobody_knows_end_with_the_canary(
    engine: None, domain: Callable[..., Blades]
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


def test_immediate_between_approval_and_start_holds(engine: None, domain: Callable[..., Blades]) -> None:
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


def test_immediate_blades_get_user_ack_first_and_then_other_firmware(
    engine: None, domain: Callable[..., Blades]
) -> None:
    """Refused as long as anything would reboot by itself; then one blade after the other, each flashed once."""
    needs.need(needs.minutes())
    scene = domain(4, maintenance="default")
    asked = {"bundle": BUNDLES[1]}
    refused = scene.stage.draft("quick-ucs-firmware", asked)
    assert refused.revision is not None
    said = {f["code"]: str(f["reason"]) for f in refused.revision.plan["findings"] if f["severity"] == "fatal"}
    assert "ucs-user-ack" in said["ucs-immediate"] and "chassis-1/blade-4" in said["ucs-immediate"]
    first = scene.stage.start("ucs-user-ack", {})
    wait_ended(first, within_s=120)
    assert first.state == "succeeded", reasons(first)
    assert not scene.manager.history("begun") and not oracle.drained(scene.fleet.journal()), "nothing reboots by it"
    assert ucs.collect(scene.row(), now=clock.now()).failed is None
    change = scene.stage.start("quick-ucs-firmware", asked)
    wait_ended(change, within_s=240)
    assert change.state == "succeeded", reasons(change)
    assert sorted(scene.manager.history("acknowledged")) == scene.names
    running = {node.props["packageVersion"] for node in scene.manager.tree.of_class("firmwareStatus")}
    assert running == {BUNDLES[1]} and set(map(tuple, scene.queues().values())) == {(1,)}
    scene.judge(budget=3)
