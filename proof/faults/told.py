"""The section of docs/proof.md from the lines that the runs have left: `python -m proof.faults.told`."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from fleet import clock
from proof import report

FOLDER = report.FIGURES / "faults"
JUDGED = """\
Whole runs of the engine on simulated routers, judged from outside: from the journal of what reached each device, the
state it is in at the end, and plain SQL; nothing of the engine is asked. Asked of each run: no command that must not
be repeated was (restart of a router or its daemons, any change that stands already), never more drained than the
budget in all and in a failure domain, nothing disrupted while it carried traffic, nothing undrained before it was
seen converged, nothing left drained without being `stuck` and somebody told, the run ended and every target with it,
what the rows say of a device is what it is, the chain of events whole.

The ticks, legs, transitions and sessions are those of production, on a real database. The clock, the broker and the
channel below an SSH session are simulated, so that a run of minutes takes a second and a seed repeats it: `python -m
proof.faults --seed S --only RUN --tell` (`--sweep` for the deaths one by one). Several workers, beats and controllers
take turns at every request, commit and look into the database."""


def lines(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Every run that was kept, the newest of each."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        for text in path.read_text().splitlines():
            row = json.loads(text)
            found[row["database"], row["seed"], row["sweep"], row["run"]] = row
    return list(found.values())


def told(rows: list[dict[str, Any]]) -> list[str]:
    """The body of the section."""
    runs = Counter((r["database"], "one death at each commit and request" if r["sweep"] else "drawn") for r in rows)
    kinds, bad = Counter[str](), Counter[str]()
    for row in rows:
        for kind in set(row["kinds"]):
            kinds[kind] += 1
            bad[kind] += bool(row["wrong"])
    states = Counter(r["state"] for r in rows)
    targets = Counter(s for r in rows for s in r["targets"].values())
    wrong = [r for r in rows if r["wrong"]]
    body = [JUDGED, "", f"**{len(rows)} runs, {len(wrong)} wrong.**", ""]
    body += report.table(("runs", "database", "number"), [(k, d, n) for (d, k), n in sorted(runs.items())])
    ended = ", ".join(f"{s.replace('_', ' ')} {n}" for s, n in states.most_common())
    were = ", ".join(f"{s.replace('_', ' ')} {n}" for s, n in targets.most_common())
    cpu = sum(r["cpu_s"] for r in rows) / max(len(rows), 1)
    deaths = sum(r["deaths"] for r in rows)
    body += ["", f"Changes ended: {ended}. Routers: {were}. {deaths} processes died. {cpu:.1f} s of CPU a run.", ""]
    body += report.table(
        ("went wrong in a run", "runs", "of them judged wrong"), [(k, n, bad[k]) for k, n in kinds.most_common()]
    )
    for row in wrong[:20]:
        again = f"--seed {row['seed']} --only {row['run']}{' --sweep' if row['sweep'] else ''}"
        body += ["", f"- `{again}`, {row['story']}: {'; '.join(row['wrong'][:3])} ({', '.join(row['faults'])})"]
    return body


def main() -> None:
    rows = lines()
    seeds = ", ".join(sorted({str(r["seed"]) for r in rows}))
    report.write("faults", told(rows), command="make proof-faults", at=clock.now(), seed=seeds)


if __name__ == "__main__":
    main()
