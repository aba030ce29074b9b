"""The campaign in one process: many runs one after another, each judged; a line of JSON for each."""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proof.faults.play_ground import opened
from proof.faults.sabotage import break_engine


def run(options: argparse.Namespace) -> int:
    """Play the runs that were asked for; 1 when any of them is wrong."""
    with tempfile.TemporaryDirectory(prefix="slipway-faults-") as made, opened(Path(options.scenes or made)) as scenes:
        break_engine(options.sabotage)
        first, many = (options.only, 1) if options.only is not None else (options.first, options.runs)
        bad, began = 0, time.monotonic()
        for number in range(first, first + many * options.step, options.step):
            line, journal = _one(scenes, number, seed=options.seed, sweep=options.sweep, stopped=options.stopped)
            line["sabotage"] = options.sabotage
            bad += bool(line["wrong"])
            if options.into:
                with open(options.into, "a") as file:
                    file.write(json.dumps(line) + "\n")
            if line["wrong"] or options.only is not None:
                sys.stdout.write(json.dumps(line, indent=1) + "\n")
            if options.tell:
                sys.stdout.writelines(_told(entry) for entry in journal)
            sys.stdout.flush()
        sys.stdout.write(f"{many} runs, {bad} wrong, {time.monotonic() - began:.0f} s\n")
        return int(bad > 0)


def _one(
    scenes: Any, number: int, *, seed: int, sweep: bool, stopped: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One run as its line, and what reached the devices."""
    from proof.faults.fault import boundaries
    from proof.faults.injections import Setting, drawn
    from proof.faults.play import play
    from proof.faults.scene import STORIES

    rng = random.Random(f"{seed}/{number}")
    story = STORIES[number % len(STORIES)]
    if sweep or stopped:
        name, fault = boundaries(stopped=stopped)[number]
        story = next(s for s in STORIES if s.name == name)
        setting, faults = Setting(workers=2), [fault]
    else:
        setting, faults = drawn(rng)
    ended = play(scenes, story, setting, faults, rng.randrange(2**32))
    line = {
        "run": number,
        "seed": seed,
        "sweep": sweep or stopped,
        "stopped": stopped,
        "database": "sqlite" if scenes.sqlite else "postgresql",
        "story": story.name,
        "setting": vars(setting),
        "faults": [str(f) for f in faults],
        "kinds": [f.kind for f in faults],
        **{k: v for k, v in vars(ended).items() if k not in {"journal", "story"}},
    }
    return line, ended.journal


def _told(entry: Mapping[str, Any]) -> str:
    said = [f"{entry['mono']:8.2f}", entry.get("router", ""), entry["event"], " ".join(entry.get("argv", ()))[:150]]
    said += [str(entry.get(key, "")) for key in ("status", "changes", "drained")]
    return " ".join(said) + "\n"
