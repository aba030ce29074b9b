"""Which device runs on a blade: what MAC addresses, UUID and serial number tell, and what to say where they differ."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.core.model import Reason

# What firmware says where nobody has entered anything.
_NOTHING = frozenset({"", "0", "none", "n/a", "not specified", "to be filled by o.e.m.", "default string", "unknown"})
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


@dataclass(frozen=True)
class Telling:
    """What one kind of evidence tells: the devices that show what the blade or its profile has."""

    by: str  # MAC, UUID, serial
    devices: frozenset[int]


@dataclass(frozen=True)
class Link:
    """The device of a profile, None where it cannot be told; by what; and what does not fit together."""

    device: int | None = None
    by: str = ""
    conflict: Reason | None = None


def uuids(text: str) -> tuple[str, ...]:
    """The forms in which a host may show a UUID: as written, and with the first three fields in the other byte order.

    SMBIOS since 2.6 has them little-endian; Linux shows older boards' as they lie in memory. () for what is none, or
    all zeros or all ones (not set).
    """
    found = text.strip().lower()
    if not _UUID.fullmatch(found) or len(set(found) - {"-"}) == 1:
        return ()
    one, two, three, *rest = found.split("-")
    turned = "-".join(["".join(reversed(re.findall("..", part))) for part in (one, two, three)] + rest)
    return (found,) if turned == found else (found, turned)


def serial(text: str) -> str:
    """A serial number to compare; "" for what firmware says where there is none."""
    found = text.strip()
    return "" if found.lower() in _NOTHING or set(found) <= set("0. ") else found.upper()


def link(subject: str, told: Sequence[Telling], names: Mapping[int, str]) -> Link:
    """The one device that everything points to. Evidence that two devices show, or that differs, links nothing.

    `subject`: the profile and its blade in words; `names`: of the devices in `told`.
    """
    heard = [one for one in told if one.devices]
    if not heard:
        return Link()
    several = [one for one in heard if len(one.devices) > 1]
    agreed = frozenset.intersection(*(one.devices for one in heard))
    if len(agreed) == 1 and not several:
        return Link(next(iter(agreed)), ", ".join(one.by for one in heard))
    found = "; ".join(f"{one.by}: {', '.join(sorted(names[d] for d in one.devices))}" for one in heard)
    remedy = "See which is wrong: a cloned machine, a moved blade, or facts that are older than the move. Collect both."
    return Link(conflict=Reason(f"host of {subject}", found, "one device by all of them", remedy))
