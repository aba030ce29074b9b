"""What becomes of a device that a step has cut off: for every verb that acts, what puts it back without us, or why not.

The page docs/way-in.md is generated from it; a test holds it against the drivers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Guard(StrEnum):
    """What stands between a step and a drive to the site."""

    ARMED = "armed"  # commit-confirm: a timer on the device, disarmed over a connection made after the change
    ONCE = "one-shot boot"  # any later boot is the old one
    ELSEWHERE = "another way in"  # what puts it back does not go through the device's own interfaces
    HARMLESS = "cannot"  # it sets nothing that an address, route or session of the way in depends on
    NONE = "not armed"


@dataclass(frozen=True)
class WayIn:
    """`how`: what puts the device back, or why nothing does; one line."""

    guard: Guard
    how: str


_TIMER = "a timer of systemd, or a plain process where there is none, runs what rollback would send"
_LASTING = f"{_TIMER}; after a crash it counts anew from the boot"
_RUNS = "it keeps what runs and was reached already"

WAY_IN: Mapping[str, WayIn] = {
    "console": WayIn(Guard.HARMLESS, "it asks the machine's controller whether that answers, and sets nothing"),
    "drain": WayIn(Guard.HARMLESS, "costs and communities move traffic; addresses and sessions stay"),
    "driver": WayIn(Guard.ARMED, f"{_TIMER}; over a reboot a unit that counts from the new boot"),
    "firmware": WayIn(
        Guard.NONE, "only another flash would put it back; the BMC's console and power are the way in left"
    ),
    "kernel": WayIn(Guard.ONCE, "watches in the initramfs and under systemd end a trial that nobody reaches"),
    "kernel-default": WayIn(Guard.HARMLESS, _RUNS),
    "napalm": WayIn(Guard.ARMED, "the platform's own commit-confirm, or the timer with the recipe's `revert`"),
    "netboot": WayIn(
        Guard.ONCE,
        "a watch in the image (`./manage.py netboot --watch`), `panic=`, or the console's power cycle ends a trial",
    ),
    "netboot-default": WayIn(Guard.HARMLESS, _RUNS),
    "netmiko": WayIn(Guard.ARMED, "the recipe's `arm` (`reload in 5`); a recipe without it says that it is not armed"),
    "nic": WayIn(Guard.ARMED, _LASTING),
    "packages": WayIn(Guard.ARMED, f"{_LASTING}; the versions from before were brought onto it first"),
    "reboot": WayIn(Guard.HARMLESS, "nothing is set: it comes back as it was, or its console switches it off and on"),
    "restart": WayIn(Guard.HARMLESS, "nothing is set: the daemons start with the configuration that they had"),
    "routing": WayIn(Guard.ARMED, "FRR: the timer; BIRD: its own `configure timeout`"),
    "sysctl": WayIn(Guard.ARMED, _LASTING),
    "ucs": WayIn(Guard.ELSEWHERE, "rollback goes to UCS Manager, which a blade without a network does not cut off"),
    "ucs-rack": WayIn(Guard.ELSEWHERE, "rollback goes to the server's CIMC, which has a port of its own"),
    "ucs-user-ack": WayIn(Guard.ELSEWHERE, "it sets a policy of UCS Manager, nothing on the blade"),
    "undrain": WayIn(Guard.HARMLESS, "it takes back what drain set"),
    "vpp": WayIn(Guard.ARMED, f"{_TIMER}: the kernel has its cards back"),
    "vpp-change": WayIn(Guard.ARMED, f"{_LASTING}; the planned way back, command by command"),
    "vpp-default": WayIn(Guard.HARMLESS, _RUNS),
    "vpp-sessions": WayIn(Guard.HARMLESS, "it opens sessions that were held back"),
    "vpp-vrrp": WayIn(Guard.HARMLESS, "it lets addresses of VRRP return; those of the router stay"),
    "vyos-default": WayIn(Guard.HARMLESS, _RUNS),
    "vyos-image": WayIn(Guard.ONCE, "a watch under systemd ends a trial that nobody reaches"),
}

_PAGE = """# What can cut off the way in

Generated from `playbooks/way_in.py` by `make docs`; do not edit. A step that cuts off its own device must not end with
a drive to the site: every step that acts is in this table.

* **armed**: before anything is changed the device has what puts it back and the time after which it does so
  (`confirm` of the step). It is disarmed only over a connection that was made after the change.
* **one-shot boot**: what is tried is booted once; every later boot is the old one.
* **another way in**: what puts it back does not go through the device's own interfaces.
* **cannot**: nothing that the way in depends on is set.
* **not armed**: nothing puts it back by itself.

| step | | how, or why not |
|---|---|---|
{rows}
A timer that is left would undo what comes after the step: the way back of a step disarms the device before it says that
all is as before. `confirm` counts from the moment before the change, or from the new boot where there is one.
"""


def page() -> str:
    """The text of docs/way-in.md."""
    rows = "".join(f"| `{verb}` | {one.guard} | {one.how} |\n" for verb, one in sorted(WAY_IN.items()))
    return _PAGE.format(rows=rows)
