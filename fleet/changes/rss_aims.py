"""Which recipe sets right what the doctor says of a Cisco VIC: that of blades, or that of standalone servers."""

from collections.abc import Iterable
from dataclasses import replace

from fleet.core.repair import Repair
from fleet.core.rss_remedies import RACK_RECIPE, UCS_RECIPE
from fleet.core.rss_report import together
from inventory.models import RackServer


def aimed(repairs: Iterable[Repair]) -> tuple[Repair, ...]:
    """As few requests as devices and settings allow. One query where any is about a VIC, else none."""
    listed = list(repairs)
    names = {name for one in listed if one.recipe == UCS_RECIPE for name in one.targets}
    if not names:
        return together(listed)
    racks = set(RackServer.objects.filter(router__name__in=names).values_list("router__name", flat=True))
    return together(
        replace(one, recipe=RACK_RECIPE) if one.recipe == UCS_RECIPE and racks.issuperset(one.targets) else one
        for one in listed
    )
