"""What the pages about more than one change are looked at with: links, windows, freezes, rules, emergencies."""

from datetime import datetime, time, timedelta

from django.contrib.auth.models import Group, User

LINKS = (("bly", "aebi"), ("aebi", "dekker"), ("dekker", "thn1"), ("thn1", "ixn1"), ("ixn1", "aql1"), ("aql1", "bly"))


def links() -> None:
    """A ring, with an upstream on each side of it."""
    from inventory.models import External, Link, LinkEnd, Router

    routers = {r.name: r for r in Router.objects.all()}
    for number, (a, b) in enumerate(LINKS):
        link = Link.objects.create(kind="fibre", capacity_mbps=100_000)
        LinkEnd.objects.create(link=link, side="a", router=routers[a], interface=f"eth{number + 10}")
        LinkEnd.objects.create(link=link, side="b", router=routers[b], interface=f"eth{number + 20}")
    for name, at in (("transit-a", "thn1"), ("transit-b", "bly")):
        link = Link.objects.create(kind="transit", capacity_mbps=10_000)
        LinkEnd.objects.create(link=link, side="a", router=routers[at], interface="eth40")
        LinkEnd.objects.create(link=link, side="b", external=External.objects.get_or_create(name=name)[0])


def by_others(now: datetime) -> None:
    """Somebody drained a router by hand."""
    from fleet.changes.models import DrainedOutside
    from inventory.models import Router

    DrainedOutside.objects.create(
        router=Router.objects.get(name="aql1"), since=now - timedelta(hours=3), seen_at=now - timedelta(minutes=4),
        words="bgp graceful-shutdown; ospf max-metric",
    )  # fmt: skip


def calendar(author: User, now: datetime) -> None:
    """A window every night, one on Sundays, a freeze that begins in three days, another that is over."""
    from fleet.changes import windows
    from fleet.changes.windows import Wanted
    from tests.changes import builders

    day = now.date() - timedelta(days=14)
    sunday = day + timedelta(days=6 - day.weekday())
    hour = time(1)
    nights = Wanted("nights", day, hour, timedelta(hours=3), "Europe/London", "FREQ=DAILY")
    sundays = Wanted("core-sundays", sunday, hour, timedelta(hours=4), "Europe/Berlin", "FREQ=WEEKLY", required=True)
    soon = (now + timedelta(days=3)).date()
    expo = Wanted(
        "expo", soon, hour, timedelta(days=4, hours=6), "Europe/London", why="The fair: customers look at us."
    )
    over = Wanted("audit-week", day, hour, timedelta(days=5), "UTC", why="Auditors are in the house.")
    for wanted in (nights, sundays):
        builders.done(windows.add(windows.window_row(wanted, author, now - timedelta(days=15))))
    for wanted in (expo, over):
        builders.done(windows.add(windows.freeze_row(wanted, author, now - timedelta(days=15))))


def rules(author: User, approver: User, now: datetime) -> None:
    """Two policies, three standard changes, a break-glass that was reviewed and one that was not."""
    from fleet.changes import emergencies, lifecycle, standards
    from fleet.changes.models import ApprovalPolicy, ApprovalStage, BreakGlass, StandardChange
    from tests.changes import builders

    core, night = (Group.objects.get_or_create(name=name)[0] for name in ("core", "night-shift"))
    risky = ApprovalPolicy.objects.create(
        name="high risk", least_risk="high", conditions=["ticket", "comment"], expires_hours=72
    )
    for number, (name, group, quorum) in enumerate((("peer", night, 1), ("core team", core, 2))):
        ApprovalStage.objects.create(policy=risky, number=number, name=name, quorum=quorum).groups.add(group)
    ApprovalStage.objects.create(
        policy=ApprovalPolicy.objects.create(name="edge", roles=["edge"], active=False), number=0, name="anybody"
    )
    later = now + timedelta(days=90)
    values = {"recipe": "nic-queues", "recipe_digest": "a" * 64, "author": author, "created_at": now}
    for name in ("queues-weekly", "sysctl-small", "old-one"):
        row = StandardChange.objects.create(
            name=name, bounds={"queues": {"min": 1, "max": 8}}, max_devices=2, expires_at=later, **values
        )
        if name != "sysctl-small":
            standards.approve(row, approver, now, comment="Read it.")
            standards.approve(row, builders.person("mira"), now)
    standards.withdraw(row, approver, now, comment="Too many surprises.")
    small = builders.plan([["ixn1"]])
    for number in range(2):
        change = builders.draft(author, small, now - timedelta(hours=9), title=f"Customers down in rack {number + 7}")
        revision = change.revision
        assert revision is not None
        why = "Half of the customers of that rack are down; nobody else is awake."
        at = now - timedelta(hours=8)
        builders.done(
            emergencies.break_glass(
                change, builders.person("zoe", is_superuser=True), at, why=why, digest=revision.digest
            )
        )
        if number:
            glass = BreakGlass.objects.select_related("revision__change", "by").get(revision=revision)
            builders.done(emergencies.review(glass, approver, now, comment="Right so; the plan is kept as a recipe."))
        change.refresh_from_db()
        builders.done(lifecycle.cancel(change, approver, now, why="Done by hand meanwhile."))


def scheduled(author: User, approver: User, now: datetime) -> None:
    """A change that waits for its window, and one whose devices another change holds."""
    from fleet.changes import scheduling
    from tests.changes import builders

    for names, title in ((["thn1"], "Kernel of thn1"), (["dekker"], "Sysctl of dekker")):
        change = builders.approved(author, approver, builders.plan([names]), now, title=title)
        builders.done(scheduling.schedule(change, approver, now))


def asked(now: datetime) -> None:
    """What was asked of the engine: drafts by form, a repair, an import; and the filter that somebody saved."""
    from fleet.changes import draft_requests
    from fleet.changes.models import DraftRequest, RepairRequest
    from fleet.outward.models import Endpoint
    from inventory.models import NetboxImport, NetboxSource
    from tests.changes import builders
    from tests.inventory import scene

    author = builders.person("tabitha")
    draft_requests.publish()
    wrong = ["blyy: found none of that name, wanted a device of the inventory. Did you mean bly?"]
    DraftRequest.objects.create(
        asked_by=author, asked_at=now, taken_at=now, ended_at=now, title="Queues", recipe="nic-queues", left=wrong
    )
    RepairRequest.objects.create(
        asked_by=author, asked_at=now, taken_at=now, ended_at=now, words="nic.queues[eth0] on bly", left=wrong
    )
    source = NetboxSource.objects.create(name="main", url="https://netbox.example.net")
    NetboxImport.objects.create(source=source, url=source.url, asked_by="tabitha", asked_at=now)
    scene.saved(author)
    Endpoint.objects.create(
        name="noc-board", url="https://board.example.net/slipway", secret="env:WEBHOOK_SECRET", created_by="tabitha",
        created_at=now, failures=3, closed_until=now, problem="found status 503, wanted 2xx",
    )  # fmt: skip


def offered(now: datetime) -> None:
    """A verification that does not pass because of a neighbour's kernel; somebody has asked for the remedy before."""
    from fleet.changes.models import Remedy, StepRun
    from tests.changes import builders

    author, approver = builders.person("tabitha"), builders.person("rohan")
    builders.fleet(["rem1", "rem2"])
    run = builders.running(author, approver, builders.plan([["rem1"], ["rem2"]]), now, title="Restart of rem1")
    builders.begin(run, ["rem1"], now)
    builders.walk(run, "rem1", now, until="verify")
    said = "route to 2001:db8::7 on rem2: found via eth3 in the kernel, wanted via eth1, as the routing daemon says."
    results = [{"name": "rib_fib_neighbours", "verdict": "fail", "reasons": [said]}]
    StepRun.objects.filter(target__run=run, state="claimed").update(data={"results": results}, reasons=[said])
    Remedy.objects.create(
        target=builders.target(run, "rem1"), neighbour="rem2", address="2001:db8::7", asked_by=approver, asked_at=now,
        taken_at=now, ended_at=now, done=False, said="rem2: found no answer for 30 s, wanted an SSH session",
    )  # fmt: skip


def revised(now: datetime) -> None:
    """A draft with two revisions and names as long as they may be."""
    from tests.changes import builders

    author = builders.person("tabitha")
    long = "cr01-transit-and-peering-internet-exchange-london-docklands-03b"
    builders.fleet([long])
    title = "Receive queues, rings and interrupt placement on every router of the London transit ring, third attempt"
    change = builders.draft(author, builders.plan([["bly"], [long, "aebi"]]), now, title=title)
    builders.revise(change, author, builders.plan([["bly"], [long], ["aebi", "thn1"]]), now)
