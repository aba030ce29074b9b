"""Probes through every router, started and stopped around a change: what was lost, when, and in which direction.

probes = Probes.start()
probes.mark("drain bly")
...
result = probes.stop()
result.lost, result.summary(), result.runs
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.netns.command import LabError
from lab.netns.paths import REPOSITORY, STATE

_FOLDER = STATE / "probe"
_STOP_LIMIT_S = 30.0


@dataclass(frozen=True)
class Count:
    """Packets sent and not received."""

    sent: int
    lost: int

    def __add__(self, other: Count) -> Count:
        return Count(self.sent + other.sent, self.lost + other.lost)


@dataclass(frozen=True)
class Run:
    """Packets lost close together on one path. Times are wall clock, of sending the first and the last lost one."""

    router: str
    family: str
    direction: str
    start: float
    end: float
    lost: int


@dataclass(frozen=True)
class Refusal:
    """An ICMP error that a probe caused: `source` is the router that dropped it (type 11 or 3 = hop limit: a loop)."""

    at: float
    router: str
    family: str
    direction: str
    source: str
    type: int
    code: int


@dataclass(frozen=True)
class Mark:
    """Something that happened while the probes ran."""

    at: float
    label: str


@dataclass(frozen=True)
class ProbeResult:
    """All counts of one measurement. `counts` is keyed by (router, family, direction)."""

    begun: float
    ended: float
    counts: dict[tuple[str, str, str], Count]
    runs: tuple[Run, ...]
    refusals: tuple[Refusal, ...]
    marks: tuple[Mark, ...]
    worst_tick_ms: float
    worst_delay_ms: float

    @property
    def lost(self) -> int:
        return sum(count.lost for count in self.counts.values())

    def count(self, *, router: str | None = None, family: str | None = None) -> Count:
        """The sum over both directions, of one router or all, of one family or both."""
        total = Count(0, 0)
        for (of_router, of_family, _direction), found in self.counts.items():
            if router in (None, of_router) and family in (None, of_family):
                total += found
        return total

    def summary(self) -> dict[str, Any]:
        """Plain values for JSON: per router and in all, per family; the runs, the refusals, the marks."""

        def families(router: str | None) -> dict[str, dict[str, int]]:
            both = {family: self.count(router=router, family=family) for family in ("ipv4", "ipv6")}
            return {family: {"sent": c.sent, "lost": c.lost} for family, c in both.items()}

        routers = dict.fromkeys(router for router, _family, _direction in self.counts)
        return {
            "begun": self.begun,
            "ended": self.ended,
            "total": families(None),
            "routers": {router: families(router) for router in routers},
            "runs": [vars(run) for run in self.runs],
            "refusals": [vars(refusal) for refusal in self.refusals],
            "marks": [vars(mark) for mark in self.marks],
            "worst_tick_ms": self.worst_tick_ms,
            "worst_delay_ms": self.worst_delay_ms,
        }


class Probes:
    """One running measurement. Only one per lab at a time; state lies in the lab's folder, so that the command line
    can stop what it started earlier."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    @classmethod
    def start(cls) -> Probes:
        """Starts sending; returns when the first packets are about to leave."""
        running = cls.running()
        if running is not None:
            raise LabError(f"probes: already running (pid {running._pid}); wanted none: stop them first")
        _FOLDER.mkdir(parents=True, exist_ok=True)
        for name in ("result.json", "marks.jsonl"):
            (_FOLDER / name).unlink(missing_ok=True)
        with (_FOLDER / "probe.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "lab.netns.probe_process", str(_FOLDER / "result.json")],
                cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip
        assert process.stdout is not None
        if process.stdout.readline() != b"ready\n":
            process.wait()
            raise LabError(f"probes: did not start: {(_FOLDER / 'probe.log').read_text()[-500:]}: is the lab up?")
        (_FOLDER / "pid").write_text(str(process.pid))
        return cls(process.pid)

    @classmethod
    def running(cls) -> Probes | None:
        """The measurement that is running, started here or by another process."""
        try:
            pid = int((_FOLDER / "pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        return cls(pid) if b"lab.netns.probe_process" in command else None

    def mark(self, label: str) -> None:
        """Notes that something happens now."""
        with (_FOLDER / "marks.jsonl").open("a") as file:
            file.write(json.dumps({"at": time.time(), "label": label}) + "\n")

    def stop(self) -> ProbeResult:
        """Stops sending, waits for what is under way (0.5 s) and returns the counts."""
        os.kill(self._pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_LIMIT_S
        while not (_FOLDER / "result.json").exists():
            if time.monotonic() > deadline or not Path(f"/proc/{self._pid}").exists():
                raise LabError(f"probes: no result from pid {self._pid}: {(_FOLDER / 'probe.log').read_text()[-500:]}")
            time.sleep(0.05)
        (_FOLDER / "pid").unlink(missing_ok=True)
        return _read(_FOLDER)


def _read(folder: Path) -> ProbeResult:
    raw = json.loads((folder / "result.json").read_text())
    marks = (folder / "marks.jsonl").read_text().splitlines() if (folder / "marks.jsonl").exists() else []
    counts, runs = {}, []
    for lane in raw["lanes"]:
        path = (lane["router"], lane["family"], lane["direction"])
        counts[path] = Count(lane["sent"], lane["lost"])
        runs += [Run(*path, **run) for run in lane["runs"]]
    return ProbeResult(
        begun=raw["begun"],
        ended=raw["ended"],
        counts=counts,
        runs=tuple(sorted(runs, key=lambda run: run.start)),
        refusals=tuple(Refusal(source=item.pop("from"), **item) for item in raw["icmp"]),
        marks=tuple(Mark(**json.loads(line)) for line in marks),
        worst_tick_ms=raw["worst_tick_ms"],
        worst_delay_ms=max(lane["worst_delay_ms"] for lane in raw["lanes"]),
    )
