"""The same demonstration on the simulated ring, where real routers cannot run. Loss is the model's, and said to be."""

import time

from lab.demo.figures import FAMILIES, Count, Loss, Result
from lab.demo.stage import Stage, say
from lab.sim.fleet import SimFleet

CANARY = "bly"
TAIL_S = 2.0
# A route reflector of the ring, see lab/sim/topology.py.
PLANTED = "router bgp 65000\n neighbor 10.255.77.3 shutdown\nexit\n"


class SimulatedRing:
    """Six simulated routers and the Slipway that works on them."""

    def __init__(self, fleet: SimFleet, stage: Stage, result: Result) -> None:
        self.fleet, self.stage, self.result = fleet, stage, result
        self.names = sorted(fleet.states())

    def measured(self, before: dict[str, dict[str, Count]]) -> Loss:
        """What was offered and lost since `before`, by router and family."""
        now = self.counters()
        return {
            name: {
                f: Count(now[name][f].sent - before[name][f].sent, now[name][f].lost - before[name][f].lost)
                for f in FAMILIES
            }
            for name in self.names
        }

    def counters(self) -> dict[str, dict[str, Count]]:
        """Forwarded and lost packets of every router so far."""
        return {
            name: {f: Count(int(state["forwarded"][f] + state["lost"][f]), int(state["lost"][f])) for f in FAMILIES}
            for name, state in self.fleet.states().items()
        }

    def with_drain(self, number: int) -> tuple[Loss, float]:
        """Every router drained, restarted, verified, undrained. The loss, and how long it took in seconds."""
        before, began = self.counters(), time.monotonic()
        change = self.stage.change("router-restart", {}, self.names, title=f"Restart all routers, round {number}")
        time.sleep(TAIL_S)
        for target in change.revision.run.targets.all():
            if target.state != "done" or target.name not in self.result.states:
                self.result.states[target.name] = target.state
        return self.measured(before), time.monotonic() - began

    def without_drain(self, number: int, length_s: float) -> Loss:
        """The same restarts without the drain, in a stretch of the same length."""
        before = self.counters()
        for name in self.names:
            status, text = self.fleet.console(name, "sudo -n systemctl reboot")
            if status:
                raise RuntimeError(f"{name}: reboot refused: {text}")
            time.sleep(0.5)
            self.fleet.advance(length_s / len(self.names))
        return self.measured(before)

    def idle(self, number: int, length_s: float) -> Loss:
        """Nothing at all for as long."""
        before = self.counters()
        self.fleet.advance(length_s)
        return self.measured(before)

    def plant_a_fault(self) -> None:
        """A configuration that loads and takes a session down: verification sees it, the canary is rolled back."""
        say(f"\na change with a planted fault, canary {CANARY}")
        names = [CANARY, *(n for n, state in self.fleet.states().items() if state["suite"] == "frr" and n != CANARY)]
        change = self.stage.change(
            "routing-config",
            {"section": "planted", "frr": PLANTED, "ready": "20s"},
            names,
            title="New session policy (planted fault)",
        )
        targets = {t.name: t for t in change.revision.run.targets.all()}
        later = {t.state for n, t in targets.items() if n != CANARY}
        self.result.planted_fault = {
            "canary_name": CANARY,
            "canary": targets[CANARY].state,
            "why": targets[CANARY].reasons,
            "later_waves": "never started" if later == {"pending"} else ", ".join(sorted(later)),
        }
