"""Takes up what people asked to be drafted from drift: called beside the tick, in the processes that may plan."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from fleet.changes import repairs
from fleet.changes.models.repairs import RepairRequest
from fleet.core import explain
from fleet.core.model import Reason

log = logging.getLogger(__name__)

# Planning 10,000 devices takes minutes at worst. A worker that died in it is followed by another; drafting twice does
# no harm: a change that asks for the same and is under way is found and not drafted again.
TAKEN_FOR = timedelta(minutes=10)


def take_up(now: datetime) -> int:
    """Draft the oldest request that waits; 1, or 0 when none does (then it is one query)."""
    waiting = RepairRequest.objects.filter(
        Q(taken_at__isnull=True) | Q(taken_at__lt=now - TAKEN_FOR), ended_at__isnull=True
    )
    row = waiting.select_related("asked_by").order_by("asked_at", "pk").first()
    if row is None:
        return 0
    mine = RepairRequest.objects.filter(pk=row.pk, taken_at=row.taken_at, ended_at__isnull=True)
    if not mine.update(taken_at=now):
        return 0  # another worker was quicker
    try:
        drafted = repairs.draft(repairs.needed(rows=row.drifts), author=row.asked_by, now=now)
    except Exception as error:  # whoever asked is told, and the next request is not held up by this one
        log.exception("repair request %s", row.pk)
        drafted = repairs.Drafted(left=(_fault(row, error),))
    with transaction.atomic():
        row.changes.set(drafted.changes)
        row.already = [change.pk for change in drafted.already]
        row.left = explain.sentences(drafted.left)
        row.ended_at = now
        row.save(update_fields=["already", "left", "ended_at"])
    return 1


def _fault(row: RepairRequest, error: Exception) -> Reason:
    found = f"{type(error).__name__}: {error}"[:300]
    remedy = "This is a fault of Slipway: please report it with this text."
    return Reason(f"draft of {row.words}", found, "a draft", remedy)
