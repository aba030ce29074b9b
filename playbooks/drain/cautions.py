"""What a drain cannot prevent and an approver should know: routers that take an IPv6 route out before its successor
is in. Pure, from facts.

Every drained neighbour makes a router write many routes anew. Between delete and add a packet has no route:
microseconds each on the lab's ring (8 drains without loss), but for every route of the table, and longer on a busy one.
"""

import re
from collections.abc import Iterator, Mapping

from fleet.core.model import Json, Reason
from playbooks.base import Device
from playbooks.drain.look import configuration

_COMMENT = re.compile(r"#[^\n]*|/\*.*?\*/", re.DOTALL)
_KERNEL = re.compile(r"\bprotocol\s+kernel\b[^{;]*\{")
_IPV6 = re.compile(r"\bipv6\b[^{;]*\{")
_EXPORTS = re.compile(r"\bexport\s+(?!none\b)\S")
_TABLE = re.compile(r"\bkernel\s+table\s+(\w+)")
_USES_IPV6 = re.compile(r"^\s*(router ospf6|address-family ipv6|ipv6 ospf6|ipv6 router isis)", re.MULTILINE)


def cautions(device: Device, facts: Mapping[str, Json]) -> tuple[Reason, ...]:
    """Warnings for the approver; none where the facts do not tell."""
    match device.suite:
        case "frr":
            return _frr(device, facts)
        case "bird":
            return _bird(device, configuration(facts))
        case _:
            return ()


def _frr(device: Device, facts: Mapping[str, Json]) -> tuple[Reason, ...]:
    """zebra replaces an IPv6 route in one message only with --v6-rr-semantics."""
    routing = facts.get("routing")
    options = routing.get("zebra_options") if isinstance(routing, Mapping) else None
    if not isinstance(options, str) or "--v6-rr-semantics" in options.split():
        return ()
    if not _USES_IPV6.search(configuration(facts)):
        return ()
    return (
        Reason(
            f"zebra on {device.name}", f"runs without --v6-rr-semantics ({options or 'no options'})",
            "IPv6 routes replaced in the kernel, not deleted and added",
            "Add --v6-rr-semantics to zebra_options in /etc/frr/daemons; it counts from the next restart of FRR.",
        ),
    )  # fmt: skip


def _bird(device: Device, config: str) -> tuple[Reason, ...]:
    """BIRD 2 replaces IPv6 routes by delete and add; a second table behind the first has one of the two always."""
    tables = set(_tables6(_COMMENT.sub("", config)))
    if len(tables) != 1:
        return ()
    return (
        Reason(
            f"BIRD on {device.name}", f"IPv6 routes in one kernel table only ({tables.pop()})",
            "a second table behind it: BIRD deletes an IPv6 route before it adds the new one",
            "Pipe the routes into a second table with a kernel protocol of its own (`kernel table 100`) and look there "
            "next: ip -6 rule add pref 33000 table 100.",
        ),
    )  # fmt: skip


def _tables6(config: str) -> Iterator[str]:
    """The kernel tables that kernel protocols export IPv6 routes to."""
    for found in _KERNEL.finditer(config):
        block = _block(config, found.end())
        channel = _IPV6.search(block)
        if channel is not None and _EXPORTS.search(_block(block, channel.end())):
            table = _TABLE.search(block)
            yield table[1] if table is not None else "main"


def _block(text: str, start: int) -> str:
    """What stands between an opening brace and the brace that closes it; to the end where none does."""
    depth = 1
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if not depth:
            return text[start:at]
    return text[start:]
