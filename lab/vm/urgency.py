"""How urgent a process is that is started in a session of its own, where the kernel groups processes by session."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

_NICE = re.compile(r"nice (-?\d+)")


def as_ours(pid: int) -> None:
    """Give the session of that process the weight of our own.

    With kernel.sched_autogroup_enabled a new session starts at 0 whatever its parent had, and `nice` counts only among
    the processes of one session. Fine where the kernel does no such thing, or we may not.
    """
    with suppress(OSError):
        ours = _NICE.search(Path("/proc/self/autogroup").read_text())
        if ours is not None:
            Path(f"/proc/{pid}/autogroup").write_text(ours[1])
