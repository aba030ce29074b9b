"""How single values of an inventory file are written and read: one kind per form, with its own words of refusal."""

import functools
import ipaddress
import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass

from fleet.core.model import Json
from fleet.core.versions import Version
from inventory import credential_reference, host_key
from inventory.importers.problems import did_you_mean, shown
from inventory.importers.yaml_tree import Tree
from inventory.models import NAME_PATTERN

INTERFACE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._/@:-]{0,63}"
_CAPACITY = re.compile(r"(\d{1,6})(?:\.(\d{1,3}))?([MGT])")
_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
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
    if re.fullmatch(NAME_PATTERN, device) and (not colon or re.fullmatch(INTERFACE_PATTERN, interface)):
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


def _line_of_text(most: int) -> Callable[[Tree, Kind], Json | Wrong]:
    def read(tree: Tree, kind: Kind) -> Json | Wrong:
        text = _text(tree, kind)
        if isinstance(text, Wrong) or (text.strip() and len(text) <= most and text.isprintable()):
            return text
        return Wrong(shown(text), kind.form)

    return read


def whole(least: int, most: int) -> Kind:
    """A whole number within bounds."""

    def read(tree: Tree, kind: Kind) -> Json | Wrong:
        if tree.kind == "a number" and tree.text is not None and _WHOLE.fullmatch(tree.text):
            number = int(tree.text)
            if least <= number <= most:
                return number
        return Wrong(tree.kind if tree.text is None else shown(tree.text), kind.form)

    return Kind(f"a number from {least} to {most}", read)


def _truth(tree: Tree, kind: Kind) -> Json | Wrong:
    if tree.kind == "a truth value" and tree.text is not None:
        return tree.text.lower() == "true"
    return Wrong(tree.kind if tree.text is None else shown(tree.text), kind.form)


def _version(tree: Tree, kind: Kind) -> Json | Wrong:
    text = _text(tree, kind)
    if isinstance(text, Wrong):
        return text
    version = Version.parse(text)
    return text if isinstance(version, Version) and len(text) <= 63 else Wrong(shown(text), kind.form)


def _prefix(tree: Tree, kind: Kind) -> Json | Wrong:
    text = _text(tree, kind)
    if isinstance(text, Wrong):
        return text
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        return Wrong(shown(text), kind.form, "Write the network's own address: no bits behind the length.")


def _tags(tree: Tree, kind: Kind) -> Json | Wrong:
    """A sorted list of names: their order says nothing."""
    if tree.items is None:
        return Wrong(tree.kind, kind.form)
    found = [NAME(item) for item in tree.items]
    for name in found:
        if isinstance(name, Wrong):
            return Wrong(f"{name.found} in the list", kind.form, name.remedy)
    twice = [name for name in found if found.count(name) > 1]
    return Wrong(f"{twice[0]} twice", kind.form) if twice else sorted(found)


def as_json(tree: Tree) -> Json | Wrong:
    """Any value: texts, whole numbers, truth values, nothing, lists and mappings. Other numbers want quotes.

    A version 6.10 without quotes would be read as 6.1.
    """
    if tree.keys is not None:
        made = {key: as_json(value) for key, value in tree.keys.items()}
        return next((v for v in made.values() if isinstance(v, Wrong)), made)
    if tree.items is not None:
        listed = [as_json(item) for item in tree.items]
        return next((v for v in listed if isinstance(v, Wrong)), listed)
    match tree.kind, tree.text:
        case "text", str(text):
            return text
        case "nothing", _:
            return None
        case "a truth value", str(text):
            return text.lower() == "true"
        case "a number", str(text) if _WHOLE.fullmatch(text):
            return int(text)
        case _, str(text):
            return Wrong(f"{tree.kind} ({text[:40]})", "a whole number or a text", f'Put it in quotes: "{text[:40]}".')
        case _:
            return Wrong(tree.kind, "a value")


def _settings(tree: Tree, kind: Kind) -> Json | Wrong:
    return Wrong(tree.kind, kind.form) if tree.keys is None else as_json(tree)


def _components(tree: Tree, kind: Kind) -> Json | Wrong:
    """A list of mappings, each with kind and name, and a version that can be read where it has one."""
    value = as_json(tree) if tree.items is not None else Wrong(tree.kind, kind.form)
    if isinstance(value, Wrong):
        return value
    for number, one in enumerate(value, 1):
        if not isinstance(one, dict) or not all(isinstance(one.get(key), str) and one[key] for key in ("kind", "name")):
            return Wrong(f"component {number} without kind and name", kind.form)
        version = Version.parse(one["version"]) if "version" in one else None
        if version is not None and not isinstance(version, Version):
            found = f"component {number} ({one['name']}) with the version {version.found}"
            return Wrong(found, version.wanted)
    return value


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
TEXT = Kind("a text on one line", _line_of_text(255))
LOCATION = Kind("a path or an address, without a secret", _line_of_text(1023))
DN = Kind("a distinguished name, such as org-root/ls-blade1", _matching(r"[A-Za-z0-9._:/-]{1,255}"))
UCS_NAME = Kind("a name of UCS Manager: letters, digits, `-`, `.`, `:`, `_`", _matching(r"[-.:_A-Za-z0-9]{1,32}"))
UCS_SHORT = Kind("a name of UCS Manager, at most 16 characters", _matching(r"[-.:_A-Za-z0-9]{1,16}"))
TRUTH = Kind("true or false", _truth)
VERSION = Kind("a version, in quotes when it looks like a number", _version)
SHA256 = Kind("64 hexadecimal digits in lower case", _matching(r"[0-9a-f]{64}"))
PREFIX = Kind("a prefix such as 192.0.2.0/24", _prefix)
TAGS = Kind("a list of names, each once", _tags)
SETTINGS = Kind("settings with their values (docs/intent.md)", _settings)
COMPONENTS = Kind("a list of components, each with kind and name, and version and flavour where known", _components)
