"""The table of the peers: what is judged, what is only told, and what stands of a host that dies."""

import json
from typing import Any

from proof.peers import sides, told

ALL = {"changed": ["host-00"], "untouched": [], "changed, drained": [], "unchanged, drained": []}
DEAD = {**ALL, "changed, drained": ["host-07"]}


def run(side: str, wall_s: float, *, what: str = "set", dies: bool = False) -> dict[str, Any]:
    said = json.dumps(
        {"facts_s": 1, "change": "running", "targets": {"host-07": "verifying"}, "said": ["host-07: waits"]}
    )
    figures = {"wall_s": wall_s, "cpu_s": wall_s, "memory_mb": 1, "load": 1.0, "status": 0, "said": said}
    return {"side": side, "what": what, "dies": dies, "dead": "host-07" if dies else "", "left": DEAD, **figures}


def test_the_service_is_judged_and_what_is_started_anew_is_told() -> None:
    rows = told.rows([run("slipway", 8.0), run("started", 12.0), run("ansible", 40.0), run("script", 4.0)])
    found = {row.what.partition(": ")[2]: (row.found, row.holds) for row in rows}
    assert found["wall, Slipway / Ansible"] == ("0.20", True)
    assert found["wall, Slipway / the script"] == ("2.00", False)
    assert found["wall, Slipway started anew / Ansible"] == ("0.30", None)


def test_what_is_left_undone_stands_by_change_and_side() -> None:
    runs = [
        run(side, 9.0, what=what, dies=True) for side in ("script", "ansible", "slipway") for what in ("restart", "set")
    ]
    rows = told.rows(runs)
    named = [(row.what.partition(";")[0], row.what.rpartition("what ")[2]) for row in rows]
    assert named == [
        (told.CHANGES[w], f"{told.NAMES[s]} leaves") for w in told.CHANGES for s in ("slipway", "ansible", "script")
    ]
    assert "1 changed" in rows[0].found and "changed, drained" in rows[0].found and "host-07: waits" in rows[0].found


def test_figures_of_a_running_process_are_those_that_it_tells() -> None:
    figures = {"wall_s": 2.5, "cpu_s": 1.25}
    assert sides.of_running("a table\n" + json.dumps({"facts_s": 1, "running": figures})) == figures
    assert sides.of_running(json.dumps({"facts_s": 1, "running": None})) == {} == sides.of_running("PLAY RECAP")
