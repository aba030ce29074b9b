"""`make proof-peers`: the same change over the same hosts by all sides, taking turns; then with one host that dies.

python -m proof.peers --hosts 20 --rounds 2      some 12 minutes on two quiet cores
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from proof.peers import sides, targets, told
from proof.peers.targets import Target

DEAD_S = 90.0  # so long Slipway's change with a dead host is looked at; what waits then is told
LONGEST_S = 3_600.0
DIES = 7  # the host that dies in the middle; restarted five at a time, it is in the second five


class Death(threading.Thread):
    """Takes the power from one host as soon as its change is there, before anything else is asked of it."""

    def __init__(self, target: Target, what: str) -> None:
        super().__init__(daemon=True)
        self.target, self.what, self.over, self.died = target, what, threading.Event(), False
        self._before = target.invocation

    def run(self) -> None:
        while not self.over.wait(0.01):
            if self.target.written if self.what == "set" else self.target.invocation not in {"", self._before}:
                self.target.die()
                self.died = True
                return


def left(hosts: list[Target], before: dict[str, str], what: str, dead: str) -> dict[str, list[str]]:
    """How every host stands, read on the hosts themselves."""
    found: dict[str, list[str]] = {"changed": [], "untouched": [], "changed, drained": [], "unchanged, drained": []}
    for host in hosts:
        done = host.written if what == "set" else host.invocation != before[host.name]
        if what == "set" and host.name != dead:
            done = done and host.value() == targets.AFTER
        key = {(True, False): "changed", (False, False): "untouched", (True, True): "changed, drained"}
        found[key.get((done, host.drained), "unchanged, drained")].append(host.name)
    return found


def measured(side: str, what: str, folder: Path, key: Path, count: int, *, dies: bool) -> dict[str, Any]:
    """One change by one side over fresh hosts."""
    with targets.running(count, folder / "hosts", key) as hosts:
        if not (folder / "before").exists():
            sides.prepare(hosts, key, folder)
        if side in {"slipway", "started"}:
            sides.as_before(folder)
        before = {host.name: host.invocation for host in hosts}
        death = Death(hosts[DIES], what) if dies else None
        if death:
            death.start()
        made = sides.run(side, what, folder, key=key, hosts=count, until_s=DEAD_S if dies else LONGEST_S)
        if death:
            death.over.set()
            death.join()
            assert death.died, f"{hosts[DIES].name} did not die: nothing changed on it\n{made['said']}"
        made["left"] = left(hosts, before, what, hosts[DIES].name if dies else "")
        made["dead"] = hosts[DIES].name if dies else ""
        if not dies and len(made["left"]["changed"]) != count:
            raise SystemExit(f"{side} {what}: {made['left']}\n{made['said']}")
    return made


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="", help="sides, of slipway,ansible,script; the section is not written")
    parser.add_argument("--what", default="set,restart")
    parser.add_argument("--deaths", action=argparse.BooleanOptionalAction, default=True, help="with a host that dies")
    parser.add_argument("--more", action="store_true", help="keep the runs of before on as many hosts, too")
    parser.add_argument("--folder", default="", help="prepared by a run before, and kept; else a temporary one")
    parser.add_argument("--told", action="store_true", help="only write the section of what there is")
    options = parser.parse_args()
    if options.told:
        told.write()
        return 0
    targets.alone()
    version, runs = sides.install(), list[dict[str, Any]]()
    before = told.runs_of(options.hosts) if options.more else []
    chosen = options.only.split(",") if options.only else list(sides.SIDES)
    with tempfile.TemporaryDirectory(prefix="slipway-peers-") as made:
        folder = Path(options.folder or made)
        key = folder / "login"
        (folder / "hosts").mkdir(parents=True, exist_ok=True)
        if not key.exists():
            targets.new_key(key)
        for number in range(options.rounds + int(options.deaths)):
            dies = number == options.rounds
            for what in options.what.split(","):
                turn = number % len(chosen)  # who goes first changes: the machine is not the same all the time
                for side in (*chosen[turn:], *chosen[:turn]):
                    if side == "started" and "slipway" in chosen and (dies or number):
                        continue  # once is enough to tell what a start costs
                    run = measured(side, what, folder, key, options.hosts, dies=dies)
                    runs.append({"round": number, "dies": dies, "at": time.time(), "load": os.getloadavg()[0], **run})
                    told.say(f"{side} {what}: {told.line(runs[-1])}")
                    if not options.only:
                        told.keep({"hosts": options.hosts, "ansible": version, "runs": [*before, *runs]})
    if options.only:
        told.say(json.dumps(runs, indent=1))
        return 0
    told.write()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
