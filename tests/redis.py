"""A private redis-server for tests: a real one on a free port of 127.0.0.1, gone with the process that asked for it."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from tests import needs
from tests.postgresql import free_port

START_S = 10.0


@dataclass
class RedisServer:
    """A running server: `url` for settings, `client()` to look inside, `kill()` and `start()` for the rough tests."""

    home: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> "redis.Redis":
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=5)

    def flush(self) -> None:
        """Empty it: every queued message is lost."""
        self.client().flushall()

    def start(self) -> None:
        """As in production: append-only file, and no memory policy that throws messages away."""
        argv = [str(needs.which("redis-server")), "--bind", "127.0.0.1", "--port", str(self.port), "--dir",
                str(self.home), "--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]  # fmt: skip
        if setpriv := needs.which("setpriv"):
            argv = [setpriv, "--pdeathsig", "TERM", "--", *argv]
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"redis-server does not answer: {(self.home / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.ConnectionError:
            return False

    def kill(self) -> None:
        """SIGKILL: what was not yet in the append-only file is lost."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        os.kill(self.process.pid, number)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def private_redis() -> Iterator[RedisServer]:
    """A running server in a temporary directory of its own."""
    with tempfile.TemporaryDirectory(prefix="slipway-redis-") as home:
        server = RedisServer(Path(home), free_port())
        server.start()
        try:
            yield server
        finally:
            server.stop()
