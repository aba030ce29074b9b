"""What the facts of a device say about its interfaces and versions. Pure; whatever the facts hold, nothing raises."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.core.model import Json
from inventory.storable import text

_NOTHING: Mapping[str, Json] = {}
_FLAVOURS = ("in-tree", "vendor")
_HEX4 = re.compile(r"[0-9a-f]{4}")


@dataclass(frozen=True)
class SeenInterface:
    """One interface as `ip` and `ethtool` showed it. Empty text and None mean unknown."""

    name: str
    mac: str = ""
    kind: str = ""
    driver: str = ""
    driver_version: str = ""
    firmware: str = ""
    pci_address: str = ""
    pci_vendor: str = ""
    pci_device: str = ""
    pci_subvendor: str = ""
    pci_subdevice: str = ""
    serial: str = ""
    nvm: str = ""
    api: str = ""
    option_rom: str = ""
    numa_node: int | None = None
    driver_flavour: str = ""
    channels: Json = None
    rings: Json = None


def _section(value: Json, key: str) -> Mapping[str, Json]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else _NOTHING


def _word(value: Json, at_most: int) -> str:
    return text(value, at_most=at_most) if isinstance(value, str) else ""


def _ids(card: Json) -> dict[str, str]:
    """The four PCI ids; empty where they are not four hexadecimal digits."""
    found = _section(card, "pci")
    ids = {name: _word(found.get(name), 8) for name in ("vendor", "device", "subvendor", "subdevice")}
    return {f"pci_{name}": value if _HEX4.fullmatch(value) else "" for name, value in ids.items()}


def _node(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 4096 else None


def interfaces(facts: Json) -> tuple[SeenInterface, ...]:
    """The interfaces in the facts, by name; those with a name longer than any interface has are left out."""
    found = []
    for name, about in sorted(_section(facts, "interfaces").items()):
        if not 0 < len(name) <= 64:
            continue
        card = _section(about, "nic")
        details = about if isinstance(about, Mapping) else _NOTHING
        found.append(
            SeenInterface(
                name=text(name),
                mac=_word(details.get("mac"), 63),
                kind=_word(details.get("kind"), 63),
                driver=_word(card.get("driver"), 63),
                driver_version=_word(card.get("version"), 127),
                firmware=_word(card.get("firmware"), 127),
                pci_address=_word(card.get("bus"), 63),
                **_ids(card),
                serial=_word(card.get("serial"), 63),
                nvm=_word(card.get("nvm"), 31),
                api=_word(card.get("api"), 31),
                option_rom=_word(card.get("option_rom"), 31),
                numa_node=_node(card.get("numa_node")),
                driver_flavour=_word(card.get("flavour"), 8) if card.get("flavour") in _FLAVOURS else "",
                channels=_section(about, "channels") or None,
                rings=_section(about, "rings") or None,
            )
        )
    return tuple(found)


def versions(facts: Json) -> dict[str, Json]:
    """`kernel`, `suite` (version of the routing suite), `interfaces` (how many); None and 0 where not known."""
    top = facts if isinstance(facts, Mapping) else _NOTHING
    return {
        "kernel": _word(top.get("kernel"), 127) or None,
        "suite": _word(_section(facts, "routing").get("version"), 63) or None,
        "interfaces": len(_section(facts, "interfaces")),
    }
