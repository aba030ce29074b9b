"""What a soak saw on one target: each metric over time, before and after, with the verdict's reason beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from django.http import Http404, HttpRequest, HttpResponse

from fleet import clock
from fleet.changes.models import StepRun, TargetRun
from fleet.changes.views import frame as frames
from fleet.changes.views.access import reads
from fleet.core import explain, soak
from fleet.core.model import Json, Reason
from fleet.core.soak import Sample
from inventory import samples as stored

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 760, 220, 70, 14, 26
MOST_POINTS = 300
DAY = timedelta(days=1)
_UNITS = {"slab": "kB", "memory": "kB", "cpu_per_gbps": "CPU s per Gbit", "lost": "packets/s"}
_NAMES = {"slab": "Slab", "memory": "Memory in use", "cpu_per_gbps": "CPU per Gb/s", "lost": "Lost packets"}
_TONES = {"pass": ("check", "good"), "fail": ("alarm", "alarm"), "error": ("alarm", "alarm")}


@dataclass(frozen=True)
class Point:
    x: float
    y: float
    after: bool


@dataclass(frozen=True)
class Plot:
    """One metric as a picture: points, the middles of before and after as lines, when it was changed, and its scale."""

    metric: str
    unit: str
    points: tuple[Point, ...]
    middles: tuple[tuple[float, float, float], ...]  # from x to x at y
    changed_x: float
    low: str
    high: str
    began: datetime
    ended: datetime
    words: str
    reasons: tuple[str, ...]
    icon: str
    tone: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    top: int = TOP
    floor: int = HEIGHT - BOTTOM


@reads
def soaked(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """The page of a soak. Two queries beside those of every page of a change."""
    frame = frames.load(pk, clock.now())
    target = frame.run.targets.filter(name=name).select_related("router").first() if frame.run is not None else None
    if target is None:
        raise Http404(f"Change {pk} has no target {name} under way.")
    step = StepRun.objects.filter(target=target, verb="soak", back=False).order_by("index").last()
    said = {row.get("metric"): row for row in (step.data or {}).get("trends", ())} if step is not None else {}
    content = {"target": target, "plots": plots(target, said, clock.now()), "step": step}
    return frames.show(request, frame, "soak", content)


def plots(target: TargetRun, said: Mapping[str, Mapping[str, Json]], now: datetime) -> list[Plot]:
    """A plot of each metric of which there are samples."""
    changed = target.began_at or now
    until = min(now, (target.ended_at or now) + timedelta(minutes=5))
    rows = stored.series([target.router_id], stored.METRICS, since=changed - DAY, until=until)
    mine = {metric: found for (_, metric), found in rows.items()}
    shown: dict[str, Sequence[Sample]] = {m: mine.get(m, ()) for m in ("slab", "memory")}
    shown["cpu_per_gbps"] = stored.per_gbps(mine.get("cpu", ()), mine.get("bits", ()))
    shown["lost"] = soak.rates(mine.get("lost", ()))
    made = [plot(metric, found, changed.timestamp(), said.get(metric)) for metric, found in shown.items()]
    return [one for one in made if one is not None]


def plot(metric: str, found: Sequence[Sample], changed: float, said: Mapping[str, Json] | None) -> Plot | None:
    """Draw one metric; None for fewer than two samples. Of many samples the medians of 300 stretches are drawn."""
    points = _fewer(found)
    if len(points) < 2:
        return None
    low, high = min(s.value for s in points), max(s.value for s in points)
    low, high = (low - 1, high + 1) if low == high else (min(low, 0.0) if low < high / 3 else low, high)
    first, last = points[0].at, points[-1].at

    def x(at: float) -> float:
        return round(LEFT + (WIDTH - LEFT - 10) * (min(max(at, first), last) - first) / (last - first), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (value - low) / (high - low), 1)

    middles = []
    for side in ([s for s in points if s.at < changed], [s for s in points if s.at >= changed]):
        if side:
            middles.append((x(side[0].at), x(side[-1].at), y(median(s.value for s in side))))
    icon, tone = _TONES.get(str((said or {}).get("verdict")), ("unsure", "calm"))
    return Plot(
        metric=_NAMES.get(metric, metric), unit=_UNITS.get(metric, ""),
        points=tuple(Point(x(s.at), y(s.value), s.at >= changed) for s in points), middles=tuple(middles),
        changed_x=x(changed), low=_short(low), high=_short(high),
        began=datetime.fromtimestamp(first, UTC), ended=datetime.fromtimestamp(last, UTC),
        words=f"{said['verdict']}: {said['words']}" if said else "not judged by this soak",
        reasons=explain.sentences(_reason(r) for r in (said or {}).get("reasons", ())), icon=icon, tone=tone,
    )  # fmt: skip


def _reason(row: Mapping[str, Json]) -> Reason:
    return Reason(*(str(row.get(key, "")) for key in ("subject", "found", "wanted", "remedy")))


def _fewer(found: Sequence[Sample]) -> list[Sample]:
    each = max(1, -(-len(found) // MOST_POINTS))
    groups = (found[n : n + each] for n in range(0, len(found), each))
    return [Sample(group[-1].at, median(s.value for s in group), group[-1].boot) for group in groups]


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
