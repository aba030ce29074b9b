"""No worker lives long: each dies soon after it began, and still the run ends as if nobody had."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests import needs
from tests.crash.kills import Bench
from tests.crash.test_kills_one_by_one import ALL, FRAGMENTS, bench

__all__ = ["bench"]  # the fixture

# Many short-lived processes on one database: where they meet is the server's business more than the file's.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800), pytest.mark.postgresql]

# Requests that each worker gets through before it dies. An act needs some in a row (a drain of BIRD: 5), or nothing
# would ever be done.
LIVES = {"restarted": (8,), "put-back": (12,)}
LONG_LIVES = (7, 9, 12)


@pytest.mark.parametrize(("recipe", "inputs"), [("restarted", {}), ("put-back", FRAGMENTS)])
def test_every_worker_dies_young(
    bench: Callable[[str, Mapping[str, Any]], Bench],
    recipe: str,
    inputs: Mapping[str, Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    needs.need(needs.minutes() if recipe == "put-back" else None)
    made = bench(recipe, inputs)
    end, _ = made.undisturbed()
    for requests in LONG_LIVES if ALL else LIVES[recipe]:
        deaths = made.killed_again(f"after:{requests}", end)
        with capsys.disabled():
            print(f"\n{recipe}: {deaths} workers killed after {requests} requests each", end=" ")
        assert deaths >= 2
