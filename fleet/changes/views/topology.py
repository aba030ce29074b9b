"""The fleet as a drawing with live drain state: device by device while it is small, by failure domain and site else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qs, quote, urlencode

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from fleet import clock
from fleet.changes.models import Event
from fleet.changes.views import access, frame, outside, topology_rows
from fleet.changes.views.access import reads
from fleet.changes.views.topology_rows import MARKS, Line, Node, Traffic
from fleet.core import explain, layout
from fleet.core.model import Reason
from inventory.models import FailureDomain, Router, Site

WIDTH, MARGIN_X, MARGIN_Y = 1000.0, 70.0, 34.0
# A grid of devices without links, for a site with more than can be drawn with them.
PER_ROW, ROW_HEIGHT = 8, 62.0
GRID = 400


@dataclass(frozen=True)
class Spot:
    """A node where it stands on the drawing, and where a press on it leads."""

    node: Node
    x: float
    y: float
    href: str


@dataclass(frozen=True)
class Wire:
    """A line on the drawing. `cut`: an end of it carries no traffic."""

    line: Line
    x1: float
    y1: float
    x2: float
    y2: float
    width: float
    cut: bool


@dataclass(frozen=True)
class Drawing:
    """Everything that the template draws."""

    spots: Sequence[Spot]
    wires: Sequence[Wire]
    height: float
    left_out: int = 0


@dataclass(frozen=True)
class Scope:
    """What of the fleet is asked for."""

    where: Q
    words: str
    site: str = ""
    domain: str = ""


@reads
def topology(request: HttpRequest) -> HttpResponse:
    """The drawing; for htmx its live part. Fourteen queries at most, whatever the size of the fleet."""
    now = clock.now()
    if of := request.GET.get("of", ""):
        site = Router.objects.filter(name=of).values_list("site__name", flat=True).first()
        return redirect(f"{reverse('topology')}?{urlencode({'site': site})}" if site else "topology")
    scope, refusals = _scope(request)
    if scope.domain and not scope.site and (only := _only_site(scope)):
        return redirect(f"{reverse('topology')}?{urlencode({'site': only})}")
    count = Router.objects.filter(scope.where).count()
    nodes, lines = _drawn(scope, count)
    rows, in_all = topology_rows.shown_held(scope.where, frame.NAMES_SHOWN)
    by_others, by_others_in_all = outside.shown(scope.where)
    context = {
        "now": now,
        "room": "topology",
        "outside": by_others,
        "outside_in_all": by_others_in_all,
        "scope": scope,
        "count": count,
        "drawing": draw(nodes, lines),
        "held": rows,
        "held_in_all": in_all,
        "marks": [(t, MARKS[t]) for t in Traffic],
        "refusals": explain.sentences(refusals),
        "last_event": Event.objects.order_by("-id").values_list("id", flat=True).first() or 0,
    }
    template = "rooms/_topology.html" if access.is_htmx(request) else "rooms/topology.html"
    return render(request, template, context, status=400 if refusals else 200)


def _scope(request: HttpRequest) -> tuple[Scope, list[Reason]]:
    site, domain = request.GET.get("site", "")[:63], request.GET.get("domain", "")[:63]
    if site:
        home = Site.objects.filter(name=site).values_list("failure_domain__name", flat=True).first()
        if home is None:
            return Scope(Q(), ""), [Reason("site", repr(site), "a site of the inventory", "Choose one on the drawing.")]
        return Scope(Q(site__name=site), f"site {site}", site, home), []
    if domain:
        if not FailureDomain.objects.filter(name=domain).exists():
            remedy = "Choose one on the drawing."
            return Scope(Q(), ""), [Reason("failure domain", repr(domain), "one of the inventory", remedy)]
        return Scope(Q(site__failure_domain__name=domain), f"failure domain {domain}", "", domain), []
    return Scope(Q(), ""), []


def _only_site(scope: Scope) -> str:
    """The one site of a failure domain, which needs no drawing of its own; empty when there are several or none."""
    sites = list(Site.objects.filter(failure_domain__name=scope.domain).values_list("name", flat=True)[:2])
    return sites[0] if len(sites) == 1 else ""


def _drawn(scope: Scope, count: int) -> tuple[list[Node], list[Line]]:
    """Devices while they can be told apart on a page; otherwise groups of them, the smallest that fit."""
    if count <= layout.MOST:
        return topology_rows.devices(scope.where)
    if scope.site:
        nodes, _ = topology_rows.devices(scope.where)
        return [n for n in nodes if n.inside], []
    if scope.domain:
        return topology_rows.groups(scope.where, "site__name", "site")
    if Site.objects.count() <= layout.MOST:
        return topology_rows.groups(scope.where, "site__name", "site")
    return topology_rows.groups(scope.where, "site__failure_domain__name", "domain")


def draw(nodes: Sequence[Node], lines: Sequence[Line]) -> Drawing:
    """Nodes and lines on their places. Neighbours from outside are left out when all together are too many."""
    if len(nodes) > layout.MOST:
        nodes = [n for n in nodes if n.inside]
    if len(nodes) > layout.MOST:
        return _grid(nodes)
    names = {n.name for n in nodes}
    lines = [line for line in lines if line.a in names and line.b in names]
    at = layout.place([n.name for n in nodes], [(line.a, line.b) for line in lines])
    height = 160.0 + 90.0 * math.sqrt(len(nodes))
    where = {
        name: (MARGIN_X + x * (WIDTH - 2 * MARGIN_X), MARGIN_Y + y * (height - 3 * MARGIN_Y))
        for name, (x, y) in at.items()
    }
    carries_none = {
        n.name for n in nodes if n.count == 1 and n.traffic in {Traffic.DRAINED, Traffic.OUTSIDE, Traffic.STUCK}
    }
    spots = [Spot(n, round(where[n.name][0], 1), round(where[n.name][1], 1), _href(n)) for n in nodes]
    wires = [_wire(line, where[line.a], where[line.b], carries_none) for line in lines]
    return Drawing(spots, wires, round(height, 0))


def _wire(line: Line, a: layout.Point, b: layout.Point, carries_none: set[str]) -> Wire:
    width = round(1.0 + math.log10(max(1.0, line.mbps / 1000)), 1)
    cut = bool({line.a, line.b} & carries_none)
    return Wire(line, round(a[0], 1), round(a[1], 1), round(b[0], 1), round(b[1], 1), width, cut)


def _grid(nodes: Sequence[Node]) -> Drawing:
    """Rows of nodes, those that need a look first: more than could be told apart with their links."""
    order = {t: n for n, t in enumerate(Traffic)}
    some = sorted(nodes, key=lambda n: (order[n.traffic], n.name))
    step = WIDTH / PER_ROW
    spots = [
        Spot(n, step * (k % PER_ROW) + step / 2, MARGIN_Y + ROW_HEIGHT * (k // PER_ROW), _href(n))
        for k, n in enumerate(some[:GRID])
    ]
    height = MARGIN_Y * 2 + ROW_HEIGHT * (1 + (len(spots) - 1) // PER_ROW)
    return Drawing(spots, (), height, left_out=max(0, len(nodes) - GRID))


def _href(node: Node) -> str:
    """Where a press on a node leads: the device's page, or the drawing of what is inside."""
    said = {k: v[0] for k, v in parse_qs(node.query).items()}
    if "device" in said:
        return _device_address().replace(_PLACE, quote(said["device"]))
    return f"{reverse('topology')}?{urlencode(said)}" if said else ""


_PLACE = "DEVICE"


@cache
def _device_address() -> str:
    """The address of any device: looked up once instead of for each of 400, a fifth of the time of the page."""
    return reverse("device", args=[_PLACE])
