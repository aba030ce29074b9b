"""Lists of Cisco UCS as the inventory has it: domains, service profiles, adapter policies; and of beacons."""

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponseBase

from fleet.guards import reads
from inventory.models import AdapterPolicy, Beacon, ServiceProfile, UcsDomain
from inventory.views import conditions
from inventory.views.cells import Cell, linked, unknown
from inventory.views.listing import Choices, Column, Filter, Listing, show


def _domains() -> Choices:
    return [(name, name) for name in UcsDomain.objects.values_list("name", flat=True)]


_OF_DOMAIN = Filter("domain", "Domain", conditions.one_of("domain__name"), _domains)


def _said(row: UcsDomain) -> Cell:
    """What the last collection could not do: the first sentence, and how many more there are."""
    said = [str(one) for one in row.said] if isinstance(row.said, list) else []
    if not said:
        return Cell("nothing") if row.collected_at else unknown("not asked yet")
    more = f"and {len(said) - 1} more" if len(said) > 1 else ""
    return Cell(said[0], icon="alarm", tone="care", soft=more)


def _device(row: ServiceProfile) -> Cell:
    """The host of a profile, and what told it."""
    if row.router is None:
        return Cell("none")
    return linked(row.router.name, "device", row.router.name, soft=f"by {row.linked_by or 'hand'}")


DOMAINS: Listing[UcsDomain] = Listing(
    page="ucs-domains",
    title="UCS domains",
    about="Pairs of fabric interconnects with their manager.",
    address="inventory-ucs-domains",
    rows=UcsDomain.objects.all,
    detail=lambda rows: rows.select_related("site", "credential").annotate(profiles=Count("service_profiles")),
    order=("name",),
    search=lambda word: Q(name__icontains=word) | Q(address__icontains=word),
    columns=(
        Column("name", "Domain", lambda row: linked(row.name, "inventory-edit-ucs-domain", row.pk), ("name",)),
        Column("site", "Site", lambda row: Cell(row.site.name), ("site__name", "name")),
        Column(
            "address", "Manager", lambda row: Cell(f"{row.address} port {row.port}", mono=True), ("address", "port")
        ),
        Column("credential", "Credential", lambda row: Cell(row.credential.name), ("credential__name", "name")),
        Column("profiles", "Service profiles", lambda row: Cell(str(getattr(row, "profiles", 0)))),
        Column(
            "collected", "Collected", lambda row: Cell(at=row.collected_at) if row.collected_at else unknown("never")
        ),
        Column("said", "Not told or not linked", _said),
    ),
    add="inventory-add-ucs-domain",
    add_right="inventory.add_ucsdomain",
    add_words="Add a UCS domain",
)

POLICIES: Listing[AdapterPolicy] = Listing(
    page="adapter-policies",
    title="Adapter policies",
    about="Queues, rings and interrupts that a service profile gives to its vNICs.",
    address="inventory-adapter-policies",
    rows=AdapterPolicy.objects.all,
    detail=lambda rows: rows.select_related("domain").annotate(profiles=Count("service_profiles")),
    order=("domain__name", "dn"),
    search=lambda word: Q(name__icontains=word) | Q(dn__icontains=word),
    filters=(_OF_DOMAIN,),
    columns=(
        Column("name", "Policy", lambda row: linked(row.name, "inventory-edit-adapter-policy", row.pk), ("name", "dn")),
        Column("domain", "Domain", lambda row: Cell(row.domain.name), ("domain__name", "dn")),
        Column("dn", "Distinguished name", lambda row: Cell(row.dn, mono=True), ("dn", "domain__name")),
        Column("queues", "Queues rx, tx", lambda row: Cell(f"{row.rx_queues}, {row.tx_queues}", mono=True)),
        Column("rings", "Rings rx, tx", lambda row: Cell(f"{row.rx_ring}, {row.tx_ring}", mono=True)),
        Column("completion", "Completion queues", lambda row: Cell(str(row.completion_queues), mono=True)),
        Column("interrupts", "Interrupts", lambda row: Cell(str(row.interrupts), mono=True)),
        Column("rss", "RSS", lambda row: Cell("on" if row.rss else "off")),
        Column("profiles", "Service profiles", lambda row: Cell(str(getattr(row, "profiles", 0)))),
    ),
    add="inventory-add-adapter-policy",
    add_right="inventory.add_adapterpolicy",
    add_words="Add an adapter policy",
)

SERVICE_PROFILES: Listing[ServiceProfile] = Listing(
    page="service-profiles",
    title="Service profiles",
    about="What a blade is: its adapter policy, its maintenance policy, and the host that runs on it.",
    address="inventory-service-profiles",
    rows=ServiceProfile.objects.all,
    detail=lambda rows: rows.select_related("domain", "adapter_policy", "router", "blade"),
    order=("domain__name", "dn"),
    search=lambda word: Q(name__icontains=word) | Q(dn__icontains=word) | Q(router__name__icontains=word),
    filters=(_OF_DOMAIN,),
    columns=(
        Column(
            "name", "Service profile", lambda row: linked(row.name, "inventory-edit-service-profile", row.pk),
            ("name", "dn"),
        ),
        Column("domain", "Domain", lambda row: Cell(row.domain.name), ("domain__name", "dn")),
        Column("dn", "Distinguished name", lambda row: Cell(row.dn, mono=True), ("dn", "domain__name")),
        Column("policy", "Adapter policy", lambda row: Cell(row.adapter_policy.name if row.adapter_policy else "none")),
        Column("maintenance", "Maintenance policy", lambda row: Cell(row.maintenance_policy or "unknown")),
        Column(
            "device", "Device", _device, ("router__name", "dn"),
        ),
        Column(
            "blade", "Blade", lambda row: Cell(row.blade.dn.removeprefix("sys/"), mono=True, soft=row.blade.firmware)
            if row.blade else Cell("none"),
        ),
    ),
    add="inventory-add-service-profile",
    add_right="inventory.add_serviceprofile",
    add_words="Add a service profile",
)  # fmt: skip

BEACONS: Listing[Beacon] = Listing(
    page="beacons",
    title="Beacons",
    about="Prefixes that one device alone announces, to be probed through it.",
    address="inventory-beacons",
    rows=Beacon.objects.all,
    detail=lambda rows: rows.select_related("router"),
    order=("router__name", "prefix"),
    search=lambda word: Q(router__name__icontains=word) | Q(prefix__icontains=word),
    filters=conditions.of_device("router__"),
    columns=(
        Column(
            "prefix", "Prefix", lambda row: linked(row.prefix, "inventory-edit-beacon", row.pk), ("prefix",)
        ),
        Column("device", "Device", lambda row: linked(row.router.name, "device", row.router.name),
               ("router__name", "prefix")),
        Column("test_address", "Answers at", lambda row: Cell(row.test_address or "not known", mono=True)),
    ),
    add="inventory-add-beacon",
    add_right="inventory.add_beacon",
    add_words="Add a beacon",
)  # fmt: skip


@reads
def ucs_domains(request: HttpRequest) -> HttpResponseBase:
    """The list of UCS domains."""
    return show(request, DOMAINS)


@reads
def adapter_policies(request: HttpRequest) -> HttpResponseBase:
    """The list of adapter policies."""
    return show(request, POLICIES)


@reads
def service_profiles(request: HttpRequest) -> HttpResponseBase:
    """The list of service profiles."""
    return show(request, SERVICE_PROFILES)


@reads
def beacons(request: HttpRequest) -> HttpResponseBase:
    """The list of beacons."""
    return show(request, BEACONS)
