"""An alarm of the samples during a soak: the engine drains the router again, puts it back, and nothing follows."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fleet import clock
from fleet.changes import soaking
from fleet.changes.models import StepRun
from inventory.models import Router, Sample
from lab.sim import SimFleet, oracle
from tests import needs
from tests.stories import engines
from tests.stories.stage import Stage, targets, wait_ended

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
RECIPE = """\
recipe: watched-queues
summary: Queues, watched by what a gigabit costs.
inputs: {}
targets: {where: {platform: linux}}
strategy: {waves: [1, 100%], budget: {total: 1, per_failure_domain: 1}, on_failure: rollback_target}
checks: [bgp_sessions, daemons]
steps:
  - baseline
  - drain: {settle: 1s, below: 1kpps, gate: 1s, within: 1m}
  - nic: {interface: eth1, queues: 2, spread: true, udp: sd}
  - verify: {interval: 500ms, passes: 2, within: 1m}
  - undrain: {gate: 1s}
  - soak: {for: 5m, every: 1s, watch: [], trends: [cpu_per_gbps], sample: 500ms, before: 1h}
"""


@pytest.fixture
def inline(child_environment: dict[str, str], tmp_path: Path) -> Iterator[None]:
    needs.need(needs.minutes())
    with engines.running("inline", child_environment, None, tmp_path):
        yield


def test_what_costs_more_than_before_is_drained_again_and_put_back(
    inline: None, sim_fleet: Callable[..., SimFleet], author: Any, approver: Any, tmp_path: Path
) -> None:
    """Its history says that a gigabit cost a hundredth of what it costs now."""
    fleet = sim_fleet(routers=6, timing={"boot_s": 1.0})
    stage = Stage(author, approver)
    stage.load(fleet.inventory)
    router, begin = Router.objects.get(name="bly"), clock.now() - timedelta(minutes=30)
    for n in range(40):
        metrics = {"bits": n * 1e9, "cpu": n * 0.5 * (1 + 0.1 * (n % 3))}
        Sample.objects.bulk_create(soaking.rows_of(router.pk, ("boot", metrics), begin + n * timedelta(seconds=30)))
    path = tmp_path / "watched-queues.yaml"
    path.write_text(RECIPE)
    change = stage.start(str(path), {}, ["bly", "dekker"])
    wait_ended(change, within_s=240)
    seen = targets(change)
    assert seen["bly"].state == "rolled_back", seen["bly"].reasons
    assert "cpu_per_gbps" in " ".join(seen["bly"].reasons)
    assert seen["dekker"].state == "pending"
    assert change.state == "rolled_back"
    soak = StepRun.objects.get(target=seen["bly"], verb="soak", back=False)
    assert soak.data["trends"][0]["verdict"] == "fail"
    drains = [e for e in fleet.journal() if e.get("router") == "bly" and e["event"] == "flags" and e["drained"]]
    assert len(drains) >= 2  # before the change, and again before it was put back
    assert not oracle.forgotten_drained(fleet.journal())
    assert not oracle.disrupted_undrained(fleet.journal())
    assert Sample.objects.filter(router__name="dekker").exists()  # who waits is sampled beside it
