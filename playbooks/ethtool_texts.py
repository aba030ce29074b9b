"""Texts of ethtool and sysfs as values: hash and table, hashed fields, coalescing, offloads, interrupts. Pure.

Shared by the kinds that look at cards. No text makes it raise; None means: cannot tell. Recordings: ethtool 6.1 on
virtio_net, veth, e1000e, vmxnet3, 8139cp, netdevsim.
"""

import re
from dataclasses import dataclass, field

from fleet.core.model import Json

_SHOWN = 160  # characters of a value that are kept
_SUBSECTION = re.compile(r"^@ (?!= )([a-z0-9_ ]{1,40})\n(.*?)\n?^@ = ([0-9]{1,3})$", re.MULTILINE | re.DOTALL)
_SYSFS = re.compile(r"^([a-z_]{1,24}) ?(.*)$", re.MULTILINE)
_TABLE_ROW = re.compile(r"^[ \t]*([0-9]{1,5}):((?:[ \t]+[0-9]{1,5})+)[ \t]*$", re.MULTILINE)
_KEY = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){7,127}")
_FUNCTION = re.compile(r"^[ \t]+([a-z0-9_]{1,32}): on$", re.MULTILINE)
_COALESCE = re.compile(r"^([a-z-]{1,40}): ([0-9]{1,10})$", re.MULTILINE)
_ADAPTIVE = re.compile(r"^Adaptive RX: (on|off|n/a)[ \t]+TX: (on|off|n/a)$", re.MULTILINE)
_FEATURE = re.compile(
    r"^\t?([a-z][a-z0-9_-]{1,60}): (on|off)(?: \[(fixed|requested on|requested off)\])?$", re.MULTILINE
)
_FLAG = re.compile(r"^([A-Za-z][A-Za-z0-9 _().-]{0,60}?)[ \t]*: (on|off)$", re.MULTILINE)
# The names that `ethtool -K` takes for what it prints in full; profiles are written with them.
_SHORT = {
    "rx-checksumming": "rx", "tx-checksumming": "tx", "scatter-gather": "sg", "tcp-segmentation-offload": "tso",
    "generic-segmentation-offload": "gso", "generic-receive-offload": "gro", "large-receive-offload": "lro",
    "rx-vlan-offload": "rxvlan", "tx-vlan-offload": "txvlan", "ntuple-filters": "ntuple", "receive-hashing": "rxhash",
}  # fmt: skip
_HASHED = {
    "L2DA": "m", "VLAN tag": "v", "L3 proto": "t", "IP SA": "s", "IP DA": "d",
    "L4 bytes 0 & 1 [TCP/UDP src port]": "f", "L4 bytes 2 & 3 [TCP/UDP dst port]": "n", "Discard": "r",
}  # fmt: skip
_FLOW_HEAD = re.compile(r"^\S.{1,40} over IPV[46] flows use these fields for computing Hash flow key:$", re.MULTILINE)
_NOT_SUPPORTED = ("Operation not supported", "no stats available", "Operation is not supported")


@dataclass(frozen=True)
class Section:
    """The answer of script `nic` for one interface. `fields`: word > value; `lists`: irq, rps, xps, siblings > rows."""

    fields: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[list[str]]] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)  # name of an ethtool command > what it said


def section(text: str) -> Section:
    """Take the answer apart; what does not look as the script writes it is left out."""
    head = text.partition("\n@ ")[0]
    fields: dict[str, str] = {}
    lists: dict[str, list[list[str]]] = {}
    for key, value in _SYSFS.findall(head)[:20_000]:
        if key in ("irq", "rps", "xps", "siblings"):
            lists.setdefault(key, []).append(value[:_SHOWN].split(" ", 2))
        else:
            fields.setdefault(key, value.strip()[:_SHOWN])
    answers = {name: said for name, said, _ in _SUBSECTION.findall(text)}
    return Section(fields, lists, answers)


def not_supported(text: str) -> bool:
    """Did the driver say that it has no such thing? That is an answer, not an unknown."""
    return any(said in text for said in _NOT_SUPPORTED)


def rss(text: str) -> dict[str, Json] | None:
    """`ethtool -x`: queues (receive rings), size, indirection, key, function; None where there is no table.

    indirection: the queue of each bucket. A table with a hole is none.
    """
    rings = re.search(r"^RX flow hash indirection table for \S+ with ([0-9]{1,5}) RX ring\(s\):$", text, re.MULTILINE)
    head, found, rest = text.partition("RSS hash key:")
    if rings is None or not found:
        return None
    table: list[int] = []
    for at, row in _TABLE_ROW.findall(head):
        if int(at) != len(table):
            return None
        table += [int(queue) for queue in row.split()]
    key = rest.strip().split("\n")[0].strip()
    function = _FUNCTION.findall(rest.partition("RSS hash function:")[2])
    if not table and not _KEY.fullmatch(key):
        return None  # "Operation not supported" twice, with status 0
    return {
        "queues": int(rings[1]),
        "size": len(table) or None,
        "indirection": list(table) or None,
        "key": key if _KEY.fullmatch(key) else None,
        "function": function[0] if len(function) == 1 else None,
    }


def flow_hash(text: str) -> str | None:
    """`ethtool -n DEV rx-flow-hash TYPE`: the letters that -N takes ("sdfn"), "" for none."""
    head = _FLOW_HEAD.search(text)
    if head is None:
        return None
    letters = ""
    for line in text[head.end() :].strip().splitlines():
        if line.strip() == "None":
            continue
        letter = _HASHED.get(line.strip())
        if letter is None:
            return None
        letters += letter
    return letters


def coalesce(text: str) -> dict[str, Json] | None:
    """`ethtool -c`: what the driver has of it, under the names that -C takes (adaptive-rx: true or false)."""
    if not text.startswith("Coalesce parameters for "):
        return None
    made: dict[str, Json] = {}
    if adaptive := _ADAPTIVE.search(text):
        made |= {
            f"adaptive-{way}": on == "on"
            for way, on in zip(("rx", "tx"), adaptive.groups(), strict=True)
            if on != "n/a"
        }
    for key, value in _COALESCE.findall(text):
        made[key.replace("x-frame-", "x-frames-")] = int(value)
    return made


def offloads(text: str) -> tuple[dict[str, Json], list[Json]] | None:
    """`ethtool -k`: feature > on, and the names of those that are fixed.

    Names as -K takes them: gro, tso ...; a feature that is off for good and has no short name is left out.
    """
    if not text.startswith("Features for "):
        return None
    made: dict[str, Json] = {}
    fixed: list[Json] = []
    for name, state, more in _FEATURE.findall(text):
        if more == "fixed" and state == "off" and name not in _SHORT:
            continue
        made[_SHORT.get(name, name)] = state == "on"
        if more == "fixed":
            fixed.append(_SHORT.get(name, name))
    return (made, sorted(fixed, key=str)) if made else None


def priv_flags(text: str) -> dict[str, Json] | None:
    """`ethtool --show-priv-flags`: flag > on."""
    if not text.startswith("Private flags for "):
        return None
    return {name: state == "on" for name, state in _FLAG.findall(text.partition("\n")[2])}


def affinity(found: Section) -> dict[str, Json] | None:
    """Vector (name, or number where it has none) > CPUs as the kernel lists them; None for no interrupts of its own."""
    made: dict[str, Json] = {}
    for row in found.lists.get("irq", []):
        if len(row) >= 2 and row[0].isdecimal() and re.fullmatch(r"[0-9,-]{1,120}", row[1]):
            name = row[2].strip() if len(row) > 2 else ""
            made[name if name and name not in made else row[0]] = row[1]
    return made or None


def steering(found: Section, kind: str) -> dict[str, Json] | None:
    """`rps` or `xps`: queue (rx-0, tx-0) > its CPUs, an empty list where it is off; None where it has none."""
    way = "rx" if kind == "rps" else "tx"
    made: dict[str, Json] = {
        f"{way}-{row[0]}": _mask(row[1])
        for row in found.lists.get(kind, [])
        if len(row) == 2
        and row[0].isdecimal()
        and re.fullmatch(r"[0-9a-f]{1,8}(,[0-9a-f]{8}){0,15}|[0-9a-f]{1,128}", row[1])
    }
    return made or None


def _mask(text: str) -> list[Json]:
    """CPUs of a mask as the kernel writes it: hexadecimal, a comma between groups of 32."""
    bits = int(text.replace(",", ""), 16)
    return [cpu for cpu in range(bits.bit_length()) if bits >> cpu & 1]
