"""Beside the engine: look what is to be told, then tell it; by a thread of its own, or by a Celery task."""

import logging
import time
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, close_old_connections

from fleet import clock
from fleet.notices import announce, messages, sending

log = logging.getLogger(__name__)

# How late somebody may be told. A round in which nothing happened asks six queries.
PAUSE_S = 3.0


def look(now: datetime) -> int:
    """One round; returns how many notices and messages were made or sent. May run twice at once."""
    return announce.sync(now) + messages.make(now) + sending.send_due(now)


def run(until: Callable[[], bool]) -> None:
    """Beside the in-process engine, until told to stop. With Celery a task does it."""
    if settings.SLIPWAY_DISPATCH == "celery":
        return
    while not until():
        try:
            look(clock.now())
        except DatabaseError:
            log.exception("round of notices")  # the database is away: all of it stands in rows
            close_old_connections()
        except Exception:
            log.exception("round of notices")  # what one row does must not end the thread
        ends = time.monotonic() + PAUSE_S
        while not until() and time.monotonic() < ends:
            time.sleep(0.2)
