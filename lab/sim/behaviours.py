"""What can be made to go wrong with a virtual router, and when. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """Every behaviour there is."""

    HANG = "hang"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    LIE = "lie"
    SLOW = "slow"
    GARBAGE_OUTPUT = "garbage_output"
    REFUSE_LOGIN = "refuse_login"
    WRONG_HOST_KEY = "wrong_host_key"
    REBOOT_NEVER_RETURNS = "reboot_never_returns"
    PANIC_ON_NEW_KERNEL = "panic_on_new_kernel"
    NEW_KERNEL_UNREACHABLE = "new_kernel_unreachable"
    NEW_KERNEL_STANDS_STILL = "new_kernel_stands_still"
    SLAB_LEAK = "slab_leak"
    RIB_FIB_MISMATCH = "rib_fib_mismatch"
    FORWARDS_TO_DEAD_NEIGHBOUR = "forwards_to_dead_neighbour"
    BGP_NEVER_CONVERGES = "bgp_never_converges"
    LOSES_OSPF6_LSAS_AFTER_RESTART = "loses_ospf6_lsas_after_restart"
    MGMT_CUT = "mgmt_cut"
    VPP_HANGS = "vpp_hangs"
    BFD_STAYS_DOWN = "bfd_stays_down"
    TOOL_FAILS = "tool_fails"
    FLASH_POWER_LOST = "flash_power_lost"
    FLASH_FAILS = "flash_fails"
    FLASH_LIES = "flash_lies"
    LOSES_PACKETS = "loses_packets"
    DELAYS_PACKETS = "delays_packets"


# Which act on one command each, and so fire once unless asked otherwise. The rest describe a state and last.
ONE_SHOT = frozenset(
    {
        Kind.HANG,
        Kind.DROP_BEFORE,
        Kind.DROP_AFTER,
        Kind.LIE,
        Kind.GARBAGE_OUTPUT,
        Kind.REBOOT_NEVER_RETURNS,
        Kind.LOSES_OSPF6_LSAS_AFTER_RESTART,
        Kind.TOOL_FAILS,
        Kind.FLASH_POWER_LOST,
        Kind.FLASH_FAILS,
        Kind.FLASH_LIES,
    }
)
PARAMS: Mapping[Kind, frozenset[str]] = {
    Kind.HANG: frozenset({"match", "nth", "executed"}),
    Kind.DROP_BEFORE: frozenset({"match", "nth"}),
    Kind.DROP_AFTER: frozenset({"match", "nth"}),
    Kind.LIE: frozenset({"match", "nth"}),
    Kind.SLOW: frozenset({"match", "nth", "seconds"}),
    Kind.GARBAGE_OUTPUT: frozenset({"match", "nth"}),
    Kind.REFUSE_LOGIN: frozenset(),
    Kind.WRONG_HOST_KEY: frozenset(),
    Kind.REBOOT_NEVER_RETURNS: frozenset(),
    Kind.PANIC_ON_NEW_KERNEL: frozenset(),
    Kind.NEW_KERNEL_UNREACHABLE: frozenset(),
    Kind.NEW_KERNEL_STANDS_STILL: frozenset(),
    Kind.SLAB_LEAK: frozenset({"rate"}),
    Kind.RIB_FIB_MISMATCH: frozenset(),
    Kind.FORWARDS_TO_DEAD_NEIGHBOUR: frozenset({"neighbour"}),
    Kind.BGP_NEVER_CONVERGES: frozenset(),
    Kind.LOSES_OSPF6_LSAS_AFTER_RESTART: frozenset(),
    Kind.MGMT_CUT: frozenset({"match"}),
    Kind.VPP_HANGS: frozenset(),
    Kind.BFD_STAYS_DOWN: frozenset({"match"}),
    Kind.TOOL_FAILS: frozenset({"match"}),
    Kind.FLASH_POWER_LOST: frozenset(),
    Kind.FLASH_FAILS: frozenset(),
    Kind.FLASH_LIES: frozenset(),
    Kind.LOSES_PACKETS: frozenset({"share"}),
    Kind.DELAYS_PACKETS: frozenset({"seconds"}),
}


class BadBehaviour(ValueError):
    """An injection that makes no sense: says what was found and what is wanted."""


@dataclass
class Behaviour:
    """One injected behaviour. `match`: a regular expression over the command as shlex.join writes it;
    of mgmt_cut over a line, of bfd_stays_down over the address of a BFD peer.

    `nth`: the how-manieth matching command from now on (1 = the next). `once`: gone after it has fired.
    """

    kind: Kind
    match: str = ""
    nth: int = 1
    once: bool = False
    executed: bool = False  # hang: after the command was carried out, not before
    seconds: float = 1.0  # slow, delays_packets
    share: float = 0.1  # loses_packets: of the probes that cross it
    rate: float = 1024.0  # slab_leak: kB of unreclaimable slab per second
    neighbour: str = ""  # forwards_to_dead_neighbour: whose
    since: float = 0.0

    def fires(self, command: str) -> bool:
        """Does it act on this command? Counts down while it does not."""
        if self.match and not re.search(self.match, command):
            return False
        self.nth -= 1
        if self.nth > 0:
            return False
        self.nth = 1
        return True


def behaviour(name: str, params: Mapping[str, Any], *, now: float) -> Behaviour:
    """A behaviour from its JSON form. Raises BadBehaviour."""
    try:
        kind = Kind(name)
    except ValueError:
        raise BadBehaviour(f"behaviour: found {name!r}, wanted one of {', '.join(Kind)}") from None
    unknown = sorted(set(params) - PARAMS[kind] - {"once"})
    if unknown:
        allowed = ", ".join(sorted(PARAMS[kind] | {"once"}))
        raise BadBehaviour(f"{kind}: found parameter {', '.join(unknown)}, wanted only {allowed}")
    given: dict[str, Any] = {"once": kind in ONE_SHOT, **params}
    if kind is Kind.MGMT_CUT and not given.get("match"):
        raise BadBehaviour("mgmt_cut: found no match, wanted the pattern of the line that cuts management")
    try:
        re.compile(str(given.get("match", "")))
    except re.error as error:
        raise BadBehaviour(f"{kind}: found match {given['match']!r} ({error}), wanted a regular expression") from None
    return Behaviour(kind, since=now, **given)


def take(behaviours: list[Behaviour], kind: Kind, command: str) -> Behaviour | None:
    """The behaviour of this kind that acts on this command; a one-shot is used up by it."""
    for found in behaviours:
        if found.kind is kind and found.fires(command):
            if found.once:
                behaviours.remove(found)
            return found
    return None


def active(behaviours: list[Behaviour], kind: Kind) -> Behaviour | None:
    """A behaviour that describes a state, if it is in force."""
    return next((b for b in behaviours if b.kind is kind), None)
