"""What ethtool and sysfs say about one interface, as values. Pure; no text makes it raise. None means: cannot tell.

Recordings: ethtool 6.1 on virtio_net, veth, e1000e, vmxnet3, 8139cp, netdevsim; firmware texts: real cards and drivers'
sources as the domain notes tell them.
"""

import re
from dataclasses import dataclass

from fleet.core.model import Json
from playbooks.ethtool_texts import (
    Section,
    affinity,
    coalesce,
    flow_hash,
    not_supported,
    offloads,
    priv_flags,
    rss,
    section,
    steering,
)
from playbooks.facts.text import whole

__all__ = [
    "Section", "affinity", "coalesce", "flow_hash", "not_supported", "offloads", "priv_flags", "rss", "section",
    "steering",
]  # fmt: skip

_ID = re.compile(r"0x([0-9a-f]{4})")
_HEX_ID = r"0x[0-9a-fA-F]{4,8}"
_NUMBERS = r"[0-9]{1,4}(?:\.[0-9]{1,6}){1,3}"


def pci(found: Section) -> dict[str, Json] | None:
    """vendor, device, subvendor, subdevice: four hexadecimal digits each. None for what is on no PCI bus."""
    names = {"vendor": "vendor", "device": "device", "subvendor": "subsystem_vendor", "subdevice": "subsystem_device"}
    made: dict[str, Json] = {}
    for name, key in names.items():
        match = _ID.fullmatch(found.fields.get(key, ""))
        made[name] = match[1] if match else None
    return made if made["vendor"] and made["device"] else None


def numa_node(found: Section) -> int | None:
    """The NUMA node of a card; None where the platform has none (the kernel says -1) or says nothing."""
    node = whole(found.fields.get("numa_node"))
    return node if node is not None and node >= 0 else None


def serial(found: Section) -> str | None:
    """The device serial number of the PCI capability, as lspci writes it: 8 bytes with dashes. None for none."""
    digits = found.fields.get("serial", "")
    if not re.fullmatch(r"[0-9a-f]{16}", digits) or len(set(digits)) == 1:  # all 0 or all f: not programmed
        return None
    return "-".join(digits[n : n + 2] for n in range(0, 16, 2))


@dataclass(frozen=True)
class Firmware:
    """What a firmware-version text holds; None where it does not say."""

    nvm: str | None = None
    option_rom: str | None = None


# Driver > how it writes the firmware version. i40e and ice: NVM, eetrack id, option ROM ("8.00 0x80008b82 1.2839.0").
# ixgbe and igb with commas, NVM or eetrack first ("0x800006da, 1.949.0", "3.25, 0x80000681"). mlx5: with the PSID.
# bnxt: with its package. enic: UCS style ("4.1(3a)").
_INTEL = rf"(?P<nvm>[0-9a-f]{{1,2}}\.[0-9a-f]{{2}}) {_HEX_ID}(?: (?P<rom>{_NUMBERS}))?"
_OLDER_INTEL = rf"(?P<nvm>[0-9]{{1,2}}\.[0-9]{{1,3}}(?=,)|{_HEX_ID})(?:, {_HEX_ID})?(?:, (?P<rom>{_NUMBERS}))?"
_NUMBERED_TWICE = _OLDER_INTEL.replace("?P<nvm>", "?P<nvm2>").replace("?P<rom>", "?P<rom2>")
_FIRMWARE = {
    **dict.fromkeys(("i40e", "ice", "iavf"), _INTEL),
    **dict.fromkeys(("ixgbe", "igb", "igc"), f"{_INTEL}|{_NUMBERED_TWICE}"),
    **dict.fromkeys(("mlx5_core", "mlx4_en", "mlx4_core"), rf"(?P<nvm>{_NUMBERS})(?: \([A-Z0-9_]{{1,20}}\))?"),
    "bnxt_en": rf"(?P<nvm>{_NUMBERS})(?:/(?:pkg )?\S{{1,40}})?",
    "enic": r"(?P<nvm>[0-9]{1,2}\.[0-9]{1,2}\([0-9A-Za-z.]{1,12}\)(?:[A-Z]{1,3}[0-9]{0,3})?)",
    "e1000e": r"(?P<nvm>[0-9]{1,3}\.[0-9]{1,3}-[0-9]{1,3})",
    "netdevsim": rf"(?P<nvm>{_NUMBERS})",
}  # fmt: skip
_COMPILED = {driver: re.compile(pattern) for driver, pattern in _FIRMWARE.items()}


def firmware(driver: str, text: str) -> Firmware:
    """NVM version and option ROM out of `firmware-version`, by driver; both None for a text of another form."""
    pattern = _COMPILED.get(driver)
    match = pattern.fullmatch(text.strip()) if pattern else None
    if match is None:
        return Firmware()
    found = match.groupdict()
    return Firmware(found.get("nvm") or found.get("nvm2"), found.get("rom") or found.get("rom2"))
