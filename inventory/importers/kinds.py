"""How single values of an inventory file are written and read: one kind per form, with its own words of refusal."""

import functools
import ipaddress
import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass

from fleet.core.model import Json
from inventory import credential_reference, host_key
from inventory.importers.problems import did_you_mean, shown
from inventory.importers.yaml_tree import Tree
from inventory.models import NAME_PATTERN

_INTERFACE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._/@:-]{0,63}"
_CAPACITY = re.compile(r"(\d{1,6})(?:\.(\d{1,3}))?([MGT])")
_MBPS = {"M": 1, "G": 1_000, "T": 1_000_000}


@dataclass(frozen=True)
class Wrong:
    """Why a value is refused."""

    found: str
    wanted: str
    remedy: str = ""


@dataclass(frozen=True)
class Kind:
    """One way of writing a value: `form` is what docs and messages say, `read` gives the value or why not."""

    form: str
    read: Callable[[Tree, "Kind"], Json | Wrong]

    def __call__(self, tree: Tree) -> Json | Wrong:
        return self.read(tree, self)


def _text(tree: Tree, kind: Kind) -> str | Wrong:
    if tree.kind == "text" and tree.text is not None:
        return tree.text
    if tree.text is not None and tree.kind in {"a number", "a truth value", "a date"}:
        remedy = f'Put it in quotes: "{tree.text[:40]}".'
        return Wrong(f"{tree.kind} ({tree.text[:40]})", kind.form, remedy)
    return Wrong(tree.kind, kind.form)


def _matching(pattern: str) -> Callable[[Tree, Kind], Json | Wrong]:
    compiled = re.compile(pattern)

    def read(tree: Tree, kind: Kind) -> Json | Wrong:
        text = _text(tree, kind)
        if isinstance(text, Wrong) or compiled.fullmatch(text):
            return text
        return Wrong(shown(text), kind.form)

    return read


def choice(*options: str) -> Kind:
    """One of a few words."""

    def read(tree: Tree, kind: Kind) -> Json | Wrong:
        text = _text(tree, kind)
        if isinstance(text, Wrong) or text in options:
            return text
        return Wrong(shown(text), kind.form, did_you_mean(text, options).strip())

    return Kind("one of " + ", ".join(options), read)


def _address(tree: Tree, kind: Kind) -> Json | Wrong:
    text = _text(tree, kind)
    if isinstance(text, Wrong):
        return text
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return Wrong(shown(text), kind.form, "Write the address itself, not a name: names can be made to lie.")
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address.ipv4_mapped):
        return Wrong(shown(text), kind.form, "Write it without a zone, and an IPv4 address as such.")
    if address.is_unspecified or address.is_multicast:
        return Wrong(shown(text), kind.form, "This address belongs to no single device.")
    return address.compressed


def _router_id(tree: Tree, kind: Kind) -> Json | Wrong:
    text = _text(tree, kind)
    if isinstance(text, Wrong):
        return text
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return Wrong(shown(text), kind.form)
    return Wrong(shown(text), kind.form) if address.is_unspecified else str(address)


def _port(tree: Tree, kind: Kind) -> Json | Wrong:
    if tree.kind == "a number" and tree.text is not None and re.fullmatch(r"[1-9]\d{0,4}", tree.text):
        number = int(tree.text)
        if number <= 65535:
            return number
    if tree.kind == "text" and tree.text is not None:
        return Wrong(f"the text {shown(tree.text)}", kind.form, "Write the number without quotes.")
    return Wrong(tree.kind if tree.text is None else shown(tree.text), kind.form)


def _capacity(tree: Tree, kind: Kind) -> Json | Wrong:
    remedy = 'Write the unit: "100M", "10G", "2.5G".'
    found = shown(tree.text) if tree.text is not None else tree.kind
    match = _CAPACITY.fullmatch(tree.text) if tree.kind == "text" and tree.text is not None else None
    if match is None:
        return Wrong(found, kind.form, remedy)
    whole, part, unit = match.groups()
    thousandths = int(whole) * 1000 + int((part or "").ljust(3, "0"))
    mbps, rest = divmod(thousandths * _MBPS[unit], 1000)
    if rest or not 0 < mbps <= 100_000_000:
        return Wrong(found, "whole Mb/s between 1M and 100T", remedy)
    return mbps


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _time_zone(tree: Tree, kind: Kind) -> Json | Wrong:
    text = _text(tree, kind)
    if isinstance(text, Wrong) or text in _zones():
        return text
    remedy = (
        did_you_mean(text, (zone for zone in _zones() if "/" in zone))
        + "Abbreviations such as CET say nothing about summer time."
    )
    return Wrong(shown(text), kind.form, remedy)


def _reference(tree: Tree, kind: Kind) -> Json | Wrong:
    """The value is never repeated: it may be the secret."""
    if tree.kind != "text" or tree.text is None:
        return Wrong(tree.kind, kind.form)
    reason = credential_reference.refuse(tree.text)
    return Wrong(reason.found, reason.wanted, reason.remedy) if reason else tree.text


def _host_key(tree: Tree, kind: Kind) -> Json | Wrong:
    if tree.kind != "text" or tree.text is None:
        return Wrong(tree.kind, kind.form, host_key.REMEDY)
    key = host_key.parse(tree.text)
    return str(key) if isinstance(key, host_key.PublicKey) else Wrong(key.found, key.wanted, key.remedy)


def _end(tree: Tree, kind: Kind) -> Json | Wrong:
    """(device, interface); the interface is empty for an external."""
    text = _text(tree, kind)
    if isinstance(text, Wrong):
        return text
    device, colon, interface = text.partition(":")
    if re.fullmatch(NAME_PATTERN, device) and (not colon or re.fullmatch(_INTERFACE_PATTERN, interface)):
        return (device, interface)
    return Wrong(shown(text), kind.form)


def _names(tree: Tree, kind: Kind) -> Json | Wrong:
    """A list of names with the line of each: ((name, line), ...)."""
    if tree.items is None:
        return Wrong(tree.kind, kind.form)
    found: list[tuple[str, int]] = []
    for item in tree.items:
        name = NAME(item)
        if isinstance(name, Wrong):
            return Wrong(f"{name.found} in the list", kind.form, name.remedy)
        found.append((name, item.line))
    if len(found) < 2:
        return Wrong(f"{len(found)} name(s)", kind.form)
    return tuple(found)


NAME = Kind("a name: letters, digits, `.`, `_`, `-`; at most 63", _matching(NAME_PATTERN))
REFERENCE = Kind(credential_reference.WANTED, _reference)
USERNAME = Kind("a login name", _matching(r"[A-Za-z_][A-Za-z0-9._@-]{0,62}"))
ADDRESS = Kind("an IPv4 or IPv6 address", _address)
ROUTER_ID = Kind("four numbers with dots, as the routing protocols show it", _router_id)
PORT = Kind("a number from 1 to 65535", _port)
CAPACITY = Kind("a number with `M`, `G` or `T` (bit/s)", _capacity)
TIME_ZONE = Kind("a name of the time zone database, such as Europe/London", _time_zone)
HOST_KEY = Kind(host_key.WANTED, _host_key)
END = Kind("`ROUTER:INTERFACE`, or the name of an external", _end)
NAMES = Kind("a list of at least two names of routers or externals", _names)
