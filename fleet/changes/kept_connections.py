"""Connections to the database that legs leave to those after them, in the worker processes of Celery.

A leg runs on a thread of its own, and to Django a thread has connections of its own. PostgreSQL starts a process for
each and reads its catalogues anew: of 0.030 s of its CPU for a device, 0.006 were left without that, and the worker
saves a login. Elsewhere (SQLite, the in-process engine, tests) a leg closes its connection.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

# Where opening one costs something.
KEPT_OF = frozenset({"postgresql"})
_lock = threading.Lock()
_left: list[tuple[float, BaseDatabaseWrapper]] = []
_keeps = False


def keep() -> None:
    """From here on legs of this process keep connections; called in a child of the pool, which inherits none."""
    global _keeps
    _keeps = True
    _left.clear()


@contextmanager
def lent() -> Iterator[None]:
    """This thread has a connection that another left, if there is one, and leaves its own afterwards.

    Never one on which something went wrong; one that the server has closed meanwhile is made anew at its first use.
    """
    if _keeps and connection.vendor in KEPT_OF:
        _borrow()
    try:
        yield
    except BaseException:
        connection.close()
        raise
    _leave()


def _borrow() -> None:
    with _lock:
        wrapper = _left.pop()[1] if _left else None
    if wrapper is None:
        return
    connections[DEFAULT_DB_ALIAS] = wrapper
    with suppress(DatabaseError):
        wrapper.close_if_unusable_or_obsolete()  # CONN_MAX_AGE
        if wrapper.connection is not None and not wrapper.is_usable():
            wrapper.close()


def _leave() -> None:
    wrapper = connections[DEFAULT_DB_ALIAS]
    fine = wrapper.connection is not None and not wrapper.in_atomic_block and not wrapper.errors_occurred
    if not (_keeps and fine and wrapper.vendor in KEPT_OF):
        connection.close()
        return
    del connections[DEFAULT_DB_ALIAS]  # this thread's no more
    if not wrapper.allow_thread_sharing:
        wrapper.inc_thread_sharing()  # one thread at a time has it, but not always the same
    with _lock:
        _left.append((time.monotonic(), wrapper))


def close_idle(after_s: float) -> int:
    """Close what no leg has asked for so long; how many. Called every few seconds, from any thread."""
    edge = time.monotonic() - after_s
    with _lock:
        idle = [wrapper for left_at, wrapper in _left if left_at < edge]
        _left[:] = [pair for pair in _left if pair[0] >= edge]
    for wrapper in idle:
        with suppress(DatabaseError):
            wrapper.close()
    return len(idle)
