"""Two revisions of a change beside each other: what was given, strategy, findings, and the steps of each device."""

from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse

from fleet import clock
from fleet.changes.models import Revision
from fleet.changes.views import diff
from fleet.changes.views import frame as frames
from fleet.changes.views.access import reads
from fleet.changes.views.change import number_in
from fleet.changes.views.diff import Diff
from fleet.core import compare as comparing
from fleet.core.compare import TargetDiffers

DEVICES_PER_PAGE = 25
NAMES_SHOWN = 200


@dataclass(frozen=True)
class ShownTarget:
    """A device whose steps differ."""

    target: TargetDiffers
    diff: Diff | None


@reads
def compare(request: HttpRequest, pk: int, old: int, new: int) -> HttpResponse:
    """What differs from revision `old` to revision `new`."""
    frame = frames.load(pk, clock.now())
    rows = {r.number: r for r in Revision.objects.filter(change=pk, number__in=[old, new]).select_related("created_by")}
    if missing := [n for n in (old, new) if n not in rows]:
        raise Http404(f"Change {pk} has no revision {missing[0]}.")
    found = comparing.compare(rows[old].plan, rows[new].plan)
    page = max(1, number_in(request, "page", 1))
    first = (page - 1) * DEVICES_PER_PAGE
    shown = found.targets[first : first + DEVICES_PER_PAGE]
    content = {
        "old": rows[old],
        "new": rows[new],
        "found": found,
        "come": found.come[:NAMES_SHOWN],
        "gone": found.gone[:NAMES_SHOWN],
        "targets": [ShownTarget(t, diff.of(t.diff)) for t in shown],
        "first": first + 1,
        "last": first + len(shown),
        "previous": page - 1,
        "following": page + 1 if first + DEVICES_PER_PAGE < len(found.targets) else 0,
        "numbers": frames.revision_numbers(frame.change),
        "still": True,
    }
    return frames.show(request, frame, "compare", content)
