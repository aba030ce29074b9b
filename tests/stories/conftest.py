"""The routers of a story, simulated or real, its people, and the engine that works on them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import netns
from lab.sim import SimFleet
from tests import needs
from tests.stories import engines
from tests.stories.stage import Stage


@pytest.fixture
def fleet(sim_fleet: Callable[..., SimFleet]) -> SimFleet:
    """Six simulated routers. A file whose routers are others has a fixture of its own."""
    return sim_fleet(routers=6, timing={"boot_s": 1.0})


@pytest.fixture
def stage(fleet: SimFleet, author: Any, approver: Any) -> Stage:
    """The inventory of the simulated routers, and its people."""
    made = Stage(author, approver)
    made.load(fleet.inventory)
    return made


@pytest.fixture
def inline(child_environment: dict[str, str], tmp_path: Path) -> Iterator[None]:
    """The in-process engine at work."""
    with engines.running("inline", child_environment, None, tmp_path):
        yield


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
