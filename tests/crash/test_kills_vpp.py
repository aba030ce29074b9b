"""A worker killed in the middle of the way to VPP, which hangs: the kernel is back all the same, and nothing twice."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests import needs
from tests.crash.kills import Bench
from tests.crash.test_kills_one_by_one import bench, kill_everywhere

__all__ = ["bench"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(7200), pytest.mark.sqlite]


def test_killed_anywhere_on_the_way_to_vpp_and_back(bench: Callable[..., Bench]) -> None:
    needs.need(needs.minutes())
    made = replace(bench("vpp-hang", {}), names=("bly",))
    made.fleet.inject("bly", "vpp_hangs")
    end: Any = kill_everywhere(made)
    assert end.change == "rolled_back"
