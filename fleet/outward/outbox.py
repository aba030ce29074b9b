"""From the outbox to deliveries: which endpoints want an event, and which tickets it concerns."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction

from fleet.changes.models import Event
from fleet.outward import payload
from fleet.outward.models import Delivery, Endpoint, Message, Outbox, TicketLink
from fleet.outward.tickets import linking

# Rows of one transaction: about 0.2 s of SQLite's one writer.
AT_ONCE = 500


class _Raced(Exception):
    """Somebody else is doing these rows."""


def fan_out(now: datetime) -> int:
    """Turn the oldest outbox rows into deliveries. Returns how many rows; two at once are harmless."""
    ids = list(Outbox.objects.order_by("event_id").values_list("event_id", flat=True)[:AT_ONCE])
    if not ids:
        return 0
    try:
        with transaction.atomic():
            # Deleted first: whoever comes second waits here, finds fewer, and leaves it.
            if Outbox.objects.filter(event_id__in=ids).delete()[0] != len(ids):
                raise _Raced
            events = list(Event.objects.filter(pk__in=ids).select_related("change", "target").order_by("pk"))
            _deliveries(events, now)
            changes = {event.change_id for event in events}
            linking.look(changes, now)
            TicketLink.objects.filter(change__in=changes, ended_at=None, due_at__gt=now).update(due_at=now)
    except _Raced:
        return 0
    return len(ids)


def _deliveries(events: Sequence[Event], now: datetime) -> None:
    endpoints = list(Endpoint.objects.filter(active=True))
    messages, wanted = [], []
    for event in events:
        event_type, body = payload.of_event(event, origin=origin())
        takers = [e for e in endpoints if e.wants(event_type)]
        if takers:
            messages.append(
                Message(key=payload.message_id(event.pk), type=event_type, body=body, event=event, at=event.at)
            )
            wanted.append(takers)
    made = Message.objects.bulk_create(messages)
    Delivery.objects.bulk_create(
        Delivery(message=message, endpoint=endpoint, due_at=now, since=now)
        for message, takers in zip(made, wanted, strict=True)
        for endpoint in takers
    )


def origin() -> str:
    """https://HOST of the pages, as the settings say; empty when they do not."""
    url: str = settings.SLIPWAY_URL
    return url


def ping(endpoint: Endpoint, by: str, now: datetime) -> Delivery:
    """A message that tells nothing, for people who set an endpoint up."""
    stamp = now.isoformat().replace("+00:00", "Z")
    body = payload.body("slipway.ping", stamp, {"asked_by": by})
    key = f"msg_ping_{secrets.token_hex(12)}"
    with transaction.atomic():
        message = Message.objects.create(key=key, type="slipway.ping", body=body, at=now)
        return Delivery.objects.create(message=message, endpoint=endpoint, due_at=now, since=now)
