"""The first page: what runs now, what needs a person, which devices carry no traffic, and all other changes."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fleet import clock
from fleet.changes.models import Change, Event, Run, TargetRun
from fleet.changes.views import access, frame, progress
from fleet.changes.views.access import reads
from fleet.changes.views.progress import Progress
from fleet.core.states import CHANGE_LIVE, TargetState

PER_PAGE = 25
# More runs than this at once are counted and linked, not drawn.
LIVE_SHOWN = 50


@dataclass(frozen=True)
class LiveChange:
    """A change that runs now."""

    run: Run
    waves: dict[int, Progress]

    @property
    def change(self) -> Change:
        return self.run.revision.change

    @property
    def whole(self) -> Progress:
        return progress.of_states((s, n) for p in self.waves.values() for s, n in p.by_state.items())

    @property
    def wave(self) -> int | None:
        return progress.open_wave(self.waves)


@reads
def changes(request: HttpRequest) -> HttpResponse:
    """All changes; for htmx the live part."""
    now = clock.now()
    live = _live()
    others = Change.objects.listed().exclude(state__in=CHANGE_LIVE)
    page = Paginator(others, PER_PAGE).get_page(request.GET.get("page"))
    held = Q(drained=True) | Q(state=TargetState.STUCK)
    devices = list(
        TargetRun.objects.engaged()
        .filter(held)
        .select_related("run__revision__change")
        .defer("run__revision__plan", "run__revision__recipe_text")
        .prefetch_related(frame.failed_steps())
        .order_by("drained_at", "name")[: frame.NAMES_SHOWN]
    )
    seen = frame.engine_seen()
    context = {
        "now": now,
        "live": live,
        "live_shown": LIVE_SHOWN,
        "page": page,
        "drained": [t for t in devices if t.drained],
        "stuck": [t for t in devices if t.state == TargetState.STUCK],
        "engine_seen": seen,
        "engine_silent": bool(live) and frame.silent(seen, now),
        "last_event": Event.objects.order_by("-id").values_list("id", flat=True).first() or 0,
    }
    template = "changes/_list.html" if access.is_htmx(request) else "changes/list.html"
    return render(request, template, context)


def _live() -> list[LiveChange]:
    """What runs now, newest first. Two queries."""
    runs = list(
        Run.objects.live()
        .select_related("revision__change__author")
        .defer("revision__plan", "revision__recipe_text")
        .order_by("-id")[:LIVE_SHOWN]
    )
    counts: dict[int, dict[tuple[int, str], int]] = {run.pk: {} for run in runs}
    rows: Iterable[tuple[int, int, str, int]] = (
        TargetRun.objects.filter(run__in=runs).values_list("run_id", "wave", "state").annotate(n=Count("id")).order_by()
    )
    for run_id, wave, state, n in rows:
        counts[run_id][wave, state] = n
    return [LiveChange(run, progress.of_waves(counts[run.pk])) for run in runs]
