"""Drains, restarts and undrains routers under the probes and reports what was lost, beside an idle control.

    python -m lab.netns.drill [--action reboot|daemons|drain|both] [--rounds N] [ROUTER...]

Results go to standard output and, one JSON line per round, to var/lab/netns/drill.jsonl. Needs a running lab. Exit
status 1 when a round lost more than the worst idle control of its router.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

from lab.netns import procedure
from lab.netns.command import LabError
from lab.netns.lifecycle import exec_on, init_pid, running_lab
from lab.netns.paths import STATE
from lab.netns.probes import ProbeResult, Probes
from lab.netns.topology import Router, router

IDLE_S = 30.0
REBOOT_LIMIT_S = 30.0

Mark = Callable[[str], None]


def reboot(target: Router, mark: Mark) -> None:
    """`systemctl reboot`; returns when the next init runs."""
    before = init_pid(target.name)
    exec_on(target.name, ["systemctl", "reboot"])
    mark("reboot")
    deadline = time.monotonic() + REBOOT_LIMIT_S
    while True:
        try:
            if init_pid(target.name) != before:
                break
        except LabError:
            pass
        if time.monotonic() > deadline:
            raise LabError(f"router {target.name}: did not reboot within {REBOOT_LIMIT_S:.0f} s")
        time.sleep(0.1)
    mark("new init")


def restart_daemons(target: Router, mark: Mark) -> None:
    """Stops the routing suite for three seconds and starts it again."""
    unit = "frr" if target.suite == "frr" else "bird"
    mark("daemons stop")
    exec_on(target.name, ["systemctl", "stop", unit])
    time.sleep(3)
    exec_on(target.name, ["systemctl", "reset-failed", unit])  # else systemd's start limit ends the third round
    started = exec_on(target.name, ["systemctl", "start", unit])
    if started.returncode:
        raise LabError(f"router {target.name}: systemctl start {unit}: {started.stderr}")
    mark("daemons started")


def nothing(target: Router, mark: Mark) -> None:
    """Drain and undrain only."""


ACTIONS: dict[str, Callable[[Router, Mark], None]] = {
    "reboot": reboot, "daemons": restart_daemons, "drain": nothing,
}  # fmt: skip


def of_round(action: str, number: int) -> str:
    """The action of a round: `both` alternates, daemons first."""
    if action != "both":
        return action
    return "daemons" if number % 2 else "reboot"


def one_round(target: Router, action: str) -> ProbeResult:
    """Drain, action, ready, undrain, with the probes running from before to after."""
    wanted = procedure.baseline(target)
    probes = Probes.start()
    try:
        time.sleep(1)
        procedure.drain(target, probes.mark)
        ACTIONS[action](target, probes.mark)
        extra = procedure.drained_cost(target)
        seconds = procedure.wait_ready(target, wanted, probes.mark, extra=extra)
        probes.mark(f"ready after {seconds:.1f} s")
        procedure.undrain(target, probes.mark)
    finally:
        result = probes.stop()
    return result


def idle_control() -> ProbeResult:
    """The same probes while nothing is done."""
    probes = Probes.start()
    time.sleep(IDLE_S)
    return probes.stop()


def timeline(result: ProbeResult) -> list[str]:
    """Marks, losses and refusals in the order in which they happened, seconds from the start of the probes."""
    rows = [(mark.at, f"-- {mark.label}") for mark in result.marks]
    for run in result.runs:
        rows.append((run.start, f"LOST {run.lost} {run.family} {run.direction} of {run.router}'s flow"
                                f" in {1000 * (run.end - run.start):.0f} ms"))  # fmt: skip
    refused: dict[str, list[float]] = {}
    for item in result.refusals:
        text = f"ICMP {item.type}/{item.code} from {item.source} for {item.router} {item.family} {item.direction}"
        refused.setdefault(text, []).append(item.at)
    rows += [(times[0], f"{text}, {len(times)} times") for text, times in refused.items()]
    return [f"{at - result.begun:8.3f} {text}" for at, text in sorted(rows)]


def _report(name: str, action: str, number: int, result: ProbeResult) -> None:
    v4, v6 = result.count(family="ipv4"), result.count(family="ipv6")
    seconds = result.ended - result.begun
    counted = f"IPv4 {v4.lost}/{v4.sent} IPv6 {v6.lost}/{v6.sent} in {seconds:.0f} s"
    delays = f"worst delay {result.worst_delay_ms:.0f} ms, worst tick {result.worst_tick_ms:.0f} ms"
    print(f"{name} {action} {number}: {counted}, {delays}", flush=True)
    if result.lost:
        print("\n".join(timeline(result)), flush=True)
    with (STATE / "drill.jsonl").open("a") as log:
        log.write(json.dumps({"router": name, "action": action, "round": number, **result.summary()}) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.netns.drill", description=__doc__)
    parser.add_argument("routers", nargs="*", metavar="ROUTER")
    parser.add_argument("--action", choices=[*ACTIONS, "both"], default="reboot")
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    lab = running_lab()
    if lab is None:
        print("lab: not running here; wanted it up: python -m lab.netns up", file=sys.stderr)
        return 2
    worse = 0
    for target in [router(name) for name in arguments.routers] or lab.routers:
        control = idle_control()
        _report(target.name, "idle", 0, control)
        for number in range(1, arguments.rounds + 1):
            action = of_round(arguments.action, number)
            result = one_round(target, action)
            _report(target.name, action, number, result)
            worse += result.lost > control.lost
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
