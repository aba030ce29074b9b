"""What proof.scale and proof.peers make of what they measured; the runs themselves take minutes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fleet.core.states import TARGET_MOVES, TargetState, phase_of
from playbooks.recipe import load_recipe
from proof.peers import told as peers
from proof.scale import grouped, one, processes, profiled, told, used


def measured(routers: int, workers: int, **other: Any) -> dict[str, Any]:
    cpu = {"worker": 10.0, "ticker": 1.0, "postgresql": 2.0, "redis": 0.1, "sim": 9.0, "beat": 0.1}
    return {
        "routers": routers, "workers": workers, "load": [1.0, 2.0], "wall_s": 60.0, "targets_per_minute": 100.0,
        "cpu_s": cpu, "cpu_s_per_target": 0.1, "waves": 2, "in_flight_at_most": 50, "worker_idle_mb": 100,
        "worker_at_most_mb": 150, "queries_per_step": 3.9, "tick_s_median": 0.1, "tick_s_p95": 0.2,
        "tick_s_at_most": 0.3, "tick_queries_median": 12, "tick_queries_at_most": 40, "load_s": 1.0,
        "collect_s": 2.0, "plan_s": 3.0, **other,
    }  # fmt: skip


def verdicts(rows: Any) -> dict[str, bool | None]:
    return {row.what: row.holds for row in rows}


def test_a_process_with_a_bracket_in_its_name_is_read() -> None:
    assert used.stat("7 (a) b) S 3 " + " ".join(["0"] * 9) + " 100 50 25 25 0")[0] == 3
    assert used.stat("7 (a) b) S 3 " + " ".join(["0"] * 9) + " 100 50 25 25 0")[1] == 200 / used.TICKS


def test_a_tree_is_a_process_and_all_below_it() -> None:
    assert used.tree(2, {1: 0, 2: 1, 3: 2, 4: 3, 5: 1}) == {2, 3, 4}


def test_a_process_is_found_with_what_it_has_started() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 30 & wait"]) as process:
        until = time.monotonic() + 10
        while len(used.below(process.pid)) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        found = used.below(process.pid)
        for pid in found:
            os.kill(pid, signal.SIGKILL)
    assert process.pid in found
    assert len(found) == 2


def test_the_worker_of_the_compose_file_gets_so_many_processes_and_the_ticker_stays_one() -> None:
    worker = ["celery", "-A", "fleet.celery", "worker", "--queues", "legs,collect", "--concurrency", "2"]
    assert processes.command(worker, workers=4)[1:] == [
        "-A", "proof.scale.counted", "worker", "--queues", "legs,collect", "--concurrency", "4",
    ]  # fmt: skip
    ticker = ["celery", "-A", "fleet.celery", "worker", "--queues", "tick", "--concurrency", "1"]
    assert processes.command(ticker, workers=4)[-1] == "1"


def test_stages_of_five_hundred_end_with_all() -> None:
    assert one.stages(300) == [300]
    assert one.stages(1200) == [500, 1000, 1200]


def test_queries_are_those_of_the_shards_by_step() -> None:
    shard = {"task": "slipway.run_shard", "queries": 80, "wall_s": 3.0, "cpu_s": 1.0}
    tick = {"task": "slipway.tick", "queries": 12, "wall_s": 0.1, "cpu_s": 0.05}
    found = one.tasks([shard, tick, {**tick, "wall_s": 0.5, "queries": 30}], 20)
    assert (found["queries_per_step"], found["ticks"], found["tick_queries_at_most"]) == (4.0, 2, 30)


def test_what_falls_short_is_said() -> None:
    rows = told.rows([measured(100, 2), measured(1000, 2, cpu_s_per_target=0.2), measured(100, 1)], [])
    found = verdicts(rows)
    assert found["CPU a device, 1,000 beside 100"] is False
    assert found["devices of the biggest change that was run here"] is False
    assert found["100 devices: devices a minute by worker processes"] is False
    assert found["100 devices: queries a step"] is True


def test_memory_for_more_in_flight_is_told_between_two_sizes() -> None:
    small, big = measured(100, 2), measured(3000, 2, in_flight_at_most=550, worker_at_most_mb=200)
    found = {row.what: row.found for row in told.rows([small, big], [])}
    assert found["memory of workers for 1,000 more in flight, 3,000 beside 100"] == "100 MB"
    assert not [row for row in told.rows([small, measured(200, 2)], []) if "1,000 more in flight" in row.what]


def test_a_soak_without_the_change_before_it_is_told() -> None:
    soak = {"targets": 10_000, "seconds": 60.0, "cpu_s": {"worker": 0.3, "ticker": 2.0, "beat": 0.1, "postgresql": 1.0}}
    found = verdicts(told.rows([{"routers": 10_000, "workers": 2, "load": [1.0, 1.0], "soaking": soak}], []))
    assert found["10,000 soaking: CPU of the workers over 60 s"] is True


def test_what_was_not_walked_to_is_told_as_laid_out_with_the_cost_of_a_tick() -> None:
    cpu = {"worker": 3.0, "ticker": 2.0, "beat": 0.1, "postgresql": 1.0}
    soak = {"targets": 9, "seconds": 60.0, "cpu_s": cpu, "ticks": 20, "tick_cpu_s": 2.0, "shards": 0, "laid_out": True}
    rows = told.rows([{"routers": 9, "workers": 2, "soaking": soak}], [])
    found = {row.what: (row.found, row.holds) for row in rows}
    assert found["9 soaking, laid out as rows: CPU of the workers over 60 s"][1] is False
    assert found["9 soaking, laid out as rows: CPU of a tick"][0].startswith("0.10 s")


def test_sizes_that_were_not_run_are_reckoned_from_all_cpu_of_slipway_and_from_no_devices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(told.os, "cpu_count", lambda: 2)
    [row] = [r for r in told.rows([measured(1000, 2)], []) if r.what.startswith("reckoned")]
    assert row.holds is None
    own = 10.0 + 1.0 + 0.1 + 2.0 + 0.1  # of all thousand, the simulated devices' 9.0 left out
    assert f"3,000: {own * 3 / 2 / 60:.0f} min; 10,000: {own * 10 / 2 / 60:.0f} min" == row.found


def test_cpu_is_counted_for_the_package_that_a_function_belongs_to_or_that_called_it() -> None:
    ssh, orm, wait = ("/x/paramiko/packet.py", 1, "read"), ("/x/django/db/query.py", 2, "get"), ("~", 0, "<acquire>")
    stats = {
        ssh: (1, 1, 2.0, 3.5, {}),
        orm: (1, 1, 1.0, 1.5, {}),
        wait: (4, 4, 2.0, 2.0, {ssh: (3, 3, 1.5, 1.5), orm: (1, 1, 0.5, 0.5)}),
        ("~", 0, "<method 'disable' of '_lsprof.Profiler' objects>"): (1, 1, 9.0, 9.0, {}),
    }
    found = grouped.shares(stats)
    assert found == {"SSH: paramiko, cryptography": 3.5, "ORM: Django": 1.5}


def test_every_thread_is_profiled_and_told_by_worker_and_ticker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = profiled.Profile(tmp_path)
    monkeypatch.setattr(profiled, "WRITES_EVERY_S", 0.0)
    try:
        profile.begin()
        thread = threading.Thread(target=lambda: Path("x").match("*"))
        thread.start()
        thread.join()
        profile.statements["SELECT 1"] += 1
        profile.write()
    finally:
        threading.setprofile(None)  # type: ignore[arg-type]
        sys.setprofile(None)
    (tmp_path / f"{os.getpid()}.jsonl").write_text('{"task": "slipway.run_shard"}\n')
    assert told.profiled(tmp_path) == []
    (tmp_path / "of.json").write_text('{"routers": 300}')
    [row] = told.profiled(tmp_path)
    assert (row.what, row.holds) == ("300 devices: where the worker's CPU goes", None)
    stats = grouped.read(tmp_path.glob("*.stats"))
    assert stats is not None
    assert any(name == "match" for _, _, name in stats.stats)  # type: ignore[attr-defined]
    assert grouped.statements(tmp_path.glob("*.sql.json")) == {"SELECT 1": 1}


def test_statements_with_lists_of_any_length_are_one(tmp_path: Path) -> None:
    (tmp_path / "1.sql.json").write_text('{"IN (%s, %s)": 2, "IN (%s, %s, %s)": 3}')
    assert grouped.statements(tmp_path.glob("*.json")) == {"IN (%s, ..)": 5}


def run(side: str, wall: float, **other: Any) -> dict[str, Any]:
    left = {"changed": ["host-00", "host-01"], "untouched": []}
    about = {
        "what": "set",
        "dies": False,
        "dead": "",
        "status": 0,
        "memory_mb": 90,
        "load": 1,
        "left": left,
        "said": "",
    }
    return {"side": side, "wall_s": wall, "cpu_s": wall, "left": left, **about, **other}


def test_the_peers_are_compared_by_their_medians() -> None:
    runs = [run("slipway", w) for w in (3.0, 4.0, 90.0)] + [run("ansible", 20.0), run("script", 3.0)]
    found = {row.what: (row.found, row.holds) for row in peers.rows(runs)}
    name = "a kernel setting, all at once"
    assert found[f"{name}: wall, Slipway / Ansible"] == ("0.20", True)
    assert found[f"{name}: wall, Slipway / the script"] == ("1.33", False)
    walls = "Slipway 4 (3 to 90, load 1); Ansible 20 (load 1); the script 3 (load 1)"
    assert found[f"{name}: wall, s"] == (walls, None)


def test_what_a_dead_host_leaves_undone_is_told_with_what_the_side_says() -> None:
    left = {"changed": ["host-00"], "changed, drained": ["host-07"], "untouched": ["host-01"]}
    recap = "host-07   : ok=6  changed=3  unreachable=1  failed=0\n"
    dead = run("ansible", 30.0, dies=True, dead="host-07", left=left, status=4, said=recap)
    [row] = peers.rows([dead])
    assert "of the others 1 changed, 1 untouched; of the dead one's disk: changed, drained." in row.found
    assert "unreachable=1" in row.found


PROOF = Path(told.__file__).parents[1]


@pytest.mark.parametrize("file", ["peers/recipe_set", "peers/recipe_restart", "scale/recipe", "scale/soak"])
def test_the_recipes_may_be_run_in_their_order(file: str) -> None:
    text = (PROOF / f"{file}.yaml").read_text().replace("WAVES", "500, 1000")
    state = TargetState.BASELINING
    for step in load_recipe(text, {}).steps:
        phase = phase_of(step.verb)
        assert phase is state or phase in TARGET_MOVES[state], f"{step.verb} after {state}"
        state = TargetState.DRAINED if phase is TargetState.DRAINING else phase
