"""The demonstration on the ring of real routers: all six restarted with drain, without, and idle; a planted fault."""

import json
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from lab import netns
from lab.demo.figures import FAMILIES, Count, Loss, Result
from lab.demo.stage import Stage, say
from lab.netns.probes import ProbeResult, Probes
from lab.netns.topology import CORE_ASN, ends_of

# After the last router is back, so that what its return would cost is still counted.
TAIL_S = 5.0
CANARY = "bly"
# The recipe's own inputs but for two, which make a round of six routers a minute shorter:
# gate 3 s, not 4: twice what the slowest table of this ring took to change (1.6 s, lab/netns/README.md), eight times a
#   router. 2 s would be 1.25 times, and one slow moment of the machine in ten rounds would be a loss of our own making.
# passes 2, not 3: "nothing missing, twice in a row, one second apart" is what the measured procedure waited for, 95
#   restarts without a lost packet. Each round of checks is the same.
# The soak stays as it is: shorter it would look less often under traffic, and it costs 5 s.
INPUTS = {"gate": "3s", "passes": 2}


@dataclass
class Ring:
    """The running lab and the Slipway that works on it."""

    lab: netns.Lab
    stage: Stage
    result: Result

    @property
    def names(self) -> list[str]:
        return [router.name for router in self.lab.routers]

    def measured(self, what: Callable[[], None], named: str) -> tuple[Loss, float]:
        """Probe while `what` happens and a little longer. Returns the loss, and how long it took in seconds.

        Each run of loss and each ICMP error goes to probes-<named>.json with its time, to be laid over the events.
        """
        if (left_over := Probes.running()) is not None:  # of a demonstration that was killed
            with suppress(netns.LabError):
                left_over.stop()
        probes, began = Probes.start(), time.monotonic()
        try:
            what()
            time.sleep(TAIL_S)
        finally:
            took, probed = time.monotonic() - began, probes.stop()
        (self.stage.var / f"probes-{named}.json").write_text(json.dumps(probed.summary(), indent=1))
        counts = {
            name: {f: Count(c.sent, c.lost) for f in FAMILIES for c in [probed.count(router=name, family=f)]}
            for name in self.names
        }
        if not named.startswith("without"):  # there it is what is expected, and long
            tell_losses(probed)
        return counts, took

    def with_drain(self, number: int) -> tuple[Loss, float]:
        """Every router drained, restarted, verified, undrained. The loss, and how long it took in seconds."""
        self.wait_until_converged()
        return self.measured(lambda: self.restart_all(number), f"with_drain-{number}")

    def without_drain(self, number: int, length_s: float) -> Loss:
        """The same restarts without the drain, in a stretch of the same length."""
        self.wait_until_converged()
        return self.measured(lambda: self.restart_bare(length_s - TAIL_S), f"without_drain-{number}")[0]

    def idle(self, number: int, length_s: float) -> Loss:
        """Nothing at all for as long."""
        self.wait_until_converged()
        return self.measured(lambda: time.sleep(max(0.0, length_s - TAIL_S)), f"idle-{number}")[0]

    def restart_all(self, number: int) -> None:
        """The change of the round. A router that does not end done is named in the result."""
        title = f"Restart all routers, round {number}"
        change = self.stage.change("router-restart", INPUTS, self.names, title=title)
        for target in change.revision.run.targets.all():
            if target.state != "done" or target.name not in self.result.states:
                self.result.states[target.name] = target.state

    def restart_bare(self, length_s: float) -> None:
        """Reboot one router after the other, wait only until it has its routes back; fill up to the given length."""
        began = time.monotonic()
        for name in self.names:
            say(f"  {name} reboots")
            netns.exec_on(name, ["systemctl", "reboot"])
            time.sleep(1)
            self.wait_until_converged()
        time.sleep(max(0.0, length_s - (time.monotonic() - began)))

    def wait_until_converged(self) -> None:
        """Until every router has all routes and every probe path answers. Raises LabError when that does not happen."""
        netns.wait_converged(self.lab, lambda _: None)

    def plant_a_fault(self) -> None:
        """A change that is wrong as only verification can see: the canary is rolled back, nothing follows."""
        say(f"\na change with a planted fault, canary {CANARY}")
        names = [CANARY, *(r.name for r in self.lab.routers if r.suite == "frr" and r.name != CANARY)]
        change = self.stage.change(
            "routing-config",
            {"section": "planted", "frr": planted(), "ready": "20s"},
            names,
            title="New import policy (planted fault)",
        )
        targets = {t.name: t for t in change.revision.run.targets.all()}
        later = {t.state for n, t in targets.items() if n != CANARY}
        self.result.planted_fault = {
            "canary_name": CANARY,
            "canary": targets[CANARY].state,
            "why": targets[CANARY].reasons,
            "later_waves": "never started" if later == {"pending"} else ", ".join(sorted(later)),
        }


def tell_losses(probed: ProbeResult) -> None:
    """Each run of lost packets with its time, to be laid over the events above."""
    for run in probed.runs:
        at = time.strftime("%H:%M:%S", time.localtime(run.start)) + f"{run.start % 1:.3f}"[1:]
        say(f"  lost {run.lost} at {at} within {run.end - run.start:.3f} s: {run.router} {run.family} {run.direction}")


def machine() -> str:
    """What the figures were measured on, in one line."""
    return f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


def planted() -> str:
    """A rule that refuses every IPv4 prefix of the canary's upstream.

    The configuration is valid and loads, and the sessions stay up: only counting prefixes against the baseline shows
    that it is wrong.
    """
    upstream = next(far.address4 for _, far, link in ends_of(CANARY) if link.kind == "transit")
    return f"""route-map SLIPWAY-PLANTED deny 10
exit
router bgp {CORE_ASN}
 address-family ipv4 unicast
  neighbor {upstream} route-map SLIPWAY-PLANTED in
 exit-address-family
exit
"""
