"""Every network adapter of the fleet: what it is, its driver and firmware, its queues and rings."""

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseBase

from fleet.core.model import Json
from fleet.guards import reads
from inventory.models import Flavour, Nic, Software
from inventory.views import conditions
from inventory.views.cells import Cell, linked, unknown
from inventory.views.listing import Column, Filter, Listing, show


def model(row: Nic) -> Cell:
    """The name of pci.ids; without one the ids as they are."""
    ids = pci_ids(row)
    if row.model:
        return Cell(row.model, soft=ids)
    return Cell(ids, mono=True) if ids else unknown("no PCI device" if not row.pci_address else "unknown")


def pci_ids(row: Nic) -> str:
    """ "8086:1583", with the subsystem's ids behind where they are known."""
    ids = f"{row.pci_vendor}:{row.pci_device}" if row.pci_vendor and row.pci_device else ""
    sub = f" ({row.pci_subvendor}:{row.pci_subdevice})" if ids and row.pci_subvendor and row.pci_subdevice else ""
    return ids + sub


def driver(row: Nic) -> Cell:
    return (
        Cell(f"{row.driver} {row.driver_version}".strip(), mono=True, soft=row.driver_flavour)
        if row.driver
        else unknown()
    )


def firmware(row: Nic) -> Cell:
    if row.nvm:
        return Cell(f"NVM {row.nvm}", soft=f"API {row.api}" if row.api else "", mono=True)
    return Cell(row.firmware, mono=True) if row.firmware else unknown()


def counts(value: Json) -> str:
    """ "combined 8, other 1": what ethtool counts, without zeros; pairs of now and at most as "8 of 64"."""
    if not isinstance(value, dict):
        return ""
    return ", ".join(f"{name} {_count(found)}" for name, found in value.items() if found not in (0, None, {}))


def _count(found: Json) -> str:
    if isinstance(found, dict):
        now, most = found.get("now", found.get("current")), found.get("max")
        return (
            f"{now} of {most}"
            if now is not None and most is not None
            else ", ".join(f"{k} {v}" for k, v in found.items())
        )
    return str(found)


def _search(word: str) -> Q:
    return (
        Q(router__name__icontains=word)
        | Q(interface__name__icontains=word)
        | Q(model__icontains=word)
        | Q(serial__icontains=word)
        | Q(interface__mac__icontains=word)
        | Q(pci_address__icontains=word)
    )


def detail(rows: QuerySet[Nic]) -> QuerySet[Nic]:
    return rows.select_related("router__site", "interface")


_FLAVOURS = [(str(value), str(label)) for value, label in Flavour.choices if value]

LISTING: Listing[Nic] = Listing(
    page="nics",
    title="NICs",
    about="Every network adapter as it was last seen.",
    address="inventory-nics",
    rows=Nic.objects.all,
    detail=detail,
    order=("router__name", "interface__name"),
    search=_search,
    filters=(
        *conditions.of_device("router__"),
        Filter("model", "Model", conditions.one_of("model"), conditions.values(Nic.objects.all(), "model")),
        Filter("driver", "Driver", conditions.one_of("driver"), conditions.values(Nic.objects.all(), "driver")),
        Filter(
            "driver_version",
            "Driver version",
            conditions.versions_of("driver_version"),
            conditions.values(Nic.objects.all(), "driver_version"),
            free=True,
            hint="2.28.9, or < 2.20",
        ),
        Filter(
            "kernel",
            "Kernel",
            conditions.versions_of("router__software__kernel"),
            conditions.values(Software.objects.all(), "kernel"),
            free=True,
            hint="a version, or 6.1.*, or < 7.5",
        ),
        Filter("flavour", "Driver comes", conditions.one_of("driver_flavour"), lambda: _FLAVOURS),
        Filter(
            "firmware",
            "Firmware (NVM)",
            conditions.versions_of("nvm"),
            conditions.values(Nic.objects.all(), "nvm"),
            free=True,
            hint="8.00, or < 8.30",
        ),
    ),
    columns=(
        Column(
            "device",
            "Device",
            lambda row: linked(row.router.name, "device", row.router.name),
            ("router__name", "interface__name"),
        ),
        Column(
            "interface",
            "Interface",
            lambda row: Cell(row.interface.name, mono=True),
            ("interface__name", "router__name"),
        ),
        Column("site", "Site", lambda row: Cell(row.router.site.name), ("router__site__name", "router__name")),
        Column("model", "Model", model, ("model", "router__name")),
        Column("pci", "PCI address", lambda row: Cell(row.pci_address, mono=True)),
        Column(
            "driver",
            "Driver",
            driver,
            ("driver", "driver_version", "router__name"),
            lambda row: f"{row.driver} {row.driver_version} {row.driver_flavour}".strip(),
        ),
        Column(
            "firmware", "Firmware", firmware, ("nvm", "firmware", "router__name"), lambda row: row.nvm or row.firmware
        ),
        Column("queues", "Queues", lambda row: Cell(counts(row.channels))),
        Column("rings", "Rings", lambda row: Cell(counts(row.rings))),
        Column("serial", "Serial", lambda row: Cell(row.serial, mono=True), ("serial", "router__name")),
        Column("numa", "NUMA", lambda row: Cell("" if row.numa_node is None else str(row.numa_node))),
        Column(
            "seen",
            "Last seen",
            lambda row: Cell(at=row.last_seen_at),
            ("last_seen_at", "router__name"),
            lambda row: row.last_seen_at,
        ),
    ),
    nothing="NICs appear once facts were collected: ./manage.py collect --all.",
)


@reads
def nics(request: HttpRequest) -> HttpResponseBase:
    """The list of all network adapters."""
    return show(request, LISTING)
