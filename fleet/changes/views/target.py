"""One target of a run: every step with its state, diff, commands, what restores it, what was seen, and why."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from fleet import clock
from fleet.changes import probe_rows
from fleet.changes.models import StepRun
from fleet.changes.views import diff
from fleet.changes.views import frame as frames
from fleet.changes.views.access import reads
from fleet.changes.views.diff import Diff
from fleet.core.explain import TARGET_WORDS
from fleet.core.states import STEP_FAILED, STEP_OPEN, StepState, TargetState


@dataclass(frozen=True)
class ShownStep:
    """A step row as the page shows it."""

    row: StepRun
    number: int  # as people count: from 1
    undoes: int | None
    diff: Diff | None
    commands: tuple[str, ...]
    reversibility: str
    estimate_s: float
    within_s: float
    took_s: float | None
    open: bool  # unfolded: it is under way, or it failed
    reached: bool
    probes: tuple[probe_rows.ProbeRow, ...] = ()


@reads
def target(request: HttpRequest, pk: int, name: str, number: int = 0) -> HttpResponse:
    """The page of one target; step `number` is unfolded. Before the start it leads to the device's plan."""
    frame = frames.load(pk, clock.now())
    if frame.run is None:
        return _planned(frame, name)
    rows = frame.run.targets.filter(name=name).select_related("router__site")
    found = rows.prefetch_related(Prefetch("steps", StepRun.objects.order_by("index"))).first()
    if found is None:
        raise Http404(f"Change {pk} has no target {name}.")
    steps = list(found.steps.all())
    numbers = {s.pk: place for place, s in enumerate(steps, 1)}
    content = {
        "target": found,
        "failed": [s for s in steps if s.state in STEP_FAILED],
        "in_words": TARGET_WORDS[TargetState(found.state)],
        "steps": [_shown(s, numbers, wanted=number) for s in steps],
        "wanted": number,
        "events": found.events.order_by("-id")[:50],
    }
    return frames.show(request, frame, "target", content)


def _planned(frame: frames.Frame, name: str) -> HttpResponse:
    if frame.revision is None:
        raise Http404(f"Change {frame.change.pk} has no plan yet: there are no targets.")
    address = reverse("revision-plan", args=[frame.change.pk, frame.revision.number])
    return redirect(f"{address}?{urlencode({'device': name})}#devices")


def _shown(step: StepRun, numbers: dict[int, int], *, wanted: int) -> ShownStep:
    planned, state = step.planned, StepState(step.state)
    took = None
    if step.first_claimed_at is not None and step.ended_at is not None:
        took = (step.ended_at - step.first_claimed_at).total_seconds()
    forward = step.undoes_id is None  # what an undo does is in the artifact of the step that it undoes
    reached = state not in STEP_OPEN or step.due_at is not None
    return ShownStep(
        row=step,
        number=numbers[step.pk],
        undoes=numbers.get(step.undoes_id) if step.undoes_id is not None else None,
        diff=diff.of(planned.get("diff", "")) if forward else None,
        commands=tuple(planned.get("commands", ())) if forward else (),
        reversibility=planned.get("reversibility", "") if forward else "",
        estimate_s=planned.get("estimate_s", 0.0),
        within_s=planned.get("within_s", 0.0),
        took_s=took,
        open=numbers[step.pk] == wanted or state in STEP_FAILED or (state in STEP_OPEN and step.due_at is not None),
        reached=reached,
        probes=probe_rows.of(step),
    )
