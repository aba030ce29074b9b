"""How Slipway reaches devices: `connect` for one, `run_shard` for many through one fresh Nornir.

The nornir plugins: connection `fleet_ssh`, inventory `FleetInventory` (nornir keeps all plugin names in one register,
so the two may not be equal).
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

from nornir.core import Nornir
from nornir.core.configuration import Config
from nornir.core.inventory import ConnectionOptions, Defaults, Groups, Host, Hosts, Inventory
from nornir.core.plugins.connections import ConnectionPluginRegister
from nornir.core.plugins.inventory import InventoryPluginRegister
from nornir.core.task import Result, Task
from nornir.plugins.runners import ThreadedRunner

from playbooks.base import Device
from playbooks.ssh import SshSession, connect
from playbooks.ssh_connection import CONNECT_TIMEOUT_S

__all__ = [
    "CONNECTION",
    "FleetInventory",
    "FleetSsh",
    "SshSession",
    "connect",
    "leg_session",
    "run_shard",
]

T = TypeVar("T")
CONNECTION = "fleet_ssh"
WORKERS = 40


class FleetSsh:
    """nornir connection plugin `fleet_ssh`: `connection` is a `base.Session`. Takes the Device from `extras`."""

    connection: SshSession

    def open(
        self,
        hostname: str | None,
        username: str | None,
        password: str | None,
        port: int | None,
        platform: str | None,
        extras: dict[str, Any] | None = None,
        configuration: Config | None = None,
    ) -> None:
        """Connect to the device in `extras["device"]`; the other arguments say the same and are not read."""
        options = extras or {}
        self.connection = connect(options["device"], options.get("timeout_s", CONNECT_TIMEOUT_S))

    def close(self) -> None:
        self.connection.close()


class FleetInventory:
    """nornir inventory plugin: the given devices and nothing else."""

    def __init__(self, devices: Sequence[Device], timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        self._devices = tuple(devices)
        self._timeout_s = timeout_s

    def load(self) -> Inventory:
        """The inventory. Raises ValueError when two devices have one name."""
        hosts = Hosts()
        for device in self._devices:
            if device.name in hosts:
                raise ValueError(f"device {device.name}: found twice in one shard, wanted once")
            hosts[device.name] = Host(
                name=device.name,
                hostname=device.address,
                port=device.port,
                username=device.username,
                platform=device.platform,
                connection_options={
                    CONNECTION: ConnectionOptions(extras={"device": device, "timeout_s": self._timeout_s})
                },
            )
        return Inventory(hosts=hosts, groups=Groups(), defaults=Defaults())


ConnectionPluginRegister.register(CONNECTION, FleetSsh)
InventoryPluginRegister.register("FleetInventory", FleetInventory)

_current: ContextVar[tuple[Device, Callable[[], SshSession]]] = ContextVar("slipway_leg")


def leg_session(device: Device) -> SshSession:
    """The session of the leg that runs on this thread: opened when first asked for, again when it was lost.

    `run_shard` closes it. Raises as `connect`; LookupError outside of a leg or for another device than the leg's.
    """
    mine = _current.get(None)
    if mine is None or mine[0] != device:
        raise LookupError(f"session of {device.name}: asked for outside of its own leg")
    return mine[1]()


def run_shard(
    devices: Sequence[Device],
    leg: Callable[[Device], T],
    workers: int = WORKERS,
    *,
    timeout_s: float = CONNECT_TIMEOUT_S,
) -> dict[str, T | Exception]:
    """Run one leg per device, `workers` at once; what a leg raised is its value, the others go on.

    A leg gets its connection from `leg_session(device)`; it is closed when the leg ends. `timeout_s` bounds each phase
    of connecting. A fresh Nornir every time: an older one would skip the hosts that failed before.
    """
    by_name = {device.name: device for device in devices}
    nornir = Nornir(
        inventory=FleetInventory(devices, timeout_s).load(),
        config=Config(),
        runner=ThreadedRunner(num_workers=max(1, min(workers, len(by_name)))),
    )

    def one(task: Task) -> Result:
        host, device = task.host, by_name[task.host.name]

        def session() -> SshSession:
            held: SshSession = host.get_connection(CONNECTION, nornir.config)
            if held.alive:
                return held
            host.close_connection(CONNECTION)
            again: SshSession = host.get_connection(CONNECTION, nornir.config)
            return again

        token = _current.set((device, session))
        try:
            value: T | Exception = leg(device)
        except Exception as error:  # a leg's error is its result: the caller records it, the other legs go on
            value = error
        finally:
            _current.reset(token)
            host.close_connections()
        return Result(host=host, result=value)

    results = nornir.run(task=one, name="shard")
    return {name: result[0].result for name, result in results.items()}
