"""python -m lab.demo [--once] [--rounds N] [--controls once|each] [--sim]: the main job, then pages until Ctrl-C."""

import argparse
import os
import subprocess
import sys
from typing import Protocol

from rich.console import Console

from lab import netns
from lab.demo.figures import Loss, Result, in_words, show
from lab.demo.stage import PEOPLE, REPOSITORY, Stage, open_stage, say

ADDRESS = os.environ.get("SLIPWAY_DEMO_ADDRESS", "127.0.0.1:8000")


class Fleet(Protocol):
    """Routers that a demonstration plays on. Lengths are seconds."""

    def with_drain(self, number: int) -> tuple[Loss, float]: ...
    def without_drain(self, number: int, length_s: float) -> Loss: ...
    def idle(self, number: int, length_s: float) -> Loss: ...
    def plant_a_fault(self) -> None: ...


def main() -> int:
    """0 when every router was restarted, none lost more than idle, and the planted fault stopped where it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the table instead of serving the pages")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--controls",
        choices=("once", "each"),
        default="once",
        help="measure the two controls (without drain, idle) after the first round or after each; each of them is as "
        "long as one drained round",
    )
    parser.add_argument("--sim", action="store_true", help="on simulated routers even where real ones can run")
    options = parser.parse_args()
    folder = REPOSITORY / "var" / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    missing = ["asked for with --sim."] if options.sim else netns.reasons_unavailable()
    if missing:
        say("on simulated routers, because: " + " ".join(missing))
        good, stage = on_sim(options)
    else:
        good, stage = on_ring(options)
    say(f"figures: {(folder / 'result.json').relative_to(REPOSITORY)}")
    if not options.once:
        serve(stage)
    return 0 if good else 1


def on_ring(options: argparse.Namespace) -> tuple[bool, Stage]:
    """The demonstration on real FRR and BIRD."""
    from lab.demo.ring import Ring, machine

    lab = netns.up(say)
    try:
        stage = open_stage(REPOSITORY / "var" / "demo")
        stage.fleet_from(lab.inventory_path)
        result = Result(machine(), "six real routers: FRR 8.4 and BIRD 2.0")
        ring = Ring(lab, stage, result)
        return play(ring, result, options), stage
    finally:
        netns.down()


def on_sim(options: argparse.Namespace) -> tuple[bool, Stage]:
    """The demonstration on simulated routers."""
    from lab.demo.simulated import SimulatedRing
    from lab.sim.fleet import SimFleet

    with SimFleet.start(REPOSITORY / "var" / "demo" / "sim", routers=6) as fleet:
        stage = open_stage(REPOSITORY / "var" / "demo")
        stage.fleet_from(fleet.inventory)
        result = Result("a model", "six simulated routers; loss is computed, not measured")
        return play(SimulatedRing(fleet, stage, result), result, options), stage


def play(fleet: Fleet, result: Result, options: argparse.Namespace) -> bool:
    """All rounds, the planted fault, the table. True when all went as it should."""
    try:
        for number in range(1, options.rounds + 1):
            play_round(fleet, result, number, controls=number == 1 or options.controls == "each")
        fleet.plant_a_fault()
    finally:
        result.write(REPOSITORY / "var" / "demo" / "result.json")
        show(result, Console(width=150))
    stopped = result.planted_fault.get("later_waves") == "never started"
    return stopped and set(result.states.values()) == {"done"} and not result.worse_than_idle()


def play_round(fleet: Fleet, result: Result, number: int, *, controls: bool) -> None:
    """One drained round, and where asked the two controls of its length; each figure is told and written at once."""

    def told(stretch: str, loss: Loss) -> None:
        losses[stretch] = loss
        result.write(REPOSITORY / "var" / "demo" / "result.json")
        say(f"round {number}, {stretch.replace('_', ' ')}: {in_words(loss)}")

    losses: dict[str, Loss] = {}
    result.rounds.append(losses)
    say(f"\nround {number}: every router drained, restarted, verified, undrained")
    loss, took = fleet.with_drain(number)
    told("with_drain", loss)
    if not controls:
        return
    say(f"round {number}: the same restarts without the drain, {took:.0f} s")
    told("without_drain", fleet.without_drain(number, took))
    say(f"round {number}: nothing at all, {took:.0f} s")
    told("idle", fleet.idle(number, took))


def serve(stage: Stage) -> None:
    """The pages on the demonstration's database until Ctrl-C."""
    host, _, port = ADDRESS.rpartition(":")
    say(f"\nhttp://{ADDRESS}/  log in as {PEOPLE[0]} (writes changes) or {PEOPLE[1]} (approves): {stage.password}")
    say("Ctrl-C ends it.")
    argv = [sys.executable, "-m", "uvicorn", "fleet.asgi:application", "--host", host, "--port", port]
    try:
        subprocess.run([*argv, "--log-level", "warning"], cwd=REPOSITORY, check=False)
    except KeyboardInterrupt:
        say("ended")


if __name__ == "__main__":
    sys.exit(main())
