"""Keeps one machine's QEMU: starts it, and starts another one whenever the machine resets itself.

A reset inside QEMU keeps its translations of the code that ran before, and GRUB that loads over them crawls: 40 bytes a
second were seen. A fresh process has none; it is a cold start, as a power cycle is.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

_RESETS = frozenset({"guest-reset", "host-qmp-system-reset"})


def keep(folder: Path, argv: list[str]) -> None:
    """Until the machine switches itself off. The QEMU dies with this process."""
    while True:
        for leftover in ("qmp", "events"):
            (folder / leftover).unlink(missing_ok=True)
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *argv], stdin=subprocess.DEVNULL)
        why = _why_it_ended(folder / "events", process)
        process.wait()
        if why not in _RESETS:
            return


def _why_it_ended(control: Path, process: subprocess.Popen[bytes]) -> str:
    """The reason that QEMU gives in its last event; "" when it gave none."""
    why = ""
    with suppress(OSError, ValueError), socket.socket(socket.AF_UNIX) as events:
        while process.poll() is None:
            try:
                events.connect(str(control))
                break
            except OSError:
                time.sleep(0.1)
        stream = events.makefile("rw")
        stream.readline()
        stream.write(json.dumps({"execute": "qmp_capabilities"}) + "\n")
        stream.flush()
        for line in stream:
            event = json.loads(line)
            if event.get("event") == "SHUTDOWN":
                why = str(event["data"].get("reason"))
    return why


if __name__ == "__main__":
    keep(Path(sys.argv[1]), sys.argv[2:])
