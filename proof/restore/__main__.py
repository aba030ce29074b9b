"""`make proof-restore`: changes that go on after their backup was taken, the backup put back, and what is done then.

python -m proof.restore --runs 60 --seed 1        SQLite, or the PostgreSQL of SLIPWAY_DATABASE_URL
"""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from proof import report
from proof.faults.play_ground import opened
from proof.report import Row

WORDS = """\
A backup is taken at a moment drawn by the seed in the middle of a change; the change goes on, often to its end. Then
every process is killed, the backup is put in place of the database, the clock goes on by an hour, and the engine
starts. Devices are simulated (as for the faults) and stay as they were. The person on call aborts ten minutes later,
as [backup and restore](operations.md) says."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--scenes", default="", help="prepared databases, see proof.faults")
    options = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "proof.restore", *sys.argv[1:]])
    with tempfile.TemporaryDirectory(prefix="slipway-restore-") as made, opened(Path(options.scenes or made)) as scenes:
        from proof.faults.scene import STORIES
        from proof.restore.play import Restored, play

        done = list[Restored]()
        for number in range(options.runs):
            rng = random.Random(f"{options.seed}/{number}")
            done.append(play(scenes, STORIES[number % len(STORIES)], rng))
            if done[-1].wrong:
                sys.stdout.write(f"run {number}, {done[-1].story}: {'; '.join(done[-1].wrong)}\n")
        for row in _table(done):
            sys.stdout.write(f"{row.what}: {row.found} {row.verdict}\n")
        report.write("restore", _table(done), seed=options.seed, words=WORDS)
    return int(any(one.wrong for one in done))


def _table(done: list[Any]) -> list[Row]:
    wrong = sum(bool(one.wrong) for one in done)
    ahead = sum(one.ahead > 0 for one in done)
    early = sum(one.early for one in done)
    return [
        Row("restores played", str(len(done))),
        Row("of them with devices further than the rows", str(ahead)),
        Row("of them begun before the backup and held by the first tick", f"{sum(one.held for one in done)}"),
        Row("commands that changed a device before a person spoke", str(early), "0", holds=early == 0),
        Row("steps repeated, budgets broken, drains forgotten, ends missing", str(wrong), "0", holds=wrong == 0),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
