"""The topology as a value: of everything, and around a few devices."""

from datetime import UTC, datetime

import pytest

from inventory import topology
from tests.inventory import scene


@pytest.mark.django_db
def test_around_a_device_stand_its_links_and_no_others() -> None:
    scene.fleet(8, datetime(2026, 1, 5, 5, 0, tzinfo=UTC))
    whole = topology.load()
    some = topology.beside(["bly"])
    assert set(some.links) == {link for link in whole.links if "bly" in {link.a, link.b}} != set()
    assert "bly" in some.domain_of and len(some.domain_of) < len(whole.domain_of)
    assert topology.beside([]).links == ()
