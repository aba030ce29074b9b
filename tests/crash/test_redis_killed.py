"""Redis killed in the middle, twice, and started again: workers that end with it are restarted, and nobody notices.

A leg goes on without its broker; its message comes again and finds nothing to do. Celery 5.7 does not always survive
the loss: its worker may end with an AttributeError while it connects again. Production restarts it (docker-compose.yml,
restart: unless-stopped); so does the supervisor here. What such a worker had in hand is taken over when its lease ends.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fleet.changes.models import TargetRun
from lab.sim import SimFleet
from tests import needs
from tests.crash.test_messages import NAMES, ROOT, fleet, judge, stage
from tests.redis import RedisServer
from tests.stories.stage import Stage, wait_until

__all__ = ["fleet", "stage"]  # the fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(400), pytest.mark.postgresql]

AWAY_S = 2.0  # Redis, each time: longer than a worker's first attempt to connect again (at once, then after 2 s)
AGAIN_S = 0.5  # until a worker that ended is started again; Docker waits for 0.1 s and more each time


@dataclass
class Supervised:
    """A worker that is started again whenever it ends, as a container engine does it."""

    argv: list[str]
    environment: dict[str, str]
    log: Path
    ends: list[int] = field(default_factory=list)  # exit statuses of those that ended by themselves
    process: subprocess.Popen[bytes] | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        while not self.stopping.is_set():
            with self.log.open("ab") as output:
                self.process = subprocess.Popen(
                    self.argv, cwd=ROOT, env=self.environment, stdout=output, stderr=output, start_new_session=True
                )
            status = self.process.wait()
            if not self.stopping.is_set():
                self.ends.append(status)
                time.sleep(AGAIN_S)

    def stop(self) -> None:
        self.stopping.set()
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()


@contextmanager
def supervised(environment: dict[str, str], redis: RedisServer, folder: Path) -> Iterator[Supervised]:
    """A real Celery worker with beat, restarted when it ends."""
    (folder / "var").mkdir(exist_ok=True)
    made = {
        **environment, "SLIPWAY_DISPATCH": "celery", "SLIPWAY_REDIS_URL": redis.url, "SLIPWAY_TICK_SECONDS": "0.5",
        "SLIPWAY_REKICK_SECONDS": "2", "SLIPWAY_LEASE_SECONDS": "20",
    }  # fmt: skip
    argv = [sys.executable, "-m", "celery", "-A", "fleet.celery", "worker", "--beat", "--queues", "legs,tick",
            "--concurrency", "4", "--without-mingle", "--without-gossip", "--loglevel", "WARNING"]  # fmt: skip
    keeper = Supervised(argv, made, folder / "worker.log")
    thread = threading.Thread(target=keeper.watch, daemon=True)
    thread.start()
    try:
        yield keeper
    finally:
        keeper.stop()
        thread.join(10)


def test_redis_killed_twice_in_the_middle(
    stage: Stage,
    fleet: SimFleet,
    child_environment: dict[str, str],
    redis_server: RedisServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    needs.need(needs.minutes())
    with supervised(child_environment, redis_server, tmp_path) as keeper:
        change = stage.start("quick-restart", {}, NAMES)
        for state in ("draining", "verifying"):
            wait_until(someone(change, state), within_s=120, what=f"a target {state}")
            redis_server.kill()
            time.sleep(AWAY_S)
            redis_server.start()
        judge(change, fleet)
    with capsys.disabled():
        print(f"\nRedis killed twice; workers that ended by themselves: {len(keeper.ends)} {keeper.ends}", end=" ")


def someone(change: object, state: str) -> Callable[[], bool]:
    return lambda: TargetRun.objects.filter(run__revision__change=change, state=state).exists()
