"""`python -m lab.sim serve`: start a fleet of virtual routers and serve it until told to stop."""

import argparse
import asyncio
import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

from lab.sim import inventory, keys, topology
from lab.sim.control import Control
from lab.sim.journal import Journal
from lab.sim.network import Network
from lab.sim.router import Timing
from lab.sim.server import FIRST_PORT, Clock, Fleet

# sun_path of a UNIX socket holds 108 bytes on Linux, 104 on BSD.
_LONGEST_SOCKET_PATH = 100


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.sim", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="start a fleet; prints 'ready N routers' when all of them listen")
    serve.add_argument("--routers", type=int, default=6)
    serve.add_argument("--dir", type=Path, required=True, help="gets inventory.yaml, key/, journal.jsonl, fleet.json")
    serve.add_argument("--topology", choices=("ring", "pods"), help="default: ring for 6 routers, else pods")
    serve.add_argument("--suite-mix", default="", help="such as frr=3,bird=1; default: the ring's own, or all FRR")
    serve.add_argument("--first-port", type=int, default=FIRST_PORT)
    serve.add_argument("--prefixes", default="", help="IPv4 and IPv6 prefixes that every transit announces: 5000,1000")
    serve.add_argument("--timing", default="", help="such as boot_s=2,fib_s=1 (see lab/sim/router.py, Timing)")
    serve.add_argument("--until-eof", action="store_true", help="stop when standard input ends")
    options = parser.parse_args()
    if options.routers < 1:
        parser.error("--routers: wanted at least 1")
    try:
        layout = _layout(options)
        timing = Timing(**{k: float(v) for k, v in _pairs(options.timing).items()})
    except (ValueError, TypeError) as error:
        parser.error(str(error))
    try:
        _allow_files(options.routers)
        return asyncio.run(_serve(options, layout, timing))
    except OSError as error:
        print(f"lab.sim: {error}", file=sys.stderr)
        return 1


def _pairs(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if part) if text else {}


def _layout(options: argparse.Namespace) -> topology.Layout:
    count: int = options.routers
    suites = {name: int(weight) for name, weight in _pairs(options.suite_mix).items()} or None
    if unknown := set(suites or ()) - {"frr", "bird"}:
        raise ValueError(f"--suite-mix: found {', '.join(sorted(unknown))}, wanted frr and bird")
    numbers = [int(part) for part in options.prefixes.split(",")] if options.prefixes else []
    if numbers and len(numbers) != 2:
        raise ValueError(f"--prefixes: found {options.prefixes}, wanted two numbers such as 5000,1000")
    prefixes = (numbers[0], numbers[1]) if numbers else None
    if (options.topology or ("ring" if count == 6 else "pods")) == "ring":
        if count != 6:
            raise ValueError(f"--topology ring: found --routers {count}, wanted 6")
        return topology.ring(suites=suites, prefixes=prefixes)
    return topology.pods(count, suites=suites, prefixes=prefixes)


def _start(options: argparse.Namespace, layout: topology.Layout, timing: Timing) -> tuple[Fleet, Path]:
    """Build the fleet and write its folder. Returns it with the path of its control socket."""
    folder: Path = options.dir.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    clock, made = Clock(), keys.keys_in(folder)
    journal = Journal(folder / "journal.jsonl")
    fleet = Fleet(Network(layout, timing=timing, start=clock()), clock, made, journal, first_port=options.first_port)
    (folder / "inventory.yaml").write_text(inventory.render(layout, fleet.ports(), made))
    control = folder / "control.sock"
    if len(str(control)) > _LONGEST_SOCKET_PATH:
        control = Path(tempfile.mkdtemp(prefix="slipway-sim-")) / "control.sock"
    control.unlink(missing_ok=True)
    domains = {site.name: site.failure_domain for site in layout.sites}
    journal.add({"event": "start", "routers": {r.name: domains[r.site] for r in layout.routers}, "t": 0.0})
    return fleet, control


def _allow_files(routers: int) -> None:
    """One file per router and per connection. Raises OSError where the system allows fewer than the routers need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * routers + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        if most < routers + 256:
            raise OSError(f"open files: found a limit of {most}, wanted {wanted} for {routers} routers (ulimit -n)")


async def _serve(options: argparse.Namespace, layout: topology.Layout, timing: Timing) -> int:
    began = time.monotonic()
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    fleet, control = _start(options, layout, timing)
    server = await Control(fleet, stop=stopped.set).serve(control)
    fleet.settle()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if options.until_eof:
        loop.add_reader(sys.stdin.fileno(), lambda: stopped.set() if not os.read(sys.stdin.fileno(), 4096) else None)
    about = {"pid": os.getpid(), "control": str(control), "routers": len(layout.routers)}
    written = options.dir.absolute() / "fleet.json.new"
    written.write_text(json.dumps(about) + "\n")
    written.replace(options.dir.absolute() / "fleet.json")
    print(f"ready {len(layout.routers)} routers in {time.monotonic() - began:.2f} s", flush=True)
    await stopped.wait()
    server.close()
    fleet.close()
    control.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
