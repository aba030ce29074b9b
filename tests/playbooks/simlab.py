"""A simulated network without SSH: a clock set by hand, commands run through the machine, the journal in memory."""

from typing import Any

from lab.sim.behaviours import behaviour
from lab.sim.machine import Machine
from lab.sim.network import Network
from lab.sim.router import Timing
from lab.sim.topology import Layout, ring


class SimLab:
    """The ring of six (or another layout), every router behind `run`."""

    def __init__(self, layout: Layout | None = None, **timing: float) -> None:
        self.now = 0.0
        self.journal: list[dict[str, Any]] = []
        self.net = Network(layout or ring(), timing=Timing(**timing), start=0.0)
        self.machines = {
            name: Machine(router, self.net, clock=lambda: self.now, wall=1_795_220_000.0, journal=self._note)
            for name, router in self.net.routers.items()
        }

    def _note(self, entry: dict[str, Any]) -> None:
        self.journal.append({"seq": len(self.journal) + 1, "mono": self.now, **entry})

    def run(self, name: str, command: str, stdin: str = "") -> tuple[int | str, str]:
        """Status and output; the status is "drop" or "hang" where there is no answer. Sleeping moves the clock."""
        out = ""
        for effect in self.machines[name].request(command, lambda: stdin):
            match effect.what:
                case "out" | "err":
                    out += effect.data
                case "sleep":
                    self.now += effect.seconds
                case "exit":
                    return effect.status, out
                case other:
                    return other, out
        raise AssertionError("a request ended without an effect that ends it")

    def ok(self, name: str, command: str, stdin: str = "") -> str:
        status, out = self.run(name, command, stdin)
        assert status == 0, (command, status, out)
        return out

    def wait(self, seconds: float) -> None:
        """Time passes; everything that is due happens, everywhere."""
        end = self.now + seconds
        while True:
            due = [d for m in self.machines.values() if (d := m.router.next_due()) is not None and d <= end]
            self.now = min(due, default=end)
            for machine in self.machines.values():
                machine.advance()
            if not due:
                return

    def state(self, name: str) -> dict[str, Any]:
        return self.machines[name].state()

    def inject(self, name: str, kind: str, **params: Any) -> None:
        self.machines[name].router.behaviours.append(behaviour(kind, params, now=self.now))
        self.machines[name].router.refresh(self.now)


FRR_DRAIN = (
    "sudo -n vtysh -c 'configure terminal' -c 'router bgp 65000' -c 'bgp graceful-shutdown' -c exit "
    "-c 'router ospf' -c 'max-metric router-lsa administrative' -c exit "
    "-c 'interface eth1' -c 'ipv6 ospf6 cost 65535' -c exit "
    "-c 'interface eth2' -c 'ipv6 ospf6 cost 65535' -c exit -c end"
)
FRR_UNDRAIN = (
    "sudo -n vtysh -c 'configure terminal' -c 'router bgp 65000' -c 'no bgp graceful-shutdown' -c exit "
    "-c 'router ospf' -c 'no max-metric router-lsa administrative' -c exit "
    "-c 'interface eth1' -c 'no ipv6 ospf6 cost' -c exit -c 'interface eth2' -c 'no ipv6 ospf6 cost' -c exit -c end"
)
SAVE = "sudo -n vtysh -c 'write memory'"
REBOOT = "sudo -n systemd-run --collect --unit=slipway-reboot-x --on-active=1s systemctl reboot"
