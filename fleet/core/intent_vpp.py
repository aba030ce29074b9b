"""The intent "this router forwards with VPP": its values, and whether VPP's configuration is as wanted. Pure.

`dataplane.config` is laid over the configuration that VPP has, as the recipe vpp-change lays it: what it does not speak
of may be anything, `null` says that something is not there.
"""

import json
import re
from collections.abc import Mapping

from fleet.core.model import Json
from fleet.core.vpp import normalised

# Interface names of Linux (dev_valid_name) as the recipe vpp takes them.
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
# Top-level keys of vppcfg's schema (vpp.md 1.3).
SECTIONS = ("acls", "bondethernets", "bridgedomains", "interfaces", "loopbacks", "prefixlists", "sflow", "taps",
            "vxlan_tunnels")  # fmt: skip
ACCESS = ("dpdk", "af_packet", "af_xdp")  # the recipe's input `dataplane`
MOST_CHARACTERS = 20_000  # what the recipe vpp-change takes
_DEEPEST = 12  # vppcfg's schema ends at 6


def an_interface(value: Json) -> str | None:
    return None if isinstance(value, str) and _INTERFACE.fullmatch(value) else "the name of an interface, such as eth1"


def interfaces(value: Json) -> str | None:
    """Names with blanks or commas between them."""
    named = isinstance(value, str) and [word for word in re.split(r"[\s,]+", value) if word]
    fits = named and len(named) <= 64 and all(_INTERFACE.fullmatch(word) for word in named)
    return None if fits else "names of interfaces with blanks between them, such as eth0"


def a_config(value: Json) -> str | None:
    """A part of vppcfg's configuration, `null` for what shall not be there."""
    known = isinstance(value, Mapping) and bool(value) and set(value) <= set(SECTIONS)
    if not known or not _plain(value, _DEEPEST):
        return f"a part of vppcfg's configuration: a mapping with {', '.join(SECTIONS)}"
    return None if len(text_of(value)) <= MOST_CHARACTERS else f"at most {MOST_CHARACTERS} characters"


def _plain(value: Json, depth: int) -> bool:
    if isinstance(value, Mapping):
        return depth > 0 and all(isinstance(key, str) and _plain(one, depth - 1) for key, one in value.items())
    if isinstance(value, list):
        return depth > 0 and all(_plain(one, depth - 1) for one in value)
    return value is None or isinstance(value, str | int | bool)


def text_of(config: Json) -> str:
    """The configuration as the recipe takes it: JSON, which is YAML as well; the same for the same configuration."""
    return json.dumps(config, sort_keys=True, indent=2)


def holds(found: Json, wanted: Json) -> bool | str:
    """Would laying `wanted` over `found` change nothing? Addresses by value, ids of sub-interfaces as texts.

    A text says why it cannot be told.
    """
    if not isinstance(found, Mapping) or not isinstance(wanted, Mapping):
        return "what was seen is no configuration of vppcfg"
    return _has(normalised(_worded(found, _DEEPEST)), normalised(_worded(wanted, _DEEPEST)))


def _has(found: Json, wanted: Json) -> bool:
    match wanted:
        case Mapping() if wanted:
            inside = found if isinstance(found, Mapping) else {}
            return all(_has(inside.get(key), value) for key, value in wanted.items())
        case Mapping():
            return isinstance(found, Mapping)
        case list() if isinstance(found, list) and all(isinstance(one, str) for one in (*found, *wanted)):
            return sorted(found) == sorted(wanted)  # addresses, members: their order says nothing
        case _:
            return type(found) is type(wanted) and bool(found == wanted)


def part_of(found: Json, wanted: Json) -> Json:
    """What is found where something is wanted: to be shown, instead of a configuration of thousands of lines."""
    if not isinstance(found, Mapping) or not isinstance(wanted, Mapping):
        return found
    has = {str(key): value for key, value in found.items()}
    return {str(key): part_of(has.get(str(key)), value) for key, value in wanted.items()}


def _worded(value: Json, depth: int) -> Json:
    """Keys as texts: 300 and "300" are one sub-interface. What lies deeper than any configuration is left out."""
    if depth <= 0:
        return None
    if isinstance(value, Mapping):
        return {str(key): _worded(one, depth - 1) for key, one in value.items()}
    return [_worded(one, depth - 1) for one in value] if isinstance(value, list) else value
