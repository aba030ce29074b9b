"""The topology of the inventory as the value that the planner works with."""

from collections.abc import Collection

from fleet.core.model import KeepConnected, Link, Topology
from inventory import models


def beside(names: Collection[str]) -> Topology:
    """These routers with their links and whoever is at the other end, no more. One query."""
    mine = models.LinkEnd.objects.filter(router__name__in=names).values("link_id")
    rows = models.LinkEnd.objects.filter(link__in=mine).order_by("link_id", "side")
    ends: dict[int, list[str]] = {}
    capacity: dict[int, int] = {}
    for link, mbps, router, external in rows.values_list(
        "link_id", "link__capacity_mbps", "router__name", "external__name"
    ):
        ends.setdefault(link, []).append(router if router is not None else external)
        capacity[link] = mbps
    links = tuple(Link(two[0], two[1], capacity[link]) for link, two in ends.items() if len(two) == 2)
    around = {name for two in ends.values() for name in two}
    return Topology(dict.fromkeys(sorted({*names, *around}), ""), links=links)


def load() -> Topology:
    """All routers, externals, links and redundancy promises. Four queries, whatever the size of the fleet."""
    ends: dict[int, list[str]] = {}
    capacity: dict[int, int] = {}
    rows = models.LinkEnd.objects.order_by("link_id", "side")
    for link, mbps, router, external in rows.values_list(
        "link_id", "link__capacity_mbps", "router__name", "external__name"
    ):
        ends.setdefault(link, []).append(router if router is not None else external)
        capacity[link] = mbps
    return Topology(
        domain_of=models.Router.objects.order_by("name").failure_domains(),
        externals=frozenset(models.External.objects.values_list("name", flat=True)),
        # A link with one end is half entered (admin) and carries nothing.
        links=tuple(
            Link(a=names[0], b=names[1], capacity_mbps=capacity[link])
            for link, names in ends.items()
            if len(names) == 2
        ),
        keep_connected=tuple(
            KeepConnected(names=frozenset(names), floor_mbps=floor)
            for names, floor in models.KeepConnected.objects.order_by("pk").values_list("names", "floor_mbps")
        ),
    )
