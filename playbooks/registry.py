"""The verbs of a recipe: which driver carries each one out.

A verb is one line here and one driver in one folder. Drivers are loaded when they are first asked for, so that one
kind whose library is missing does not take the others with it.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, cast

from pydantic import BaseModel

from fleet.core.model import StepSpec
from playbooks.base import Driver

DRIVERS: Mapping[str, str] = {
    "baseline": "playbooks.facts.driver:Baseline",
    "console": "playbooks.console.driver:ConsoleProof",
    "drain": "playbooks.drain.driver:Drain",
    "driver": "playbooks.driver.driver:Driver",
    "firmware": "playbooks.firmware.driver:Firmware",
    "kernel": "playbooks.kernel.driver:Kernel",
    "kernel-default": "playbooks.kernel.default:KernelDefault",
    "napalm": "playbooks.napalm.driver:Napalm",
    "netboot": "playbooks.netboot.driver:Netboot",
    "netboot-default": "playbooks.netboot.driver:NetbootDefault",
    "netmiko": "playbooks.netmiko.driver:Netmiko",
    "packages": "playbooks.packages.driver:Packages",
    "nic": "playbooks.nic.driver:Nic",
    "probe": "playbooks.probe.driver:Probe",
    "probe-again": "playbooks.probe.driver:ProbeAgain",
    "reboot": "playbooks.reboot.driver:Reboot",
    "restart": "playbooks.reboot.driver:Restart",
    "routing": "playbooks.routing.driver:Routing",
    "soak": "playbooks.facts.driver:Soak",
    "sysctl": "playbooks.sysctl.driver:Sysctl",
    "ucs": "playbooks.ucs.driver:Ucs",
    "ucs-rack": "playbooks.ucs.rack_driver:Rack",
    "ucs-user-ack": "playbooks.ucs.maintenance:UserAck",
    "undrain": "playbooks.drain.undrain:Undrain",
    "verify": "playbooks.facts.driver:Verify",
    "vpp": "playbooks.vpp.driver:Vpp",
    "vpp-change": "playbooks.vpp.change:VppChange",
    "vpp-default": "playbooks.vpp.after:VppDefault",
    "vpp-sessions": "playbooks.vpp.sessions:VppSessions",
    "vpp-vrrp": "playbooks.vpp.after:VppVrrp",
    "vyos-default": "playbooks.vyos.default:VyosDefault",
    "vyos-image": "playbooks.vyos.driver:VyosImage",
}

# Verbs whose looks after the act each need a connection of their own: commit-confirm proves with it that the device
# can still be reached. All others may be looked at again over the connection that is open.
OWN_CONNECTION = frozenset({"driver", "napalm", "netmiko", "nic", "packages", "routing", "sysctl", "vpp", "vpp-change"})


def verbs() -> tuple[str, ...]:
    """Every verb that a recipe may use, in alphabetical order."""
    return tuple(sorted(DRIVERS))


@cache
def driver(verb: str) -> Driver:
    """The driver of a verb. `KeyError` when there is none: recipes were checked against `verbs()` before."""
    module, _, name = DRIVERS[verb].partition(":")
    made: Any = getattr(import_module(module), name)()
    return cast(Driver, made)


def params_model(verb: str) -> type[BaseModel]:
    """The pydantic model of a verb's parameters: the recipe's schema is made of these."""
    model: Any = driver(verb)
    return cast("type[BaseModel]", model.params_model)


def expand(spec: StepSpec) -> tuple[StepSpec, ...]:
    """The steps that one line of a recipe stands for; `(spec,)` for most.

    A driver that turns its line into several steps (undrain: one for each group) has a method `expand`. Expanding what
    was expanded already changes nothing. Raises pydantic's ValidationError where the parameters do not fit.
    """
    made: Any = driver(spec.verb)
    if not hasattr(made, "expand"):
        return (spec,)
    return tuple(made.expand(spec))
