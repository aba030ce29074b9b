"""Celery only wakes things: messages that come twice, never, or vanish with Redis lose nothing and repeat nothing."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fleet.changes import seals
from fleet.changes.models import TargetRun
from lab.sim import SimFleet, oracle
from tests.redis import RedisServer
from tests.stories.stage import Stage, targets, wait_ended, wait_until

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("bly", "dekker", "wells")

# Workers of Celery run over PostgreSQL in production, and these take half a minute each: once is enough.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]


@contextmanager
def worker(environment: dict[str, str], redis: RedisServer, folder: Path, messages: str) -> Iterator[Path]:
    """A real Celery worker with beat whose messages are treated as asked; yields the log of what was done to them."""
    log = folder / "messages.log"
    log.touch()
    (folder / "var").mkdir(exist_ok=True)
    made = {
        **environment, "SLIPWAY_DISPATCH": "celery", "SLIPWAY_REDIS_URL": redis.url, "SLIPWAY_TICK_SECONDS": "0.5",
        "SLIPWAY_REKICK_SECONDS": "2", "SLIPWAY_TEST_MESSAGES": messages, "SLIPWAY_TEST_MESSAGES_LOG": str(log),
    }  # fmt: skip
    argv = [sys.executable, "-m", "celery", "-A", "tests.crash.unreliable_broker", "worker", "--beat",
            "--queues", "legs,tick", "--concurrency", "4", "--loglevel", "WARNING"]  # fmt: skip
    with (folder / "worker.log").open("w") as output:
        process = subprocess.Popen(argv, cwd=ROOT, env=made, stdout=output, stderr=output, start_new_session=True)
        try:
            yield log
        finally:
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def fleet(sim_fleet: Callable[..., SimFleet]) -> SimFleet:
    return sim_fleet(routers=6, timing={"boot_s": 1.0})


@pytest.fixture
def stage(fleet: SimFleet, author: Any, approver: Any) -> Stage:
    made = Stage(author, approver)
    made.load(fleet.inventory)
    return made


def judge(change: Any, fleet: SimFleet) -> None:
    """The end state of an undisturbed run, and by the fleet's own journal each router was restarted exactly once."""
    wait_ended(change, within_s=200)
    assert change.state == "succeeded", {t.name: t.reasons for t in targets(change).values()}
    entries = fleet.journal()
    assert oracle.reboots(entries) == dict.fromkeys(NAMES, 1)
    assert oracle.max_drained_at_once(entries) <= 1
    assert not oracle.forgotten_drained(entries)
    assert not oracle.disrupted_undrained(entries)
    seals.seal(change.pk)
    assert seals.verify(change).broken is None


def test_every_message_delivered_twice(
    stage: Stage, fleet: SimFleet, child_environment: dict[str, str], redis_server: RedisServer, tmp_path: Path
) -> None:
    with worker(child_environment, redis_server, tmp_path, "twice") as log:
        judge(stage.start("quick-restart", {}, NAMES), fleet)
    assert log.read_text().count("doubled slipway.run_shard") >= len(NAMES)


def test_messages_that_are_lost_are_sent_again(
    stage: Stage, fleet: SimFleet, child_environment: dict[str, str], redis_server: RedisServer, tmp_path: Path
) -> None:
    with worker(child_environment, redis_server, tmp_path, "lost:4") as log:
        judge(stage.start("quick-restart", {}, NAMES), fleet)
    assert log.read_text().count("lost slipway.run_shard") >= 4


def test_redis_emptied_again_and_again_in_the_middle(
    stage: Stage, fleet: SimFleet, child_environment: dict[str, str], redis_server: RedisServer, tmp_path: Path
) -> None:
    with worker(child_environment, redis_server, tmp_path, ""):
        change = stage.start("quick-restart", {}, NAMES)
        for state in ("draining", "verifying"):
            wait_until(
                lambda state=state: TargetRun.objects.filter(run__revision__change=change, state=state).exists(),
                within_s=60, what=f"a target {state}",
            )  # fmt: skip
            redis_server.flush()
        judge(change, fleet)
