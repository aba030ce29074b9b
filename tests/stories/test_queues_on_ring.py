"""Queues of real routers changed for real under traffic: drained by the engine, probed before and after."""

from pathlib import Path

import pytest

from fleet.changes import probe_rows
from fleet.changes.models import StepRun
from inventory.models import Beacon, Router
from lab import netns
from lab.netns.probes import Probes
from lab.netns.topology import router as of_ring
from tests.stories.stage import Stage, targets, wait_ended

# As in test_story_on_ring.py: 0 on a quiet machine; one stall of a busy one costs a burst.
LOST_AT_MOST = 100
RECIPE = """\
recipe: probed-queues
summary: Queues under traffic, with probes before and after.
inputs: {}
targets: {where: {platform: linux}}
strategy: {waves: [1, 100%], budget: {total: 1, per_failure_domain: 1}, on_failure: rollback_target}
checks: [bgp_sessions, route_counts, ospf, ospf3, bfd, daemons, rib_fib]
steps:
  - baseline
  - probe: {from: [neighbours], to: [beacon], count: 100, interval: 50ms}
  - drain: {settle: 2s, below: 1kpps, gate: 4s, within: 5m}
  - nic: {interface: "eth[123]", queues: 2}
  - verify: {interval: 1s, passes: 2, within: 3m}
  - undrain: {order: [ospf, ospf3, ibgp, ebgp], gate: 4s}
  - verify: {interval: 1s, passes: 2, within: 2m}
  - probe-again
  - soak: {for: 3s, every: 1s, watch: []}
"""
ROUTERS = ("tarbell", "wells")  # FRR and BIRD

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.lab, pytest.mark.sqlite]


def test_queues_of_veth_are_changed_under_traffic_and_nothing_is_lost(ring_stage: Stage, tmp_path: Path) -> None:
    for name in ROUTERS:
        row = of_ring(name)
        for prefix in (f"{row.loopback4}/32", f"{row.loopback6}/128"):
            Beacon.objects.create(router=Router.objects.get(name=name), prefix=prefix)
    path = tmp_path / "probed-queues.yaml"
    path.write_text(RECIPE)
    assert {channels(name) for name in ROUTERS} == {(4, 4)}
    probes = Probes.start()
    try:
        change = ring_stage.start(str(path), {}, ROUTERS)
        wait_ended(change, within_s=400)
    finally:
        probed = probes.stop()
    seen = targets(change)
    assert {n: (t.state, t.reasons) for n, t in seen.items()} == dict.fromkeys(ROUTERS, ("done", []))
    assert {channels(name) for name in ROUTERS} == {(2, 2)}
    for name in ROUTERS:
        unit = netns.exec_on(name, ["cat", "/etc/systemd/system/slipway-nic.service"]).stdout
        assert "-L eth1 rx 2 tx 2" in unit
        rows = probe_rows.of(StepRun.objects.get(target=seen[name], verb="probe-again", back=False))
        for r in rows:
            print(name, r.vantage, r.family, r.before, r.after, r.there, r.back, r.verdict, r.words, r.reasons)
        assert len(rows) == 4 and {r.verdict for r in rows} == {"pass"}
        assert all(r.before and r.after and r.before.sent == r.after.sent == 100 for r in rows)
        assert all(r.there == (r.vantage, name) and r.one_way for r in rows)
    print("traffic:", probed.count().sent, "sent,", probed.lost, "lost")
    assert probed.count().sent > 100_000
    assert probed.lost <= LOST_AT_MOST, probed.summary()["runs"]


def channels(name: str) -> tuple[int, int]:
    """Receive and transmit queues of eth1 now."""
    now = netns.exec_on(name, ["ethtool", "-l", "eth1"]).stdout.split("Current hardware settings:")[1]
    values = {line.split(":")[0]: line.split()[-1] for line in now.splitlines() if ":" in line}
    return int(values["RX"]), int(values["TX"])
