"""Names of PCI vendors and devices out of the pci.ids database of this machine (Debian package pci.ids).

A missing file is no error: ids are shown as they are, and `missing` says why.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from fleet.core.model import Reason

# Debian and Ubuntu; Red Hat and SUSE.
PLACES = (Path("/usr/share/misc/pci.ids"), Path("/usr/share/hwdata/pci.ids"))
_HEX4 = re.compile(r"[0-9a-f]{4}")
_ROW = re.compile(r"(\t{0,2})([0-9a-f]{4})(?: ([0-9a-f]{4}))?  (\S.*)")


@dataclass(frozen=True)
class Names:
    """The database: keys are ids joined by colons ("8086", "8086:1583", "8086:1583:8086:0001")."""

    names: Mapping[str, str] = field(default_factory=dict)

    def vendor(self, vendor: str) -> str:
        """The vendor's name; the id itself where it has none."""
        return self.names.get(vendor, vendor)

    def model(self, vendor: str, device: str) -> str:
        """`Intel Corporation Ethernet Controller XL710 for 40GbE QSFP+`; "8086:1583" where the device is not named."""
        if not _HEX4.fullmatch(vendor) or not _HEX4.fullmatch(device):
            return ""
        name = self.names.get(f"{vendor}:{device}")
        return f"{self.vendor(vendor)} {name}" if name else f"{vendor}:{device}"

    def card(self, vendor: str, device: str, subvendor: str, subdevice: str) -> str:
        """What the maker of the card calls it (`Ethernet Converged Network Adapter XL710-Q1`); "" for none."""
        return self.names.get(f"{vendor}:{device}:{subvendor}:{subdevice}", "")


def parse(lines: Iterable[str]) -> Names:
    """Read a pci.ids file, up to its classes. A line of another form is passed over. Format: pci-ids.ucw.cz."""
    found: dict[str, str] = {}
    vendor = device = ""
    for line in lines:
        if line.startswith("C "):
            break
        row = _ROW.fullmatch(line.rstrip("\n"))
        match row.groups() if row is not None else None:
            case ["", first, None, name]:
                vendor, device = first, ""
                found[vendor] = name
            case ["\t", first, None, name] if vendor:
                device = f"{vendor}:{first}"
                found[device] = name
            case ["\t\t", first, str(second), name] if device:
                found[f"{device}:{first}:{second}"] = name
            case _:
                continue
    return Names(found)


def _file(places: Iterable[Path] = PLACES) -> Path | None:
    return next((path for path in places if path.is_file()), None)


@lru_cache(maxsize=2)
def _read(path: Path, modified_ns: int) -> Names:
    """Read once and again when the file changes: 35,000 lines take some 60 ms."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        return parse(lines)


def names() -> Names:
    """The database of this machine; an empty one where it has none."""
    path = _file()
    try:
        return _read(path, path.stat().st_mtime_ns) if path is not None else Names()
    except OSError:
        return Names()


def missing() -> Reason | None:
    """Why devices are shown as ids; None where they have names."""
    if _file() is not None:
        return None
    places = " or ".join(str(path) for path in PLACES)
    return Reason("names of PCI devices", "no pci.ids on this machine", places, "apt-get install pci.ids")
