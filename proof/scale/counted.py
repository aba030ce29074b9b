"""The Celery application of production, that also writes down what each task asked, took and waited.

celery -A proof.scale.counted worker ...        one line of JSON a task into SLIPWAY_COUNTED/PID.jsonl
"""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from celery.signals import task_postrun, task_prerun, worker_process_init
from django.db.backends.signals import connection_created

from fleet.celery import app
from proof.scale.profiled import Profile

__all__ = ["app"]

_FOLDER = Path(os.environ["SLIPWAY_COUNTED"])
# With SLIPWAY_PROFILED set: it takes half as much CPU again, so figures of such a run are only those of the profile.
_profile = Profile(_FOLDER) if os.environ.get("SLIPWAY_PROFILED") else None


class Count:
    """Statements on every connection of every thread of this process; BEGIN and COMMIT go past Django's cursors."""

    def __init__(self) -> None:
        self.queries = 0
        self._adding = threading.Lock()

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        with self._adding:
            self.queries += 1
            if _profile is not None:
                _profile.statements[sql] += 1
        return execute(sql, params, many, context)


_count = Count()
_began: dict[str, tuple[float, float, int]] = {}


def _counted(connection: Any, **_: Any) -> None:
    if _count not in connection.execute_wrappers:
        connection.execute_wrappers.append(_count)


def _prerun(task_id: str, **_: Any) -> None:
    _began[task_id] = (time.monotonic(), time.process_time(), _count.queries)


def _postrun(task_id: str, task: Any, args: Any, **_: Any) -> None:
    """A child of a prefork pool runs one task at a time: what its process used since then is the task's."""
    if (before := _began.pop(task_id, None)) is None:
        return
    at, cpu, queries = before
    line = {
        "task": task.name,
        "at": time.time(),
        "wall_s": time.monotonic() - at,
        "cpu_s": time.process_time() - cpu,
        "queries": _count.queries - queries,
        "targets": len(args[0]) if args and isinstance(args[0], list) else 0,
    }
    with (_FOLDER / f"{os.getpid()}.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
    if _profile is not None:
        _profile.write()


def _child(**_: Any) -> None:
    if _profile is not None:
        _profile.begin()


worker_process_init.connect(_child, weak=False)
connection_created.connect(_counted, weak=False)
task_prerun.connect(_prerun, weak=False)
task_postrun.connect(_postrun, weak=False)
