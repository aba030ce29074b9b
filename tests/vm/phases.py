"""How long each step of a change took, and what of it was Slipway's own: a table, and var/bench/vm.json."""

import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from fleet.changes.models import StepRun, TargetRun

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Phase:
    """One step. `wall_s`: from its first claim to its end."""

    step: str
    wall_s: float


def of_target(target: TargetRun) -> list[Phase]:
    """The steps in the order in which they ended; of `kernel` its parts, as the step has noted them."""
    made: list[Phase] = []
    for row in StepRun.objects.filter(target=target).order_by("index"):
        if row.first_claimed_at is None or row.ended_at is None:
            continue
        wall = (row.ended_at - row.first_claimed_at).total_seconds()
        made.append(Phase(f"{'back: ' if row.back else ''}{row.title}", round(wall, 1)))
        if row.verb == "kernel" and not row.back and isinstance(row.data.get("installed_s"), int | float):
            installed = float(row.data["installed_s"])
            made.append(Phase("  of it: installed, fit, armed", round(installed, 1)))
            made.append(Phase("  of it: shut down, booted, reached", round(wall - installed, 1)))
    return made


@contextmanager
def answering(address: str) -> Iterator[list[tuple[datetime, bool]]]:
    """While the block runs: when the SSH server there began to answer, and when it ceased to. Looked at every 0.5 s."""
    seen: list[tuple[datetime, bool]] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            try:
                with socket.create_connection((address, 22), timeout=5) as door:
                    door.settimeout(5)
                    open_now = door.recv(4) == b"SSH-"
            except OSError:
                open_now = False
            if not seen or seen[-1][1] is not open_now:
                seen.append((datetime.now(UTC), open_now))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join(10)


def noticed_s(target: TargetRun, doors: Sequence[tuple[datetime, bool]]) -> float | None:
    """From the first answer of the new boot to the end of the kernel step: all that Slipway added to the boot."""
    row = StepRun.objects.filter(target=target, verb="kernel", back=False).first()
    opened = [at for at, is_open in doors[1:] if is_open and row is not None and row.ended_at and at < row.ended_at]
    if row is None or row.ended_at is None or not opened:
        return None
    return round((row.ended_at - opened[-1]).total_seconds(), 1)


def cpu_s(pid: int) -> float:
    """Processor time of a process and of its children that have ended, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(fields[i]) for i in (11, 12, 13, 14)) / os.sysconf("SC_CLK_TCK")


def keep(name: str, phases: Sequence[Phase], **more: object) -> None:
    """Write down a scenario's figures and print them."""
    path = ROOT / "var" / "bench" / "vm.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    known: Mapping[str, object] = json.loads(path.read_text()) if path.exists() else {}
    row = {"phases": [asdict(phase) for phase in phases], **more}
    path.write_text(json.dumps({**known, name: row}, indent=1) + "\n")
    lines = [f"{phase.wall_s:8.1f} s  {phase.step}" for phase in phases]
    print("\n".join([f"\n== {name}", *lines, *(f"{key}: {value}" for key, value in more.items())]))
