"""`make proof-faults`: see README.md here. One run again: `python -m proof.faults --seed N --only RUN --tell`."""

import argparse
import faulthandler
import os
import signal
import sys


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--step", type=int, default=1, help="every so manieth run only")
    parser.add_argument("--first", type=int, default=0, help="number of the first run: campaigns can be cut in pieces")
    parser.add_argument("--sweep", action="store_true", help="one death at every commit and every request instead")
    parser.add_argument("--stopped", action="store_true", help="at each of these stopped for longer than a lease")
    parser.add_argument("--only", type=int, help="one run")
    parser.add_argument("--tell", action="store_true", help="print every command that reached a device")
    parser.add_argument("--scenes", default="", help="keep the prepared databases (SQLite) in this folder, or use them")
    parser.add_argument("--sabotage", default="", help="break the engine first (sabotage.py): the judge must see it")
    parser.add_argument("--into", default="", help="append one line of JSON for each run to this file")
    options = parser.parse_args()
    faulthandler.register(signal.SIGUSR1)
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of what a seed repeats
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "proof.faults", *sys.argv[1:]])
    if options.into or options.only is not None:
        from proof.faults.campaign import run

        return run(options)
    from proof.faults import pieces, told

    worst = pieces.play(seed=options.seed, runs=options.runs)
    told.main()
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
