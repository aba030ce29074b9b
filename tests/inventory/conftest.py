"""The instant at which tests happen, and fleets of any size in the database."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.inventory.fleet_file import pods


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.fixture
def fleet(db: None, now: datetime) -> Callable[[int], None]:
    """`fleet(10)`: the pods in the database."""
    from inventory.importers import yaml_file

    def load(routers: int) -> None:
        preview = yaml_file.preview(pods(routers))
        assert not preview.errors
        yaml_file.apply(preview, now=now)

    return load
