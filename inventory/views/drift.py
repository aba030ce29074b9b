"""What is not as wanted, since when: by setting, device by device, as a page, a CSV file and as JSON."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import reverse

from fleet.core import explain
from fleet.guards import reads
from inventory.models import Drift
from inventory.views import conditions
from inventory.views.cells import Cell, linked
from inventory.views.listing import AT_ONCE, Column, Filter, Listing, answer, show
from inventory.views.wanted import short

# More kinds of drift than this are counted, not drawn: the list below has them all.
GROUPS_SHOWN = 30
_PLACE = re.compile(r"\[[^\]]*\]\Z")


@dataclass(frozen=True)
class Group:
    """One setting that some profile wants and devices do not have."""

    setting: str  # without the interface
    profile: str
    wanted: str
    devices: int
    since: datetime
    href: str


def without_place(setting: str) -> str:
    """ "nic.queues" of "nic.queues[eth1]"."""
    return _PLACE.sub("", setting)


def groups() -> list[Group]:
    """What drifts, most devices first. One query; its rows are settings, not devices."""
    rows = (
        Drift.objects.open()
        .order_by()
        .values_list("setting", "profile", "wanted")
        .annotate(devices=Count("router", distinct=True), first=Min("since"))
    )
    made: dict[tuple[str, str, str], tuple[int, datetime]] = {}
    for setting, profile, wanted, devices, first in rows:
        key = (without_place(setting), profile, short(wanted))
        most, since = made.get(key, (0, first))
        made[key] = (max(most, devices), min(since, first))
    here = reverse("inventory-drift")
    found = [
        Group(setting, profile, wanted, devices, since, f"{here}?setting={setting}&profile={profile}")
        for (setting, profile, wanted), (devices, since) in made.items()
    ]
    return sorted(found, key=lambda g: (-g.devices, g.setting, g.profile, g.wanted))


def _settings() -> list[tuple[str, str]]:
    """Settings that drift now, without their interfaces. One query."""
    rows = Drift.objects.open().order_by().values_list("setting", flat=True).distinct()
    return [(name, name) for name in sorted({without_place(setting) for setting in rows})]


def _of_settings(asked: Any, choices: Any) -> Q:
    fits = Q(pk__in=[])
    for name in asked:
        fits |= Q(setting=name) | Q(setting__startswith=f"{name}[")
    return fits


def _more(request: HttpRequest) -> Mapping[str, Any]:
    found = groups()
    return {
        "groups": found[:GROUPS_SHOWN],
        "groups_more": max(0, len(found) - GROUPS_SHOWN),
        "may_repair": request.user.has_perm("changes.add_change"),
    }


LISTING: Listing[Drift] = Listing(
    page="drift",
    title="Drift",
    about="Where what was last seen differs from what is wanted, and no change is under way.",
    address="inventory-drift",
    rows=Drift.objects.open,
    detail=lambda rows: rows.select_related("router__site"),
    order=("-since", "router__name", "setting"),
    search=lambda word: Q(router__name__icontains=word) | Q(setting__icontains=word) | Q(profile__icontains=word),
    filters=(
        Filter("setting", "Setting", _of_settings, _settings),
        Filter("profile", "Profile", conditions.one_of("profile"), conditions.values(Drift.objects.open(), "profile")),
        Filter("device", "Device", conditions.one_of("router__name"), free=True, hint="its name"),
        *conditions.of_device("router__"),
    ),
    columns=(
        Column(
            "device",
            "Device",
            lambda row: linked(row.router.name, "device", row.router.name),
            ("router__name", "setting"),
        ),
        Column("site", "Site", lambda row: Cell(row.router.site.name), ("router__site__name", "router__name")),
        Column("setting", "Setting", lambda row: Cell(row.setting, mono=True), ("setting", "router__name")),
        Column("wanted", "Wanted", lambda row: Cell(short(row.wanted), mono=True)),
        Column("found", "Found", lambda row: Cell(short(row.found), mono=True)),
        Column("profile", "Wanted by", lambda row: Cell(row.profile), ("profile", "router__name")),
        Column("since", "Since", lambda row: Cell(at=row.since), ("since", "router__name"), lambda row: row.since),
    ),
    nothing="Every device that was seen is as wanted. What no profile speaks of cannot drift.",
    template="inventory/drift.html",
    more=_more,
)


@reads
def drift(request: HttpRequest) -> HttpResponseBase:
    """The list of what drifted, grouped above by setting."""
    return show(request, LISTING)


@reads
def drift_json(request: HttpRequest) -> HttpResponseBase:
    """The same for programs: at most 1,000 rows, with the filters of the page; 400 with reasons otherwise."""
    pks, count, page, refusals = answer(request, LISTING)
    if refusals:
        return JsonResponse({"refusals": explain.sentences(refusals)}, status=400)
    fields = ("router__name", "router__site__name", "setting", "wanted", "found", "profile", "since")
    found = {row[0]: row[1:] for row in Drift.objects.filter(pk__in=pks).values_list("pk", *fields)}
    names = ("device", "site", "setting", "wanted", "found", "profile", "since")
    results = [dict(zip(names, found[pk], strict=True)) for pk in pks if pk in found]
    following = page + 1 if page * AT_ONCE < count else None
    return JsonResponse({"count": count, "next_page": following, "results": results})
