"""A whole campaign as processes one after another: drawn faults and single deaths, on SQLite and PostgreSQL."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from proof.faults.fault import boundaries
from proof.faults.sabotage import BROKEN
from proof.faults.told import FOLDER

RUN = [sys.executable, "-m", "proof.faults"]
BESIDE_POSTGRESQL = [sys.executable, "-m", "tests.postgresql"]
# The look before daemons are restarted (`--stopped`): whoever goes on there without asking restarts them again.
OVERTAKEN = 1145
SABOTAGED = 20  # runs with each rule taken away: enough for the judge to see it, see docs/proof.md


@dataclass(frozen=True)
class Piece:
    """One process: what it is called, what it is started with, whether the judge must find something."""

    name: str
    argv: Sequence[str]
    broken: bool = False


def pieces(*, seed: int, runs: int) -> list[Piece]:
    """About half of the runs are drawn on SQLite, a fifth on PostgreSQL, the rest are deaths and stops one by one."""
    drawn, elsewhere = runs // 2, runs // 5
    single = min((runs - drawn - elsewhere) // 2, len(boundaries()))
    step = max(len(boundaries()) // max(single, 1), 1)
    common = ["--seed", str(seed)]
    made = [
        Piece("drawn", [*RUN, *common, "--runs", str(drawn)]),
        Piece("single", [*RUN, *common, "--sweep", "--step", str(step), "--runs", str(single)]),
        Piece("stopped", [*RUN, *common, "--stopped", "--step", str(step), "--runs", str(single)]),
        Piece("postgresql", [*BESIDE_POSTGRESQL, *RUN, *common, "--first", str(drawn), "--runs", str(elsewhere)]),
    ]
    for how in BROKEN:
        # Without its lease a worker is seen where it was stopped while another took its step over.
        aimed = ["--stopped", "--first", str(OVERTAKEN)] if how == "no lease" else []
        argv = [*RUN, *common, *aimed, "--sabotage", how, "--runs", str(min(1 if aimed else SABOTAGED, runs))]
        made.append(Piece(f"broken-{how.replace(' ', '-')}", argv, broken=True))
    return made


def play(*, seed: int, runs: int) -> int:
    """Play all pieces; 1 when an engine that is whole was judged wrong. What they leave is in var/proof/faults."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    worst = 0
    for piece in pieces(seed=seed, runs=runs):
        into = FOLDER / f"{piece.name}.jsonl"
        into.unlink(missing_ok=True)
        sys.stdout.write(f"== {piece.name}\n")
        sys.stdout.flush()
        status = subprocess.run([*piece.argv, "--into", str(into)]).returncode
        worst = worst if piece.broken else max(worst, status)
    return worst
