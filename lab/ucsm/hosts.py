"""The hosts on the blades are routers of a simulated fleet: their power and queues are those of the blade, and what
they do to themselves the blade notices."""

import threading
from collections.abc import Mapping
from typing import Self

from lab.sim import SimFleet
from lab.ucsm.server import UcsManager

_LOOK_S = 0.2


class SimHosts:
    """`Hosts` of `UcsManager`. `interfaces`: vNIC > interface of the router. Use as a context manager around it."""

    def __init__(self, fleet: SimFleet, interfaces: Mapping[str, str]) -> None:
        self.fleet, self.interfaces = fleet, interfaces
        self.manager: UcsManager | None = None
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def off(self, host: str) -> None:
        self.fleet.power(host, on=False)

    def on(self, host: str, queues: Mapping[str, int]) -> None:
        given = {self.interfaces[vnic]: count for vnic, count in queues.items() if vnic in self.interfaces}
        self.fleet.power(host, on=True, queues=given)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._watch.join(10)

    def _look(self) -> None:
        """Hosts that have shut themselves down: their blades are off."""
        before: dict[str, bool] = {}
        while not self._stopping.wait(_LOOK_S):
            for name, state in self.fleet.states().items():
                on = bool(state["powered"])
                if self.manager is not None and before.get(name, True) and not on:
                    self.manager.host_power(name, on=False)
                before[name] = on
