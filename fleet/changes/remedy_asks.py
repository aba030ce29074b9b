"""Remedies that a person may ask for while a verification waits: which are offered, and the asking.

Rows alone: pages press these buttons and never reach a device. fleet/changes/remedies.py carries them out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction

from fleet.changes import transitions
from fleet.changes.models import Change, Remedy, Run, StepRun, TargetRun
from fleet.changes.transitions import Note
from fleet.core import remedy_offers
from fleet.core.model import Reason
from fleet.core.remedy_offers import Offer
from fleet.core.states import STEP_OPEN
from fleet.people import rights
from fleet.people.roles import OPERATE

LOOKING = ("verify", "soak")
# Of a run, so many that wait and say why: what a person can look at. One offer for each neighbour.
MOST_LOOKED_AT = 50


@dataclass(frozen=True)
class Standing:
    """One remedy of a run: offered for a target, and the newest asking for it, if somebody has asked."""

    target: str
    offer: Offer
    asked: Remedy | None = None

    @property
    def under_way(self) -> bool:
        return self.asked is not None and self.asked.ended_at is None


def offered(target: TargetRun) -> tuple[Offer, ...]:
    """What can be done about the verification that this target waits in; none where it waits in none."""
    step = target.current_step()
    if step is None or step.verb not in LOOKING or step.state not in STEP_OPEN:
        return ()
    return remedy_offers.offers(step.data)


def ask(change: Change, person: AbstractBaseUser, now: datetime, *, target: str, neighbour: str) -> tuple[Reason, ...]:
    """Have a remedy carried out that is offered now. Reasons when it is not."""
    row = TargetRun.objects.filter(run__revision__change=change, name=target).with_steps().first()
    offer = next((o for o in offered(row) if o.neighbour == neighbour), None) if row is not None else None
    if row is None or offer is None:
        found = f"no remedy offered on {neighbour} for {target}"
        return (Reason("remedy", found, "one that is offered", "Offers change with what is seen: look again."),)
    if outside := rights.refusals(person, OPERATE, [target, neighbour]):
        return outside
    try:
        with transaction.atomic():
            Remedy.objects.create(
                target=row, neighbour=neighbour, address=offer.address, asked_by_id=person.pk, asked_at=now
            )
            note = Note(person.get_username(), f"{target}: remedy asked for: {offer.words}")
            transitions.note(change.pk, "remedy asked", note, now, target_id=row.pk)
    except IntegrityError:
        return (Reason("remedy", f"one on {neighbour} is under way", "one at a time", "See what comes of it first."),)
    return ()


def of_run(run: Run) -> Sequence[Standing]:
    """What is offered now, for the targets of a run that wait and say why. Two queries, one where none waits."""
    waiting = StepRun.objects.filter(
        target__run=run, target__engaged=True, verb__in=LOOKING, state__in=STEP_OPEN, due_at__isnull=False
    ).exclude(reasons=[])
    rows = waiting.select_related("target").only("data", "target__name").order_by("target__name")[:MOST_LOOKED_AT]
    found = [(step.target, offer) for step in rows for offer in remedy_offers.offers(step.data)]
    if not found:
        return ()
    asked = Remedy.objects.filter(target__in=[target.pk for target, _ in found]).select_related("asked_by")
    newest = {(row.target_id, row.neighbour): row for row in asked.order_by("asked_at", "pk")}
    return tuple(Standing(t.name, offer, newest.get((t.pk, offer.neighbour))) for t, offer in found)
