"""What is to be done outwards now, handed to threads of this process (inline) or to Celery tasks.

Endpoints and ticket systems whose last attempts failed have a lane of their own: however many are dead, those that
answer never stand behind them.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from fleet import clock
from fleet.outward import deliver, outbox
from fleet.outward.models import Delivery, Endpoint, Listening, Message, SeenMessage, TicketLink
from fleet.outward.tickets import work

log = logging.getLogger(__name__)

# Between two looks of the in-process engine: what a webhook may be late.
PAUSE_S = 1.0
# Threads wait for others; on 2 cores more would only switch.
WELL_THREADS, DOUBTFUL_THREADS = 4, 4
# What was delivered is kept for people who look for it; dead letters stay until somebody sends or forgets them.
KEPT = timedelta(days=30)
SEEN_KEPT = timedelta(days=7)

Work = tuple[str, int, bool]  # "endpoint" or "ticket", which, is it doubtful


def due(now: datetime) -> list[Work]:
    """Everything that somebody can be set to now. A constant number of queries."""
    found: list[Work] = [("endpoint", e.pk, e.troubled) for e in Endpoint.objects.due(now)[:500]]
    tickets = TicketLink.objects.due(now).select_related("system")[:500]
    return found + [("ticket", t.pk, bool(t.failures or t.system.failures)) for t in tickets]


def prepare(now: datetime) -> None:
    """From the outbox to deliveries; those that waited for days become dead letters."""
    while outbox.fan_out(now) == outbox.AT_ONCE:
        pass
    deliver.give_up(now)


def tidy(now: datetime) -> None:
    """Forget what is long over."""
    Listening.look()
    old = Message.objects.filter(at__lt=now - KEPT).exclude(deliveries__outcome__in=["", Delivery.DEAD])
    ids = list(old.values_list("pk", flat=True)[:1000])
    Message.objects.filter(pk__in=ids).delete()
    SeenMessage.objects.filter(at__lt=now - SEEN_KEPT).delete()


def do(what: str, pk: int) -> None:
    """Do one piece of work; safe twice, safe never."""
    if what == "endpoint":
        deliver.serve(pk)
    else:
        work.attend(pk)


class Lanes:
    """Threads of this process: those for whoever answers, and those for the doubtful."""

    def __init__(self) -> None:
        self._well = ThreadPoolExecutor(WELL_THREADS, thread_name_prefix="outward")
        self._doubtful = ThreadPoolExecutor(DOUBTFUL_THREADS, thread_name_prefix="doubtful")
        self._flying: set[tuple[str, int]] = set()
        self._lock = threading.Lock()
        self.landed = threading.Event()

    def send(self, work: list[Work]) -> None:
        """Set threads to what none of them is at already."""
        for what, pk, doubtful in work:
            with self._lock:
                if (what, pk) in self._flying:
                    continue
                self._flying.add((what, pk))
            (self._doubtful if doubtful else self._well).submit(self._do, what, pk)

    def _do(self, what: str, pk: int) -> None:
        try:
            do(what, pk)
        except Exception:
            log.exception("%s %s", what, pk)
        finally:
            connection.close()
            with self._lock:
                self._flying.discard((what, pk))
            self.landed.set()

    def end(self) -> None:
        """Begin nothing more; wait for what is under way."""
        self._well.shutdown(wait=True, cancel_futures=True)
        self._doubtful.shutdown(wait=True, cancel_futures=True)


def run(until: Callable[[], bool]) -> None:
    """Beside the in-process engine: look, hand out, wait a moment; until told to stop."""
    if settings.SLIPWAY_DISPATCH == "celery":
        return
    lanes, tidied = Lanes(), 0.0
    try:
        while not until():
            lanes.landed.clear()
            try:
                prepare(clock.now())
                lanes.send(due(clock.now()))
                if time.monotonic() - tidied > 3600 or not tidied:
                    tidy(clock.now())
                    tidied = time.monotonic()
            except DatabaseError:
                log.exception("round")  # the database is away: nothing is lost, all of it stands in rows
                close_old_connections()
            if lanes.landed.wait(PAUSE_S):
                time.sleep(0.05)
    finally:
        lanes.end()


def enqueue(now: datetime) -> None:
    """With Celery: one message for each piece of work, in the queue of its lane."""
    from fleet.outward import tasks

    prepare(now)
    for what, pk, troubled in due(now):
        # A message that waited longer than this finds it done, or finds its next one behind it.
        (tasks.doubtful if troubled else tasks.well).apply_async((what, pk), expires=30)
