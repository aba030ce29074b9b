"""The ring of real routers for the stories on it, and the engine that works on it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import netns
from tests import needs
from tests.stories import engines
from tests.stories.stage import Stage


@pytest.fixture(scope="module")
def ring() -> Iterator[netns.Lab]:
    """A ring of its own for each file: what one leaves behind is not the next one's."""
    needs.need(needs.minutes())
    needs.need(" ".join(netns.reasons_unavailable()) or None)
    yield netns.up(print)
    netns.down()


@pytest.fixture
def ring_stage(
    ring: netns.Lab, author: Any, approver: Any, child_environment: dict[str, str], tmp_path: Path
) -> Iterator[Stage]:
    """The ring's inventory, its people, and the in-process engine at work."""
    made = Stage(author, approver)
    made.load(ring.inventory_path)
    with engines.running("inline", child_environment, None, tmp_path):
        yield made
