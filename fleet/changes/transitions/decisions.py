"""A decision that leaves a change in its state: guarded like a move, so that of two at once one is refused."""

from datetime import datetime

from django.db import transaction
from django.db.models import F

from fleet.changes.models import Change
from fleet.changes.transitions.rows import Note, event


def stay(change: Change, kind: str, what: Note, now: datetime) -> bool:
    """Record an event about a change that is as it was read, and take its generation on; False: it has moved."""
    with transaction.atomic():
        rows = Change.objects.filter(pk=change.pk, state=change.state, generation=change.generation)
        if rows.update(generation=F("generation") + 1) != 1:
            return False
        event(change.pk, kind, what, now).save(force_insert=True)
    change.generation += 1
    return True
