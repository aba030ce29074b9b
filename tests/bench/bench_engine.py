"""Figures of the engine: steps per second, queries per step, overhead beside two scripts; 100 and 1,000 routers."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench import machine

SIZES = tuple(int(n) for n in os.environ.get("BENCH_ROUTERS", "100,1000").split(","))


def did(side: str, row: dict[str, Any]) -> str:
    """What one side did to the devices, so that it can be seen that both did the same."""
    return (
        f"{side}: {row['requests']} requests ({row['requests_per_device']} a device) over {row['connections']} "
        f"connections, {row['waited_s_per_device']} s of waiting a device, {row['sim_cpu_s']} s CPU of the sim"
    )


def test_engine_beside_a_bare_script(tmp_path: Path) -> None:
    """Prints the table and writes var/bench/engine.json. The only assertion: every device was changed, once."""
    rows = []
    for size in SIZES:
        argv = [
            sys.executable,
            "-m",
            "tests.bench.engine_run",
            "--routers",
            str(size),
            "--dir",
            str(tmp_path / str(size)),
        ]
        done = subprocess.run(argv, cwd=machine.REPOSITORY, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, done.stderr[-3000:]
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    table = Table(title="one change over N sim routers: the engine, a plain nornir + netmiko script, a bare one")
    for title in (
        "routers",
        "device steps",
        "steps/s",
        "queries/step",
        "of them keeps",
        "queries/tick",
        "engine wall",
        "plain wall",
        "engine / plain",
        "bare wall",
        "engine / bare",
        "CPU engine",
        "plain",
        "bare",
        "stop > last claim",
    ):
        table.add_column(title, justify="right")
    for row in rows:
        engine, script, typed = row["engine"], row["script"], row["typed"]
        row["wall_ratio"] = round(engine["wall_s"] / typed["wall_s"], 2)
        row["wall_ratio_bare"] = round(engine["wall_s"] / script["wall_s"], 2)
        table.add_row(
            str(row["routers"]),
            str(engine["device_steps"]),
            str(engine["device_steps_per_s"]),
            str(engine["queries_per_device_step"]),
            str(engine["keeps_per_device_step"]),
            str(engine["queries_per_idle_tick"]),
            f"{engine['wall_s']} s",
            f"{typed['wall_s']} s",
            str(row["wall_ratio"]),
            f"{script['wall_s']} s",
            str(row["wall_ratio_bare"]),
            f"{engine['cpu_s']} s",
            f"{typed['cpu_s']} s",
            f"{script['cpu_s']} s",
            f"{row['stop']['last_claim_s']} s",
        )
        assert engine["device_steps"] >= row["routers"] * 5
    console = Console(width=180)
    console.print(table)
    for row in rows:
        console.print(
            f"{row['routers']} routers: " + "; ".join(did(side, row[side]) for side in ("engine", "typed", "script"))
        )
    for row in rows:
        stop = row["stop"]
        console.print(
            f"stop over {row['routers']} routers, {stop['begun']} begun: written {stop['commit_s']} s later; "
            f"last step claimed {stop['last_claim_s']} s after that ({stop['claims_after']} claims; wanted: in 5 s); "
            f"last one under way let go after {stop['last_let_go_s']} s; all put back after {stop['ended_s']} s"
        )
    console.print(machine.about())
    console.print(f"written to {machine.keep('engine', {'runs': rows})}")
