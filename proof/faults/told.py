"""The section of docs/proof.md from the lines that the runs have left: `python -m proof.faults.told`."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from proof import report
from proof.faults.fault import boundaries
from proof.report import Row

FOLDER = Path(__file__).resolve().parents[2] / "var" / "proof" / "faults"
WORDS = """\
Whole runs of the engine over simulated routers, three routers each, judged from outside: from the journal of what
reached each device, the state it is in at the end, and plain SQL. The judge (`proof/faults/judge.py`,
`lab/sim/oracle.py`) imports nothing of the engine.

Ticks, legs, transitions and sessions are those of production, on a real database. The clock, the broker and the
channel below an SSH session are simulated, so that minutes take a second and a seed repeats them: several workers,
beats and controllers take turns at every request, every commit and every look into the database. One run again, with
all that reached the devices: `python -m proof.faults --seed S --only RUN --tell`, with `--sweep` for the deaths one
by one, `--stopped` for a worker that is stopped there for longer than its lease and then goes on. `--sabotage` takes
one rule away from the engine first; the judge must see it. Real processes, a real PostgreSQL, Redis and SSH server
are killed and stopped in the [long run](#long-run), whose changes are judged by the same rules, and in `tests/crash`;
real routers (FRR and BIRD in network namespaces) in the long run on the ring, judged by what is recorded in them.

What was wrong is mended and played again; the newest line of a run counts. So it was with seed 1, run 249 and
`--stopped` 1147: a worker that stood still between two requests of one act for longer than its lease sent the second
when it went on, to a router that had been given back. Now whatever sends asks last of all whether it still may
(`playbooks/deadlines.py`). What stands still between that question and the packet is not told apart by anybody but
the device.

Seven runs were judged wrong by mistakes of the judge, which took a drained cost that BIRD announces anew for an undrain
and did not take a panic just before an ordered reboot for one; mended, and played again. Some 640 of the runs were
played after sessions, drain and ticks were made quicker (22 November 2026: devices are asked in another order since
then), the others before."""


def lines(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Every run that was kept, the newest of each."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for text in path.read_text().splitlines():
            row = json.loads(text)
            how = row.get("sabotage", ""), row["sweep"], row.get("stopped", False)
            found[(*how, row["database"], row["seed"], row["run"])] = row
    return list(found.values())


def table(rows: list[dict[str, Any]]) -> list[Row]:
    """What the runs came to."""
    whole = [r for r in rows if not r.get("sabotage")]
    wrong = [r for r in whole if r["wrong"]]
    made = [Row("runs judged", f"{len(whole):,}", "2,000", holds=len(whole) >= 2000)]
    made += [Row("of them wrong", str(len(wrong)), "0", holds=not wrong)]
    for (database, what), n in sorted(Counter((r["database"], _kind(r)) for r in whole).items()):
        made.append(Row(f"on {database}: {what}", f"{n:,}"))
    for what, key in (("changes ended", "state"), ("routers ended", "targets")):
        values = [r[key] for r in whole] if key == "state" else [s for r in whole for s in r[key].values()]
        said = ", ".join(f"{s.replace('_', ' ')} {n:,}" for s, n in Counter(values).most_common())
        made.append(Row(what, said))
    made.append(Row("processes killed", f"{sum(r['deaths'] for r in whole):,}"))
    simulated = [r["cpu_s"] for r in whole if r["cpu_s"] is not None]
    made.append(Row("CPU of a simulated run", f"{sum(simulated) / max(len(simulated), 1):.1f} s"))
    kinds, bad = Counter[str](), Counter[str]()
    for row in whole:
        for kind in set(row["kinds"]):
            kinds[kind] += 1
            bad[kind] += bool(row["wrong"])
    made += [
        Row(f"runs with: {k}", f"{n:,}, wrong {bad[k]}", "wrong 0", holds=not bad[k]) for k, n in kinds.most_common()
    ]
    for how in sorted({r["sabotage"] for r in rows if r.get("sabotage")}):
        some = [r for r in rows if r.get("sabotage") == how]
        seen = sum(bool(r["wrong"]) for r in some)
        made.append(
            Row(f"engine broken on purpose: {how}", f"seen in {seen} of {len(some)} runs", "seen", holds=seen > 0)
        )
    return made


def _kind(row: dict[str, Any]) -> str:
    if row["database"].startswith("real"):  # real processes, and with the ring also real routers
        return "changes of the long run, with what went wrong meanwhile"
    if not row["sweep"]:
        return "one to five faults, drawn"
    done = "stopped there until it is overtaken" if row.get("stopped") else "killed there"
    return f"a worker at one commit or request, {done}, of {len(boundaries()):,}"


def words(rows: list[dict[str, Any]]) -> str:
    """The text below the table, with the runs that were wrong."""
    told = [WORDS]
    for row in [r for r in rows if r["wrong"] and not r.get("sabotage")][:20]:
        how = " --stopped" if row.get("stopped") else " --sweep" if row["sweep"] else ""
        again = f"--seed {row['seed']} --only {row['run']}{how}"
        told.append(f"- `{again}`, {row['story']}: {'; '.join(row['wrong'][:3])} ({', '.join(row['faults'])})")
    return "\n\n".join(told)


def main() -> None:
    rows = lines()
    report.write("faults", table(rows), seed=min((r["seed"] for r in rows), default=None), words=words(rows))


if __name__ == "__main__":
    main()
