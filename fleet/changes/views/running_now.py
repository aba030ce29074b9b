"""What runs now, for the first page: changes with their progress, devices without traffic, devices that are stuck."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, Q

from fleet.changes.models import Change, Run, TargetRun
from fleet.changes.views import frame, progress
from fleet.changes.views.progress import Progress
from fleet.core.states import TargetState

# More runs than this at once are counted and linked, not drawn.
LIVE_SHOWN = 20


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


def live() -> list[LiveChange]:
    """The newest changes that run now, newest first. Two queries."""
    runs = list(
        Run.objects.live()
        .select_related("revision__change__author", "started_by")
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


@dataclass(frozen=True)
class Held:
    """Devices that carry no traffic because of a change, or wait for a person; and how many there are in all."""

    drained: Sequence[TargetRun]
    stuck: Sequence[TargetRun]
    drained_in_all: int
    stuck_in_all: int


def held() -> Held:
    """The longest drained and stuck devices with who started their change. Four queries, whatever the fleet."""
    rows = TargetRun.objects.engaged().filter(Q(drained=True) | Q(state=TargetState.STUCK))
    in_all = rows.aggregate(
        drained=Count("id", filter=Q(drained=True)), stuck=Count("id", filter=Q(state=TargetState.STUCK))
    )
    shown = (
        rows.select_related("run__revision__change", "run__started_by")
        .defer("run__revision__plan", "run__revision__recipe_text")
        .order_by("drained_at", "name")
    )
    stuck = shown.filter(state=TargetState.STUCK).prefetch_related(frame.failed_steps())[: frame.NAMES_SHOWN]
    drained = shown.filter(drained=True)[: frame.NAMES_SHOWN]
    return Held(list(drained), list(stuck), in_all["drained"], in_all["stuck"])
