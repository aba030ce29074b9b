"""What goes on beside the in-process engine, each in a thread of its own; told at start-up (apps.py of other rooms).

With Celery the same is done by tasks; nothing here is asked then.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection

Companion = Callable[[Callable[[], bool]], None]

_companions: list[Companion] = []


def tell(companion: Companion) -> None:
    """From now on this runs beside an engine: it is given `until` and returns soon after that is true."""
    if companion not in _companions:
        _companions.append(companion)


@contextmanager
def running(until: Callable[[], bool]) -> Iterator[None]:
    """While the engine runs, so do they. `until` must have become true at the end of the block."""
    threads = [
        threading.Thread(target=_run, args=(companion, until), name=f"beside-{number}", daemon=True)
        for number, companion in enumerate(_companions)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join(timeout=30)


def _run(companion: Companion, until: Callable[[], bool]) -> None:
    try:
        companion(until)
    finally:
        connection.close()
