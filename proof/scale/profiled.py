"""Where the CPU of a process of Celery goes: every thread under cProfile by its own CPU clock, statements by text.

What ended is added up after tasks and written to FOLDER/PID.stats (pstats) and FOLDER/PID.sql.json.
"""

import cProfile
import json
import os
import pstats
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

# Between two writings: a thread's profile is kept until then (some 0.1 MB each).
WRITES_EVERY_S = 5.0


class Profile:
    """Of this process, from `begin` on. A profile is a thread's own: threads begun later get one as they begin."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._threads = folder, list[tuple[threading.Thread, cProfile.Profile]]()
        self._sum: pstats.Stats | None = None
        self._written = time.monotonic()
        self.statements: Counter[str] = Counter()

    def begin(self) -> None:
        """In a child of the pool: what it inherited from its parent is not its own."""
        self._threads, self._sum = [], None
        self.statements.clear()
        threading.setprofile(self._thread_began)
        self._thread_began()

    def _thread_began(self, *_: Any) -> None:
        profile = cProfile.Profile(time.thread_time_ns, 1e-9)
        self._threads.append((threading.current_thread(), profile))
        profile.enable()  # in place of this function, for this thread

    def write(self) -> None:
        """Add up the threads that ended, and this one; at most every few seconds."""
        if time.monotonic() - self._written < WRITES_EVERY_S:
            return
        self._written, going = time.monotonic(), []
        for thread, profile in self._threads:
            mine = thread is threading.current_thread()
            if thread.is_alive() and not mine:
                going.append((thread, profile))
                continue
            self._sum = pstats.Stats(profile) if self._sum is None else self._sum.add(profile)
            if mine:
                profile.clear()
                profile.enable()
                going.append((thread, profile))
        self._threads = going
        assert self._sum is not None  # this thread's, at least
        self._sum.dump_stats(self._folder / f"{os.getpid()}.stats")
        (self._folder / f"{os.getpid()}.sql.json").write_text(json.dumps(self.statements))
