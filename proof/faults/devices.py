"""The simulated routers of lab/sim in this process, on the play's clock; and sessions to them without sockets.

The sessions are Slipway's own (`playbooks.ssh.SshSession`) but for the channel below them: what is sent, how answers
are read and what a lost one means is the code that runs in production. Real SSH is in the other parts of the campaign.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fleet.core.model import Reason
from lab.sim import inventory, keys, topology
from lab.sim.behaviours import Kind, active, behaviour
from lab.sim.machine import Machine
from lab.sim.network import Network
from lab.sim.router import Timing
from lab.sim.server import FIRST_PORT
from playbooks.base import Answer, Device, HostKeyRefused, LoginRefused, Unreachable, Unsure
from playbooks.deadlines import too_late
from playbooks.ssh import SshSession
from playbooks.ssh_connection import CONNECT_TIMEOUT_S
from proof.faults.theatre import Theatre

# When the play begins, for everybody: seconds since the epoch.
EPOCH = 1_790_000_000.0
TIMING = Timing(boot_s=8.0, halt_s=0.5, restart_s=0.5, adjacency_s=1.0, bgp_s=2.0, fib_s=3.0)
ROUND_TRIP_S = 0.02
# Before a request leaves, and after its answer has come: what a play may do there (pause, kill, cut off).
Gate = Callable[[str, str], None]


class Devices:
    """Routers by name and the journal of what reached them."""

    def __init__(self, theatre: Theatre, gate: Gate, reachable: Callable[[], bool]) -> None:
        self.theatre, self.gate, self.reachable = theatre, gate, reachable
        self.journal: list[dict[str, Any]] = []
        self.layout = topology.ring(prefixes=(50, 20))
        self.net = Network(self.layout, timing=TIMING, start=0.0)
        self.machines = {
            name: Machine(router, self.net, clock=self.clock, wall=EPOCH, journal=self._add)
            for name, router in self.net.routers.items()
        }
        self.full_until: dict[str, float] = {}  # no room left on the disk of a device
        domains = {s.name: s.failure_domain for s in self.layout.sites}
        self._add({"event": "start", "routers": {r.name: domains[r.site] for r in self.layout.routers}})

    def clock(self) -> float:
        return self.theatre.now

    def _add(self, entry: dict[str, Any]) -> None:
        at = entry.get("at", self.theatre.now)
        self.journal.append({"seq": len(self.journal) + 1, "mono": at, **entry})

    def advance(self) -> None:
        """Let everything happen that is due, on all of them in order of time."""
        while True:
            due = [(at, n) for n, m in self.machines.items() if (at := m.router.next_due()) is not None]
            if not due or min(due)[0] > self.theatre.now:
                break
            self.machines[min(due)[1]].advance()
        for machine in self.machines.values():
            machine.advance()

    def inject(self, router: str, kind: str, params: Mapping[str, Any]) -> None:
        """As the control socket of lab/sim does it."""
        machine = self.machines[router]
        machine.advance()
        machine.router.behaviours.append(behaviour(kind, params, now=self.theatre.now))
        machine.note("inject", behaviour=kind, params=dict(params))
        machine.router.refresh(self.theatre.now)

    def heal(self) -> None:
        """Take every behaviour off and press the button of what is off: somebody came by."""
        for machine in self.machines.values():
            router = machine.router
            router.behaviours = []
            if not router.powered and router.next_due() is None:
                router.plan(self.theatre.now + router.timing.boot_s, "boot")
            router.refresh(self.theatre.now)
        self.full_until.clear()

    def panic(self, router: str) -> None:
        machine = self.machines[router]
        machine.advance()
        if machine.router.powered:
            machine.router.panic(self.theatre.now, "Kernel panic - not syncing: injected\n")
            machine.note("halt", panic=True, boot=machine.router.boots)

    def connect(self, device: Device, timeout_s: float = CONNECT_TIMEOUT_S) -> SshSession:
        """As `playbooks.ssh.connect`."""
        self.gate("connect", device.name)
        self.advance()
        router = self.machines[device.name].router
        self.theatre.pause(ROUND_TRIP_S)
        if not self.reachable() or router.cut:
            self.theatre.pause(timeout_s)
            raise Unreachable(_why(device, "no answer", "a connection"))
        if not router.reachable:
            raise Unreachable(_why(device, "connection refused", "a connection"))
        if active(router.behaviours, Kind.WRONG_HOST_KEY) is not None:
            raise HostKeyRefused(_why(device, "another host key", "the recorded one"))
        if active(router.behaviours, Kind.REFUSE_LOGIN) is not None:
            raise LoginRefused(_why(device, "login refused", "a login"))
        return Wire(self, device)

    def inventory_file(self, folder: Path) -> Path:
        """What Slipway loads; the ports are nobody's."""
        made = keys.keys_in(folder)
        ports = {r.name: FIRST_PORT + i for i, r in enumerate(self.layout.routers)}
        path = folder / "inventory.yaml"
        path.write_text(inventory.render(self.layout, ports, made))
        return path


class Wire(SshSession):
    """A session whose requests go straight to the machine."""

    def __init__(self, devices: Devices, device: Device) -> None:
        self.device, self._devices = device, devices
        self._machine = devices.machines[device.name]
        self._boots, self._dead = self._machine.router.boots, False

    @property
    def alive(self) -> bool:
        router = self._machine.router
        return not self._dead and router.powered and router.boots == self._boots

    def close(self) -> None:
        self._dead = True

    def _exec(self, line: str, *, stdin: str, timeout_s: float, name: str) -> Answer:
        devices, theatre = self._devices, self._devices.theatre
        devices.gate("before", name)
        devices.advance()
        if too_late():  # as SshSession asks, last of all before it sends
            raise Unreachable(_why(self.device, "no claim on the step any more", f"to send {name}"))
        if not self.alive:
            raise Unreachable(_why(self.device, "the connection is lost", f"a channel for {name}"))
        ends_at = theatre.now + timeout_s
        theatre.pause(ROUND_TRIP_S / 2)
        if not devices.reachable():
            theatre.pause(ends_at - theatre.now)
            raise self._unsure(name)
        if "slipway-put" in line and devices.full_until.get(self.device.name, 0.0) > theatre.now:
            return Answer(1, "", "cat: write error: No space left on device\n")
        answer = self._converse_with(line, stdin, ends_at, name)
        theatre.pause(ROUND_TRIP_S / 2)
        devices.gate("after", name)
        if not devices.reachable():
            theatre.pause(max(ends_at - theatre.now, 0.0))
            raise self._unsure(name)
        return answer

    def _converse_with(self, line: str, stdin: str, ends_at: float, name: str) -> Answer:
        theatre, devices = self._devices.theatre, self._devices
        out, err = list[str](), list[str]()
        for effect in self._machine.request(line, lambda: stdin):
            match effect.what:
                case "out":
                    out.append(effect.data)
                case "err":
                    err.append(effect.data)
                case "sleep" if theatre.now + effect.seconds < ends_at:
                    theatre.pause(effect.seconds)
                    devices.advance()
                case "cut" if theatre.now + 0.5 < ends_at:
                    theatre.pause(0.5)
                    devices.advance()
                case "drop":
                    raise self._unsure(name)
                case "exit":
                    devices.advance()
                    return Answer(effect.status, "".join(out), "".join(err))
                case _:  # it hangs, or takes longer than anybody waits
                    theatre.pause(ends_at - theatre.now)
                    raise self._unsure(name)
        raise self._unsure(name)

    def _unsure(self, name: str) -> Unsure:
        self._dead = True
        remedy = "It may have run: look before repeating"
        return Unsure(Reason(f"{name} on {self.device.name}", "none came", "an exit status", remedy))


def _why(device: Device, found: str, wanted: str) -> Reason:
    return Reason(f"connection to {device.name}", found, wanted, "Nothing was sent")


def monotonic_of(theatre: Theatre) -> Callable[[], float]:
    """`time.monotonic` of the play; the real one outside of it."""
    return lambda: theatre.now if theatre.me is not None else time.monotonic()
