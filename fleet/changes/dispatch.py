"""How due targets reach a worker: threads of this process (inline) or a Celery task. Both call `legs.run_shard`."""

import os
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from django.conf import settings
from django.db import connection, transaction

# Shards at once in this process and legs in each, every leg in a thread of its own: 100 legs. A shard's place is free
# when its slowest leg has ended (16 s where the average is 14), so many small ones; each costs five queries.
INLINE_SHARDS = 10
INLINE_LEGS = 10

_pool: ThreadPoolExecutor | None = None
_flying: set[int] = set()
_lock = threading.Lock()
# Set whenever a leg has ended: the in-process loop need not wait for its next tick.
doorbell = threading.Event()


def worker_name() -> str:
    """Who claims: host and process, for people who look for the worker."""
    return f"{socket.gethostname()}:{os.getpid()}"


def shard_size() -> int:
    """How many targets go to a worker together."""
    size: int = settings.SLIPWAY_SHARD_SIZE
    return size if settings.SLIPWAY_DISPATCH == "celery" else min(size, INLINE_LEGS)


def send(target_ids: list[int]) -> None:
    """Have a worker walk these targets' legs, after the surrounding transaction has committed."""
    if settings.SLIPWAY_DISPATCH == "celery":
        from fleet.changes.tasks import run_shard

        transaction.on_commit(lambda: run_shard.delay(target_ids))
    else:
        transaction.on_commit(lambda: _start_inline(target_ids))


def _start_inline(target_ids: list[int]) -> None:
    global _pool
    with _lock:
        fresh = [t for t in target_ids if t not in _flying]
        _flying.update(fresh)
        _pool = _pool or ThreadPoolExecutor(INLINE_SHARDS, thread_name_prefix="shard")
        pool = _pool
    if fresh:
        going = set(fresh)
        pool.submit(_work, going).add_done_callback(partial(_landed, going))


def _work(going: set[int]) -> None:
    from fleet.changes.legs import run_shard

    try:
        run_shard(sorted(going), worker=worker_name(), ended=partial(_left, going))
    finally:
        connection.close()


def _left(going: set[int], target_id: int) -> None:
    """A leg is over: its target may be sent again, also while others of its shard still go."""
    with _lock:
        going.discard(target_id)
        _flying.discard(target_id)
    doorbell.set()


def _landed(going: set[int], done: Future[None]) -> None:
    with _lock:
        _flying.difference_update(going)
    doorbell.set()
    done.result()  # an error here is a bug: let the executor's machinery show it


def quiet() -> bool:
    """Is no leg of this process under way?"""
    with _lock:
        return not _flying


def wait_idle(timeout_s: float = 60.0) -> None:
    """Wait until no shard of this process is running (tests and orderly ends)."""
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown(wait=True)
