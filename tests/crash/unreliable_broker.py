"""A Celery application whose messages are doubled or lost, for workers under test: -A tests.crash.unreliable_broker.

SLIPWAY_TEST_MESSAGES=twice: every message is sent two times. lost:N: the first N messages that would carry a shard to
a worker are never sent.
"""

import os
from typing import Any

from celery.app.task import Task

from fleet.celery import app

MODE, _, COUNT = os.environ.get("SLIPWAY_TEST_MESSAGES", "").partition(":")
LOG = os.environ.get("SLIPWAY_TEST_MESSAGES_LOG", os.devnull)
_send = Task.apply_async
_left = int(COUNT or 0)


def _told(what: str) -> None:
    with open(LOG, "a") as log:
        log.write(what + "\n")


def unreliable(self: Any, *args: Any, **kwargs: Any) -> Any:
    """In the place of Task.apply_async."""
    global _left
    if MODE == "twice":
        _told(f"doubled {self.name}")
        _send(self, *args, **kwargs)
    elif self.name == "slipway.run_shard" and _left > 0:
        _left -= 1
        _told("lost slipway.run_shard")
        return None
    return _send(self, *args, **kwargs)


Task.apply_async = unreliable

__all__ = ["app"]
