"""A change that probes before its drain and again under traffic: engine, simulated ring, page, API, evidence."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from fleet.changes import evidence_parts, probe_rows
from fleet.changes.models import StepRun
from inventory.models import Beacon, Router
from lab.sim import SimFleet, oracle
from tests.changes.api_client import Program
from tests.stories import engines
from tests.stories.stage import Stage, targets, wait_ended, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]
RECIPE = """\
recipe: probed-queues
summary: Queues, with probes before and after.
inputs: {}
targets: {where: {platform: linux}}
strategy: {waves: [1, 100%], budget: {total: 1, per_failure_domain: 1}, on_failure: rollback_target}
checks: [bgp_sessions, daemons]
steps:
  - baseline
  - probe: {from: [neighbours, wells], to: [beacon], count: 30, interval: 20ms}
  - drain: {settle: 500ms, below: 1kpps, gate: 500ms, within: 1m}
  - nic: {interface: eth1, queues: 2, spread: true, udp: sd}
  - verify: {interval: 300ms, passes: 2, within: 1m}
  - undrain: {gate: 500ms}
  - probe-again: {tries: 2}
  - soak: {for: 1s, every: 500ms, watch: []}
"""


@pytest.fixture
def inline(child_environment: dict[str, str], tmp_path: Path) -> Iterator[None]:
    with engines.running("inline", child_environment, None, tmp_path):
        yield


def test_probes_before_and_after_are_compared_and_what_loses_more_is_put_back(
    inline: None, sim_fleet: Callable[..., SimFleet], author: Any, approver: Any, tmp_path: Path, client: Client
) -> None:
    fleet = sim_fleet(routers=6, timing={"boot_s": 1.0})
    stage = Stage(author, approver)
    stage.load(fleet.inventory)
    for name in ("bly", "dekker"):
        router = Router.objects.get(name=name)
        for prefix in (f"{router.router_id}/32", loopback6(fleet, name)):
            Beacon.objects.create(router=router, prefix=prefix)
    path = tmp_path / "probed-queues.yaml"
    path.write_text(RECIPE)
    change = stage.start(str(path), {}, ["bly", "dekker"])
    # Wave 0 is bly, which is as before; of what crosses dekker half is lost once it has been measured before.
    first = wait_done(change, "bly", fleet)
    rows = probe_rows.of(StepRun.objects.get(target=first, verb="probe-again", back=False))
    assert {(r.vantage, r.family) for r in rows} == {
        (v, f) for v in ("aebi", "lang", "wells") for f in ("ipv4", "ipv6")
    }
    assert {r.verdict for r in rows} == {"pass"}
    assert all(r.before and r.after and (r.before.sent, r.after.sent, r.after.lost) == (30, 30, 0) for r in rows)
    wait_ended(change, within_s=180)
    seen = targets(change)
    assert seen["dekker"].state == "rolled_back", seen["dekker"].reasons
    assert "lost" in " ".join(seen["dekker"].reasons) and "0 before" in " ".join(seen["dekker"].reasons)
    assert not oracle.forgotten_drained(fleet.journal())
    assert not oracle.disrupted_undrained(fleet.journal())
    shown_everywhere(client, author, change, seen["dekker"])


def loopback6(fleet: SimFleet, name: str) -> str:
    text = fleet.console(name, "ip -j addr show dev lo")[1]
    return next(w for w in text.split('"') if w.startswith("2001:")) + "/128"


def wait_done(change: Any, name: str, fleet: SimFleet) -> Any:
    """Wait for the end of a target; from then on the next one loses what crosses it once it was measured before."""
    wait_until(lambda: targets(change)[name].state in ("done", "rolled_back", "stuck"), within_s=120, what=name)
    assert targets(change)[name].state == "done", targets(change)[name].reasons
    before = StepRun.objects.filter(target__name="dekker", verb="probe", state="done")
    wait_until(before.exists, within_s=60, what="probes of dekker")
    fleet.inject("dekker", "loses_packets", share=0.5)
    return targets(change)[name]


def shown_everywhere(client: Client, person: Any, change: Any, target: Any) -> None:
    client.force_login(person)
    page = client.get(reverse("target", args=[change.pk, target.name])).content.decode()
    assert "Loss and latency between vantage points" in page and "Fail: " in page
    answer = Program(User.objects.get(pk=person.pk)).get(f"/runs/{target.run_id}/targets/{target.name}")
    assert answer.status_code == 200, answer.content
    steps = {s["verb"]: s for s in answer.json()["steps"] if not s["back"]}
    (one, *_) = steps["probe-again"]["probes"]
    assert one["before"]["sent"] == one["after"]["sent"] == 30 and one["verdict"] in ("fail", "inconclusive", "pass")
    assert steps["baseline"]["probes"] == []
    row = StepRun.objects.get(target=target, verb="probe-again", back=False)
    assert evidence_parts._step(row)["measured"]["results"]
