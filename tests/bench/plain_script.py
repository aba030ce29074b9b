"""The script that an engineer writes: nornir's threads, netmiko's `send_command`, the engine's commands one by one.

It knows what to send (recorded from the engine at one device) and nothing else: no database, no decisions, no check of
the host key. `engine_run.script` is its faster relation, which sends whole batches over Slipway's own transport.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from netmiko import ConnectHandler
from nornir.core import Nornir
from nornir.core.configuration import Config
from nornir.core.task import Result, Task
from nornir.plugins.runners import ThreadedRunner

from playbooks import wire
from playbooks.base import Device
from playbooks.transport import FleetInventory

Recorded = Sequence[tuple[str, tuple[Any, ...], dict[str, Any]]]


def lines(requests: Recorded, device: Device, interfaces: Sequence[str]) -> list[str | float]:
    """What to type on a device, in order; a number is a wait in seconds. A file is put by one line."""
    made: list[str | float] = []
    for method, args, kwargs in requests:
        root = bool(kwargs.get("root"))
        match method:
            case "sleep":
                made.append(float(args[0]))
            case "run":
                made.append(wire.command(args[0], root=root, become=device.become))
            case "batch":
                made += [wire.command(argv, root=root, become=device.become) for argv in args[0].values()]
                each = (kwargs.get("per_interface") or {}).values()
                made += [
                    wire.command([*argv, name], root=root, become=device.become) for argv in each for name in interfaces
                ]
            case _:
                made.append(wire.command(wire.put_argv(args[0], "0644"), root=True, become=device.become))
    return made


class Counted:
    """Commands that were sent and connections that were made, by all threads."""

    def __init__(self) -> None:
        self.commands = self.connections = 0
        self._adding = threading.Lock()

    def add(self, commands: int) -> None:
        with self._adding:
            self.commands += commands
            self.connections += 1


def run(
    requests: Recorded,
    devices: Sequence[Device],
    interfaces: Callable[[str], Sequence[str]],
    *,
    at_once: int,
    pause: Callable[[float], None],
) -> tuple[float, Counted]:
    """Wall seconds of all devices, and what was counted. Raises what the first device raised that did not end well."""
    by_name, counted = {d.name: d for d in devices}, Counted()

    def one(task: Task) -> Result:
        device = by_name[task.host.name]
        key = device.credential.partition(":")[2]
        login = {"host": device.address, "port": device.port, "username": device.username}
        typed = lines(requests, device, interfaces(device.name))
        with ConnectHandler(device_type="linux", use_keys=True, key_file=key, **login) as session:
            for line in typed:
                if isinstance(line, float):
                    pause(line)
                else:
                    session.send_command(line, read_timeout=60)
        counted.add(sum(isinstance(line, str) for line in typed))
        return Result(host=task.host)

    began = time.monotonic()
    nornir = Nornir(
        inventory=FleetInventory(devices).load(), config=Config(), runner=ThreadedRunner(num_workers=at_once)
    )
    results = nornir.run(task=one)
    for result in results.values():
        if result[0].exception is not None:
            raise result[0].exception
    return time.monotonic() - began, counted
