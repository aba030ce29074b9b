"""Sites, failure domains, links and the others that links lead to."""

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from fleet.guards import reads
from inventory.models import External, FailureDomain, Link, LinkEnd, Site
from inventory.views import conditions
from inventory.views.cells import Cell
from inventory.views.listing import Column, Filter, Listing, show


def _edit(kind: str, row: Site | FailureDomain | Link | External, text: str) -> Cell:
    return Cell(text, href=reverse(f"inventory-edit-{kind}", args=[row.pk]))


def _devices_of(row: Site) -> Cell:
    return Cell(str(getattr(row, "devices", 0)), href=f"{reverse('inventory-devices')}?site={row.name}")


def _drifting_of(row: Site) -> Cell:
    count = getattr(row, "drifting", 0)
    if not count:
        return Cell("none", icon="check", tone="good")
    return Cell(
        str(count), icon="differs", tone="care", href=f"{reverse('inventory-devices')}?site={row.name}&drift=yes"
    )


def _site_detail(rows: QuerySet[Site]) -> QuerySet[Site]:
    differs = Q(routers__drifts__isnull=False, routers__drifts__ended_at__isnull=True)
    return rows.select_related("failure_domain").annotate(
        devices=Count("routers", distinct=True), drifting=Count("routers", filter=differs, distinct=True)
    )


SITES: Listing[Site] = Listing(
    page="sites",
    title="Sites",
    about="Places with devices. A site has the time zone in which windows are read, and a failure domain.",
    address="inventory-sites",
    rows=Site.objects.all,
    detail=_site_detail,
    order=("name",),
    search=lambda word: (
        Q(name__icontains=word) | Q(failure_domain__name__icontains=word) | Q(time_zone__icontains=word)
    ),
    filters=(
        Filter(
            "failure_domain",
            "Failure domain",
            conditions.one_of("failure_domain__name"),
            conditions.names(FailureDomain),
        ),
        Filter(
            "time_zone", "Time zone", conditions.one_of("time_zone"), conditions.values(Site.objects.all(), "time_zone")
        ),
    ),
    columns=(
        Column("name", "Site", lambda row: _edit("site", row, row.name), ("name",)),
        Column(
            "failure_domain",
            "Failure domain",
            lambda row: Cell(row.failure_domain.name),
            ("failure_domain__name", "name"),
        ),
        Column("time_zone", "Time zone", lambda row: Cell(row.time_zone), ("time_zone", "name")),
        Column("devices", "Devices", _devices_of, plain=lambda row: getattr(row, "devices", 0)),
        Column("drifting", "With drift", _drifting_of, plain=lambda row: getattr(row, "drifting", 0)),
    ),
    nothing="A device stands at a site: add the first one here, or load a file.",
    add="inventory-add-site",
    add_right="inventory.add_site",
    add_words="Add a site",
)

DOMAINS: Listing[FailureDomain] = Listing(
    page="failure-domains",
    title="Failure domains",
    about="Things that fail together. A change drains at most as many devices of one as its budget says.",
    address="inventory-failure-domains",
    rows=FailureDomain.objects.all,
    detail=lambda rows: rows.annotate(devices=Count("sites__routers")).prefetch_related("sites"),
    order=("name",),
    search=lambda word: Q(name__icontains=word),
    columns=(
        Column("name", "Failure domain", lambda row: _edit("failure-domain", row, row.name), ("name",)),
        Column("sites", "Sites", lambda row: Cell(", ".join(s.name for s in row.sites.all()))),
        Column("devices", "Devices", lambda row: Cell(str(getattr(row, "devices", 0)))),
    ),
    add="inventory-add-failure-domain",
    add_right="inventory.add_failuredomain",
    add_words="Add a failure domain",
)


def _end(row: Link, place: int) -> Cell:
    ends = list(row.ends.all())
    if len(ends) <= place:
        return Cell("no end", icon="unsure", tone="care")
    end = ends[place]
    if end.router is None:
        return Cell(str(end.external), soft="external")
    return Cell(end.router.name, soft=end.interface, href=reverse("device", args=[end.router.name]))


def _end_text(row: Link, place: int) -> str:
    ends = list(row.ends.all())
    return str(ends[place]) if len(ends) > place else ""


def _some_end(condition: Q) -> Q:
    return Q(Exists(LinkEnd.objects.filter(condition, link=OuterRef("pk"))))


def capacity(mbps: int) -> str:
    """ "10 Gb/s", "2.5 Gb/s", "100 Mb/s"."""
    return f"{mbps / 1000:g} Gb/s" if mbps >= 1000 else f"{mbps} Mb/s"


LINKS: Listing[Link] = Listing(
    page="links",
    title="Links",
    about="What connects devices. Redundancy is counted over these: a wave never parts what must stay connected.",
    address="inventory-links",
    rows=Link.objects.all,
    detail=lambda rows: rows.prefetch_related(
        Prefetch("ends", LinkEnd.objects.select_related("router", "external").order_by("side"))
    ),
    search=lambda word: _some_end(
        Q(router__name__icontains=word) | Q(external__name__icontains=word) | Q(interface__icontains=word)
    ),
    filters=(
        Filter("kind", "Kind", conditions.one_of("kind"), conditions.values(Link.objects.all(), "kind")),
        Filter(
            "site", "Site", lambda asked, choices: _some_end(Q(router__site__name__in=asked)), conditions.names(Site)
        ),
    ),
    columns=(
        Column("link", "Link", lambda row: _edit("link", row, str(row.pk)), ("pk",)),
        Column("a", "One end", lambda row: _end(row, 0), plain=lambda row: _end_text(row, 0)),
        Column("b", "Other end", lambda row: _end(row, 1), plain=lambda row: _end_text(row, 1)),
        Column("kind", "Kind", lambda row: Cell(row.kind), ("kind",)),
        Column(
            "capacity",
            "Capacity",
            lambda row: Cell(capacity(row.capacity_mbps)),
            ("capacity_mbps",),
            lambda row: row.capacity_mbps,
        ),
    ),
    nothing="Without links Slipway cannot tell what may be drained together: add them here, or load a file.",
    add="inventory-add-link",
    add_right="inventory.add_link",
    add_words="Add a link",
)

EXTERNALS: Listing[External] = Listing(
    page="externals",
    title="Externals",
    about="The other ends of links that Slipway does not manage: upstreams, customers, exchanges.",
    address="inventory-externals",
    rows=External.objects.all,
    detail=lambda rows: rows.annotate(links=Count("link_ends")),
    order=("name",),
    search=lambda word: Q(name__icontains=word),
    columns=(
        Column("name", "External", lambda row: _edit("external", row, row.name), ("name",)),
        Column("links", "Links", lambda row: Cell(str(getattr(row, "links", 0)))),
    ),
    add="inventory-add-external",
    add_right="inventory.add_external",
    add_words="Add an external",
)


@reads
def sites(request: HttpRequest) -> HttpResponseBase:
    """The list of sites."""
    return show(request, SITES)


@reads
def failure_domains(request: HttpRequest) -> HttpResponseBase:
    """The list of failure domains."""
    return show(request, DOMAINS)


@reads
def links(request: HttpRequest) -> HttpResponseBase:
    """The list of links."""
    return show(request, LINKS)


@reads
def externals(request: HttpRequest) -> HttpResponseBase:
    """The list of the unmanaged."""
    return show(request, EXTERNALS)
