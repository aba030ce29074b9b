"""The services of docker-compose.yml by hand, each started again whenever it ends, as a container engine does it."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proof.long import processes
from tests import needs
from tests.house import compose

# What runs: its name here, and the service whose command it is. Two workers, so that the one can die often and the
# other be old enough for its memory to say something.
SERVICES: Mapping[str, str] = {
    "web": "web", "worker": "worker", "worker 2": "worker", "ticker": "ticker", "outward": "outward",
    "doubtful": "doubtful", "beat": "beat",
}  # fmt: skip
AGAIN_S = 0.5


@dataclass
class Kept:
    """One service: its process, and how often it ended by itself."""

    name: str
    argv: list[str]
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    not_before: float = 0.0  # monotonic
    killed: bool = False
    ends: list[int] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid if self.process is not None and self.process.poll() is None else 0

    def start(self) -> None:
        argv = self.argv
        if setpriv := needs.which("setpriv"):
            argv = [setpriv, "--pdeathsig", "TERM", "--", *argv]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                argv, cwd=compose.ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip


class Services:
    """All of them; `signal` reaches a service with all its processes."""

    def __init__(self, hands: compose.ByHand, folder: Path) -> None:
        self.kept = {name: self._kept(hands, name, service, folder) for name, service in SERVICES.items()}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="services", daemon=True)

    @staticmethod
    def _kept(hands: compose.ByHand, name: str, service: str, folder: Path) -> Kept:
        argv = [word.replace("legs@%h", f"{name.replace(' ', '')}@%h") for word in hands.command(service)]
        return Kept(name, argv, hands.environment(service), folder / f"{name.replace(' ', '-')}.log")

    def _watch(self) -> None:
        while not self._over.wait(0.3):
            for kept in self.kept.values():
                status = kept.process.poll() if kept.process is not None else 0
                if status is None or time.monotonic() < kept.not_before:
                    continue
                if kept.process is not None:
                    if not kept.killed:
                        kept.ends.append(status)
                    kept.process, kept.killed, kept.not_before = None, False, time.monotonic() + AGAIN_S
                    continue
                kept.start()

    def pids(self) -> dict[str, int]:
        """Process id of each that runs."""
        return {name: kept.pid for name, kept in self.kept.items() if kept.pid}

    def signal(self, name: str, number: int) -> None:
        if pid := self.kept[name].pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, number)

    def kill(self, name: str, *, away_s: float = AGAIN_S) -> None:
        """SIGKILL to all of its processes; it comes back after so many seconds."""
        self.kept[name].killed = True
        self.kept[name].not_before = time.monotonic() + away_s
        self.signal(name, signal.SIGKILL)

    def child(self, name: str) -> int:
        """One of the processes that a service started; 0: it has none."""
        if not (root := self.kept[name].pid):
            return 0
        return max(processes.below(root) - {root}, default=0)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        for kept in self.kept.values():
            self.signal(kept.name, signal.SIGCONT)
            self.signal(kept.name, signal.SIGTERM)
        for kept in self.kept.values():
            if kept.process is None:
                continue
            try:
                kept.process.wait(40)
            except subprocess.TimeoutExpired:
                self.signal(kept.name, signal.SIGKILL)
                kept.process.wait()


@contextlib.contextmanager
def running(hands: compose.ByHand, folder: Path) -> Iterator[Services]:
    """All services until the block ends; their logs are in the folder."""
    made = Services(hands, folder)
    made._thread.start()
    try:
        yield made
    finally:
        made.stop()
