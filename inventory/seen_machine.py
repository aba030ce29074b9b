"""What the facts of a device say about its processors and software. Pure; whatever the facts hold, nothing raises.

Where a section could not be told the answer is None: rows then stay as they were.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fleet.core import ucs_links
from fleet.core.model import Json
from inventory.storable import storable, text

_MOST = 2_000  # rows of one kind that one device may make us keep
# 2000-01-01 and 2200-01-01: a clock outside of these was never set.
_CLOCK = (946_684_800, 7_258_118_400)
# Daemons that are not of the routing suite have a version of their own, which nobody asked them for.
_OTHERS = ("vpp", "vpp_main", "keepalived")


def _mapping(value: Json, key: str) -> Mapping[str, Json] | None:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _word(value: Json, at_most: int) -> str:
    return text(value, at_most=at_most) if isinstance(value, str) else ""


def _count(value: Json, *, most: int = 2**31 - 1) -> int | None:
    """A number that every database stores."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else None


def cpu(facts: Json) -> dict[str, Json] | None:
    """The columns of a Cpu row."""
    found = _mapping(facts, "cpu")
    if found is None:
        return None
    siblings = found.get("siblings")
    return {
        "vendor": _word(found.get("vendor"), 63),
        "model": _word(found.get("model"), 255),
        **{name: _count(found.get(name)) for name in ("sockets", "cores", "threads", "numa_nodes")},
        "siblings": storable(siblings) if isinstance(siblings, list) else None,
        "isolated": _word(found.get("isolated"), 255),
    }


def identity(facts: Json) -> dict[str, Json] | None:
    """The columns of an Identity row, in the form in which UCS Manager's are compared with them."""
    found = _mapping(facts, "identity")
    if found is None:
        return None
    return {
        "uuid": next(iter(ucs_links.uuids(_word(found.get("uuid"), 36))), ""),
        "serial": ucs_links.serial(_word(found.get("serial"), 63)),
        "product": _word(found.get("product"), 63),
    }


@dataclass(frozen=True)
class SeenSoftware:
    """The columns of a Software row."""

    os: str
    kernel: str
    cmdline: str
    suite: str
    suite_version: str
    boot_id: str
    booted_at: datetime | None


def software(facts: Json) -> SeenSoftware:
    """Empty texts and None where it could not be told."""
    top = facts if isinstance(facts, Mapping) else {}
    routing = _mapping(facts, "routing") or {}
    system = _mapping(facts, "os") or {}
    return SeenSoftware(
        os=_word(system.get("pretty_name"), 127),
        kernel=_word(top.get("kernel"), 127),
        cmdline=_word(top.get("cmdline"), 4_000),
        suite=_word(routing.get("suite"), 31),
        suite_version=_word(routing.get("version"), 63),
        boot_id=_word(top.get("boot_id"), 63),
        booted_at=booted_at(facts),
    )


def booted_at(facts: Json) -> datetime | None:
    """When the device started; None where its clock says nothing that can be."""
    seconds = _count(facts.get("booted_at"), most=_CLOCK[1]) if isinstance(facts, Mapping) else None
    return None if seconds is None or seconds < _CLOCK[0] else datetime.fromtimestamp(seconds, UTC)


def packages(facts: Json) -> dict[str, dict[str, Json]] | None:
    """Name > the other columns of a Package row."""
    found = _mapping(facts, "packages")
    if found is None:
        return None
    return {text(n, at_most=127): {"version": _word(v, 127)} for n, v in list(found.items())[:_MOST] if n}


def modules(facts: Json) -> dict[str, dict[str, Json]] | None:
    """Name > the other columns of a Module row: modules with a version of their own, from elsewhere, or of a card.

    The facts hold all; a hundred rows each for filesystems and timers would be a million rows for 10,000 devices.
    """
    found = _mapping(facts, "modules")
    if found is None:
        return None
    cards = {
        _word((_mapping(about, "nic") or {}).get("driver"), 63)
        for about in (_mapping(facts, "interfaces") or {}).values()
    }
    made: dict[str, dict[str, Json]] = {}
    for name, about in list(found.items())[:_MOST]:
        row = about if isinstance(about, Mapping) else {}
        flavour = row.get("flavour") if row.get("flavour") in ("in-tree", "vendor") else ""
        version = _word(row.get("version"), 127)
        if name and (version or flavour == "vendor" or name in cards):
            made[text(name, at_most=63)] = {"version": version, "flavour": flavour}
    return made


def daemons(facts: Json) -> dict[str, dict[str, object]] | None:
    """Name > the other columns of a Daemon row."""
    routing = _mapping(facts, "routing") or {}
    found = _mapping(routing, "daemon_list")
    if found is None:
        return None
    booted, version = booted_at(facts), _word(routing.get("version"), 63)
    made: dict[str, dict[str, object]] = {}
    for name, about in list(found.items())[:_MOST]:
        row = about if isinstance(about, Mapping) else {}
        age = row.get("started_s")
        after = int(age) if isinstance(age, int | float) and not isinstance(age, bool) and 0 <= age < 10**9 else None
        made[text(name, at_most=63)] = {
            "version": "" if name.partition(" ")[0] in _OTHERS else version,
            "pid": _count(row.get("pid")),
            "started_at": booted + timedelta(seconds=after) if booted and after is not None else None,
        }
    return made
