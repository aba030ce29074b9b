"""Webhooks out: who is told, what is still to be told, and what became of it.

An outbox row is written by the database itself in the transaction of its event (migration 0002): nothing that writes
an event can forget it, and what is rolled back is never told.
"""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse

from fleet.changes.models import Event
from fleet.outward import addresses, patterns
from inventory import credential_reference
from inventory.models.names import name_is_plain

REFERENCE = Q(secret__startswith="file:/") | Q(secret__startswith="env:")  # noqa: S106
OLD_REFERENCE = Q(old_secret="") | Q(old_secret__startswith="file:/") | Q(old_secret__startswith="env:")  # noqa: S106


def check_reference(field: str, value: str) -> None:
    """Refuse a secret where a reference to one is wanted."""
    if reason := credential_reference.refuse(value):
        raise ValidationError({field: str(reason)})


def check_url(value: str) -> None:
    """Refuse an address that can never be asked; whether it is internal is looked at when it is asked."""
    found = addresses.target(value)
    if not isinstance(found, addresses.Target):
        raise ValidationError({"url": str(found)})


def all_changes() -> list[str]:
    return ["change.*"]


class EndpointQuerySet(models.QuerySet["Endpoint"]):
    """Questions about many endpoints."""

    def due(self, now: datetime) -> "EndpointQuerySet":
        """Those that something waits for now and that nobody is at; the one that waited longest first."""
        waiting = Delivery.objects.filter(endpoint=OuterRef("pk"), outcome="", due_at__lte=now)
        free = (Q(busy_until=None) | Q(busy_until__lte=now)) & (Q(closed_until=None) | Q(closed_until__lte=now))
        return self.filter(free, Exists(waiting), active=True).order_by(F("served_at").asc(nulls_first=True), "pk")


class Endpoint(models.Model):
    """Somebody who is told of events. `secret`: where the key lies, never the key."""

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])
    url = models.CharField(max_length=500)
    events = models.JSONField(default=all_changes, help_text='["change.*", "target.stuck"]')
    secret = models.CharField(max_length=255, help_text="env:NAME or file:/path of a whsec_ secret")
    # While a secret is being replaced messages are signed with both.
    old_secret = models.CharField(max_length=255, blank=True, default="")
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    # The breaker: while closed nothing is sent but one message to try, when the time has come.
    failures = models.PositiveIntegerField(default=0, editable=False)
    closed_until = models.DateTimeField(null=True, blank=True, editable=False)
    problem = models.TextField(blank=True, default="", editable=False)
    ok_at = models.DateTimeField(null=True, blank=True, editable=False)
    # One worker at a time; the generation refuses the late one.
    busy_until = models.DateTimeField(null=True, blank=True, editable=False)
    served_at = models.DateTimeField(null=True, blank=True, editable=False)
    generation = models.PositiveBigIntegerField(default=0, editable=False)

    objects = EndpointQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(condition=REFERENCE, name="endpoint_secret_is_a_reference"),
            models.CheckConstraint(condition=OLD_REFERENCE, name="endpoint_old_secret_is_a_reference"),
            models.CheckConstraint(condition=~Q(url__contains="@"), name="endpoint_without_password"),
        )

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("endpoint", args=[self.pk])

    def clean(self) -> None:
        check_url(self.url)
        check_reference("secret", self.secret)
        if self.old_secret:
            check_reference("old_secret", self.old_secret)
        if reason := patterns.refuse(self.events):
            raise ValidationError({"events": str(reason)})

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.clean()  # every path, not only forms
        super().save(*args, **kwargs)
        Listening.look()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        gone = super().delete(*args, **kwargs)
        Listening.look()
        return gone

    @property
    def troubled(self) -> bool:
        """Did the last attempts fail, or was it never heard of? Then it is served apart from the others."""
        return self.failures > 0 or self.ok_at is None

    def wants(self, event_type: str) -> bool:
        return patterns.match(self.events, event_type)


class Listening(models.Model):
    """A row for each kind of listener there is ("endpoint", "tickets"); none: events leave no outbox row.

    A small table of its own, because a trigger reads it: tables that triggers name must not be rebuilt by migrations.
    """

    what = models.CharField(max_length=20, primary_key=True)

    def __str__(self) -> str:
        return self.what

    @classmethod
    def look(cls) -> None:
        """Bring the rows in line with who listens."""
        from fleet.outward.models.tickets import TicketSystem

        there = {
            "endpoint": Endpoint.objects.filter(active=True).exists(),
            "tickets": TicketSystem.objects.filter(active=True).exists(),
        }
        for what, listens in there.items():
            if listens:
                cls.objects.get_or_create(what=what)
            else:
                cls.objects.filter(what=what).delete()


class Outbox(models.Model):
    """An event that nobody was told of yet. Written by a trigger; gone when its deliveries stand."""

    event = models.OneToOneField(
        Event, on_delete=models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="+"
    )

    def __str__(self) -> str:
        return f"event {self.event_id}"


class Message(models.Model):
    """What is said, byte for byte, to everybody and at every attempt. `key`: the webhook-id."""

    key = models.CharField(max_length=40, unique=True)
    type = models.CharField(max_length=60)
    body = models.TextField()
    event = models.OneToOneField(Event, null=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.key} {self.type}"


class Delivery(models.Model):
    """One message to one endpoint. `outcome`: empty while it is still tried."""

    DELIVERED, DEAD = "delivered", "dead"

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="deliveries")
    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries")
    outcome = models.CharField(max_length=10, blank=True, default="")
    due_at = models.DateTimeField(null=True)
    since = models.DateTimeField()  # when it was first due, or was sent again by hand
    attempts = models.PositiveIntegerField(default=0)
    # Was the last refusal about this message alone? Then it waits for its own time, also when its endpoint is well.
    own_fault = models.BooleanField(default=False)
    tries = models.JSONField(default=list)  # the last of them: at, status, took_ms, said
    ended_at = models.DateTimeField(null=True)
    resent_by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["endpoint", "message"], name="delivery_once"),)
        indexes = (
            models.Index(fields=["endpoint", "due_at", "id"], name="delivery_due", condition=Q(outcome="")),
            models.Index(fields=["since"], name="delivery_waits", condition=Q(outcome="")),
            models.Index(fields=["endpoint", "-id"], name="delivery_newest"),
            models.Index(fields=["-ended_at"], name="delivery_dead", condition=Q(outcome="dead")),
            models.Index(fields=["endpoint"], name="delivery_dead_of", condition=Q(outcome="dead")),
        )

    def __str__(self) -> str:
        return f"{self.message_id} to {self.endpoint_id}"

    @property
    def last(self) -> dict[str, Any]:
        """The last attempt: at, status, took_ms, said."""
        found: dict[str, Any] = self.tries[-1] if self.tries else {}
        return found
