"""Which clone of the repository holds this machine's lab, and since when: one lock file, held by the keeper.

The lock is a flock on an open file that `up` hands down to the keeper, so the kernel lets go of it when the keeper
ends, however it ends. The content of the file only says who it is.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass
from typing import IO

from lab.netns.command import LabError
from lab.netns.paths import LOCK, REPOSITORY


@dataclass(frozen=True)
class Holder:
    """Who has the lab: the clone, the keeper (or the `up` that is starting it), and since when."""

    repository: str
    pid: int
    since: str

    @property
    def is_this_clone(self) -> bool:
        return self.repository == str(REPOSITORY)


def holder() -> Holder | None:
    """The present holder; None when nobody holds the lab, whatever an earlier one left in the file."""
    if not LOCK.exists():
        return None
    with LOCK.open("r") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(file)
    return None


def take() -> IO[str]:
    """The open lock file, locked and naming this process; LabError naming the holder when somebody has it.

    The lock is held for as long as a process has this file open: pass its descriptor on to keep it.
    """
    file = LOCK.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        found = _read(file)
        file.close()
        raise LabError(
            f"lab of this machine: held by {found.repository} (pid {found.pid}, since {found.since}); wanted nobody to"
            f" hold it: run `python -m lab.netns down` in {found.repository}, then try again"
        ) from None
    write(file, pid=os.getpid())
    return file


def write(file: IO[str], *, pid: int) -> None:
    """Names `pid` as the holder in the lock file that the caller holds."""
    file.seek(0)
    file.truncate()
    since = time.strftime("%Y-%m-%d %H:%M:%S %z")
    json.dump({"repository": str(REPOSITORY), "pid": pid, "since": since}, file)
    file.flush()


def _read(file: IO[str]) -> Holder:
    file.seek(0)
    try:
        return Holder(**json.load(file))
    except (ValueError, TypeError):  # read between truncate and write
        return Holder(repository="an unnamed clone", pid=0, since="just now")
