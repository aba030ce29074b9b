"""What the samples say while a target soaks: statistics of core over the rows of `Sample`, told to the soak step.

From its baseline on a target, and every other target of its run, is sampled: those that are not changed yet are what
the canary is compared with at the same hours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from fleet.changes import soaking, soaking_prometheus
from fleet.changes.models import TargetRun
from fleet.core import soak_judge
from fleet.core.model import Json, Reason, Verdict, to_json
from fleet.core.soak import Sample, rates
from fleet.core.soak_judge import Soaked
from fleet.core.states import TargetState
from inventory import samples
from inventory.models import Router
from playbooks.base import Step
from playbooks.params import duration_s, share_of

MOST_OTHERS = 12
_LEVELS = ("slab", "memory")
_NEEDS = ("slab", "memory", "cpu", "bits", "packets", "lost")
_SPARE = timedelta(minutes=10)


def attend(target: TargetRun, planned: Sequence[Mapping[str, Json]], value: Step, now: datetime) -> Step:
    """Before a visit: at the baseline have samples taken, at the soak say what they say. No query for other steps."""
    if value.verb not in ("baseline", "soak"):
        return value
    params = next((p["params"] for p in planned if p["verb"] == "soak" and _asks(p["params"])), None)
    if params is None:
        return value
    if value.verb == "baseline":
        names = list(TargetRun.objects.filter(run=target.run_id).values_list("name", flat=True)[:2000])
        until = now + timedelta(seconds=target.worst_case_s) + _SPARE
        soaking.watch(names, every_s=_seconds(params, "sample", 30.0), until=until, why=f"run {target.run_id}", now=now)
        return value
    if not _asks(value.params):
        return value
    soaked = judged(target, value.params, began=now - timedelta(seconds=value.waited_s), now=now)
    return replace(value, progress={**value.progress, "soaked": [as_json(one) for one in soaked]})


def _asks(params: Mapping[str, Json]) -> bool:
    return bool(params.get("trends") or params.get("prometheus"))


def _seconds(params: Mapping[str, Json], name: str, default: float) -> float:
    return duration_s(params[name]) if name in params else default


def judged(target: TargetRun, params: Mapping[str, Json], *, began: datetime, now: datetime) -> list[Soaked]:
    """Every metric that this soak asks for. `began`: of the soak; before: what lies before the run began."""
    changed_at = target.began_at or began
    since = changed_at - timedelta(seconds=_seconds(params, "before", 86_400.0))
    others = others_of(target)
    rows = samples.series([target.router_id, *others], _NEEDS, since=since, until=now)
    cut, dry = (changed_at.timestamp(), began.timestamp()), set(params.get("dry_run") or ())
    made = [
        _one(name, rows, target.router_id, others, cut, _tolerated(params), decides=name not in dry)
        for name in params.get("trends", ())
    ]
    for name, query in dict(params.get("prometheus") or {}).items():
        found = soaking_prometheus.samples(query, target.name, since=began, until=now)
        made.append(_asked(name, found, _tolerated(params).grows, decides=name not in dry))
    return made


def others_of(target: TargetRun) -> list[int]:
    """Routers that are sampled and that nothing was done to: targets of this run that wait, else of the same role."""
    waiting = TargetRun.objects.filter(run=target.run_id, state=TargetState.PENDING).exclude(router=None)
    found = list(waiting.order_by("pk").values_list("router_id", flat=True)[:MOST_OTHERS])
    if not found:
        touched = TargetRun.objects.filter(run=target.run_id).values("router")
        alike = Router.objects.filter(role=target.router.role, sampled__isnull=False).exclude(pk__in=touched)
        found = list(alike.order_by("pk").values_list("pk", flat=True)[:MOST_OTHERS])
    return [pk for pk in found if pk is not None]


class Tolerated(NamedTuple):
    """What a soak lets pass, as its recipe says."""

    grows: float
    dearer: float
    loses: float


def _tolerated(params: Mapping[str, Json]) -> Tolerated:
    given = (("grows", soak_judge.LEAK_TOLERATED), ("dearer", soak_judge.COST_TOLERATED),
             ("loses", soak_judge.LOSS_TOLERATED))  # fmt: skip
    return Tolerated(*(share_of(params[name]) if name in params else usual for name, usual in given))


Rows = Mapping[tuple[int, str], Sequence[Sample]]


def _one(
    name: str,
    rows: Rows,
    router: int,
    others: Sequence[int],
    cut: tuple[float, float],
    tolerated: Tolerated,
    *,
    decides: bool,
) -> Soaked:
    changed, began = cut
    after = {m: _from(rows.get((router, m), ()), began) for m in _NEEDS}
    before = {m: _until(rows.get((router, m), ()), changed) for m in _NEEDS}
    if name in _LEVELS:
        load = rates(after["bits"])
        return soak_judge.growth(name, after[name], load, tolerated=tolerated.grows, decides=decides)
    if name == "lost":
        carried = (before["packets"], after["packets"])
        lost = (before["lost"], after["lost"])
        return soak_judge.losses(name, *lost, *carried, tolerated=tolerated.loses, decides=decides)
    beside = [samples.per_gbps(rows.get((r, "cpu"), ()), rows.get((r, "bits"), ())) for r in others]
    return soak_judge.cost(
        name,
        samples.per_gbps(before["cpu"], before["bits"]),
        samples.per_gbps(after["cpu"], after["bits"]),
        others=[one for one in beside if len(one) > 1],
        changed_at=changed,
        tolerated=tolerated.dearer,
        decides=decides,
    )


def _from(samples: Sequence[Sample], at: float) -> list[Sample]:
    return [s for s in samples if s.at >= at]


def _until(samples: Sequence[Sample], at: float) -> list[Sample]:
    return [s for s in samples if s.at <= at]


def _asked(name: str, found: Sequence[Sample] | Reason, grows: float, *, decides: bool) -> Soaked:
    if isinstance(found, Reason):
        return Soaked(name, Verdict.INCONCLUSIVE, f"{found.found}.", (found,), decides=decides)
    return soak_judge.growth(name, found, tolerated=grows, decides=decides)


def as_json(one: Soaked) -> Json:
    """What the step keeps of a verdict; the plot is drawn from the samples and from this."""
    return {
        "metric": one.metric, "verdict": one.verdict.value, "words": one.words, "decides": one.decides,
        "reasons": [to_json(r) for r in one.reasons],
    }  # fmt: skip
