"""Runs and their devices, events, and the evidence of a change."""

import tempfile
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse, Http404
from rest_framework.request import Request
from rest_framework.response import Response

from fleet import clock
from fleet.api.scopes import Scope
from fleet.api.views import ApiView, Op, methods
from fleet.changes import evidence_bundle, probe_rows
from fleet.changes.api import asked, reading, shapes
from fleet.changes.models import Change, Event, Run, TargetRun
from fleet.changes.views.evidence_file import IN_MEMORY
from fleet.core.states import TargetState

TAG = "runs and events"
# Events may become visible out of their order on PostgreSQL, while other transactions end: who follows the cursor of
# the newest would miss them. Transactions of the engine take milliseconds.
SETTLED_S = 2.0
# Numbers that transactions at the same time may take before an event that is a little older becomes visible.
OUT_OF_ORDER = 10_000


def _runs() -> "QuerySet[Run]":
    rows = Run.objects.select_related("revision", "started_by")
    return rows.defer("revision__plan", "revision__recipe_text", "strategy", "checks")


class RunsView(ApiView):
    """Runs."""

    name, tag = "runs", TAG
    ops = methods(GET=Op(Scope.READ, query=asked.RunsAsked, gives=shapes.RunOut, many=True))

    def get(self, request: Request) -> Response:
        """List runs, the newest first."""
        rows = _runs()
        if "change" in self.asked:
            rows = rows.filter(revision__change=self.asked["change"])
        if "live" in self.asked:
            rows = rows.filter(ended_at__isnull=self.asked["live"])
        return self.page(rows, newest_first=True, prepare=reading.of_runs)


class RunView(ApiView):
    """One run."""

    name, tag = "run", TAG
    ops = methods(GET=Op(Scope.READ, gives=shapes.RunOut))

    def get(self, request: Request, pk: int) -> Response:
        """Show a run: what was asked of it, why it holds, how far each wave is."""
        return self.answer(reading.of_runs([_run(pk)])[0])


def _run(pk: int) -> Run:
    row = _runs().filter(pk=pk).first()
    if row is None:
        raise Http404(f"There is no run {pk}.")
    return row


class TargetsView(ApiView):
    """The devices of a run."""

    name, tag = "targets", TAG
    ops = methods(GET=Op(Scope.READ, query=asked.TargetsAsked, gives=shapes.TargetBrief, many=True))

    def get(self, request: Request, pk: int) -> Response:
        """List the devices of a run."""
        rows = TargetRun.objects.filter(run=_run(pk))
        if "state" in self.asked:
            rows = rows.filter(state=TargetState(self.asked["state"]))
        if "wave" in self.asked:
            rows = rows.filter(wave=self.asked["wave"])
        return self.page(rows)


class TargetView(ApiView):
    """One device of a run."""

    name, tag = "target", TAG
    ops = methods(GET=Op(Scope.READ, gives=shapes.TargetOut))

    def get(self, request: Request, pk: int, name: str) -> Response:
        """Show a device of a run with its steps."""
        row = TargetRun.objects.filter(run=pk, name=name).with_steps().first()
        if row is None:
            raise Http404(f"There is no device {name} in run {pk}.")
        shown: Any = row
        shown.listed = list(row.steps.all())
        for step in shown.listed:  # the shape asks each step for its table
            step.probed = probe_rows.of(step)
        return self.answer(shown)


def _events(said: dict[str, Any]) -> "QuerySet[Event]":
    """Events in order of their numbers, but for those of the last two seconds."""
    rows = Event.objects.filter(at__lte=clock.now() - timedelta(seconds=SETTLED_S))
    rows = rows.select_related("target", "step", "seal").defer("step__planned", "step__artifact", "step__data")
    if "since" in said:
        rows = rows.filter(pk__gte=_about(said["since"]))
    for word, field in (("kind", "kind"), ("actor", "actor"), ("change", "change"), ("since", "at__gte")):
        if word in said:
            rows = rows.filter(**{field: said[word]})
    return rows


def _about(since: datetime) -> int:
    """A number that no event since then is below. Without it a page would look through a million older ones."""
    first = Event.objects.filter(at__gte=since).order_by("at", "id").values_list("id", flat=True).first()
    return max(0, first - OUT_OF_ORDER) if first is not None else 0


class EventsView(ApiView):
    """Events of all changes."""

    name, tag = "events", TAG
    ops = methods(GET=Op(Scope.READ, query=asked.EventsAsked, gives=shapes.EventOut, many=True))

    def get(self, request: Request) -> Response:
        """Follow what happens: send `cursor` of the last answer to get what came since. Events appear after 2 s."""
        return self.page(_events(self.asked), endless=True, prepare=reading.of_events)


class ChangeEventsView(ApiView):
    """Events of one change."""

    name, tag = "change-events", TAG
    ops = methods(GET=Op(Scope.READ, query=asked.OfChangeEvents, gives=shapes.EventOut, many=True))

    def get(self, request: Request, pk: int) -> Response:
        """Follow what happens to a change."""
        reading.change(pk)
        return self.page(_events(self.asked).filter(change=pk), endless=True, prepare=reading.of_events)


class EvidenceView(ApiView):
    """The evidence of a change."""

    name, tag = "change-evidence", TAG
    ops = methods(GET=Op(Scope.READ, media="application/zip"))

    def get(self, request: Request, pk: int) -> Any:
        """Fetch the evidence as one file: plan, approvals, measurements, times, events with their hash chain."""
        change = Change.objects.select_related("author").filter(pk=pk).first()
        if change is None:
            raise Http404(f"There is no change {pk}.")
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  # the answer closes it
        evidence_bundle.write(change, file)
        file.seek(0)
        name = evidence_bundle.file_name(change)
        return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
