"""Deadlines: of commands, one thread watches all of them; of a claim, after which nothing more is sent.

A `threading.Timer` for each command was a thread for each command: 4,300 of them for 100 routers, which is a tenth of
all the CPU of such a change. Nearly every deadline is cancelled; setting one is a push on a heap.
"""

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from fleet.core.model import Reason
from playbooks.base import Unreachable

_changed = threading.Condition()
_heap: list[tuple[float, int, "_Deadline"]] = []
_numbers = itertools.count()
_watcher: threading.Thread | None = None
_not_after: ContextVar[tuple[float, Callable[[], float]] | None] = ContextVar("not_after", default=None)


@contextmanager
def nothing_after(ends_at: float, clock: Callable[[], float]) -> Iterator[None]:
    """From then on (of this clock) `too_late` is true in this block: whoever acts under a claim may not act longer.

    An act is several requests with the network between them, and a process may be stopped there (SIGSTOP, a machine
    that is moved) for longer than its lease. Stopped for 150 s between the two requests of a restart of daemons, it
    restarted them on a router that had been given back meanwhile (`python -m proof.faults --stopped --only 1147`).
    """
    token = _not_after.set((ends_at, clock))
    try:
        yield
    finally:
        _not_after.reset(token)


def too_late() -> bool:
    """May nothing be sent any more? Asked as late as possible, by whatever sends."""
    if (bound := _not_after.get()) is None:
        return False
    ends_at, clock = bound
    return clock() >= ends_at


def refuse_late(subject: str) -> None:
    """Raises Unreachable when nothing may be sent any more; for what sends on a connection of its own."""
    if too_late():
        remedy = "Nothing was sent; whoever has the step now looks first"
        raise Unreachable(Reason(subject, "no claim on the step any more", "to send", remedy))


class _Deadline:
    """What is to be done when it passes; None once it is cancelled."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act: Callable[[], object] | None = act


@contextmanager
def deadline(seconds: float, act: Callable[[], object]) -> Iterator[float]:
    """Call `act` on another thread if this block still runs after so long. Yields when that is (`time.monotonic`)."""
    ends_at, mine = time.monotonic() + seconds, _Deadline(act)
    with _changed:
        _start()
        heapq.heappush(_heap, (ends_at, next(_numbers), mine))
        if _heap[0][2] is mine:
            _changed.notify()
    try:
        yield ends_at
    finally:
        mine.act = None  # the watcher drops it when its time comes


def _start() -> None:
    """Start the watcher; again in a process that was forked, where it does not go on."""
    global _watcher
    if _watcher is None or not _watcher.is_alive():
        _watcher = threading.Thread(target=_watch, name="deadlines", daemon=True)
        _watcher.start()


def _watch() -> None:
    while True:
        with _changed:
            while _heap and _heap[0][2].act is None:
                heapq.heappop(_heap)
            left_s = _heap[0][0] - time.monotonic() if _heap else None
            if left_s is None or left_s > 0:
                _changed.wait(left_s)
                continue
            act = heapq.heappop(_heap)[2].act
        if act is not None:
            # Cutting a connection may take a while: the other deadlines are not to wait for it.
            threading.Thread(target=act, name="deadline passed", daemon=True).start()


def _forget() -> None:
    """In a forked child: what was watched belongs to the parent, and its lock may have been held."""
    global _changed, _watcher
    _changed, _watcher = threading.Condition(), None
    _heap.clear()


os.register_at_fork(after_in_child=_forget)
