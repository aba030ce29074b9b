"""Command line: python -m lab.netns up|down|status|exec NAME -- CMD..."""

from __future__ import annotations

import argparse
import sys

from lab.netns import lifecycle, ownership
from lab.netns.command import LabError
from lab.netns.host_files import all_hosts
from lab.netns.topology import Router


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.netns", description="A ring of six real routers.")
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("up", help="start the lab and wait until it has converged")
    start.add_argument("--prefixes4", type=int, default=2000, help="IPv4 prefixes from each upstream")
    start.add_argument("--prefixes6", type=int, default=1000, help="IPv6 prefixes from each upstream")
    commands.add_parser("down", help="stop it and remove what it left")
    commands.add_parser("status", help="who holds the lab, and what runs")
    execute = commands.add_parser("exec", help="run a command as root on a host")
    execute.add_argument("name")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="-- CMD...")
    return parser.parse_args()


def _status() -> int:
    found = ownership.holder()
    if found is None:
        print("The lab is down.")
        return 3
    print(f"held by {found.repository}, pid {found.pid}, since {found.since}")
    if not found.is_this_clone:
        return 0
    for host in all_hosts():
        try:
            lifecycle.init_pid(host.name)
            routes = lifecycle.routes_in_kernel(host.name) if isinstance(host, Router) else None
        except LabError:
            print(f"{host.name:12} not running")
            continue
        counted = f"{host.suite}  {host.management_address}  routes {routes[0]}/{routes[1]}" if routes else "outside"  # type: ignore[union-attr]
        print(f"{host.name:12} {counted}")
    return 0


def _exec(name: str, words: list[str]) -> int:
    command = words[1:] if words[:1] == ["--"] else words
    if not command:
        raise LabError(f"exec {name}: no command given; wanted: python -m lab.netns exec {name} -- CMD...")
    done = lifecycle.exec_on(name, command)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def main() -> int:
    """Exit status for the shell; errors go to standard error as one sentence."""
    arguments = _arguments()
    try:
        match arguments.command:
            case "up":
                lab = lifecycle.up(print, prefixes4=arguments.prefixes4, prefixes6=arguments.prefixes6)
                print(f"inventory: {lab.inventory_path}")
            case "down":
                lifecycle.down()
            case "status":
                return _status()
            case "exec":
                return _exec(arguments.name, arguments.words)
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
