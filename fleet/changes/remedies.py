"""Carries out, beside the tick, the remedies that people asked for (fleet/changes/remedy_asks.py)."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from fleet.changes import transitions
from fleet.changes.models import Remedy
from fleet.changes.transitions import Note
from inventory.models import Router
from playbooks import route_reset, transport
from playbooks.base import DeviceError

log = logging.getLogger(__name__)

# A reset is three commands. A worker that died in it is not followed by another before this: sessions come back by
# themselves, and resetting them again would interrupt traffic once more.
TAKEN_FOR = timedelta(minutes=5)


def take_up(now: datetime) -> int:
    """Carry out the oldest remedy that waits; 1, or 0 when none does (then it is one query)."""
    waiting = Remedy.objects.filter(Q(taken_at__isnull=True) | Q(taken_at__lt=now - TAKEN_FOR), ended_at__isnull=True)
    row = waiting.select_related("target__run__revision").order_by("asked_at", "pk").first()
    if row is None:
        return 0
    if not Remedy.objects.filter(pk=row.pk, taken_at=row.taken_at, ended_at__isnull=True).update(taken_at=now):
        return 0  # another worker was quicker
    done, said = _carry_out(row) if row.target.engaged else (False, "the target is in no change any more")
    with transaction.atomic():
        Remedy.objects.filter(pk=row.pk).update(ended_at=now, done=done, said=said)
        note = Note("engine", f"{row.target.name}: remedy {'done' if done else 'not done'}: {said}")
        change = row.target.run.revision.change_id
        transitions.note(change, "remedy", note, now, target_id=row.target_id)
    return 1


def _carry_out(row: Remedy) -> tuple[bool, str]:
    device = Router.objects.devices([row.neighbour]).get(row.neighbour)
    if device is None:
        return False, f"{row.neighbour} is not in the inventory"
    try:
        session = transport.connect(device)
        try:
            return True, route_reset.reset(session, row.address)
        finally:
            session.close()
    except DeviceError as error:
        return False, str(error)
    except Exception as error:
        log.exception("%s", row)
        return False, f"{type(error).__name__}: {error}"[:300]
