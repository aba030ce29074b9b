"""Figures of webhooks: 10,000 queued for an endpoint that is dead; how late are those of the others?

make bench PYTEST="-k webhooks"   BENCH_WEBHOOKS=10000, BENCH_DEAD_ENDPOINTS=1, BENCH_TELLING=200
"""

import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from rich.console import Console
from rich.table import Table

from fleet import clock
from fleet.changes.models import Change, Event
from fleet.outward import rounds
from fleet.outward.models import Delivery, Endpoint
from lab.tickets.receiver import Receiver
from lab.tickets.server import served
from tests.bench import machine
from tests.changes import builders

QUEUED = int(os.environ.get("BENCH_WEBHOOKS", "10000"))
DEAD = int(os.environ.get("BENCH_DEAD_ENDPOINTS", "1"))
TELLING = int(os.environ.get("BENCH_TELLING", "200"))
LIVE = ("one", "two", "three")


@pytest.fixture
def black_hole() -> Iterator[str]:
    """Somebody who lets everybody in and never says a word: the worst kind of dead."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def endpoint(name: str, url: str, events: list[str]) -> Endpoint:
    return Endpoint.objects.create(
        name=name, url=url, events=events, secret="env:HOOK_SECRET", created_at=clock.now(), created_by="bench"
    )


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def tell(change: Change, receivers: list[Receiver]) -> list[float]:
    """Events one after another while the rounds go; how late each was at each receiver, in seconds."""
    written: dict[str, float] = {}
    for n in range(TELLING):
        event = Event.objects.create(change=change, at=clock.now(), actor="bench", kind="change comment", text=str(n))
        written[f"msg_slipway_{event.pk}"] = time.monotonic()
        time.sleep(0.02)
    ends = time.monotonic() + 120
    while any(len(r.came) < TELLING for r in receivers) and time.monotonic() < ends:  # type: ignore[attr-defined]
        time.sleep(0.05)
    return [r.came[key] - at for r in receivers for key, at in written.items() if key in r.came]  # type: ignore[attr-defined]


class Timed(Receiver):
    """Notes when each message came."""

    def __init__(self) -> None:
        super().__init__()
        self.came: dict[str, float] = {}

    def take(self, asked):  # type: ignore[no-untyped-def]
        self.came.setdefault(asked.headers.get("webhook-id", ""), time.monotonic())
        return super().take(asked)


def measure(change: Change, *, dead: bool, black_hole: str) -> dict[str, float]:
    """A burst of old messages for the dead, then news for everybody else."""
    receivers = [Timed() for _ in LIVE]
    with served(receivers[0]) as a, served(receivers[1]) as b, served(receivers[2]) as c:
        for name, site in zip(LIVE, (a, b, c), strict=True):
            endpoint(name, site.url, ["change.*"])
        for n in range(DEAD if dead else 0):
            endpoint(f"dead{n}", black_hole, ["*"])
        stop = threading.Event()
        if dead:
            rows = (
                Event(change=change, at=clock.now(), actor="bench", kind="step done", text=str(n))
                for n in range(QUEUED)
            )
            Event.objects.bulk_create(rows, batch_size=500)
        loop = threading.Thread(target=rounds.run, args=(stop.is_set,), daemon=True)
        loop.start()
        ends = time.monotonic() + 300
        while dead and Delivery.objects.count() < QUEUED * DEAD and time.monotonic() < ends:
            time.sleep(0.1)
        late = tell(change, list(receivers))
        stop.set()
        loop.join(60)
    waiting = Delivery.objects.filter(endpoint__name__startswith="dead", outcome="").count()
    arrived = len(late)
    Endpoint.objects.all().delete()
    return {
        "queued for the dead": waiting,
        "arrived at the others": arrived,
        "p50_s": round(quantile(late, 0.5), 3),
        "p95_s": round(quantile(late, 0.95), 3),
        "max_s": round(max(late), 3),
    }


@pytest.mark.django_db(transaction=True)
def test_webhooks_with_a_dead_endpoint(
    author: User, black_hole: str, settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ipaddress import ip_network

    from tests.outward.conftest import SECRET

    monkeypatch.setenv("HOOK_SECRET", SECRET)
    settings.SLIPWAY_OUTWARD_NETWORKS = (ip_network("127.0.0.0/8"),)  # type: ignore[attr-defined]
    builders.fleet(["bly"])
    change = builders.draft(author, builders.plan([["bly"]]), clock.now())
    without = measure(change, dead=False, black_hole=black_hole)
    beside = measure(change, dead=True, black_hole=black_hole)
    table = Table(title=f"{TELLING} events to {len(LIVE)} endpoints that answer, from the event to its arrival")
    for column in ("", "arrived", "p50", "p95", "longest"):
        table.add_column(column)
    for name, row in ((f"beside {beside['queued for the dead']} queued for {DEAD} dead", beside), ("alone", without)):
        figures = [f"{row[k]:.2f} s" for k in ("p50_s", "p95_s", "max_s")]
        table.add_row(name, str(row["arrived at the others"]), *figures)
    Console(width=120).print(table)
    machine.keep("webhooks", {"alone": without, "beside the dead": beside, "dead endpoints": DEAD})
    assert beside["arrived at the others"] == without["arrived at the others"] == TELLING * len(LIVE)
    assert beside["queued for the dead"] >= QUEUED
