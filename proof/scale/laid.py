"""A run whose targets all soak, laid out as rows: what waiting costs can be measured without walking there first."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model

from fleet.changes.models import StepRun, TargetRun
from fleet.core.model import PlannedStep, Reversibility
from fleet.core.states import StepState, TargetState

LOOKED_EVERY = timedelta(hours=1)


def soaking(routers: int, now: datetime) -> Any:
    """The change: planned, approved, begun; baseline and verification done, the next look in an hour."""
    from tests.changes import builders

    names = [f"edge{n:05d}" for n in range(routers)]
    builders.fleet(names)
    plan = builders.plan([names])
    steps = tuple(_looks(verb) for verb in ("baseline", "verify", "soak"))
    plan = replace(plan, targets=tuple(replace(target, steps=steps) for target in plan.targets))
    ada, grace = (get_user_model().objects.get(username=name) for name in ("ada", "grace"))
    run = builders.running(ada, grace, plan, now)
    targets = TargetRun.objects.filter(run=run)
    behind = {"state": StepState.DONE, "first_claimed_at": now, "ended_at": now, "due_at": None}
    StepRun.objects.filter(target__run=run).exclude(verb="soak").update(**behind)
    soak = {"state": StepState.READY, "first_claimed_at": now, "due_at": now + LOOKED_EVERY}
    StepRun.objects.filter(target__run=run, verb="soak").update(**soak)
    targets.update(state=TargetState.SOAKING, engaged=True, began_at=now)
    return run.revision.change


def _looks(verb: str) -> PlannedStep:
    return PlannedStep(
        verb=verb, params={}, estimate_s=5.0, within_s=3 * 3600.0, reversibility=Reversibility.NOTHING_TO_UNDO,
        disruptive=False,
    )  # fmt: skip
