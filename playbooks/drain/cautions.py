"""What a drain cannot prevent and an approver should know: routers that may have no route while others are drained.
Pure, from facts.

Every drained neighbour makes a router write many routes anew. One that deletes before it adds has no route between:
microseconds each on the lab's ring (8 drains without loss), but for every route of the table, and longer on a busy one.
One whose zebra keeps nexthop groups in the kernel may have a route refused: see `_nexthop_groups`.
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
_OSPF = re.compile(r"^router ospf6?\b", re.MULTILINE)
_INLINE = "no zebra nexthop kernel enable"
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
    routing = facts.get("routing")
    known: Mapping[str, Json] = routing if isinstance(routing, Mapping) else {}
    config = configuration(facts)
    return (*_deletes_first(device, known.get("zebra_options"), config), *_nexthop_groups(device, known, config))


def _deletes_first(device: Device, options: Json, config: str) -> tuple[Reason, ...]:
    """zebra replaces an IPv6 route in one message only with --v6-rr-semantics."""
    if not isinstance(options, str) or "--v6-rr-semantics" in options.split() or not _USES_IPV6.search(config):
        return ()
    return (
        Reason(
            f"zebra on {device.name}", f"runs without --v6-rr-semantics ({options or 'no options'})",
            "IPv6 routes replaced in the kernel, not deleted and added",
            "Add --v6-rr-semantics to zebra_options in /etc/frr/daemons; it counts from the next restart of FRR.",
        ),
    )  # fmt: skip


def _nexthop_groups(device: Device, routing: Mapping[str, Json], config: str) -> tuple[Reason, ...]:
    """zebra of FRR 8 uses nexthop groups of the kernel again from which a link that went down has taken a member.

    Measured (8.4.4, the lab's ring): a neighbour rebooted, its link came back, the OSPF route over two equal paths was
    "rejected"; BGP held the next hop behind it for unreachable. When the next router was drained and that next hop was
    the only one left, the routes were withdrawn for 2.6 s until OSPF changed again: 11 to 134 packets lost in 3 of 6
    rounds of six restarts.
    """
    version = routing.get("version")
    if not isinstance(version, str) or not version.startswith("8.") or not _OSPF.search(config) or _INLINE in config:
        return ()
    return (
        Reason(
            f"zebra on {device.name}", f"nexthop groups in the kernel (FRR {version})", f'"{_INLINE}"',
            "A route over equal paths may be refused after a neighbour came back, and what hangs on it is lost at the "
            f'next drain. Configure "{_INLINE}" and restart FRR, or see `show ip route` for lines with "r" before.',
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
