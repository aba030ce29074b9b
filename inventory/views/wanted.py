"""Lists of what is wanted, what there is to put onto devices, and how devices are reached."""

import json

from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponseBase

from fleet.core.model import Json
from fleet.guards import reads
from inventory.models import Artifact, ArtifactKind, Assignment, Console, ConsoleKind, Credential, Level, Profile
from inventory.models import ProfileKind as Kind
from inventory.views import conditions
from inventory.views.cells import Cell, linked
from inventory.views.listing import Choices, Column, Filter, Listing, show


def _choices(pairs: list[tuple[str, str]]) -> Choices:
    return [(str(value), str(label)) for value, label in pairs if value]


def _settings(row: Profile) -> list[Cell]:
    own = [Cell(f"{name}: {short(value)}", mono=True) for name, value in sorted(row.settings.items())]
    more = [Cell(soft=f"and those of {row.parent.name}")] if row.parent else []
    return [*own[:6], *([Cell(soft=f"and {len(own) - 6} more")] if len(own) > 6 else []), *more]


def short(value: Json) -> str:
    """A wanted or found value on one line; null is said in words."""
    if value is None:
        return "left alone"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _assigned(row: Profile) -> list[Cell]:
    found = [linked(a.target(), "inventory-edit-assignment", a.pk) for a in row.assignments.all()]
    return found or [Cell("to nothing", icon="unsure", tone="calm")]


PROFILES: Listing[Profile] = Listing(
    page="profiles",
    title="Profiles",
    about="What is wanted. Assigned to the fleet, a role, a site, a NIC model or one device: the later of these wins.",
    address="inventory-profiles",
    rows=Profile.objects.all,
    detail=lambda rows: rows.select_related("parent").prefetch_related("assignments__site", "assignments__router"),
    order=("kind", "name"),
    search=lambda word: Q(name__icontains=word),
    filters=(Filter("kind", "Kind", conditions.one_of("kind"), lambda: _choices(Kind.choices)),),
    columns=(
        Column("name", "Profile", lambda row: linked(row.name, "inventory-edit-profile", row.pk), ("name",)),
        Column("kind", "Kind", lambda row: Cell(row.get_kind_display()), ("kind", "name")),
        Column("settings", "Settings", _settings, plain=lambda row: json.dumps(row.settings, ensure_ascii=False)),
        Column("weight", "Weight", lambda row: Cell(str(row.weight)), ("weight", "name"), lambda row: row.weight),
        Column("assigned", "Assigned to", _assigned),
    ),
    nothing="Without profiles nothing is wanted, and nothing can drift.",
    add="inventory-add-profile",
    add_right="inventory.add_profile",
    add_words="Add a profile",
)

ASSIGNMENTS: Listing[Assignment] = Listing(
    page="assignments",
    title="Assignments",
    about="Which profile is wanted where. From weak to strong: the fleet, a role, a site, a NIC model, one device.",
    address="inventory-assignments",
    rows=Assignment.objects.all,
    detail=lambda rows: rows.select_related("profile", "site", "router"),
    order=("profile__name", "level"),
    search=lambda word: (
        Q(profile__name__icontains=word)
        | Q(role__icontains=word)
        | Q(site__name__icontains=word)
        | Q(router__name__icontains=word)
    ),
    filters=(Filter("level", "Level", conditions.one_of("level"), lambda: _choices(Level.choices)),),
    columns=(
        Column(
            "profile",
            "Profile",
            lambda row: linked(row.profile.name, "inventory-edit-assignment", row.pk),
            ("profile__name",),
        ),
        Column("kind", "Kind", lambda row: Cell(row.profile.get_kind_display()), ("profile__kind", "profile__name")),
        Column(
            "to",
            "Assigned to",
            lambda row: Cell(row.target()),
            ("level", "role", "site__name", "nic_model", "router__name"),
        ),
    ),
    add="inventory-add-assignment",
    add_right="inventory.add_assignment",
    add_words="Assign a profile",
)


def _component(one: Json) -> str:
    if not isinstance(one, dict):
        return str(one)
    return " ".join(str(one[key]) for key in ("kind", "name", "version", "flavour") if one.get(key))


ARTIFACTS: Listing[Artifact] = Listing(
    page="artifacts",
    title="Software",
    about="Kernels, drivers, firmware, images and packages that can be put onto devices, and what each brings along.",
    address="inventory-artifacts",
    rows=Artifact.objects.all,
    order=("kind", "name", "version"),
    search=lambda word: (
        Q(name__icontains=word) | Q(version__icontains=word) | Q(location__icontains=word) | Q(sha256__startswith=word)
    ),
    filters=(Filter("kind", "Kind", conditions.one_of("kind"), lambda: _choices(ArtifactKind.choices)),),
    columns=(
        Column(
            "name", "Artifact", lambda row: linked(row.name, "inventory-edit-artifact", row.pk), ("name", "version")
        ),
        Column("kind", "Kind", lambda row: Cell(row.get_kind_display()), ("kind", "name")),
        Column("version", "Version", lambda row: Cell(row.version, mono=True), ("version", "name")),
        Column("brings", "Brings along", lambda row: [Cell(_component(one), mono=True) for one in row.brings]),
        Column("location", "Where it lies", lambda row: Cell(row.location, mono=True)),
        Column("sha256", "SHA-256", lambda row: Cell(row.sha256[:12], mono=True), plain=lambda row: row.sha256),
    ),
    add="inventory-add-artifact",
    add_right="inventory.add_artifact",
    add_words="Add an artifact",
)

CONSOLES: Listing[Console] = Listing(
    page="consoles",
    title="Consoles",
    about="How a device is reached when it does not answer by itself.",
    address="inventory-consoles",
    rows=Console.objects.all,
    detail=lambda rows: rows.select_related("router", "credential"),
    order=("router__name", "kind"),
    search=lambda word: Q(router__name__icontains=word) | Q(address__icontains=word),
    filters=(
        Filter("kind", "Kind", conditions.one_of("kind"), lambda: _choices(ConsoleKind.choices)),
        *conditions.of_device("router__"),
    ),
    columns=(
        Column(
            "device",
            "Device",
            lambda row: linked(row.router.name, "inventory-edit-console", row.pk),
            ("router__name", "kind"),
        ),
        Column("kind", "Kind", lambda row: Cell(row.get_kind_display()), ("kind", "router__name")),
        Column(
            "address", "Address", lambda row: Cell(f"{row.address} port {row.port}", mono=True), ("address", "port")
        ),
        Column("credential", "Credential", lambda row: Cell(row.credential.name), ("credential__name", "router__name")),
    ),
    add="inventory-add-console",
    add_right="inventory.add_console",
    add_words="Add a console",
)

CREDENTIALS: Listing[Credential] = Listing(
    page="credentials",
    title="Credentials",
    about="User names, and where each secret lies. Slipway never stores a secret.",
    address="inventory-credentials",
    rows=Credential.objects.all,
    detail=lambda rows: rows.annotate(devices=Count("routers")),
    order=("name",),
    search=lambda word: Q(name__icontains=word) | Q(username__icontains=word),
    columns=(
        Column("name", "Credential", lambda row: linked(row.name, "inventory-edit-credential", row.pk), ("name",)),
        Column("username", "User name", lambda row: Cell(row.username, mono=True), ("username", "name")),
        Column("reference", "Where the secret lies", lambda row: Cell(row.reference, mono=True)),
        Column("become", "Becomes root", lambda row: Cell(row.get_become_display())),
        Column("devices", "Devices", lambda row: Cell(str(getattr(row, "devices", 0)))),
    ),
    add="inventory-add-credential",
    add_right="inventory.add_credential",
    add_words="Add a credential",
)


@reads
def profiles(request: HttpRequest) -> HttpResponseBase:
    """The list of profiles."""
    return show(request, PROFILES)


@reads
def assignments(request: HttpRequest) -> HttpResponseBase:
    """The list of assignments."""
    return show(request, ASSIGNMENTS)


@reads
def artifacts(request: HttpRequest) -> HttpResponseBase:
    """The list of software artifacts."""
    return show(request, ARTIFACTS)


@reads
def consoles(request: HttpRequest) -> HttpResponseBase:
    """The list of out-of-band consoles."""
    return show(request, CONSOLES)


@reads
def credentials(request: HttpRequest) -> HttpResponseBase:
    """The list of credentials."""
    return show(request, CREDENTIALS)
