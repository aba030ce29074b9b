"""What this fleet itself knows of a combination of kernel, driver and firmware: where it ran, how long it soaked."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Min

from fleet.changes.models import StepRun
from fleet.core.compat import Combination, Evidence, combinations
from fleet.core.compat_components import running
from fleet.core.states import StepState, TargetState
from inventory.models import Observation

Key = tuple[object, ...]


@dataclass(frozen=True)
class _Soak:
    """A soak of a target that was done in the end."""

    router: int
    begin: datetime
    end: datetime


def own_evidence(asked: Collection[Combination]) -> Mapping[Key, Evidence]:
    """`Combination.key` -> evidence, for those of which there is any. Four queries, whatever is asked.

    Facts are read once for each distinct content (digest) of devices that ran one of the kernels asked for. A soak
    counts for what the first observation after its beginning shows: one made before still shows the old kernel.
    """
    wanted = {c.key for c in asked if c.key is not None}
    if not wanted:
        return {}
    rows = Observation.objects.filter(kind="facts", facts__kernel__in=sorted({c.kernel for c in asked}))
    seen = list(
        rows.order_by().values("router_id", "digest").annotate(first=Min("observed_at"), last=Max("observed_at"))
    )
    facts = dict(rows.order_by("pk").values_list("digest", "facts"))
    keys = {digest: _keys(content) & wanted for digest, content in facts.items()}
    soaks = _soaks({row["router_id"] for row in seen})
    after = _first_after(soaks)
    made: dict[Key, Evidence] = {}
    for key in wanted:
        mine = [row for row in seen if key in keys.get(row["digest"], ())]
        if mine:
            held = [s for s in soaks if key in keys.get(after.get(s, ""), ())]
            made[key] = Evidence(
                devices=len({row["router_id"] for row in mine}),
                soaked=len(held),
                soaked_h=sum((s.end - s.begin).total_seconds() for s in held) / 3600,
                first_seen=min(row["first"] for row in mine).isoformat(),
                last_seen=max(row["last"] for row in mine).isoformat(),
            )
    return made


def _keys(facts: Mapping[str, object]) -> set[Key]:
    return {c.key for c in combinations(running("", facts)) if c.key is not None}


def _soaks(routers: Collection[int]) -> Sequence[_Soak]:
    """Every soak that was done to its end, of targets that are done."""
    rows = StepRun.objects.filter(
        verb="soak", back=False, state=StepState.DONE, target__state=TargetState.DONE, target__router__in=routers
    )
    found = rows.values_list("target__router_id", "first_claimed_at", "ended_at")
    return [_Soak(router, begin, end) for router, begin, end in found if begin is not None and end is not None]


def _first_after(soaks: Sequence[_Soak]) -> Mapping[_Soak, str]:
    """Soak -> digest of the first observation after its beginning; none: it counts for nothing."""
    if not soaks:
        return {}
    times: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    since = min(s.begin for s in soaks)
    rows = Observation.objects.filter(kind="facts", router__in={s.router for s in soaks}, observed_at__gte=since)
    for router, at, digest in rows.order_by("observed_at", "pk").values_list("router_id", "observed_at", "digest"):
        times[router].append((at, digest))
    found = ((s, next((digest for at, digest in times[s.router] if at >= s.begin), None)) for s in soaks)
    return {soak: digest for soak, digest in found if digest is not None}
