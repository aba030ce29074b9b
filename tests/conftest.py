"""What every test may use: the database, a real Redis, simulated fleets, people; and how skips are told.

Which database: SLIPWAY_DATABASE_URL; without it SQLite in a file (WAL, IMMEDIATE, as the product runs embedded), so
that threads and child processes of a test see what it wrote. `make test` runs both legs.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from tests import needs
from tests.redis import RedisServer, private_redis

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from lab.sim import SimFleet

ROOT = Path(__file__).resolve().parent.parent
_left_out: dict[str, int] = {}

# Property tests: a few examples each time they are run by hand (tests/core as a folder: under 5 s), more where nobody
# waits. How fast the machine is just now is no property. HYPOTHESIS_PROFILE=ci asks for the long look anywhere.
_SLOW_IS_FINE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
hypothesis_settings.register_profile("quick", max_examples=30, **_SLOW_IS_FINE)
hypothesis_settings.register_profile("ci", hypothesis_settings.get_profile("ci"), max_examples=200, **_SLOW_IS_FINE)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "quick"))


def pytest_configure() -> None:
    """People are made quickly. Only here: the product's settings hash as slowly as they are meant to."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["tests.passwords.OneRound"]
    # Tests let hours pass between two ticks; that this alone makes a run hold is tested in test_absence.py.
    settings.SLIPWAY_AWAY_SECONDS = 0.0


# --- what is missing is said ---------------------------------------------------------------------------------------


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about the other database: those tests run in the other leg."""
    from django.db import connection

    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[connection.vendor]
    left_out = [item for item in items if item.get_closest_marker(other)]
    if left_out:
        _left_out[other] = len(left_out)
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker(other)]


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ").strip()


def _judge_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """A skip needs a name; where everything is required, it is a failure (but for needs.EXEMPT)."""
    if report.outcome != "skipped" or hasattr(report, "wasxfail"):
        return
    reason = _reason(report)
    if reason in {"", "unconditional skip"}:
        report.outcome, report.longrepr = "failed", "skipped without a reason: name what is missing (tests/needs.py)"
    elif needs.REQUIRE_ALL and not needs.exempt(reason):
        report.outcome, report.longrepr = "failed", f"REQUIRE_ALL=1 and this would be skipped: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    _judge_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    _judge_skip(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """At the end: what did not run here, by reason, and where it runs instead."""
    counts: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        counts[_reason(report)] = counts.get(_reason(report), 0) + 1
    if not counts and not _left_out:
        return
    terminalreporter.section("what did not run")
    for reason, count in sorted(counts.items()):
        terminalreporter.line(f"skipped {count}: {reason}")
    for marker, count in _left_out.items():
        terminalreporter.line(f"left out {count}: about {marker}, run by the {marker} leg of `make test`")


@pytest.fixture(scope="session")
def need() -> Callable[[str | None], None]:
    """`need(needs.root())`: goes on or skips by name."""
    return needs.need


# --- the database --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """SQLite tests use a file instead of shared memory: several connections with WAL and IMMEDIATE, as in use."""
    from django.conf import settings
    from django.db import connections

    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        name = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
        for entry in (settings.DATABASES["default"], connections["default"].settings_dict):
            entry.setdefault("TEST", {})["NAME"] = name


@pytest.fixture(scope="session", autouse=True)
def _flush_append_only_tables() -> Iterator[None]:
    """Tests with real transactions empty all tables at their end, which the append-only triggers of SQLite refuse.

    So the triggers are put aside for that one moment, and the row that a migration made comes back afterwards.
    """
    from django.db.backends.base.operations import BaseDatabaseOperations

    original = BaseDatabaseOperations.execute_sql_flush

    def flush(self: BaseDatabaseOperations, sql_list: list[str]) -> None:
        from fleet.changes.models import Admission

        triggers: list[tuple[str, str]] = []
        with self.connection.cursor() as cursor:
            if self.connection.vendor == "sqlite":
                cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
                triggers = cursor.fetchall()
            for name, _ in triggers:
                cursor.execute(f'DROP TRIGGER "{name}"')
            original(self, sql_list)
            for _, sql in triggers:
                cursor.execute(sql)
        Admission.objects.get_or_create(pk=1)

    BaseDatabaseOperations.execute_sql_flush = flush
    yield
    BaseDatabaseOperations.execute_sql_flush = original


@pytest.fixture
def database_url(transactional_db: None) -> str:
    """The test database as SLIPWAY_DATABASE_URL, for child processes."""
    from django.db import connection

    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite://{values['NAME']}"
    return f"postgresql://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}/{values['NAME']}"


@pytest.fixture
def child_environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of a child process that works on the test database and has a var directory of its own."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "fleet.settings",
        "PYTHONPATH": str(ROOT),
        "SLIPWAY_DATABASE_URL": database_url,
        "SLIPWAY_VAR": str(tmp_path / "var"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }


# --- Redis, fleets, people -----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def redis_session() -> Iterator[RedisServer]:
    """One redis-server for the whole session; tests take `redis_server`, which is empty at their start."""
    needs.need(needs.redis_server())
    with private_redis() as server:
        yield server


@pytest.fixture
def redis_server(redis_session: RedisServer) -> RedisServer:
    """A real, empty redis-server. A test may kill it: the next test finds it started again."""
    if redis_session.process is None or redis_session.process.poll() is not None:
        redis_session.start()
    redis_session.flush()
    return redis_session


@pytest.fixture
def sim_fleet(tmp_path: Path) -> Iterator[Callable[..., "SimFleet"]]:
    """`sim_fleet(routers=6, ...)`: a running fleet of simulated routers (lab.sim.SimFleet), stopped at the end."""
    from lab.sim import SimFleet

    running: list[SimFleet] = []

    def start(**options: Any) -> SimFleet:
        fleet = SimFleet.start(options.pop("dir", tmp_path / f"sim{len(running)}"), **options)
        running.append(fleet)
        return fleet

    yield start
    for fleet in running:
        fleet.stop()


def _person(name: str, *permissions: str, **fields: Any) -> "User":
    from django.contrib.auth.models import Permission, User

    person = User.objects.create_user(name, email=f"{name}@example.net", password=f"{name}-password", **fields)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return person


@pytest.fixture
def admin(db: None) -> "User":
    """May do everything. The password of every person here is `<name>-password`."""
    return _person("admin", is_staff=True, is_superuser=True)


@pytest.fixture
def author(db: None) -> "User":
    """Writes changes. Holds the permission to approve, so that a refusal is the rule's, not the permission's."""
    return _person("author", "add_approval", "change_run")


@pytest.fixture
def approver(db: None) -> "User":
    """Another person, who approves and operates."""
    return _person("approver", "add_approval", "change_run")


@pytest.fixture
def reader(db: None) -> "User":
    """May look, nothing else."""
    return _person("reader")
