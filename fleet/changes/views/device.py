"""The page of one device: what the inventory knows, whether it is drained now, and the changes that touched it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fleet import clock
from fleet.changes.models import TargetRun
from fleet.changes.views.access import reads
from inventory.models import Router
from inventory.views import device as of_inventory

CHANGES_SHOWN = 20


def _targets(router: Router) -> list[TargetRun]:
    rows = TargetRun.objects.filter(router=router).select_related("run__revision__change")
    return list(rows.defer("run__revision__plan", "run__revision__recipe_text").order_by("-id")[:CHANGES_SHOWN])


@reads
def device(request: HttpRequest, name: str) -> HttpResponse:
    """What is wanted beside what was seen, and everything else about one device."""
    router = of_inventory.find(name)
    targets = _targets(router)
    holding = next((t for t in targets if t.engaged), None)
    content = of_inventory.content(router, request.GET.dict(), clock.now())
    rights = {
        "may_edit": request.user.has_perm("inventory.change_router"),
        "may_repair": request.user.has_perm("changes.add_change"),
    }
    return render(request, "inventory/device.html", {**content, **rights, "targets": targets, "holding": holding})
