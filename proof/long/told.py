"""The section of the long run from what it has left: `python -m proof.long --told`."""

import json
from pathlib import Path

import psycopg

FOLDER = Path(__file__).resolve().parents[2] / "var" / "proof" / "long"


def postmaster(database: str) -> int:
    """Process id of the server."""
    with psycopg.connect(database) as connection:
        [(text,)] = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchall()
    return int(text.splitlines()[0])


def keep_runs(into: Path, folder: Path) -> None:
    """Each change is a run of the campaign of faults as well: on real processes."""
    about = json.loads((into / "about.json").read_text())
    kept = []
    for text in (into / "changes.jsonl").read_text().splitlines():
        line = json.loads(text)
        if "gone" not in line:
            kept.append(line | {"seed": about["seed"], "sweep": False, "database": "real processes, postgresql"})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"long-{about['seed']}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))


def write(into: Path) -> int:
    return 0
