"""Simulated routers in this process, and a walk through one target's steps on one of them. A file that wants others has
fixtures of its own."""

from collections.abc import Mapping
from typing import Any

import pytest

from playbooks.facts import driver as facts
from tests.playbooks.simlab import SimLab
from tests.playbooks.simsession import SimSession, Walk, device


@pytest.fixture
def lab() -> SimLab:
    """The ring of six."""
    return SimLab()


@pytest.fixture
def legs(lab: SimLab) -> Walk:
    return Walk(lab, device(lab, "bly"))


@pytest.fixture
def baseline(lab: SimLab, legs: Walk) -> Mapping[str, Any]:
    """The measurement of that target before anything is done to it."""
    return facts.measure(SimSession(legs.device, lab))
