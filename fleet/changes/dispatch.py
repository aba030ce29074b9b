"""How due targets reach a worker: threads of this process (inline) or a Celery task. Both call `legs.run_shard`."""

import os
import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from django.conf import settings
from django.db import connection, transaction

# Shards at once in this process; each runs up to SLIPWAY_SHARD_SIZE legs in threads of its own.
INLINE_SHARDS = 4

_pool: ThreadPoolExecutor | None = None
_flying: set[int] = set()
_lock = threading.Lock()
# Set whenever a shard has ended: the in-process loop need not wait for its next tick.
doorbell = threading.Event()


def worker_name() -> str:
    """Who claims: host and process, for people who look for the worker."""
    return f"{socket.gethostname()}:{os.getpid()}"


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
        if _pool is None:
            _pool = ThreadPoolExecutor(INLINE_SHARDS, thread_name_prefix="shard")
    if fresh:
        _pool.submit(_work, fresh).add_done_callback(lambda done: _landed(fresh, done))


def _work(target_ids: list[int]) -> None:
    from fleet.changes.legs import run_shard

    try:
        run_shard(target_ids, worker=worker_name())
    finally:
        connection.close()


def _landed(target_ids: list[int], done: Future[None]) -> None:
    with _lock:
        _flying.difference_update(target_ids)
    doorbell.set()
    done.result()  # an error here is a bug: let the executor's machinery show it


def wait_idle(timeout_s: float = 60.0) -> None:
    """Wait until no shard of this process is running (tests and orderly ends)."""
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown(wait=True)
