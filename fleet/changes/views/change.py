"""One change: its waves and targets, findings, approvals and newest events; one wave; all events."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Case, F, IntegerField, Prefetch, Q, Value, When, Window
from django.db.models.functions import RowNumber
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from fleet import clock
from fleet.changes.models import Approval, Event, Revision, Run, StepRun, TargetRun
from fleet.changes.views import frame as frames
from fleet.changes.views.access import reads
from fleet.changes.views.frame import Frame
from fleet.core.model import Reason
from fleet.core.states import STEP_FAILED, STEP_OPEN, TARGET_IN_FLIGHT, TargetState

# Of a large wave the page of the change shows the targets that matter most; the page of the wave shows all.
SHOWN_PER_WAVE = 24
PER_PAGE = 100
EVENTS_SHOWN = 200

_T = TargetState
# What a person must see first.
URGENCY = Case(
    When(state=_T.STUCK, then=Value(0)),
    When(state=_T.ROLLING_BACK, then=Value(1)),
    When(state__in=sorted(TARGET_IN_FLIGHT), then=Value(2)),
    When(state=_T.ROLLED_BACK, then=Value(3)),
    When(state=_T.PENDING, then=Value(4)),
    default=Value(5),
    output_field=IntegerField(),
)


@reads
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """The page of one change; for htmx its live part."""
    return show_change(request, pk)


def show_change(request: HttpRequest, pk: int, *, refusals: Sequence[Reason] = (), status: int = 200) -> HttpResponse:
    """The page of one change, with the reasons why something that was asked for was not done."""
    frame = frames.load(pk, clock.now())
    content: dict[str, Any] = {
        "waves": _waves(frame),
        "approvals": _approvals(frame.revision),
        "events": _events(pk)[:EVENTS_SHOWN],
        "events_shown": EVENTS_SHOWN,
    }
    return frames.show(request, frame, "change", content, refusals=refusals, status=status)


def _waves(frame: Frame) -> list[dict[str, Any]]:
    """Each wave with its progress and the targets to show; before the start, as planned."""
    if frame.run is None:
        return _planned_waves(frame.revision)
    shown = _most_urgent(frame.run)
    waves = []
    for number, progress in frame.waves.items():
        targets = shown.get(number, [])
        # What has not begun is named in one line, unless there is something to say about it.
        waiting = [t for t in targets if t.state == _T.PENDING and not t.reasons]
        telling = [t for t in targets if t not in waiting]
        more = progress.total - len(targets)
        waves.append({"number": number, "progress": progress, "targets": telling, "waiting": waiting, "more": more})
    return waves


def _planned_waves(revision: Revision | None) -> list[dict[str, Any]]:
    if revision is None:
        return []
    names: dict[int, list[str]] = {}
    plan = Revision.objects.values_list("plan", flat=True).get(pk=revision.pk)
    for target in plan["targets"]:
        names.setdefault(target["wave"], []).append(target["name"])
    return [
        {
            "number": n,
            "names": names[n][:SHOWN_PER_WAVE],
            "total": len(names[n]),
            "more": len(names[n]) - SHOWN_PER_WAVE,
        }
        for n in sorted(names)
    ]


def _telling_steps() -> "Prefetch[str]":
    """Of the steps only those that say where a target stands: the one it is at, and those that failed."""
    at_work = Q(state__in=STEP_OPEN, due_at__isnull=False) | Q(state__in=STEP_FAILED)
    return Prefetch("steps", StepRun.objects.filter(at_work).defer("artifact", "data").order_by("index"))


def _most_urgent(run: Run) -> Mapping[int, list[TargetRun]]:
    """Wave -> the targets that matter most, by name. Two queries."""
    place = Window(RowNumber(), partition_by=F("wave"), order_by=[URGENCY.asc(), F("name").asc()])
    rows = run.targets.annotate(place=place).filter(place__lte=SHOWN_PER_WAVE)
    shown: dict[int, list[TargetRun]] = {}
    for target in rows.prefetch_related(_telling_steps()).order_by("wave", "name"):
        shown.setdefault(target.wave, []).append(target)
    return shown


def _approvals(revision: Revision | None) -> Sequence[Approval]:
    return () if revision is None else list(revision.approvals.select_related("approver").order_by("-id")[:20])


def _events(pk: int) -> Any:
    """The events of a change, newest first."""
    return Event.objects.filter(change=pk).select_related("target").order_by("-id")


@reads
def wave(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """All targets of one wave, a page at a time; what matters most first."""
    frame = frames.load(pk, clock.now())
    if frame.run is None and frame.revision is not None:
        # Before the start the address leads to the plan of the wave: it can be sent to a colleague all the same.
        return redirect(reverse("revision-plan", args=[pk, frame.revision.number]) + f"?wave={number}#devices")
    if frame.run is None or number not in frame.waves:
        raise Http404(f"Change {pk} has no wave {number}.")
    page = max(1, number_in(request, "page", 1))
    first = (page - 1) * PER_PAGE
    rows = frame.run.targets.filter(wave=number).order_by(URGENCY, "name").prefetch_related(_telling_steps())
    targets = list(rows[first : first + PER_PAGE + 1])
    content = {
        "number": number,
        "progress": frame.waves[number],
        "targets": targets[:PER_PAGE],
        "page": page,
        "previous": page - 1,
        "following": page + 1 if len(targets) > PER_PAGE else 0,
    }
    return frames.show(request, frame, "wave", content)


@reads
def events(request: HttpRequest, pk: int) -> HttpResponse:
    """All events of a change, newest first, a page at a time from `?before=ID`."""
    frame = frames.load(pk, clock.now())
    before = number_in(request, "before", 0)
    rows = _events(pk)
    shown = list((rows.filter(id__lt=before) if before else rows)[: EVENTS_SHOWN + 1])
    content = {
        "events": shown[:EVENTS_SHOWN],
        "before": before,
        "older": shown[EVENTS_SHOWN - 1].pk if len(shown) > EVENTS_SHOWN else 0,
    }
    return frames.show(request, frame, "events", content)


def number_in(request: HttpRequest, name: str, default: int) -> int:
    """A number of the query string; anything else counts as not given."""
    text = request.GET.get(name, "")
    # At most 18 digits: what fits into a 64-bit column.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else default
