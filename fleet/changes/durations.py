"""What past runs say about how long steps take; the arithmetic is in core/durations.py."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models.fields.json import KeyTransform

from fleet.changes.models import StepRun
from fleet.changes.way_back import LOOKING_VERBS
from fleet.core import durations
from fleet.core.durations import Known, Past
from fleet.core.states import StepState

# Of each verb the newest this many are read, whatever the device: enough for 50 of each of two roles.
READ = 100


def known(verbs: Iterable[str]) -> Known:
    """The past of these verbs: one query for each, of at most READ rows, by the index `step_took`."""
    found = sorted((row for verb in sorted(set(verbs)) for row in _newest(verb)), key=lambda row: row[0], reverse=True)
    return durations.learn(past for _, past in found)


def _newest(verb: str) -> list[tuple[datetime, Past]]:
    rows = StepRun.objects.filter(verb=verb, state=StepState.DONE, back=False, first_claimed_at__isnull=False)
    if verb not in LOOKING_VERBS:
        rows = rows.filter(changed=True)  # "already so" says nothing about how long it takes to do it
    values = (
        rows.annotate(planned_s=KeyTransform("estimate_s", "planned"))
        .order_by("-ended_at")
        .values_list("target__name", "target__router__role", "planned_s", "first_claimed_at", "ended_at")[:READ]
    )
    return [
        (ended, Past(verb, name, role, float(planned or 0.0), (ended - began).total_seconds()))
        for name, role, planned, began, ended in values
        if ended is not None and began is not None
    ]
