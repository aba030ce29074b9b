"""The hash chain over a change's events: sealed by the tick, recomputed by `verify_events`.

Events are inserted by many workers at once; were each to carry the hash of the one before, they would queue up for
the head of the chain. So the links are rows of their own, added in order by whoever seals (decision 003).
"""

from dataclasses import dataclass

from django.db import IntegrityError, transaction

from fleet.changes import writing
from fleet.changes.models import Change, Event, EventSeal
from fleet.core import seal as seal_value
from fleet.core.model import Json, Reason


def said(event: Event) -> dict[str, Json]:
    """What an event says, as it is hashed."""
    return {
        "id": event.pk,
        "change": event.change_id,
        "target": event.target_id,
        "step": event.step_id,
        "at": event.at.isoformat(),
        "actor": event.actor,
        "kind": event.kind,
        "text": event.text,
        "data": event.data,
    }


def link_hash(previous: str, event: Event) -> str:
    """SHA-256 over the previous link and everything the event says."""
    return seal_value.link_hash(previous, said(event))


def seal_all() -> None:
    """Seal every change that has unsealed events."""
    for change_id in set(Event.objects.unsealed().values_list("change_id", flat=True)):
        seal(change_id)


def seal(change_id: int) -> int:
    """Append a link for every unsealed event of a change, in order. Losing a race to another sealer is normal."""
    events = list(Event.objects.unsealed().filter(change_id=change_id))
    if not events:
        return 0
    last = EventSeal.objects.filter(change_id=change_id).order_by("-number").first()
    number, previous = (last.number, last.hash) if last else (0, "")
    links = []
    for event in events:
        number += 1
        previous = link_hash(previous, event)
        links.append(EventSeal(event=event, change_id=change_id, number=number, hash=previous))
    try:
        with transaction.atomic():
            writing.insert(links)
            Change.objects.filter(pk=change_id).update(sealed=number)
    except IntegrityError:
        return 0
    return len(links)


@dataclass(frozen=True)
class Verified:
    """How many links hold, and the first that does not."""

    links: int
    broken: Reason | None = None


def verify(change: Change) -> Verified:
    """Recompute the chain of a change."""
    previous, count = "", 0
    rows = EventSeal.objects.filter(change=change).select_related("event").order_by("number")
    for seal_row in rows.iterator():
        count += 1
        expected = link_hash(previous, seal_row.event)
        if seal_row.number != count or seal_row.hash != expected:
            found = f"link {seal_row.number} with hash {seal_row.hash[:12]}"
            wanted = f"link {count} with hash {expected[:12]}"
            return Verified(
                count - 1,
                Reason(
                    f"event {seal_row.event_id} of change {change.pk}",
                    found,
                    wanted,
                    "Somebody altered, added or removed an event: compare with a backup.",
                ),
            )
        previous = seal_row.hash
    sealed = Change.objects.values_list("sealed", flat=True).get(pk=change.pk)
    if count != sealed:
        remedy = "Somebody removed or added events at its end: compare with a backup."
        return Verified(count, Reason(f"chain of change {change.pk}", f"{count} links", f"{sealed} links", remedy))
    if loose := Event.objects.filter(change=change, seal__isnull=True).count():
        return Verified(
            count,
            Reason(
                f"change {change.pk}",
                f"{loose} events without a seal",
                "every event sealed",
                "Is the engine running? The next tick seals them.",
            ),
        )
    return Verified(count)
