"""What a drawing of the fleet is made of: devices or groups of them with their drain state, and what links them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum

from fleet.changes.models import TargetRun
from fleet.changes.views import outside
from fleet.changes.views.marks import Mark, Tone
from fleet.core.states import TARGET_IN_FLIGHT, TargetState
from inventory.models import Link, LinkEnd, Router

# The ends of more links than this are not drawn one by one; a site with more is drawn without neighbours.
MOST_ENDS = 2_000
MOST_GROUPS = 500


class Traffic(StrEnum):
    """How a device stands to traffic, the gravest first."""

    STUCK = "stuck"
    DRAINED = "drained"
    OUTSIDE = "by others"
    CHANGING = "changing"
    CARRIES = "carries"
    EXTERNAL = "external"


MARKS = {
    Traffic.STUCK: Mark("alarm", "stuck, needs a person", Tone.ALARM),
    Traffic.DRAINED: Mark("empty", "without traffic", Tone.CARE),
    Traffic.OUTSIDE: Mark("blocked", "drained by others", Tone.CARE),
    Traffic.CHANGING: Mark("wrench", "being changed, carries traffic", Tone.MOVING),
    Traffic.CARRIES: Mark("check", "nothing is done to it", Tone.GOOD),
    Traffic.EXTERNAL: Mark("circle", "not managed by Slipway", Tone.CALM),
}


def traffic(state: str, *, drained: bool) -> Traffic:
    """Where a device stands that a change holds."""
    if state == TargetState.STUCK:
        return Traffic.STUCK
    return Traffic.DRAINED if drained else Traffic.CHANGING


@dataclass(frozen=True)
class Node:
    """A device, an external, or a group of devices with how many of them stand how. `query`: the page about it."""

    name: str
    traffic: Traffic
    query: str = ""
    count: int = 1
    stands: dict[Traffic, int] = field(default_factory=dict)
    inside: bool = True
    since: datetime | None = None

    @property
    def mark(self) -> Mark:
        return MARKS[self.traffic]

    @property
    def words(self) -> str:
        """ "lon1: 40 devices, 2 without traffic"."""
        if self.count == 1 and not self.stands:
            return f"{self.name}: {self.mark.word}"
        counted = (f"{n} {MARKS[t].word}" for t, n in self.stands.items() if n and t is not Traffic.CARRIES)
        return ", ".join([f"{self.name}: {self.count} devices", *counted])


@dataclass(frozen=True)
class Line:
    """What links two nodes: one link, or several together."""

    a: str
    b: str
    mbps: int
    count: int = 1

    @property
    def words(self) -> str:
        speed = f"{self.mbps / 1000:g} Gb/s" if self.mbps >= 1000 else f"{self.mbps} Mb/s"
        return f"{self.a} – {self.b}: {f'{self.count} links, ' if self.count > 1 else ''}{speed}"


def held(scope: Q) -> "QuerySet[TargetRun]":
    """Devices of a scope (of Router) that a change holds now or that stayed behind stuck."""
    rows = TargetRun.objects.engaged().filter(Q(state__in=TARGET_IN_FLIGHT) | Q(drained=True) | Q(state="stuck"))
    return rows.filter(router__in=Router.objects.filter(scope)) if scope else rows


def devices(scope: Q) -> tuple[list[Node], list[Line]]:
    """Every device of a small scope with its neighbours outside of it. Four queries."""
    names = list(Router.objects.filter(scope).order_by("name").values_list("name", flat=True))
    stands = {t.name: t for t in held(scope).only("name", "state", "drained", "drained_at")}
    by_others = dict(outside.drained(scope).values_list("router__name", "since"))
    nodes = [_device(name, stands.get(name), by_others.get(name)) for name in names]
    mine = set(names)
    lines, externals = _links(scope)
    neighbours = sorted({end for line in lines for end in (line.a, line.b)} - mine)
    for name in neighbours:
        strange = name in externals
        nodes.append(
            Node(name, Traffic.EXTERNAL if strange else Traffic.CARRIES, "" if strange else f"of={name}", inside=False)
        )
    return nodes, lines


def _device(name: str, target: TargetRun | None, outside_since: datetime | None) -> Node:
    if target is None:
        how = Traffic.CARRIES if outside_since is None else Traffic.OUTSIDE
        return Node(name, how, f"device={name}", since=outside_since)
    return Node(name, traffic(target.state, drained=target.drained), f"device={name}", since=target.drained_at)


def _links(scope: Q) -> tuple[list[Line], set[str]]:
    """The links of a scope, those between the same two as one; and the names that are externals. One query."""
    touching = LinkEnd.objects.filter(router__in=Router.objects.filter(scope)).values("link")
    rows = LinkEnd.objects.filter(link__in=touching).order_by("link_id", "side")
    ends: dict[int, list[str]] = {}
    speed: dict[int, int] = {}
    externals: set[str] = set()
    values = rows.values_list("link_id", "link__capacity_mbps", "router__name", "external__name")[:MOST_ENDS]
    for link, mbps, router, external in values:
        ends.setdefault(link, []).append(router or external)
        speed[link] = mbps
        externals.update({external} if external else ())
    return _together((pair[0], pair[1], speed[link], 1) for link, pair in ends.items() if len(pair) == 2), externals


def _together(some: Iterable[tuple[str, str, int, int]]) -> list[Line]:
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for a, b, mbps, count in some:
        key = (a, b) if a < b else (b, a)
        had = found.get(key, (0, 0))
        found[key] = (had[0] + mbps, had[1] + count)
    return [Line(a, b, mbps, count) for (a, b), (mbps, count) in found.items()]


def groups(scope: Q, by: str, page: str) -> tuple[list[Node], list[Line]]:
    """The devices of a scope by failure domain or site (`by`: a path from Router). Four queries, each answered in
    groups: ten thousand devices are counted by the database. `page`: what a press on a group asks for."""
    counted = Router.objects.filter(scope).order_by(by).values_list(by).annotate(n=Count("id"))[:MOST_GROUPS]
    stands: dict[str, dict[Traffic, int]] = {}
    for name, state, drained, n in held(scope).values_list(f"router__{by}", "state", "drained").annotate(n=Count("id")):
        mine = stands.setdefault(name, {})
        how = traffic(state, drained=drained)
        mine[how] = mine.get(how, 0) + n
    others = outside.drained(scope).order_by().values_list(f"router__{by}").annotate(n=Count("id"))
    for name, n in others:
        stands.setdefault(name, {})[Traffic.OUTSIDE] = n
    nodes = [_group(name, n, stands.get(name, {}), page) for name, n in counted]
    return nodes, _between(scope, by, {node.name for node in nodes})


def _group(name: str, count: int, stands: dict[Traffic, int], page: str) -> Node:
    worst = next((t for t in Traffic if stands.get(t)), Traffic.CARRIES)
    return Node(name, worst, f"{page}={name}", count, {t: stands[t] for t in Traffic if t in stands})


def _between(scope: Q, by: str, names: set[str]) -> list[Line]:
    """The links between groups. One query."""
    ends = LinkEnd.objects.filter(link=OuterRef("pk"), router__isnull=False)
    rows = Link.objects.annotate(
        one=Subquery(ends.filter(side="a").values(f"router__{by}")[:1]),
        other=Subquery(ends.filter(side="b").values(f"router__{by}")[:1]),
    )
    if scope:
        rows = rows.filter(ends__in=LinkEnd.objects.filter(router__in=Router.objects.filter(scope))).distinct()
    found: Iterable[tuple[str | None, str | None, int, int]] = (
        rows.order_by().values_list("one", "other").annotate(mbps=Sum("capacity_mbps"), n=Count("id", distinct=True))
    )
    return _together((a, b, mbps, n) for a, b, mbps, n in found if a and b and a != b and {a, b} <= names)


def shown_held(scope: Q, most: int) -> tuple[Sequence[TargetRun], int]:
    """The devices of a scope that a change holds, without traffic first; and how many there are. Two queries."""
    rows = held(scope)
    some = (
        rows.select_related("run__revision__change", "run__started_by")
        .defer("run__revision__plan", "run__revision__recipe_text")
        .order_by("-drained", F("drained_at").asc(nulls_last=True), "name")[:most]
    )
    return list(some), rows.count()
