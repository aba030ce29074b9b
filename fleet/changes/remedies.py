"""Remedies that a person asks for while a verification waits: offered, asked for, and carried out beside the tick."""

import logging
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Q

from fleet.changes import transitions
from fleet.changes.models import Change, Remedy, TargetRun
from fleet.changes.transitions import Note
from fleet.core import remedy_offers
from fleet.core.model import Reason
from fleet.core.remedy_offers import Offer
from fleet.core.states import STEP_OPEN
from fleet.people import rights
from fleet.people.roles import OPERATE
from inventory.models import Router
from playbooks import route_reset, transport
from playbooks.base import DeviceError

log = logging.getLogger(__name__)

# A reset is three commands. A worker that died in it is not followed by another before this: sessions come back by
# themselves, and resetting them again would interrupt traffic once more.
TAKEN_FOR = timedelta(minutes=5)


def offered(target: TargetRun) -> tuple[Offer, ...]:
    """What can be done about the verification that this target waits in; none where it waits in none."""
    step = target.current_step()
    if step is None or step.verb not in {"verify", "soak"} or step.state not in STEP_OPEN:
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
