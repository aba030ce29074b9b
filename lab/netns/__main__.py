"""Command line: python -m lab.netns up | down | status | exec NAME -- CMD... | probe run|start|mark|stop."""

from __future__ import annotations

import argparse
import json
import sys
import time

from lab.netns import lifecycle, ownership
from lab.netns.command import LabError
from lab.netns.host_files import all_hosts
from lab.netns.probes import Probes
from lab.netns.requirements import reasons_unavailable
from lab.netns.topology import Router

EXIT_DOWN = 3  # `status` of a lab that does not run, as `systemctl status` has it


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
    probe = commands.add_parser("probe", help="count lost packets through every router; result as JSON")
    actions = probe.add_subparsers(dest="action", required=True)
    actions.add_parser("run", help="for so many seconds").add_argument("seconds", type=float)
    actions.add_parser("start", help="until `probe stop`")
    actions.add_parser("mark", help="note an event in the running measurement").add_argument("label")
    actions.add_parser("stop", help="end it and print the result")
    return parser.parse_args()


def _status() -> int:
    found = ownership.holder()
    if found is None:
        print("The lab is down.")
        for reason in reasons_unavailable():
            print(reason)
        return EXIT_DOWN
    print(f"held by {found.repository}, pid {found.pid}, since {found.since}")
    for host in all_hosts() if found.is_this_clone else ():
        try:
            lifecycle.init_pid(host.name)
        except LabError:
            print(f"{host.name:12} not running")
            continue
        if isinstance(host, Router):
            v4, v6 = lifecycle.routes_in_kernel(host.name)
            print(f"{host.name:12} {host.suite:5} {host.management_address}  kernel routes IPv4 {v4} IPv6 {v6}")
        else:
            print(f"{host.name:12} bird  outside network, AS {host.asn}")
    return 0


def _exec(name: str, words: list[str]) -> int:
    command = words[1:] if words[:1] == ["--"] else words
    if not command:
        raise LabError(f"exec {name}: no command given; wanted: python -m lab.netns exec {name} -- CMD...")
    done = lifecycle.exec_on(name, command)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def _probe(arguments: argparse.Namespace) -> None:
    if lifecycle.running_lab() is None:
        raise LabError("probes: the lab is not running in this clone; wanted it up: python -m lab.netns up")
    if arguments.action in ("run", "start"):
        probes = Probes.start()
        if arguments.action == "start":
            return
        time.sleep(arguments.seconds)
    else:
        running = Probes.running()
        if running is None:
            raise LabError("probes: none are running; wanted a measurement: python -m lab.netns probe start")
        probes = running
    if arguments.action == "mark":
        probes.mark(arguments.label)
    else:
        print(json.dumps(probes.stop().summary(), indent=1))


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
            case "probe":
                _probe(arguments)
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
