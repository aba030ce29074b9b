"""The production processes: the compose file is sound, and the very same commands work together on this machine."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.house import compose
from tests.house.compose import ByHand
from tests.postgresql import free_port
from tests.redis import RedisServer

LONG_RUNNING = {"web", "worker", "ticker", "outward", "beat"}


def check_schema(path: Path) -> subprocess.CompletedProcess[str]:
    argv = [compose.BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", path]
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True)


def test_the_compose_file_follows_the_compose_specification(tmp_path: Path) -> None:
    done = check_schema(compose.FILE)
    assert done.returncode == 0, done.stdout + done.stderr
    bad = tmp_path / "docker-compose.yml"
    bad.write_text(compose.FILE.read_text().replace("restart: unless-stopped", "restarts: unless-stopped"))
    assert check_schema(bad).returncode != 0


def test_every_service_is_watched_and_may_end_in_peace() -> None:
    for name, service in compose.services().items():
        assert name == "migrate" or service["healthcheck"]["test"], name
        assert service["stop_grace_period"] == "40s", name
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped"), name


def test_a_stopped_worker_has_time_to_hand_back_what_it_runs() -> None:
    from fleet.celery import app

    assert compose.services()["worker"]["environment"]["REMAP_SIGTERM"] == "SIGQUIT"
    assert app.conf.worker_soft_shutdown_timeout < 40


def test_every_queue_has_a_worker_and_the_tick_one_of_its_own() -> None:
    from fleet.celery import app

    wanted = {app.conf.task_default_queue, *(route["queue"] for route in app.conf.task_routes.values())}
    read = {}
    for name, service in compose.services().items():
        command = service.get("command", [])
        if "worker" in command:
            read[name] = command[command.index("--queues") + 1].split(",")
    assert {q for queues in read.values() for q in queues} == wanted
    assert [queues for queues in read.values() if "tick" in queues] == [["tick"]]


def test_the_broker_throws_nothing_away() -> None:
    command = " ".join(compose.services()["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


@pytest.fixture
def empty_database_url(tmp_path: Path) -> Iterator[str]:
    """A database without a single table: SQLite, or one of its own on the leg's PostgreSQL."""
    server = os.environ.get("SLIPWAY_DATABASE_URL", "")
    if not server.startswith("postgresql"):
        yield f"sqlite://{tmp_path / 'by-hand.sqlite3'}"
        return
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS by_hand")
        connection.execute("CREATE DATABASE by_hand")
        yield f"{server.rsplit('/', 1)[0]}/by_hand"
        connection.execute("DROP DATABASE by_hand WITH (FORCE)")


@pytest.fixture
def by_hand(empty_database_url: str, redis_server: RedisServer, tmp_path: Path) -> Iterator[ByHand]:
    hands = ByHand(var=tmp_path / "var", port=free_port(), database_url=empty_database_url, redis_url=redis_server.url)
    yield hands
    hands.end()


def asked(hands: ByHand, code: str) -> str:
    """What Python says in the environment of a worker, with Django set up."""
    done = hands.run("worker", [sys.executable, "-c", f"import django; django.setup()\n{code}"])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


TOKEN = """
from django.contrib.auth.models import User
from fleet import clock
from fleet.api import tokens
ann = User.objects.create_superuser("ann", password=None)
print(tokens.make(tokens.Wanted("program", ("read",), 1, ()), holder=ann, person=ann, now=clock.now())[0])
"""


def held_by_web(hands: ByHand) -> int:
    """File descriptors of the web process."""
    return len(list(Path(f"/proc/{hands.running['web'].pid}/fd").iterdir()))


def ask(hands: ByHand, token: str, *, times: int) -> None:
    for _ in range(times):
        request = urllib.request.Request(f"http://127.0.0.1:{hands.port}/api/v1/me", headers={"Authorization": token})
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200


# Production runs over PostgreSQL, and so do its processes here; that each of them comes up on SQLite is no claim.
@pytest.mark.redis
@pytest.mark.postgresql
def test_the_processes_of_the_compose_file_work_together(by_hand: ByHand) -> None:
    done = by_hand.run("migrate", by_hand.command("migrate"))
    assert done.returncode == 0, done.stderr
    for name in sorted(LONG_RUNNING):
        by_hand.start(name)

    by_hand.wait_for("the web is healthy", lambda: by_hand.healthy("web"))
    with urllib.request.urlopen(f"http://127.0.0.1:{by_hand.port}/login/", timeout=5) as page:
        assert page.status == 200
        assert b"csrfmiddlewaretoken" in page.read()

    token = f"Bearer {asked(by_hand, TOKEN).splitlines()[-1]}"
    ask(by_hand, token, times=3)
    held = held_by_web(by_hand)
    ask(by_hand, token, times=40)
    assert held_by_web(by_hand) <= held + 3, "a request leaves no connection to database or Redis open"

    pulse = "from fleet.changes.models import Pulse; print(*Pulse.objects.filter(name='tick').values_list('at'))"
    by_hand.wait_for("a tick of beat has reached the ticker, which wrote it down", lambda: asked(by_hand, pulse) != "")
    first = asked(by_hand, pulse)
    by_hand.wait_for("the next tick", lambda: asked(by_hand, pulse) != first)

    by_hand.wait_for("a look at what goes out", lambda: "Task slipway.outward" in by_hand.log("outward"))
    asked(by_hand, "from fleet.changes.tasks import run_shard; run_shard.delay([])")
    by_hand.wait_for("the worker has run a shard", lambda: "Task slipway.run_shard" in by_hand.log("worker"))
    assert "slipway.tick" not in by_hand.log("worker").split("ready.")[-1], "ticks have a worker of their own"
    for name in ("worker", "ticker", "outward", "beat"):
        by_hand.wait_for(f"{name} is healthy", lambda name=name: by_hand.healthy(name))

    for name, (status, took_s) in by_hand.stop().items():
        print(f"{name}: status {status}, {took_s:.1f} s after SIGTERM")
        assert status in {0, -15}, by_hand.log(name)[-3000:]


@pytest.mark.redis
@pytest.mark.postgresql
def test_a_health_check_can_be_red(by_hand: ByHand) -> None:
    for name in sorted(LONG_RUNNING):
        assert not by_hand.healthy(name), name
