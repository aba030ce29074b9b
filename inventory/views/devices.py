"""The fleet: every device with what runs on it, what differs from what is wanted, and when it was last seen."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Exists, IntegerField, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from fleet.guards import reads
from inventory.models import DeviceKind as Kind
from inventory.models import Drift, Nic, Observation, Router, Software, Suite
from inventory.views import conditions
from inventory.views.cells import Cell, linked, unknown
from inventory.views.listing import Column, Filter, Listing, show


def name(row: Router) -> Sequence[Cell]:
    """The name, and what a tired reader must not miss about the device."""
    cells = [linked(row.name, "device", row.name)]
    if row.stale_since:
        cells.append(Cell("stale", icon="hourglass", tone="care"))
    return cells


def as_wanted(row: Router) -> Cell:
    """Drift in a word: how many settings differ, or that none does, or that nobody looked."""
    drifts = getattr(row, "drifts_open", 0)
    if drifts:
        return Cell(
            f"{drifts} differ" if drifts > 1 else "1 differs",
            icon="differs",
            tone="care",
            href=f"{reverse('inventory-drift')}?device={row.name}",
        )
    if getattr(row, "seen_at", None) is None:
        return Cell("never seen", icon="unsure", tone="care")
    return Cell("no drift", icon="check", tone="good")


def suite(row: Router) -> Cell:
    version = _software(row, "suite_version")
    return Cell(
        f"{row.get_suite_display()} {version}".strip(),
        soft="" if version or row.suite == Suite.NONE else "version unknown",
    )


def kernel(row: Router) -> Cell:
    found = _software(row, "kernel")
    return Cell(found, mono=True) if found else unknown()


def cards(row: Router) -> Sequence[Cell]:
    """Drivers of its NICs, each combination of driver, version and firmware once."""
    found = sorted({(n.driver, n.driver_version, n.driver_flavour, n.nvm or n.firmware) for n in row.nics.all()})
    return [
        Cell(
            f"{driver} {version}".strip(),
            mono=True,
            soft=" ".join(filter(None, [flavour, f"fw {firmware}" if firmware else ""])),
        )
        for driver, version, flavour, firmware in found
    ] or [unknown()]


def last_seen(row: Router) -> Cell:
    at = getattr(row, "seen_at", None)
    return Cell(at=at) if at else unknown("never")


def _software(row: Router, field: str) -> str:
    found = getattr(row, "software", None)
    return str(getattr(found, field)) if found is not None else ""


def detail(rows: QuerySet[Router]) -> QuerySet[Router]:
    """What the cells read: two queries for any number of rows."""
    nics = Prefetch(
        "nics", Nic.objects.only("router", "driver", "driver_version", "driver_flavour", "nvm", "firmware").order_by()
    )
    rows = rows.select_related("site", "software").defer("software__cmdline")
    return with_seen(with_drift(rows)).prefetch_related(nics)


def _never_seen() -> Q:
    return ~Q(Exists(Observation.objects.filter(router=OuterRef("pk"), kind="facts")))


def with_drift(rows: QuerySet[Router]) -> QuerySet[Router]:
    """Counted for each row by the index of what is open: a join groups all devices by all of their columns."""
    open_rows = Drift.objects.open().filter(router=OuterRef("pk")).order_by().values("router")
    count = Subquery(open_rows.annotate(count=Count("pk")).values("count"), output_field=IntegerField())
    return rows.annotate(drifts_open=Coalesce(count, 0))


def with_seen(rows: QuerySet[Router]) -> QuerySet[Router]:
    newest = Observation.objects.filter(router=OuterRef("pk"), kind="facts").order_by("-observed_at", "-pk")
    return rows.annotate(seen_at=Subquery(newest.values("observed_at")[:1]))


def _search(word: str) -> Q:
    return (
        Q(name__icontains=word)
        | Q(site__name__icontains=word)
        | Q(role__icontains=word)
        | Q(address__icontains=word)
        | Q(software__kernel__icontains=word)
    )


_KINDS = [(str(value), str(label)) for value, label in Kind.choices]
_SUITES = [(str(value), str(label)) for value, label in Suite.choices]
_VERSION_HINT = "a version, or 6.1.*, or < 7.5"

FILTERS = (
    *conditions.of_device(),
    Filter("kind", "Kind", conditions.one_of("kind"), lambda: _KINDS),
    Filter("suite", "Suite", conditions.one_of("suite"), lambda: _SUITES),
    Filter(
        "suite_version",
        "Suite version",
        conditions.versions_of("software__suite_version"),
        conditions.values(Software.objects.all(), "suite_version"),
        free=True,
        hint=_VERSION_HINT,
    ),
    Filter(
        "kernel",
        "Kernel",
        conditions.versions_of("software__kernel"),
        conditions.values(Software.objects.all(), "kernel"),
        free=True,
        hint=_VERSION_HINT,
    ),
    Filter(
        "driver",
        "Driver",
        conditions.among(Nic.objects.all(), "driver"),
        conditions.values(Nic.objects.all(), "driver"),
    ),
    Filter(
        "driver_version",
        "Driver version",
        conditions.versions_among(Nic.objects.all(), "driver_version"),
        conditions.values(Nic.objects.all(), "driver_version"),
        free=True,
        hint=_VERSION_HINT,
    ),
    Filter(
        "firmware",
        "Firmware (NVM)",
        conditions.versions_among(Nic.objects.all(), "nvm"),
        conditions.values(Nic.objects.all(), "nvm"),
        free=True,
        hint="8.00, or < 8.30",
    ),
    Filter("drift", "Drift", conditions.yes_or_no(conditions.drifting()), lambda: conditions.YES_NO),
    Filter("stale", "Stale", conditions.yes_or_no(lambda: Q(stale_since__isnull=False)), lambda: conditions.YES_NO),
    Filter("never_seen", "Never seen", conditions.yes_or_no(_never_seen), lambda: conditions.YES_NO),
)


def at_a_glance(request: HttpRequest) -> dict[str, Any]:
    """How many devices need a look, and why. Three queries."""
    devices = Router.objects.all()
    return {
        "drifting": devices.filter(conditions.drifting()()).count(),
        "stale": devices.filter(stale_since__isnull=False).count(),
        "never_seen": devices.filter(_never_seen()).count(),
    }


LISTING: Listing[Router] = Listing(
    page="devices",
    title="Devices",
    about="Every device as it was last seen, and whether that is as wanted.",
    address="inventory-devices",
    rows=Router.objects.all,
    detail=detail,
    order=("name",),
    search=_search,
    filters=FILTERS,
    columns=(
        Column("name", "Device", name, ("name",), lambda row: row.name),
        Column(
            "drift",
            "As wanted",
            as_wanted,
            ("-drifts_open", "name"),
            lambda row: getattr(row, "drifts_open", 0),
            with_drift,
        ),
        Column("site", "Site", lambda row: Cell(row.site.name), ("site__name", "name")),
        Column(
            "role",
            "Role",
            lambda row: Cell(row.role, soft="" if row.kind == Kind.ROUTER else row.get_kind_display()),
            ("role", "name"),
        ),
        Column("suite", "Suite", suite, ("suite", "software__suite_version")),
        Column("kernel", "Kernel", kernel, ("software__kernel", "name"), lambda row: _software(row, "kernel")),
        Column("nics", "Drivers and firmware", cards),
        Column(
            "seen", "Last seen", last_seen, ("seen_at", "name"), lambda row: getattr(row, "seen_at", None), with_seen
        ),
    ),
    nothing="Load a file with ./manage.py load_inventory FILE, import from NetBox, or add a device here.",
    add="inventory-add-device",
    add_right="inventory.add_router",
    add_words="Add a device",
    template="inventory/devices.html",
    more=at_a_glance,
)


@reads
def devices(request: HttpRequest) -> HttpResponseBase:
    """The list of all devices."""
    return show(request, LISTING)
