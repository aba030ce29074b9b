"""Runs a command and prints its wall seconds, CPU of all its processes and most memory at once; its exit status too.

python -m proof.peers.clocked OUT CMD...       the command's own output goes to OUT

Processes that outlive the command (Ansible's shared SSH connections) come to this one, are ended, and their CPU counts.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

from proof.scale import used

_PR_SET_CHILD_SUBREAPER, _PR_SET_PDEATHSIG = 36, 1
EVERY_S = 0.5


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _end_children(number: signal.Signals) -> None:
    while left := children():
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _end(status: int) -> NoReturn:
    """Who asked has gone, or has had enough: nothing is left running."""
    _end_children(signal.SIGKILL)
    os._exit(status)


def main() -> int:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    most, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(EVERY_S):
            most[0] = max(most[0], sum(used.memory_mb(pid) for pid in children()))

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: _end(1))
    began = time.monotonic()
    with Path(sys.argv[1]).open("w") as out:
        argv = ["setpriv", "--pdeathsig", "KILL", "--", *sys.argv[2:]]  # also when this one is killed outright
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        watcher = threading.Thread(target=watch)
        watcher.start()
        status = process.wait()
    wall = time.monotonic() - began
    over.set()
    watcher.join()
    _end_children(signal.SIGTERM)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime
    json.dump(
        {"status": status, "wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "memory_mb": round(most[0])}, sys.stdout
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
