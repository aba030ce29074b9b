"""What providers announced about the links of the inventory, as the values that decisions are made on."""

from datetime import datetime, timedelta

from fleet.core.model import Impact
from fleet.core.other_leg import NOTHING, Outage, Providers
from inventory import models

# Announcements further ahead than this say nothing to a change that starts now, or is approved in the next weeks.
AHEAD = timedelta(days=90)
# A large provider announces some hundreds a month to one customer; what begins first counts.
MOST = 2_000
# What leaves a line without traffic, or may. REDUCED-REDUNDANCY is about the provider's own second path.
_TAKES_DOWN = (Impact.OUTAGE, Impact.DEGRADED)


def load(now: datetime) -> Providers:
    """Lines on which work is announced, and the ways out. One query while nothing is announced, otherwise three."""
    rows = models.ProviderImpact.objects.filter(
        maintenance__in=models.ProviderMaintenance.objects.ahead(now).filter(start_at__lt=now + AHEAD),
        impact__in=_TAKES_DOWN,
        link__isnull=False,
    )
    announced = list(rows.select_related("maintenance", "link").order_by("maintenance__start_at", "pk")[:MOST])
    if not announced:
        return NOTHING
    exits = models.ProviderCircuit.objects.filter(link__ends__external__isnull=False).values_list("link_id", flat=True)
    wanted = {row.link_id for row in announced if row.link_id is not None} | set(exits)
    ends: dict[int, list[tuple[str | None, str | None]]] = {}
    names = models.LinkEnd.objects.filter(link_id__in=wanted).order_by("link_id", "side")
    for link, router, external in names.values_list("link_id", "router__name", "external__name"):
        ends.setdefault(link, []).append((router, external))
    outages = []
    for row in announced:
        both = ends.get(row.link_id or 0, ())
        if len(both) == 2 and row.link is not None:
            work, (a, b) = row.maintenance, (router or external or "" for router, external in both)
            who = f"{work.provider} {work.maintenance_id}, {work.status}"
            outages.append(Outage(a, b, row.link.capacity_mbps, work.start_at, work.end_at, who))
    ways = {
        (router, external)
        for both in ends.values()
        for router in (r for r, _ in both if r)
        for external in (e for _, e in both if e)
    }
    return Providers(tuple(outages), tuple(sorted(ways)))
