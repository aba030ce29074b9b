"""Fills a database with what the pages are looked at with: a running change, a stuck one, drafts, or nothing.

    python -m tests.browser.scenes running|stuck|busy|rooms|inventory|everything|empty
                                                                            (on SLIPWAY_DATABASE_URL, migrated)

Run as a process of its own, so that a browser test in this process never touches the database from its event loop.
"""

import os
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.changes.models import Run

RING = ("bly", "aebi", "dekker", "thn1", "ixn1", "aql1")


def people() -> None:
    from django.contrib.auth.models import Permission

    from tests.changes import builders

    rights = Permission.objects.filter(codename__in=["add_approval", "change_run"])
    for name in ("tabitha", "rohan"):
        builders.person(name).user_permissions.set(rights)
    builders.person("reader")
    builders.person("mira", is_superuser=True, is_staff=True)


def ring() -> None:
    """Its routers, unless the inventory has them already."""
    from inventory.models import Router
    from tests.changes import builders

    have = set(Router.objects.filter(name__in=RING).values_list("name", flat=True))
    builders.fleet([name for name in RING if name not in have])


def running(now: datetime) -> None:
    """Wave 0 is done, one router of wave 1 is being changed, one is watched; the rest waits for room."""
    from fleet.core.model import Reason
    from tests.changes import builders

    author, approver = builders.person("tabitha"), builders.person("rohan")
    ring()
    plan = builders.plan([RING[:1], RING[1:4], RING[4:]], findings=[builders.one_way_finding("aebi")])
    run = builders.running(author, approver, plan, now - timedelta(minutes=20), title="Eight queues on the ring")
    builders.begin(run, ["bly"], now - timedelta(minutes=19))
    builders.walk(run, "bly", now - timedelta(minutes=19), step_s=40)
    probed(run, "bly", now - timedelta(minutes=14))
    looked("bly", now)
    builders.begin(run, ["aebi"], now - timedelta(minutes=13))
    builders.walk(run, "aebi", now - timedelta(minutes=13), until="soak", step_s=50)
    builders.begin(run, ["dekker"], now - timedelta(seconds=95))
    builders.walk(run, "dekker", now - timedelta(seconds=95), until="nic", step_s=30)
    builders.holds(
        run, Reason("budget", "2 of 2 drained or in flight", "room for one more", "Waits for one of them to be back.")
    )
    builders.pulse(now + timedelta(hours=12))


def probed(run: "Run", name: str, at: datetime) -> None:
    """A step that has probed again: one pair as before, one that loses more, one that was not measured."""
    from fleet.changes.models import StepRun
    from fleet.core import probes
    from fleet.core.model import Reason
    from fleet.core.probes import Pair, Probed, Tolerated, counted
    from tests.changes import builders

    quiet = [0.41 + 0.013 * (n % 9) for n in range(100)]
    ways = [("lang", "ipv4", "10.255.77.1"), ("wells", "ipv6", "2001:db8:ff::1"), ("slipway", "ipv4", "10.255.77.1")]
    pairs = [Pair(source, name, family, address) for source, family, address in ways]
    through = [[source] if source == "lang" else [source, "lang"] for source, _, _ in ways]
    before = [
        Probed(pair, counted(100, quiet), (*way, name), (name, *reversed(way)))
        for pair, way in zip(pairs, through, strict=True)
    ]
    after = [before[0], Probed(pairs[1], counted(100, quiet[:88]), ("wells", "lang", name), (name, "aebi", "wells"))]
    doubt = Reason(f"{pairs[2]}, the way back", "not known", "the same way as there")
    after.append(Probed(pairs[2], None, doubts=(doubt,)))
    judged = [probes.judge(b, a, Tolerated()) for b, a in zip(before, after, strict=True)]
    results = [
        {"from": c.pair.source, "to": c.pair.target, "family": c.pair.family, "address": c.pair.address,
         "verdict": c.verdict.value, "words": c.words, "reasons": [str(r) for r in c.reasons]}
        for c in judged
    ]  # fmt: skip
    rows = {"before": [probes.to_row(b) for b in before], "pairs": [probes.to_row(a) for a in after]}
    target = builders.target(run, name)
    last = target.steps.order_by("index").last()
    assert last is not None
    StepRun.objects.create(
        target=target, index=last.index + 1, verb="probe-again", phase=last.phase, state=last.state,
        planned={**last.planned, "verb": "probe-again", "diff": "", "commands": []}, due_at=None,
        first_claimed_at=at, ended_at=at + timedelta(seconds=14), data={**rows, "results": results, "tries": 1},
    )  # fmt: skip


def looked(name: str, now: datetime) -> None:
    """Looks at queues: all on one before its change, spread after it, one that lacks queues."""
    from inventory.models import QueueLook, Router
    from tests.changes.test_rss_doctor import flows, kept

    router = Router.objects.get(name=name)
    spread = {n: 4000 + 700 * (n % 3) for n in range(8)}
    for minutes, packets, lost in (
        (60, {0: 9000, **dict.fromkeys(range(1, 8), 3)}, 0),
        (9, spread, 0),
        (2, spread, 5000),
    ):
        row = kept(router, queues=8, packets=packets, lost=lost, soft=0.99 if lost else 0.2, flows=flows(20))
        at = now - timedelta(minutes=minutes)
        QueueLook.objects.filter(pk=row.pk).update(asked_at=at, ended_at=at)


def stuck(now: datetime) -> None:
    """The canary is done; in wave 1 one router was rolled back and one is stuck, drained; the change has failed."""
    from fleet.core.states import ChangeState
    from tests.changes import builders

    author, approver = builders.person("tabitha"), builders.person("rohan")
    ring()
    plan = builders.plan([RING[:1], RING[1:4], RING[4:]])
    began = now - timedelta(minutes=41)
    run = builders.running(author, approver, plan, began, title="Restart the ring with the new FRR")
    builders.begin(run, ["bly"], began)
    builders.walk(run, "bly", began, step_s=30)
    builders.begin(run, ["dekker"], began + timedelta(minutes=5))
    at = builders.walk(run, "dekker", began + timedelta(minutes=5), until="verify")
    builders.fail_step(run, "dekker", at, "ospf6 on eth1: found Init, wanted Full (baseline). Look at its neighbour.")
    builders.walk(run, "dekker", at)
    builders.begin(run, ["aebi"], began + timedelta(minutes=9))
    builders.stuck(run, "aebi", began + timedelta(minutes=9))
    builders.end(run, ChangeState.FAILED, "failed: 1 done, 1 rolled back, 1 stuck, 3 never started", now)
    builders.pulse(now + timedelta(hours=12))


def busy(now: datetime) -> None:
    """A running and a stuck change beside drafts, a submitted and an approved one; one large wave."""
    from tests.changes import builders

    author, approver = builders.person("tabitha"), builders.person("rohan")
    stuck(now)
    names = [f"edge{n:03}" for n in range(300)]
    builders.fleet(names)
    plan = builders.plan([names[:1], names[1:60], names[60:]])
    run = builders.running(author, approver, plan, now - timedelta(hours=2), title="Eight queues on 300 edges")
    builders.begin(run, names[:1], now - timedelta(hours=2))
    builders.walk(run, names[0], now - timedelta(hours=2))
    builders.begin(run, names[1:8], now - timedelta(minutes=9))
    for name in names[1:6]:
        builders.walk(run, name, now - timedelta(minutes=9))
    builders.walk(run, names[6], now - timedelta(minutes=2), until="drain")
    builders.walk(run, names[7], now - timedelta(minutes=4), until="verify")
    small = builders.plan([RING[:1], RING[1:]], findings=[builders.one_way_finding("bly")])
    builders.submitted(author, small, now - timedelta(minutes=3), title="Sysctl of the ring")
    builders.approved(author, approver, small, now - timedelta(days=2), title="Rings of 4096 descriptors")
    fatal = builders.plan([RING], findings=[builders.fatal_finding("aebi")])
    builders.draft(author, fatal, now, title="All at once")
    builders.pulse(now + timedelta(hours=12))


def rooms(now: datetime) -> None:
    """A stuck change beside a running one on a drawn ring; windows, freezes, policies. mira keeps it all."""
    from tests.browser import rooms_scene
    from tests.changes import builders

    author, approver = builders.person("tabitha"), builders.person("rohan")
    busy(now)
    rooms_scene.links()
    rooms_scene.by_others(now)
    rooms_scene.calendar(author, now)
    rooms_scene.rules(author, approver, now)
    rooms_scene.scheduled(author, approver, now)


def inventory(now: datetime) -> None:
    """Twenty devices with NICs, facts, profiles and drift; tabitha may draft what repairs it."""
    from django.contrib.auth.models import Permission

    from tests.changes import builders
    from tests.inventory import scene

    scene.fleet(20, now)
    builders.person("tabitha").user_permissions.add(Permission.objects.get(codename="add_change"))


def everything(now: datetime) -> None:
    """A row for every page that there is, long names among them."""
    from tests.browser import rooms_scene

    inventory(now)
    rooms_scene.offered(now)  # before there are windows that would hold it
    rooms(now)
    rooms_scene.asked(now)
    rooms_scene.revised(now)


def empty(now: datetime) -> None:
    """Nothing but people."""


SCENES = {scene.__name__: scene for scene in (running, stuck, busy, rooms, inventory, everything, empty)}


def make(name: str) -> None:
    """The scene, on the database at hand."""
    from fleet import clock

    people()
    SCENES[name](clock.now())


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fleet.settings")
    import django

    django.setup()
    make(sys.argv[1])
