"""The topology of the inventory as the value that the planner works with."""

from fleet.core.model import KeepConnected, Link, Topology
from inventory import models


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
