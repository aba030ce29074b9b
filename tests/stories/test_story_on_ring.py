"""The ring of real routers: seen, restarted under the probes, and one that cuts its own management off."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from fleet import clock
from fleet.changes import lifecycle
from fleet.changes.models import Change, Run
from inventory.models import CollectionRun, Daemon, Observation, Software
from lab import netns
from lab.netns.probes import Probes
from tests.stories.stage import Stage, targets, wait_ended, wait_until

# With the drain nothing is lost on a quiet machine: 0 of some 4,000,000 in the drill's rounds of ten. The test runs
# where everything else runs too, and one stall of a busy machine costs a burst; without the drain a restart of these
# two loses thousands.
LOST_AT_MOST = 100

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.lab, pytest.mark.sqlite]


def test_six_real_routers_are_seen_and_are_the_same_a_moment_later(ring_stage: Stage) -> None:
    for _ in range(2):
        call_command("collect", "--all", "--json", stdout=StringIO())
    run = CollectionRun.objects.newest()
    assert run is not None and (run.asked, run.done, run.failed) == (6, 6, 0) and run.ended_at is not None
    seen = Observation.objects.latest_by_router()
    assert len(seen) == 6
    for name, observation in seen.items():
        facts: Any = observation.facts
        before = Observation.objects.filter(router__name=name).exclude(pk=observation.pk).latest("pk")
        assert before.digest == observation.digest, name
        assert facts["root"] is True and facts["cpu"]["threads"] and facts["packages"] is not None
        assert facts["routing"]["version"] and facts["routing"]["daemon_list"], name
        assert all(about["offloads"] for about in facts["interfaces"].values())
        # A kernel without modules has no list of them; everything else was told.
        assert set(facts["unknown"]) <= {"modules", "devlink"}, (name, facts["unknown"])
    assert Software.objects.exclude(suite_version="").count() == 6
    assert Daemon.objects.filter(name__in=["bgpd", "bird"], started_at__isnull=False).count() == 6


def test_what_moved_between_approval_and_start_is_named_and_holds(ring_stage: Stage) -> None:
    """Seen by a collection: refused at the start. Not seen by any: the baseline finds it, and nothing is touched."""
    change = ring_stage.draft("daemon-restart", {}, ["lang"])
    ring_stage.approve(change)
    queues("lang", 3)
    try:
        call_command("collect", "lang", stdout=StringIO())
        refused = lifecycle.start(change, ring_stage.author, clock.now())
        assert [r.subject for r in refused][:1] == ["lang, queues.eth3.rx"], refused
        change.refresh_from_db()
        assert change.state == "draft", "the approval is void"

        unseen = ring_stage.draft("daemon-restart", {}, ["lang"])
        ring_stage.approve(unseen)
        queues("lang", 2)
        assert lifecycle.start(unseen, ring_stage.author, clock.now()) == ()
        wait_until(lambda: paused(unseen), within_s=60, what="a pause that names what moved")
        run = Run.objects.get(revision__change=unseen)
        assert "lang, queues.eth3.rx: found 2 (on the device now), wanted 3" in run.control_reason
        assert targets(unseen)["lang"].state == "pending", "nothing was touched"
        assert lifecycle.abort(unseen, ring_stage.author, clock.now()) == ()
        wait_ended(unseen, within_s=60)
    finally:
        queues("lang", 4)


def test_an_frr_and_a_bird_router_are_restarted_under_the_probes(ring_stage: Stage) -> None:
    boots = {name: boot_id(name) for name in ("dekker", "wells")}
    probes = Probes.start()
    try:
        change = ring_stage.start("router-restart", {"soak": "2s"}, tuple(boots))
        wait_ended(change, within_s=400)
    finally:
        probed = probes.stop()
    seen = targets(change)
    assert {n: (t.state, t.reasons) for n, t in seen.items()} == dict.fromkeys(boots, ("done", []))
    assert all(boot_id(name) != before for name, before in boots.items())
    assert probed.count().sent > 100_000
    assert probed.lost <= LOST_AT_MOST, probed.summary()["runs"]


def test_a_router_that_cuts_off_its_own_management_puts_itself_back(ring_stage: Stage) -> None:
    name = "tarbell"
    before = netns.exec_on(name, ["vtysh", "-c", "show running-config"]).stdout
    text = "interface eth0\n shutdown\nexit\n"
    change = ring_stage.start("routing-config", {"section": "cut", "frr": text, "confirm": "15s"}, [name, "dekker"])
    wait_ended(change, within_s=300)
    seen = targets(change)
    assert seen[name].state == "rolled_back", (seen[name].state, seen[name].reasons)
    assert "put itself back" in " ".join(seen[name].reasons)
    assert seen["dekker"].state == "pending"
    assert change.state == "rolled_back"
    assert netns.exec_on(name, ["vtysh", "-c", "show running-config"]).stdout == before


def queues(name: str, combined: int) -> None:
    done = netns.exec_on(name, ["ethtool", "-L", "eth3", "rx", str(combined), "tx", str(combined)])
    assert done.returncode == 0, done.stderr


def paused(change: Change) -> bool:
    change.refresh_from_db()
    return change.state == "paused"


def boot_id(name: str) -> str:
    return netns.exec_on(name, ["cat", "/proc/sys/kernel/random/boot_id"]).stdout
