"""The section of scale, from every measurement that is kept."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from proof import report
from proof.report import Row
from proof.scale import grouped

FOLDER = Path(__file__).resolve().parents[2] / "var" / "proof" / "scale"
PROFILE = FOLDER / "profile"
PLANNING = FOLDER.parents[1] / "bench" / "planning.json"
BIGGEST = 10_000
QUIET = (1_000, 3_000, 10_000)
# With fewer in flight, what a process needs for its first device counts more than all others.
FLYING = 200
# CPU of a device may be so much more where there are ten times as many: what is called flat.
FLAT = 1.25
# Of one core, over a minute, all worker processes together.
IDLE_SHARE = 0.02
PLANNED_S = 30.0
QUERIES = 4.0
# Of twice as many worker processes, in devices a minute.
HELPS = 1.2
WORDS = """\
Simulated routers that speak SSH (`lab/sim`, in a process of its own on the same machine: its CPU is said apart), in
pods of two edges and two cores whose redundancy the waves keep. One change (baseline, drain, sysctl, verify, undrain;
at least six steps a device), in stages of 500, which redundancy splits further, over PostgreSQL and Redis by the
commands of `docker-compose.yml`: worker processes, ticker, beat. `python -m proof.scale --sizes 3000 --workers ""`
measures one size and keeps it beside the others (`var/proof/scale`).

CPU a device counts the worker processes; memory is what they have more than idle, for a thousand devices in flight
(rows begun and not ended: a worker process holds 25 of them in hand). Queries a step are those of the shards, ticks
apart. Soaking: nothing is due for the minute that is measured; "laid out" says that the rows of such a run were written
instead of walked to (`--soak rows`, `proof/scale/laid.py`). Where the CPU goes is own time under cProfile by each
thread's CPU clock (`--profile`; the functions and statements: `python -m proof.scale.grouped var/proof/scale/profile`):
it makes code of many small calls look dearer than it is. Devices a minute share two cores with the simulated
routers, PostgreSQL, Redis and whatever else the machine does (load in the table): they say little about a machine of
its own, and comparisons of wall time little at a load that changes.

Of 10,000 devices 5,050 were changed in 25 minutes, beside three other measurements, when the run was ended for want of
time. It showed what falls short: a tick took 0.43 s of CPU there (0.13 s with 3,000), because while there is room
it reads every target and the whole topology; 976 of them were 421 s beside the 495 s of the shards. That part of the
cost grows with the fleet and not with the work."""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def keep(figures: dict[str, Any], folder: Path = FOLDER) -> None:
    """One file for each size and number of workers; what a run did not measure stays from the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{figures['routers']}-{figures['workers']}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(before | figures, indent=2) + "\n")


def kept(folder: Path = FOLDER) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return sorted(found, key=lambda f: (f["routers"], f["workers"]))


def rows(found: Sequence[Mapping[str, Any]], planning: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The table. Pure."""
    ran = [f for f in found if "wall_s" in f]
    sizes = [f for f in ran if f["workers"] == 2]
    made = [row for f in sizes for row in _of(f)]
    made += _flat(sizes)
    made += _quiet(sizes)
    made += [row for f in found if "soaking" in f for row in _soaking(f)]
    made += _more_workers(ran)
    made += _planning(planning)
    if (most := max((f["routers"] for f in sizes), default=0)) < BIGGEST:
        made.append(Row("devices of the biggest change that was run here", f"{most:,}", f"{BIGGEST:,}", holds=False))
    return made


def _of(f: Mapping[str, Any]) -> list[Row]:
    name, load = f"{f['routers']:,} devices", f"load {f['load'][0]:.0f} to {f['load'][-1]:.0f}"
    grown, flying = max(f["worker_at_most_mb"] - f["worker_idle_mb"], 0), f["in_flight_at_most"]
    each = f"{grown / flying * 1000:.0f} MB" if flying >= FLYING else f"not told by {flying}"
    cpu = ", ".join(f"{who} {f['cpu_s'][who] / f['routers']:.3f}" for who in ("ticker", "postgresql", "redis", "sim"))
    memory = f"{f['worker_idle_mb']}, {f['worker_at_most_mb']} MB, {each}"
    tick = f"{f['tick_s_median']:.2f}, {f['tick_s_p95']:.2f}, {f['tick_s_at_most']:.2f} s"
    asked = f"{f['tick_queries_median']:.0f}, {f['tick_queries_at_most']}"
    few = f["queries_per_step"] <= QUERIES
    return [
        Row(f"{name}: devices a minute", f"{f['targets_per_minute']:.0f} ({f['wall_s']:.0f} s, {load})"),
        Row(f"{name}: CPU s a device, workers", f"{f['cpu_s_per_target']:.3f}{_legs(f)} (others: {cpu})"),
        Row(f"{name}: waves, most in flight", f"{f['waves']}, {f['in_flight_at_most']}"),
        Row(f"{name}: memory of workers, idle, at most, more for 1,000 in flight", memory),
        Row(f"{name}: queries a step", f"{f['queries_per_step']:.2f}", f"at most {QUERIES:.0f}", holds=few),
        Row(f"{name}: tick, median, p95, longest", tick),
        Row(f"{name}: queries of a tick, median, most", asked),
        Row(f"{name}: inventory, facts, plan", f"{f['load_s']:.0f}, {f['collect_s']:.0f}, {f['plan_s']:.0f} s"),
    ]


def profiled(folder: Path = PROFILE) -> list[Row]:
    """Where the CPU of worker processes and of the ticker went, by package; none where nothing was profiled."""
    if not (folder / "of.json").exists():
        return []
    routers = json.loads((folder / "of.json").read_text())["routers"]
    by: dict[str, list[Path]] = {"worker": [], "ticker": []}
    for path in sorted(folder.glob("*.stats")):
        tasks = path.with_suffix(".jsonl").read_text()
        by["ticker" if '"slipway.tick"' in tasks else "worker"].append(path)
    made = []
    for who, paths in by.items():
        if (stats := grouped.read(paths)) is not None:
            made.append(Row(f"{routers:,} devices: where the {who}'s CPU goes", _shared(grouped.shares(stats.stats))))  # type: ignore[attr-defined]
    return made


def _shared(seconds: Mapping[str, float]) -> str:
    """The groups that have at least a hundredth."""
    whole = sum(seconds.values()) or 1.0
    return ", ".join(f"{who} {s / whole:.0%}" for who, s in seconds.items() if s >= whole / 100)


def _legs(f: Mapping[str, Any]) -> str:
    """What of it the legs took: the rest is what workers do every two seconds, whether devices change or not."""
    return f", legs alone {f['shards_cpu_s'] / f['routers']:.3f}" if "shards_cpu_s" in f else ""


def _flat(sizes: Sequence[Mapping[str, Any]]) -> list[Row]:
    if len(sizes) < 2:
        return []
    first, last = sizes[0], sizes[-1]
    ratio = last["cpu_s_per_target"] / first["cpu_s_per_target"]
    what = f"CPU a device, {last['routers']:,} beside {first['routers']:,}"
    return [Row(what, f"{ratio:.2f}", f"at most {FLAT}", holds=ratio <= FLAT), *_memory(sizes)]


def _memory(sizes: Sequence[Mapping[str, Any]]) -> list[Row]:
    """What more devices in flight take, without what a process needs for its first: one size beside a smaller one."""
    told_of = [f for f in sizes if f["in_flight_at_most"] >= FLYING]
    first = next((f for f in sizes if told_of and told_of[-1]["in_flight_at_most"] >= 2 * f["in_flight_at_most"]), None)
    if first is None:
        return []
    last = told_of[-1]
    more = (last["worker_at_most_mb"] - first["worker_at_most_mb"]) * 1000
    found = f"{more / (last['in_flight_at_most'] - first['in_flight_at_most']):.0f} MB"
    what = f"memory of workers for 1,000 more in flight, {last['routers']:,} beside {first['routers']:,}"
    return [Row(what, found)]


def _soaking(f: Mapping[str, Any]) -> list[Row]:
    soak = f["soaking"]
    share = soak["cpu_s"]["worker"] / soak["seconds"]
    others = ", ".join(f"{who} {soak['cpu_s'][who]:.1f}" for who in ("ticker", "beat", "postgresql"))
    laid = ", laid out as rows" if soak.get("laid_out") else ""
    what = f"{soak['targets']:,} soaking{laid}: CPU of the workers over {soak['seconds']:.0f} s"
    found = f"{soak['cpu_s']['worker']:.1f} s, {share:.1%} of a core (others: {others})"
    made = [Row(what, found, f"at most {IDLE_SHARE:.0%}", holds=share <= IDLE_SHARE)]
    if ticks := soak.get("ticks"):
        found = f"{soak['tick_cpu_s'] / ticks:.2f} s; {soak['shards']} messages to workers"
        made.append(Row(f"{soak['targets']:,} soaking{laid}: CPU of a tick", found))
    return made


def _quiet(sizes: Sequence[Mapping[str, Any]]) -> list[Row]:
    """How long sizes that were not run would take on a quiet machine: all CPU of Slipway, spread over its cores."""
    if not sizes:
        return []
    last = sizes[-1]
    own = sum(last["cpu_s"][who] for who in ("worker", "ticker", "beat", "postgresql", "redis")) / last["routers"]
    cores = os.cpu_count() or 1
    more = [size for size in QUIET if size > last["routers"]]
    found = "; ".join(f"{size:,}: {own * size / cores / 60:.0f} min" for size in more)
    what = f"reckoned, not run: {own:.2f} s of CPU a device (devices' own not counted) x devices / {cores} cores"
    return [Row(what, found)] if more else []


def _more_workers(ran: Sequence[Mapping[str, Any]]) -> list[Row]:
    made = []
    for routers in sorted({f["routers"] for f in ran}):
        by = {f["workers"]: f for f in ran if f["routers"] == routers}
        if len(by) < 2:
            continue
        rates = {n: f["targets_per_minute"] for n, f in sorted(by.items())}
        found = "; ".join(f"{n}: {rate:.0f} (load {by[n]['load'][0]:.0f})" for n, rate in rates.items())
        holds = rates[2] >= HELPS * rates[1] if {1, 2} <= set(rates) else None
        what = f"{routers:,} devices: devices a minute by worker processes"
        made.append(Row(what, found, f"2 at least {HELPS} x 1", holds=holds))
    return made


def _planning(planning: Sequence[Mapping[str, Any]]) -> list[Row]:
    made = []
    for p in planning:
        if p["devices"] == BIGGEST:
            cpu = p["waves_s"] + p["risk_s"]
            what = f"planning {BIGGEST:,} in one network, {p['network']}"
            made.append(Row(what, f"{cpu:.1f} s of CPU", f"at most {PLANNED_S:.0f} s", holds=cpu <= PLANNED_S))
    return made


def write() -> None:
    """Write the section."""
    planning = json.loads(PLANNING.read_text())["planning"] if PLANNING.exists() else []
    for row in (made := [*rows(kept(), planning), *profiled()]):
        say(f"{row.what}: {row.found} {row.verdict}")
    report.write("scale", made, words=WORDS)
