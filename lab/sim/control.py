"""The control socket of a fleet: one JSON object per line in, one per line out. For tests and demonstrations."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.sim import vyos
from lab.sim.behaviours import BadBehaviour, Kind, behaviour
from lab.sim.discovery import DMI
from lab.sim.ethtool import bus
from lab.sim.nvm import Nvm
from lab.sim.server import Door, Fleet


class Control:
    """Ops: inject, clear, state, states, clock, set, panic, power, load, console, stop.

    Every answer has "ok"; a refusal has "error".
    """

    def __init__(self, fleet: Fleet, *, stop: Callable[[], None]) -> None:
        self.fleet, self._stop = fleet, stop

    async def serve(self, path: Path) -> asyncio.Server:
        return await asyncio.start_unix_server(self._client, path=str(path), limit=1 << 20)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            try:
                answer = {"ok": True, **self._answer(json.loads(line))}
            except (ValueError, KeyError, TypeError) as error:
                answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    def _door(self, ask: dict[str, Any]) -> Door:
        name = ask.get("router")
        if name not in self.fleet.doors:
            raise ValueError(f"router: found {name!r}, wanted one of {len(self.fleet.doors)} routers")
        return self.fleet.doors[name]

    def _answer(self, ask: dict[str, Any]) -> dict[str, Any]:
        match ask.get("op"):
            case "inject":
                return self._inject(ask)
            case "clear":
                return self._clear(ask)
            case "state":
                return {"state": self._door(ask).machine.state()}
            case "states":
                return {"states": {name: door.machine.state() for name, door in self.fleet.doors.items()}}
            case "clock":
                self.fleet.clock.advance(float(ask["advance"]))
                self.fleet.settle()
                return {"now": self.fleet.clock()}
            case "panic":
                return self._panic(ask)
            case "set":
                return self._set(ask)
            case "power":
                return self._power(ask)
            case "load":
                return self._load(ask)
            case "console":
                return self._console(ask)
            case "stop":
                self._stop()
                return {}
            case other:
                known = "inject, clear, state, states, clock, set, panic, power, load, console or stop"
                raise ValueError(f"op: found {other!r}, wanted {known}")

    def _inject(self, ask: dict[str, Any]) -> dict[str, Any]:
        door = self._door(ask)
        params = {k: v for k, v in ask.items() if k not in ("op", "router", "behaviour")}
        try:
            made = behaviour(str(ask.get("behaviour")), params, now=self.fleet.clock())
        except BadBehaviour as error:
            raise ValueError(str(error)) from None
        door.machine.advance()
        door.machine.router.behaviours.append(made)
        door.machine.note("inject", behaviour=str(made.kind), params=params)
        door.machine.router.refresh(self.fleet.clock())
        door.settle()
        return {"behaviours": [str(b.kind) for b in door.machine.router.behaviours]}

    def _clear(self, ask: dict[str, Any]) -> dict[str, Any]:
        """One behaviour, or all of a router."""
        door = self._door(ask)
        which = Kind(ask["behaviour"]) if ask.get("behaviour") else None
        router = door.machine.router
        router.behaviours = [b for b in router.behaviours if which is not None and b.kind is not which]
        if not router.powered and router.next_due() is None:
            router.plan(self.fleet.clock() + router.timing.boot_s, "boot")  # a person pressed the power button
        door.machine.note("clear", behaviour=str(which or "all"))
        router.refresh(self.fleet.clock())
        door.settle()
        return {}

    def _set(self, ask: dict[str, Any]) -> dict[str, Any]:
        """What no command does here: the kernel that the next boot takes, the firmware that lies in its cards."""
        router, value = self._door(ask).machine.router, str(ask["value"])
        match ask.get("field"):
            case "next_kernel":
                router.next_kernel = value
            case "vyos":
                vyos.make(router, value)
            case "nvm":
                for nic in router.nics.values():
                    if nic.driver == "i40e":
                        router.nvm[bus(nic).rpartition(".")[0]] = Nvm(value, value)
            case "uuid" | "serial" as which:
                router.files[f"{DMI}product_{which}"] = value
            case other:
                raise ValueError(f"field: found {other!r}, wanted next_kernel, nvm, uuid or serial")
        return {}

    def _panic(self, ask: dict[str, Any]) -> dict[str, Any]:
        """The kernel dies now. `text`: what it says last."""
        door = self._door(ask)
        door.machine.advance()
        door.machine.router.panic(self.fleet.clock(), str(ask.get("text", "Kernel panic - not syncing: simulated\n")))
        door.machine.note("halt", panic=True, boot=door.machine.router.boots)
        door.settle()
        return {}

    def _power(self, ask: dict[str, Any]) -> dict[str, Any]:
        """The blade's own say: `on` false takes power away until it is given again; `queues`: channels by interface,
        taken with the next boot, at once with `now`. `cycle`: off and on by its controller, also what stands still."""
        door = self._door(ask)
        machine, router = door.machine, door.machine.router
        machine.advance()
        if ask.get("cycle") and router.powered:
            router.halt(self.fleet.clock())
        router.flow.settle(self.fleet.clock())
        router.adapter |= {str(name): int(count) for name, count in (ask.get("queues") or {}).items()}
        if ask.get("now"):
            router.take_adapter()
        if ask.get("on") is False:
            router.stays_off = True
            if router.powered:
                router.halt(self.fleet.clock())
                machine.note("halt", by="blade", boot=router.boots)
        elif (ask.get("on") or ask.get("cycle")) and not router.powered and router.next_due() is None:
            router.plan(self.fleet.clock() + router.timing.boot_s, "boot")
        machine.note("power", on=ask.get("on"), queues=dict(router.adapter))
        router.refresh(self.fleet.clock())
        door.settle()
        return {"powered": router.powered}

    def _load(self, ask: dict[str, Any]) -> dict[str, Any]:
        """So many packets a second of each family are offered to a router from now on."""
        door = self._door(ask)
        router = door.machine.router
        router.flow.settle(self.fleet.clock())
        router.flow.offered_pps = float(ask["pps"])
        return {"pps": router.flow.offered_pps}

    def _console(self, ask: dict[str, Any]) -> dict[str, Any]:
        """A command typed on the console, as somebody else would: journaled with the rest, always reachable."""
        door = self._door(ask)
        reply = door.machine.console(str(ask["command"]), str(ask.get("stdin", "")))
        door.settle()
        return {"out": reply.out + reply.err, "status": reply.status}
