"""Figures of the pages of changes over a large system: queries (and those of a tenth of its size), p50, p95 of each.

make bench PYTEST="-k rooms"   BENCH_DEVICES=10000, BENCH_CHANGES=2000, BENCH_EVENTS=1000000, BENCH_PAGE_ROUNDS=20
BENCH_KEEP=DIRECTORY (SQLite): what was filled is kept there and taken from there the next time, so that filling and
measuring can be done apart; BENCH_ONLY_FILL=1 measures nothing.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from rich.console import Console
from rich.table import Table

from fleet import clock
from fleet.changes import windows
from fleet.changes.models import Change, Event, Revision, Run, Schedule, TargetRun
from fleet.changes.windows import Wanted
from fleet.core import plan as planning
from fleet.core import risk
from fleet.core.model import to_json
from fleet.core.states import ChangeState, TargetState
from inventory.topology import load as load_topology
from tests.bench import machine
from tests.bench.bench_pages import WANTED_P95_MS, measured
from tests.changes import builders
from tests.inventory import scene

DEVICES = int(os.environ.get("BENCH_DEVICES", "10000"))
CHANGES = int(os.environ.get("BENCH_CHANGES", "2000"))
EVENTS = int(os.environ.get("BENCH_EVENTS", "1000000"))
WINDOWS, FREEZES, WAITING = 50, 10, 100
PAGES = (
    "/", "/changes/", "/changes/?state=ended&q=queues&page=30", "/calendar/", "/calendar/?view=month",
    "/calendar/?view=day&zone=Europe/London", "/windows/", "/topology/", "/topology/?site=lon1", "/audit/",
    "/audit/?person=user7", "/audit/?kind=change+approved", "/audit/?device=edge0012", "/audit/?change=1000",
    "/audit/?person=user7&kind=step+done&device=edge0012", "/audit/?since=2026-01-01T00:00&until=2026-01-02T00:00",
    "/audit/?before=500000", "/audit/?person=engine&before=300000", "/policies/", "/standard-changes/", "/break-glass/",
    "/changes/1000/", "/changes/1000/events/", "/changes/1000/plan/",
)  # fmt: skip
_C = ChangeState
STATES = (_C.SUCCEEDED, _C.SUCCEEDED, _C.FAILED, _C.ROLLED_BACK, _C.CANCELLED, _C.DRAFT, _C.SUBMITTED, _C.APPROVED)
KINDS = ("step done", "step claimed", "target draining", "target done", "change approved", "change running")


@dataclass(frozen=True)
class Size:
    """How much there is: devices, changes, events."""

    devices: int
    changes: int
    events: int

    def over(self, part: int) -> "Size":
        # Never fewer changes than the live and the waiting ones, which are the same number in every system.
        return Size(self.devices // part, max(self.changes // part, 150), self.events // part)


WHOLE = Size(DEVICES, CHANGES, EVENTS)


def fill(size: Size, now: datetime) -> None:
    """Devices, changes with runs and targets, events: all by bulk, no engine is asked."""
    people = [builders.person(f"user{n}") for n in range(20)]
    scene.fleet(size.devices, now)
    routers = list(scene.Router.objects.order_by("pk").values_list("pk", "name"))
    plan = planning.document(builders.plan([[routers[0][1]], [name for _, name in routers[1:5]]]))
    made = [
        Change(
            title=f"Eight queues, part {n}",
            author=people[n % 20],
            state=_C.RUNNING if n < 10 else _C.SCHEDULED if n < 10 + WAITING else STATES[n % len(STATES)],
            created_at=now - timedelta(hours=size.changes - n),
        )
        for n in range(size.changes)
    ]
    changes = Change.objects.bulk_create(made, batch_size=500)
    digest = planning.digest(plan)
    assessed = to_json(risk.assess(planning.from_json(plan), load_topology()))  # as drafting keeps it
    revisions = Revision.objects.bulk_create(
        [
            Revision(
                change=c, number=1, recipe="nic-queues", recipe_text="recipe: nic-queues\n", inputs={"queues": 8},
                plan=plan, digest=digest, assessed=assessed, created_by=c.author, created_at=now,
            )
            for c in changes
        ],
        batch_size=500,
    )  # fmt: skip
    _runs(changes, revisions, routers, people, now)
    _calendar(revisions, people[0], now)
    _events(size, changes, now)


def _runs(
    changes: list[Change], revisions: list[Revision], routers: list[tuple[int, str]], people: list[User], now: datetime
) -> None:
    ran = [(c, r) for c, r in zip(changes, revisions, strict=True) if c.state in {_C.RUNNING, *STATES[:4]}]
    runs = Run.objects.bulk_create(
        [
            Run(
                revision=r, strategy=r.plan["strategy"], started_by=people[1],
                started_at=now - timedelta(hours=3), ended_at=None if c.state == _C.RUNNING else now,
            )
            for c, r in ran
        ],
        batch_size=500,
    )  # fmt: skip
    targets = []
    for number, (run, (change, _)) in enumerate(zip(runs, ran, strict=True)):
        live = change.state == _C.RUNNING
        # Each of the ten live runs holds a tenth of 500 devices; the others had twenty.
        some = (
            routers[number * 50 : number * 50 + 50]
            if live
            else [routers[(number * 20 + k) % len(routers)] for k in range(20)]
        )
        for place, (pk, name) in enumerate(some):
            state = (
                TargetState.STUCK
                if live and place == 0
                else TargetState.DRAINED
                if live and place < 4
                else TargetState.SOAKING
            )
            targets.append(
                TargetRun(
                    run=run, router_id=pk, name=name, wave=place // 10, state=state if live else TargetState.DONE,
                    engaged=live, drained=live and place < 4,
                    drained_at=now - timedelta(minutes=place) if live else None,
                )
            )  # fmt: skip
    TargetRun.objects.bulk_create(targets, batch_size=1000)


def _calendar(revisions: list[Revision], author: User, now: datetime) -> None:
    hour = (now - timedelta(days=40)).replace(hour=1, minute=0, second=0, microsecond=0)
    for n in range(WINDOWS):
        site = (scene.SITES[n % len(scene.SITES)],)
        rule = (
            "FREQ=DAILY" if n % 2 else f"FREQ=WEEKLY;BYDAY={('MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU')[hour.weekday()]}"
        )
        wanted = Wanted(f"w{n}", hour.date(), hour.time(), timedelta(hours=3), "Europe/London", rule, sites=site)
        builders.done(windows.add(windows.window_row(wanted, author, now)))
    for n in range(FREEZES):
        wanted = Wanted(f"f{n}", hour.date() + timedelta(days=9 * n), hour.time(), timedelta(days=2), "UTC", why="fair")
        builders.done(windows.add(windows.freeze_row(wanted, author, now)))
    canaries = [["bly", 900.0], ["edge0012", 900.0]]
    waiting = [Schedule(revision=r, by=author, at=now, canaries=canaries) for r in revisions[10 : 10 + WAITING]]
    Schedule.objects.bulk_create(waiting)


def _events(size: Size, changes: list[Change], now: datetime) -> None:
    targets = list(TargetRun.objects.order_by("pk").values_list("pk", "run__revision__change_id"))

    def rows() -> Iterator[Event]:
        for n in range(size.events):
            target, change = targets[n % len(targets)]
            kind = KINDS[n % 4] if n % 100 else KINDS[4 + n // 100 % 2]
            yield Event(
                change_id=change, target_id=target, at=now - timedelta(seconds=30 * (size.events - n)), kind=kind,
                actor=f"user{n // 100 % 20}" if n % 100 == 0 else "engine" if n % 3 else f"worker-{n % 7}",
                text=f"event {n}: {kind}",
            )  # fmt: skip

    batch: list[Event] = []
    for event in rows():
        batch.append(event)
        if len(batch) == 20_000:
            Event.objects.bulk_create(batch, batch_size=2_000)
            batch = []
    Event.objects.bulk_create(batch, batch_size=2_000)
    # One change with very many events.
    Event.objects.bulk_create(
        [
            Event(change=changes[size.changes // 2 - 1], at=now, actor="engine", kind="step done", text=f"more {n}")
            for n in range(size.events // 20)
        ],
        batch_size=2_000,
    )


def _filled(size: Size) -> None:
    """The system of this size: what an earlier run kept, or made now."""
    directory = os.environ.get("BENCH_KEEP")
    kept = Path(directory or ".") / f"rooms-{size.devices}-{size.changes}-{size.events}.sqlite3"
    database = str(connection.settings_dict["NAME"])
    keep = directory is not None and connection.vendor == "sqlite"
    if keep and kept.exists():
        with contextlib.closing(sqlite3.connect(kept)) as source, contextlib.closing(sqlite3.connect(database)) as to:
            source.backup(to)
        return
    User.objects.create_superuser("reader")
    fill(size, clock.now())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    if keep:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(database)) as source:
            source.execute("VACUUM INTO ?", [str(kept)])


def pages(size: Size) -> tuple[str, ...]:
    """The addresses, of things that there are in a system of this size."""
    some = {"/changes/1000/": f"/changes/{size.changes // 2}/", "page=30": f"page={max(size.changes * 3 // 200, 1)}"}
    found = []
    for page in PAGES:
        address = page
        for word, here in some.items():
            address = address.replace(word, here)
        found.append(address)
    return tuple(found)


# Of the smaller system, for the table of the whole one: queries by page.
_of_a_tenth: dict[str, int] = {}


@pytest.mark.parametrize("part", [10, 1], ids=["tenth", "whole"])
def test_pages_of_the_changes(transactional_db: None, part: int) -> None:
    """Prints the table and writes var/bench/rooms.json. The only assertion: every page answered."""
    size = WHOLE.over(part)
    began = time.perf_counter()
    _filled(size)
    filled_s = time.perf_counter() - began
    if os.environ.get("BENCH_ONLY_FILL"):
        print(f"{size}: {filled_s:.0f} s")
        return
    client = Client()
    client.force_login(User.objects.get(username="reader"))
    addresses = pages(size)
    if part > 1:
        _of_a_tenth.update({p: queries(client, a) for p, a in zip(PAGES, addresses, strict=True)})
        return
    rows = [{**measured(client, a), "tenth": _of_a_tenth.get(p)} for p, a in zip(PAGES, addresses, strict=True)]
    title = f"{DEVICES} devices, {CHANGES} changes, {Event.objects.count()} events, {connection.vendor}"
    table = Table(title=title, title_justify="left")
    for head in ("page", "queries", "of a tenth", "CPU ms", "p50 ms", "p95 ms", "kB"):
        table.add_column(head, justify="left" if head == "page" else "right")
    for row in rows:
        slow = "" if float(row["p95_ms"]) <= WANTED_P95_MS else f"  (wanted {WANTED_P95_MS:.0f})"
        figures = (f"{row['cpu_ms']:.0f}", f"{row['p50_ms']:.0f}", f"{row['p95_ms']:.0f}{slow}")
        table.add_row(str(row["page"]), str(row["queries"]), str(row["tenth"]), *figures, str(row["kb"]))
    console = Console(width=130)
    console.print(table)
    console.print(f"filled in {filled_s:.0f} s", machine.about())
    path = machine.keep("rooms", {"devices": DEVICES, "changes": CHANGES, "events": EVENTS, "pages": rows})
    console.print(f"{path.relative_to(Path(machine.REPOSITORY))}: written")


def queries(client: Client, address: str) -> int:
    """How many queries a page takes, once it is warm."""
    client.get(address)
    with CaptureQueriesContext(connection) as counted:
        response = client.get(address)
    count = len(counted)
    assert response.status_code == 200, address
    return count
