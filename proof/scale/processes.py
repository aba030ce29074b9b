"""The processes of docker-compose.yml that walk a change: their commands, with another number of workers."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests import needs
from tests.house import compose

NAMES = ("worker", "ticker", "beat")


def command(words: Sequence[str], *, workers: int) -> list[str]:
    """A service's command: counted, and the worker with so many processes."""
    made = [str(compose.BIN / words[0]), *words[1:]]
    made[made.index("-A") + 1] = "proof.scale.counted"
    if "legs,collect" in made:
        made[made.index("--concurrency") + 1] = str(workers)
    return made


@contextlib.contextmanager
def running(folder: Path, *, workers: int) -> Iterator[dict[str, int]]:
    """Process ids by service until the block ends; they find database and broker in this process's environment."""
    (folder / "counted").mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "SLIPWAY_COUNTED": str(folder / "counted"), "REMAP_SIGTERM": "SIGQUIT"}
    started = []
    try:
        for name in NAMES:
            argv = command(compose.services()[name]["command"], workers=workers)
            if setpriv := needs.which("setpriv"):
                argv = [setpriv, "--pdeathsig", "TERM", "--", *argv]
            with (folder / f"{name}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        argv, cwd=compose.ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                    )
                )
        yield dict(zip(NAMES, (p.pid for p in started), strict=True))
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
