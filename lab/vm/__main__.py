"""Command line: python -m lab.vm seat ROUTER | leave ROUTER | status | console ROUTER | reset ROUTER."""

from __future__ import annotations

import argparse
import sys

from lab.netns.command import LabError
from lab.vm import image, kernels, ring
from lab.vm.accelerator import accelerator
from lab.vm.requirements import reasons_unavailable


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.vm", description="A router of the ring as a virtual machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("seat", "halt a router of the running ring and put a machine in its place"),
        ("leave", "switch that machine off"),
        ("console", "print what it wrote to its serial line"),
        ("reset", "press its reset button"),
        ("status", "does it run, and what accelerates it"),
    ):
        commands.add_parser(name, help=what).add_argument("router")
    return parser.parse_args()


def main() -> int:
    """Exit status for the shell; errors go to standard error as one sentence."""
    arguments = _arguments()
    try:
        if reasons := reasons_unavailable():
            raise LabError(" ".join(reasons))
        machine = ring.seat_of(arguments.router).machine
        match arguments.command:
            case "seat":
                ring.take_over(arguments.router, image.ready_image(kernels.newest(3)[0], print), print)
            case "leave":
                ring.leave(arguments.router)
            case "console":
                sys.stdout.write(machine.console.read_text(errors="replace") if machine.console.exists() else "")
            case "reset":
                machine.reset()
            case _:
                print(f"{arguments.router}: {'runs' if machine.pid else 'off'}, {accelerator()}")
    except (LabError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
