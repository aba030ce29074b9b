"""The judge of the campaign: what a journal says that is wrong, and what only looks so."""

from typing import Any

import pytest

from lab.sim.oracle import Entry
from proof.faults import judge
from proof.faults.scene import STORIES

RESTARTED = next(story for story in STORIES if story.name == "restarted")


WHOLE = ["bgp", "igp4", "igp6"]


def _entry(seq: int, event: str, **more: Any) -> Entry:
    return {"router": "wells", "event": event, "seq": seq, "mono": float(seq), "drained": WHOLE, **more}


def _cost(seq: int, before: int, after: int) -> Entry:
    changes = [f"- define SLIPWAY_EXTRA_COST = {before};", f"+ define SLIPWAY_EXTRA_COST = {after};"]
    return _entry(seq, "command", argv=["birdc", "configure"], changes=changes)


DOWN = _entry(2, "halt")
DONE = {"wells": ("done", True, True)}


def test_a_drained_cost_that_is_announced_anew_is_no_undrain() -> None:
    journal = [_cost(1, 0, 60000), DOWN, _cost(3, 60000, 59999), _cost(4, 59999, 60000)]
    assert not [said for said in judge.of_journal(RESTARTED, journal, DONE) if "converged" in said]


@pytest.mark.parametrize("drained", [60000, 59999])
def test_traffic_put_back_before_anybody_looked_is_one(drained: int) -> None:
    journal = [_cost(1, 0, 60000), DOWN, _cost(3, drained, 0)]
    assert "wells: undrained before anybody had seen it converged" in judge.of_journal(RESTARTED, journal, DONE)
