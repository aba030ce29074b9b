"""The two ways to run the engine, as processes beside the test: in one process, and Celery on a real Redis."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.redis import RedisServer

ROOT = Path(__file__).resolve().parents[2]
INLINE = [sys.executable, "manage.py", "engine"]
# One worker with beat inside it: the tick, the legs and the looks of a test's few routers.
CELERY = [
    sys.executable, "-m", "celery", "-A", "fleet", "worker", "--beat", "--queues", "legs,tick,collect",
    "--concurrency", "3", "--loglevel", "WARNING", "--without-gossip", "--without-mingle",
]  # fmt: skip


@contextmanager
def running(kind: str, environment: Mapping[str, str], redis: RedisServer | None, folder: Path) -> Iterator[None]:
    """The engine of that kind works on the test database until the block ends; its own words are in engine.log."""
    made = {**environment, "SLIPWAY_DISPATCH": kind, "SLIPWAY_TICK_SECONDS": "0.5", "SLIPWAY_LOG_LEVEL": "WARNING"}
    if redis is not None:
        made["SLIPWAY_REDIS_URL"] = redis.url
    (folder / "var").mkdir(exist_ok=True)
    with (folder / "engine.log").open("w") as log:
        argv = INLINE if kind == "inline" else CELERY
        process = subprocess.Popen(argv, cwd=ROOT, env=made, stdout=log, stderr=log, start_new_session=True)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
