"""Every operation of the API against its OpenAPI document (schemathesis, every check): nothing undocumented, no 5xx.

For each operation the boundaries of what the document allows and of what it does not, then made-up requests. Paths with
a number meet rows that exist as often as not. A few operations each time; all of them where nobody waits (CI).
"""

import logging
import os
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Part
from schemathesis.config import PositiveDataAcceptanceConfig

from fleet import clock
from fleet.api import me
from fleet.changes import draft_requests
from fleet.changes import windows as keeping
from fleet.changes.models import DraftRequest
from tests import needs
from tests.changes import builders
from tests.changes.api_client import token

pytest_plugins = ["schemathesis.pytest.plugin"]  # left out of all other runs (pyproject.toml)
pytestmark = [pytest.mark.django_db, pytest.mark.sqlite, pytest.mark.filterwarnings("ignore")]

SCHEMA = schemathesis.openapi.from_dict(me.document())
SCHEMA.app = get_wsgi_application()
# 412: no made-up ETag is the one of a row. 422: a made-up key was used before with something else.
ACCEPTED = ["2xx", "401", "403", "404", "409", "412", "422"]
SCHEMA.config.checks.positive_data_acceptance = PositiveDataAcceptanceConfig(expected_statuses=ACCEPTED)
SCHEMA.config.generation.update(allow_x00=False)  # JSON may hold it, PostgreSQL cannot: refused, and said so
ALWAYS = {"get_me", "get_changes", "post_change_approve", "post_changes", "get_change_why", "put_window"}
# Made-up requests of each operation, and for how long: API_SECONDS=30 looks longer.
EXAMPLES = 10
SECONDS = float(os.environ.get("API_SECONDS", "0.2"))
LEAST = 3


@SCHEMA.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Numbers of rows that exist, as often as not."""
    if path_parameters and isinstance(pk := path_parameters.get("pk"), int) and not isinstance(pk, bool):
        return {**path_parameters, "pk": abs(pk) % 4 + 1 if pk % 2 else pk}
    return path_parameters


@SCHEMA.hook
def map_headers(context: Any, headers: Any) -> Any:
    """A key of its own for each request: otherwise most would be answered by another one."""
    key = (headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) < 200 and key.isascii() and key.isalnum():
        headers["Idempotency-Key"] = f"{key}-{uuid4()}"
    return headers


_spent: dict[str, list[Any]] = {}  # operation: how many requests, and seconds


@pytest.fixture
def _one_connection() -> Iterator[None]:
    """Requests go through WSGI, which closes the connection after each; the rows of this test are only on this one."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def bearer(
    _one_connection: None, admin: User, author: User, approver: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """A token for everything, over a fleet with changes in several states."""
    settings.SLIPWAY_API_PER_MINUTE = 10**9
    monkeypatch.setattr("fleet.api.authentication.MOST_WRONG", 10**9)  # each operation is asked with wrong tokens, too
    logging.getLogger("django.request").setLevel(logging.ERROR)
    now = clock.now()
    draft_requests.publish()
    builders.fleet(["bly", "aebi", "dekker"])
    builders.draft(author, builders.plan([["bly"]]), now)
    builders.submitted(author, builders.plan([["bly"], ["aebi"]]), now)
    builders.running(author, approver, builders.plan([["dekker"]]), now)
    wanted = keeping.Wanted(
        "nights", now.date(), now.time().replace(microsecond=0), timedelta(hours=2), "UTC", "FREQ=DAILY"
    )
    assert keeping.add(keeping.window_row(wanted, admin, now)) == ()
    DraftRequest.objects.create(asked_by=author, asked_at=now, title="x", recipe="nic-queues")
    return {"Authorization": f"Bearer {token(admin)[0]}"}


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Part.explicit, Part.generate],
    suppress_health_check=list(HealthCheck),
)
def test_what_is_answered_is_what_is_written(case: Any, bearer: dict[str, str]) -> None:
    if case.operation.definition.raw["operationId"] not in ALWAYS:
        needs.need(needs.minutes())
    spent = _spent.setdefault(case.operation.label, [0, 0.0])
    if spent[0] >= LEAST and spent[1] > SECONDS:
        return
    began = time.perf_counter()
    try:
        case.call_and_validate(headers=bearer)
    finally:
        spent[0] += 1
        spent[1] += time.perf_counter() - began
