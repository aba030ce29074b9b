"""What ethtool prints about queues and rings. Pure; no text makes it raise."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")

_KEYS = {"RX": "rx", "TX": "tx", "Combined": "combined"}


@dataclass(frozen=True)
class Amounts:
    """Maximums and what is set, by "rx", "tx", "combined". What the card does not have (n/a, at most 0) is absent."""

    most: Mapping[str, int]
    now: Mapping[str, int]


def amounts(text: str) -> Amounts | None:
    """Read `ethtool -l` or `-g` (text: `--json` of both came with 6.15 and 6.2); None where there is nothing to set.

    captures/ethtool-6.1: tabs after the key, `n/a` or 0 for what the card does not have.
    """
    found: dict[str, dict[str, int]] = {"most": {}, "now": {}}
    section = ""
    for line in text.splitlines():
        if line.startswith("Pre-set maximums"):
            section = "most"
        elif line.startswith("Current hardware settings"):
            section = "now"
        elif section:
            key, _, value = line.partition(":")
            if key in _KEYS and value.strip().isdecimal() and len(value.strip()) < 10:
                found[section][_KEYS[key]] = int(value)
    most = {key: value for key, value in found["most"].items() if value > 0}
    now = {key: value for key, value in found["now"].items() if key in most}
    return Amounts(most, now) if most and len(now) == len(most) else None


def interfaces(text: str) -> tuple[str, ...] | None:
    """Names of the interfaces from `ip -j link show`, without the loopback; None where the text is no such list."""
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(listed, list):
        return None
    names = (one.get("ifname") for one in listed if isinstance(one, Mapping))
    return tuple(name for name in names if isinstance(name, str) and name != "lo" and NAME.fullmatch(name))
