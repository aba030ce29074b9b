"""Calendars at secret addresses: made, revoked, found again by the hash of their secret."""

import hashlib
import secrets
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import OuterRef, Subquery

from fleet.notices import announce, maintnote
from fleet.notices.models import Feed, MaintenanceNotice
from inventory.models import Customer

# What is longer over is in nobody's calendar view; at most so many events in a feed.
KEPT, MOST = timedelta(days=90), 2_000
# A calendar program asks every few minutes; when it last did is written at most so often.
READ_EVERY = timedelta(minutes=10)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def make(name: str, person: AbstractBaseUser, now: datetime, *, customer: Customer | None = None) -> tuple[Feed, str]:
    """A new feed and the secret of its address, which is shown once and kept nowhere."""
    token = secrets.token_urlsafe(32)
    row = Feed.objects.create(
        name=name[:63], customer=customer, token_hash=_hash(token), created_by_id=person.pk, created_at=now
    )
    return row, token


def find(token: str, now: datetime) -> Feed | None:
    """The feed of this secret, if it was not revoked. Notes that it was read."""
    row = Feed.objects.filter(token_hash=_hash(token), revoked_at__isnull=True).first()
    if row is not None and (row.read_at is None or now - row.read_at > READ_EVERY):
        Feed.objects.filter(pk=row.pk).update(read_at=now)
    return row


def revoke(row: Feed, now: datetime) -> None:
    """From now on its address answers as one that never was."""
    Feed.objects.filter(pk=row.pk, revoked_at__isnull=True).update(revoked_at=now)


def calendar(row: Feed, now: datetime) -> bytes:
    """The newest notice of each maintenance, as one calendar. Two queries."""
    newest = MaintenanceNotice.objects.filter(uid=OuterRef("uid")).order_by("-sequence").values("pk")[:1]
    rows = MaintenanceNotice.objects.filter(pk=Subquery(newest), end_at__gte=now - KEPT).select_related("customer")
    if row.customer_id is not None:
        rows = rows.filter(customer=row.customer_id)
    return maintnote.calendar(announce.note(one) for one in rows.order_by("start_at", "uid")[:MOST])
