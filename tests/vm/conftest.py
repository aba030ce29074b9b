"""The engine of the tests on machines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vm.conduct import Engine


@pytest.fixture
def engine(child_environment: dict[str, str], tmp_path: Path) -> Iterator[Engine]:
    made = Engine(child_environment, tmp_path)
    yield made
    made.stop()
