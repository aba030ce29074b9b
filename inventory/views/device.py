"""One device: what is wanted beside what was seen, what runs on it, its NICs, links, consoles and history.

The page itself is put together in fleet/changes/views/device.py, which knows the changes that touched the device.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Prefetch
from django.http import Http404

from fleet.core.intent import Line, LineState, Wanted
from fleet.core.model import Json
from inventory import intent
from inventory.differences import Difference, differences
from inventory.models import Flavour, Level, Link, LinkEnd, Observation, Router
from inventory.views import compat, nics
from inventory.views.cells import Cell
from inventory.views.places import capacity
from inventory.views.wanted import short

# Observations come every few minutes for years: the page shows the newest, and any two of them can be compared.
OBSERVATIONS_SHOWN = 30
ENDED_DRIFTS_SHOWN = 10

# A device that got another image differs in thousands of facts.
DIFFERENCES_SHOWN = 300

_LINES = {"+": "added", "-": "removed", "@": "place"}
_ORDER = {LineState.DIFFERENT: 0, LineState.UNKNOWN: 1, LineState.SAME: 2, LineState.NOT_APPLICABLE: 3}
_MARKS = {
    LineState.DIFFERENT: Cell("differs", icon="differs", tone="care"),
    LineState.UNKNOWN: Cell("unknown", icon="unsure", tone="calm"),
    LineState.SAME: Cell("as wanted", icon="check", tone="good"),
    LineState.NOT_APPLICABLE: Cell("does not apply", icon="circle", tone="calm"),
}


@dataclass(frozen=True)
class ShownLine:
    """One setting: wanted beside found, who wants it, what that overrode, since when it differs."""

    setting: str
    wanted: str
    found: str
    state: LineState
    mark: Cell
    why: str
    profile: str
    level: str
    via: str
    overridden: tuple[str, ...]
    since: datetime | None

    @property
    def differs(self) -> bool:
        return self.state is LineState.DIFFERENT


@dataclass(frozen=True)
class Neighbour:
    """A link of the device and what is at its other end."""

    link: Link
    interface: str
    other: str
    other_interface: str
    other_pk: int | None  # of a device that Slipway manages
    capacity: str


def find(name: str) -> Router:
    """The device of this name with its place, login and system. Raises Http404. One query."""
    rows = Router.objects.select_related("site__failure_domain", "credential", "software", "cpu")
    found = rows.filter(name=name).first()
    if found is None:
        raise Http404(f"There is no device {name}.")
    return found


def content(router: Router, asked: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """What the page shows of the inventory's tables: a number of queries that does not depend on the device."""
    newest = router.observations.filter(kind="facts").first()
    drifts = list(router.drifts.open())
    since = {row.setting: row.since for row in drifts}
    lines = _lines(router, newest, since)
    history = list(
        router.observations.filter(kind="facts").defer("facts").order_by("-observed_at", "-pk")[:OBSERVATIONS_SHOWN]
    )
    neighbours = _neighbours(router)
    beside = {n.other_pk: n.other for n in neighbours if n.other_pk is not None}
    return {
        "now": now,
        "router": router,
        "software": getattr(router, "software", None),
        "cpu": getattr(router, "cpu", None),
        "newest": newest,
        "unknown": _unknown(newest),
        "differing": [line for line in lines if line.differs],
        "untold": [line for line in lines if line.state is LineState.UNKNOWN],
        "settled": [line for line in lines if line.state in {LineState.SAME, LineState.NOT_APPLICABLE}],
        "drifts": drifts,
        "ended": list(router.drifts.filter(ended_at__isnull=False).order_by("-ended_at")[:ENDED_DRIFTS_SHOWN]),
        "host_key": router.host_key(),
        "consoles": list(router.consoles.select_related("credential")),
        "beacons": list(router.beacons.all()),
        "nics": [_card(row) for row in router.nics.select_related("interface")],
        "daemons": list(router.daemons.all()),
        "modules": sorted(router.modules.all(), key=lambda m: (m.flavour != Flavour.VENDOR, m.name)),
        "packages": list(router.packages.all()),
        "neighbours": neighbours,
        "history": _history(history),
        **_compared(router, asked),
        **compat.of_device(router, newest.facts if newest else None, beside),
    }


def _compared(router: Router, asked: Mapping[str, str]) -> dict[str, Any]:
    """The differences of the two observations that were asked for; nothing when fewer than two of its own are named."""
    keys = [asked.get(name, "") for name in ("from", "to")]
    if not all(key.isascii() and key.isdigit() and len(key) <= 18 for key in keys):
        return {}
    rows = {row.pk: row for row in router.observations.filter(pk__in=keys)}
    found = [rows.get(int(key)) for key in keys]
    before, after = found[0], found[1]
    if before is None or after is None:
        return {}
    lines = differences(before.facts, after.facts)
    return {
        "compared": (before, after),
        "differences": [_difference(one) for one in lines[:DIFFERENCES_SHOWN]],
        "differences_more": max(0, len(lines) - DIFFERENCES_SHOWN),
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "path": one.name,
        "kind": one.kind.value,
        "before": "" if one.before is None else short(one.before),
        "after": "" if one.after is None else short(one.after),
        "diff": [(_LINES.get(line[:1], "same"), line) for line in one.diff],
        "why": one.why,
    }


def _lines(router: Router, newest: Observation | None, since: Mapping[str, datetime]) -> list[ShownLine]:
    facts: dict[str, Json] = {router.name: newest.facts} if newest is not None else {}
    found = intent.of_devices([router.name], facts=facts).get(router.name)
    if found is None:
        return []
    made = [_line(line, found.wanted.get(line.setting), since.get(line.setting)) for line in found.lines]
    return sorted(made, key=lambda line: (_ORDER[line.state], line.setting))


def _line(line: Line, wanted: Wanted | None, since: datetime | None) -> ShownLine:
    return ShownLine(
        setting=line.setting,
        wanted=short(line.wanted),
        found="unknown" if line.state is LineState.UNKNOWN else ("–" if line.found is None else short(line.found)),
        state=line.state,
        mark=_MARKS[line.state],
        why=line.why,
        profile=line.profile,
        level=Level(wanted.level.value).label if wanted else "",
        via=wanted.via if wanted and wanted.via != line.profile else "",
        overridden=tuple(
            f"{short(o.value)} ({o.profile}, {Level(o.level.value).label})"
            for o in (wanted.overridden if wanted else ())
        ),
        since=since,
    )


def _unknown(newest: Observation | None) -> list[tuple[str, str]]:
    """What could not be told of the device, section by section, in its own words (shortened)."""
    found = newest.facts.get("unknown") if newest is not None and isinstance(newest.facts, Mapping) else None
    return [(str(k), short(v)) for k, v in sorted(found.items())] if isinstance(found, Mapping) else []


def _card(row: Any) -> dict[str, Any]:
    return {
        "row": row,
        "model": [nics.model(row)],
        "driver": [nics.driver(row)],
        "firmware": [nics.firmware(row)],
        "queues": nics.counts(row.channels),
        "rings": nics.counts(row.rings),
    }


def _neighbours(router: Router) -> list[Neighbour]:
    """Two queries."""
    ends = Prefetch("ends", LinkEnd.objects.select_related("router", "external"))
    found = []
    for link in Link.objects.filter(ends__router=router).prefetch_related(ends).distinct():
        mine = [e for e in link.ends.all() if e.router_id == router.pk]
        others = [e for e in link.ends.all() if e.router_id != router.pk]
        other = others[0] if others else None
        found.append(
            Neighbour(
                link=link,
                interface=mine[0].interface if mine else "",
                other=str((other.router or other.external) if other else "nothing: the link has one end"),
                other_interface=other.interface if other else "",
                other_pk=other.router_id if other else None,
                capacity=capacity(link.capacity_mbps),
            )
        )
    return sorted(found, key=lambda n: n.interface)


def _history(rows: Iterable[Observation]) -> list[tuple[Observation, bool]]:
    """Each observation, newest first, with: does it differ from the one before it?"""
    listed = list(rows)
    return [
        (row, number + 1 < len(listed) and row.digest != listed[number + 1].digest) for number, row in enumerate(listed)
    ]
