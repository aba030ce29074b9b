"""A device that may be reached at two addresses: the second is tried where nothing answers at the first.

It happens before anything is sent: a command never goes out a second time because of it.
"""

from collections.abc import Callable
from typing import TypeVar

from fleet.core.model import Reason
from playbooks.base import Device, Unreachable

T = TypeVar("T")


def reached(device: Device, attempt: Callable[[str, float], T], *, timeout_s: float) -> T:
    """What `attempt(address, seconds)` returns, at the device's address or else at its fallback address.

    With two addresses each has half of the time, so that nobody waits longer for a device that has two; one that
    refuses is left at once. Raises as `attempt`; Unreachable names both addresses. Only an Unreachable leads to the
    second: whoever shows another host key or refuses the login has answered, and a person must look.
    """
    if not device.fallback_address:
        return attempt(device.address, timeout_s)
    half_s = timeout_s / 2
    try:
        return attempt(device.address, half_s)
    except Unreachable as error:
        first = error
    try:
        return attempt(device.fallback_address, half_s)
    except Unreachable as second:
        raise Unreachable(_neither(device, first.reason, second.reason)) from None


def _neither(device: Device, first: Reason, second: Reason) -> Reason:
    where = f"{device.address} and {device.fallback_address}, port {device.port}"
    found = f"{first.found} at the first, {second.found} at the second"
    return Reason(f"SSH of {device.name} ({where})", found, first.wanted, first.remedy)
