"""A worker killed in the middle of the way to VPP, which hangs: the kernel is back all the same, and nothing twice."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests import needs
from tests.crash.kills import Bench
from tests.crash.test_kills_one_by_one import bench, chosen

__all__ = ["bench"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(7200), pytest.mark.sqlite]


def test_killed_anywhere_on_the_way_to_vpp_and_back(bench: Callable[..., Bench]) -> None:
    """CRASH_ALL=1 is every point. How many events a run has depends on how often a wait is looked at: those beyond the
    end of another run are no points of it."""
    needs.need(needs.minutes())
    made = replace(bench("vpp-hang", {}), names=("bly",))
    made.fleet.inject("bly", "vpp_hangs")
    end, points = made.undisturbed()
    assert end.change == "rolled_back"
    wrong, reached = list[str](), 0
    for wish in chosen([point for point in points if not point.startswith("event:")]):
        try:
            where = made.killed(wish, end)
        except AssertionError as error:
            where = "WRONG"
            wrong.append(str(error))
        reached += bool(where)
        print(f"vpp-hang {wish}: {where or 'not reached'}", flush=True)
    assert not wrong, "\n".join(wrong)
    assert reached
