"""The journal of a fleet: one JSON line for everything that reached a router. On disk before the answer leaves."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Entry = Mapping[str, Any]


class Journal:
    """Appends entries to a file. Buffered until `flush`, which is one write: it survives the death of this process.

    (Not of the machine: there is no fsync. The process under test dies, not the host.)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._held: list[str] = []
        self._seq = 0

    def add(self, entry: dict[str, Any]) -> None:
        """`seq` counts, `wall` is seconds since the epoch, `mono` is CLOCK_MONOTONIC, `t` the fleet's own clock."""
        self._seq += 1
        stamped = {"seq": self._seq, "wall": round(time.time(), 4), "mono": round(time.monotonic(), 4), **entry}
        self._held.append(json.dumps(stamped, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        if self._held:
            data = memoryview("".join(self._held).encode())
            self._held.clear()
            while data:
                data = data[os.write(self._fd, data) :]

    def close(self) -> None:
        self.flush()
        os.close(self._fd)


def read(path: Path) -> Sequence[Entry]:
    """The entries of the last run in the file; an unfinished last line is left out."""
    if not path.exists():
        return []
    entries: list[Entry] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry["event"] == "start":
            entries.clear()
        entries.append(entry)
    return entries
