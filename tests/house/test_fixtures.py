"""The shared fixtures keep their promises: the database of the leg, real transactions, Redis, skips by name."""

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction

from fleet import clock
from fleet.changes.models import Admission, Change, Event
from tests.redis import RedisServer

ROOT = Path(__file__).resolve().parents[2]


def test_the_database_is_that_of_the_leg(db: None) -> None:
    wanted = "postgresql" if os.environ.get("SLIPWAY_DATABASE_URL", "").startswith("postgresql") else "sqlite"
    assert connection.vendor == wanted


@pytest.mark.sqlite
def test_sqlite_runs_as_in_use(transactional_db: None) -> None:
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.transaction_mode == "IMMEDIATE"


def test_threads_see_what_the_test_wrote(transactional_db: None) -> None:
    User.objects.create_user("written-by-the-test")
    seen: list[bool] = []

    def look() -> None:
        seen.append(User.objects.filter(username="written-by-the-test").exists())
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [True]


def test_child_processes_see_what_the_test_wrote(child_environment: dict[str, str]) -> None:
    User.objects.create_user("written-by-the-test")
    code = "import django; django.setup(); from django.contrib.auth.models import User; print(User.objects.get())"
    done = subprocess.run([sys.executable, "-c", code], env=child_environment, capture_output=True, text=True)
    assert done.stdout == "written-by-the-test\n", done.stderr


def test_passwords_of_tests_are_quick_and_good_for_the_product_too(
    author: User, child_environment: dict[str, str]
) -> None:
    assert author.password.startswith("pbkdf2_sha256$1$")
    code = """
        import django; django.setup()
        from django.contrib.auth.hashers import get_hasher
        from django.contrib.auth.models import User
        print(User.objects.get().check_password("author-password"), get_hasher().iterations >= 600_000)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=child_environment, capture_output=True, text=True)
    assert done.stdout == "True True\n", done.stderr


@pytest.mark.parametrize("turn", [1, 2])
def test_append_only_tables_are_emptied_between_tests_and_refuse_within(transactional_db: None, turn: int) -> None:
    assert Event.objects.count() == 0
    assert Admission.objects.filter(pk=1).exists()
    person, now = User.objects.create_user("author"), clock.now()
    change = Change.objects.create(title="t", author=person, created_at=now)
    Event.objects.create(change=change, at=now, actor="a", kind="k", text="t")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Event.objects.all().delete()


@pytest.mark.redis
def test_redis_is_real_and_comes_back_after_a_kill(redis_server: RedisServer) -> None:
    client = redis_server.client()
    client.set("key", "value")
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    redis_server.kill()
    redis_server.start()
    assert redis_server.client().ping()


@pytest.fixture
def run_pytest(tmp_path: Path) -> Iterator[object]:
    """Runs pytest with the house's conftest on one small test file beside it."""

    def run(body: str, **environment: str) -> str:
        tests = tmp_path / "tests"
        tests.mkdir(exist_ok=True)
        for name in ("conftest.py", "needs.py", "redis.py", "postgresql.py"):
            (tests / name).write_text((ROOT / "tests" / name).read_text())
        (tests / "test_it.py").write_text(textwrap.dedent(body))
        argv = [
            sys.executable,
            "-m",
            "pytest",
            "-c",
            str(ROOT / "pyproject.toml"),
            "--rootdir",
            str(tmp_path),
            str(tests),
        ]
        env = {k: v for k, v in os.environ.items() if k != "REQUIRE_ALL"} | environment
        done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True)
        return f"{done.returncode}\n{done.stdout}{done.stderr}"

    return run


# No database is asked: once is enough.
about_pytest = pytest.mark.sqlite
SKIPS = """
    import pytest
    from tests import needs

    def test_without() -> None:
        needs.need("left-handed screwdriver: found none, wanted one. apt-get install it")
"""


@about_pytest
def test_a_skip_is_told_at_the_end(run_pytest) -> None:
    said = run_pytest(SKIPS)
    assert said.startswith("0\n")
    assert "what did not run" in said
    assert "skipped 1: left-handed screwdriver: found none, wanted one. apt-get install it" in said


@about_pytest
def test_where_all_is_required_a_skip_is_a_failure(run_pytest) -> None:
    said = run_pytest(SKIPS, REQUIRE_ALL="1")
    assert said.startswith("1\n")
    assert "REQUIRE_ALL=1 and this would be skipped: left-handed screwdriver" in said


@about_pytest
def test_a_skipped_file_counts_too(run_pytest) -> None:
    said = run_pytest('import pytest\npytest.skip("no such moon", allow_module_level=True)', REQUIRE_ALL="1")
    assert not said.startswith("0\n")
    assert "REQUIRE_ALL=1 and this would be skipped: no such moon" in said


@about_pytest
def test_a_skip_without_a_name_is_a_failure(run_pytest) -> None:
    said = run_pytest("import pytest\n@pytest.mark.skip\ndef test_it(): pass")
    assert said.startswith("1\n")
    assert "name what is missing" in said
