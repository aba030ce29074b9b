"""The plan of a revision, as it is approved: per device diffs, commands, reversibility; waves, times, findings."""

import math
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse

from fleet import clock
from fleet.changes.models import Revision
from fleet.changes.models.overrides import in_force
from fleet.changes.views import frame as frames
from fleet.changes.views import shown_findings
from fleet.changes.views.access import reads
from fleet.changes.views.change import number_in
from fleet.changes.views.diff import Line, lines
from fleet.core import plan as planning
from fleet.core.model import Plan, PlannedStep, PlannedTarget

DEVICES_PER_PAGE = 25


@dataclass(frozen=True)
class ShownStep:
    """A planned step with its diff as lines."""

    step: PlannedStep
    diff: tuple[Line, ...]


@dataclass(frozen=True)
class ShownTarget:
    """A device of the plan with how long it takes."""

    target: PlannedTarget
    steps: tuple[ShownStep, ...]
    estimate_s: float
    worst_case_s: float


@dataclass(frozen=True)
class ShownWave:
    """A wave of the plan: how many targets, and how long it takes with the budget fully used."""

    number: int
    count: int
    names: tuple[str, ...]
    estimate_s: float
    worst_case_s: float


@reads
def plan(request: HttpRequest, pk: int, number: int | None = None) -> HttpResponse:
    """The plan of the newest revision, or of revision `number`."""
    frame = frames.load(pk, clock.now())
    rows = Revision.objects.filter(change=pk).select_related("created_by")
    row = (rows.filter(number=number) if number is not None else rows.order_by("-number")).first()
    if row is None:
        raise Http404(f"Change {pk} has no revision {number}." if number else f"Change {pk} has no plan yet.")
    value = row.read_plan()
    page = max(1, number_in(request, "page", 1))
    first = (page - 1) * DEVICES_PER_PAGE
    shown = value.targets[first : first + DEVICES_PER_PAGE]
    waves = planned_waves(value)
    content = {
        "shown": row,
        "findings": shown_findings.shown(row.plan["findings"], in_force(pk, row.plan["findings"])),
        "newest": frame.revision is not None and frame.revision.pk == row.pk,
        "plan": value,
        "waves": waves,
        "targets": [_shown(t) for t in shown],
        "first": first + 1,
        "last": first + len(shown),
        "total": len(value.targets),
        "page": page,
        "previous": page - 1,
        "following": page + 1 if first + DEVICES_PER_PAGE < len(value.targets) else 0,
        "estimate_s": sum(w.estimate_s for w in waves),
        "worst_case_s": sum(w.worst_case_s for w in waves),
        "still": True,
    }
    return frames.show(request, frame, "plan", content)


def _shown(target: PlannedTarget) -> ShownTarget:
    return ShownTarget(
        target,
        tuple(ShownStep(s, lines(s.diff)) for s in target.steps),
        planning.estimate_s(target.steps),
        planning.worst_case_s(target.steps),
    )


def planned_waves(value: Plan) -> tuple[ShownWave, ...]:
    """Each wave with its times: as many rounds as the budget needs, each as long as its slowest target."""
    made = []
    for number, targets in enumerate(value.waves()):
        rounds = math.ceil(len(targets) / max(1, value.strategy.budget.total))
        made.append(
            ShownWave(
                number,
                len(targets),
                tuple(t.name for t in targets[: frames.NAMES_SHOWN]),
                rounds * max((planning.estimate_s(t.steps) for t in targets), default=0.0),
                rounds * max((planning.worst_case_s(t.steps) for t in targets), default=0.0),
            )
        )
    return tuple(made)
