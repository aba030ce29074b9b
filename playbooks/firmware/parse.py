"""What the tools say: versions, and what came of a flash. Pure; no text makes it raise.

Sources: nvmupdate's result file by Intel's operator and public posts, its exit codes 0, 3, 30 (fine), 50, 51 (fine,
restart), 26 (no access to the card's memory); mstflint's labels and devlink's JSON by their sources (domain nic.md 8).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from fleet.core.model import Reason
from fleet.core.versions import Version

_BUS = re.compile(r"^bus-info:\s*([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\s*$", re.MULTILINE)
_FIRMWARE = re.compile(r"^firmware-version:\s*(\S.*)$", re.MULTILINE)
_DRIVER = re.compile(r"^driver:\s*(\S+)\s*$", re.MULTILINE)
_MAC = re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", re.IGNORECASE)
_NVM_FINE, _NVM_RESTART, _NVM_IOMEM = frozenset({0, 3, 30}), frozenset({50, 51}), 26
_XML_MOST = 200_000


@dataclass(frozen=True)
class Card:
    """A card as ethtool knows it. Empty text: not said."""

    driver: str = ""
    bus: str = ""
    firmware: str = ""


@dataclass(frozen=True)
class Flashed:
    """What came of a flash by the tool's own words. `ok` says nothing about what the card runs."""

    ok: bool
    words: str
    nothing: bool = False
    power_cycle: bool = False
    again: bool = False  # a second run is needed after the restart


def card(text: str) -> Card:
    """`ethtool -i`."""
    found = [pattern.search(text) for pattern in (_DRIVER, _BUS, _FIRMWARE)]
    return Card(*(match[1].strip()[:100] if match else "" for match in found))


def mac(text: str) -> str:
    """`ethtool -P`: twelve digits in upper case; empty where there is none."""
    found = _MAC.search(text)
    return found[0].replace(":", "").upper() if found else ""


def same(found: str, wanted: str, *, nvm: bool) -> bool:
    """Is it the very version? i40e writes its NVM version with two digits after the point."""
    read = Version.nvm if nvm else Version.parse
    one, other = read(found.partition(" ")[0]), read(wanted)
    if isinstance(one, Reason) or isinstance(other, Reason):
        return bool(found) and found.partition(" ")[0] == wanted
    return one == other


def devlink(text: str, component: str) -> tuple[str, str]:
    """Running and stored version of a component of `devlink -j dev info`; empty where it is not said."""
    try:
        info = json.loads(text).get("info", {})
        rows: list[Any] = list(info.values())
        versions = rows[0].get("versions", {}) if len(rows) == 1 else {}
        pair = [versions.get(kind, {}).get(component, "") for kind in ("running", "stored")]
    except (ValueError, AttributeError, TypeError):
        return "", ""
    running, stored = (value[:60] if isinstance(value, str) else "" for value in pair)
    return running, stored


def mstflint(text: str) -> Mapping[str, str]:
    """`mstflint ... q`: label > value. `FW Version(Running)` is there only where another one is flashed."""
    rows = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {label.strip(): value.strip()[:100] for label, _, value in rows if value.strip()}


def nvmupdate(status: int, out: str, result: str) -> Flashed:
    """What nvmupdate64e did, from its exit status and the file that it wrote."""
    if status == _NVM_IOMEM:
        words = "exit status 26: the kernel keeps the card's memory from it (boot with iomem=relaxed)"
        return Flashed(ok=False, words=words)
    tree = _tree(result)
    statuses = (
        [] if tree is None else [(s.get("result", ""), " ".join((s.text or "").split())) for s in tree.iter("Status")]
    )
    words = "; ".join(dict.fromkeys(text for _, text in statuses if text))[:300]
    failed = [text for came, text in statuses if came.lower() != "success"]
    if failed or status not in _NVM_FINE | _NVM_RESTART:
        last = failed[0] if failed else (words or _last(out))
        return Flashed(ok=False, words=f"exit status {status}: {last}")
    if tree is None or not statuses:
        return Flashed(ok=False, words=f"exit status {status}, and no result that can be read: {_last(out)}")
    if re.search(r"update not available|no config file entry", words, re.IGNORECASE):
        return Flashed(ok=False, words=words, nothing=True)
    cycle, again = (_count(tree, tag) > 0 for tag in ("PowerCycleRequired", "NextUpdateAvailable"))
    return Flashed(ok=True, words=words, power_cycle=cycle, again=again)


def nvm_refuses(out: str, result: str) -> str:
    """Why the tool would not flash this card, by its inventory; empty where it does not say no."""
    text = f"{result} {out}"
    found = re.search(r"No config file entry|Update not available|No devices on the list|Access error", text, re.I)
    return found[0] if found else ""


def plain(status: int, out: str) -> Flashed:
    """devlink and mstflint: the exit status, and the last thing they said."""
    said = _last(out)
    return Flashed(ok=status == 0, words=said if status == 0 else f"exit status {status}: {said}")


def _tree(text: str) -> ET.Element | None:
    """The result file. A document type is refused: it could name entities that grow without end."""
    if not text.strip() or len(text) > _XML_MOST or "<!" in text:
        return None
    try:
        return ET.fromstring(text)  # noqa: S314 (no document type, bounded)
    except ET.ParseError:
        return None


def _count(tree: ET.Element, tag: str) -> int:
    found = next((e for e in tree.iter(tag)), None)
    text = (found.text or "").strip() if found is not None else ""
    return int(text) if text.isdecimal() and len(text) < 6 else 0


def _last(out: str) -> str:
    lines = [" ".join(line.split()) for line in out.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"
