"""Webhooks in: who may send them, and which were taken already."""

from typing import Any

from django.db import models
from django.db.models import Q

from fleet.outward.models.tickets import TicketSystem
from fleet.outward.models.webhooks import OLD_REFERENCE, REFERENCE, check_reference
from inventory.models import NetboxSource
from inventory.models.names import name_is_plain


class Scheme(models.TextChoices):
    """How a sender signs."""

    STANDARD = "standard", "Standard Webhooks"
    HUB = "hub", "X-Hub-Signature (Jira)"
    NETBOX = "netbox", "X-Hook-Signature (NetBox)"


class InboundSource(models.Model):
    """Who may call /hooks/NAME/: a ticket system that says "look again", or a NetBox where something changed."""

    name = models.SlugField(max_length=63, unique=True, validators=[name_is_plain])
    scheme = models.CharField(max_length=10, choices=Scheme, default=Scheme.STANDARD)
    secret = models.CharField(max_length=255, help_text="env:NAME or file:/path")
    old_secret = models.CharField(max_length=255, blank=True, default="")
    system = models.ForeignKey(
        TicketSystem, null=True, blank=True, on_delete=models.PROTECT, related_name="inbound", verbose_name="tickets of"
    )
    netbox = models.ForeignKey(NetboxSource, null=True, blank=True, on_delete=models.PROTECT, related_name="inbound")
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField()
    # For people who look why nothing comes: counted and said, whoever it was.
    taken = models.PositiveIntegerField(default=0, editable=False)
    taken_at = models.DateTimeField(null=True, editable=False)
    refused = models.PositiveIntegerField(default=0, editable=False)
    refused_at = models.DateTimeField(null=True, editable=False)
    refusal = models.TextField(blank=True, default="", editable=False)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(condition=REFERENCE, name="inbound_secret_is_a_reference"),
            models.CheckConstraint(condition=OLD_REFERENCE, name="inbound_old_secret_is_a_reference"),
            models.CheckConstraint(
                condition=Q(system__isnull=False, netbox__isnull=True) | Q(system__isnull=True, netbox__isnull=False),
                name="inbound_is_tickets_or_netbox",
                violation_error_message="wanted a ticket system or a NetBox, not both and not neither",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        check_reference("secret", self.secret)
        if self.old_secret:
            check_reference("old_secret", self.old_secret)

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.clean()
        super().save(*args, **kwargs)


class SeenMessage(models.Model):
    """A message that was taken: the same one a second time does nothing."""

    source = models.ForeignKey(InboundSource, on_delete=models.CASCADE, related_name="seen")
    key = models.CharField(max_length=200)
    at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["source", "key"], name="message_taken_once"),)

    def __str__(self) -> str:
        return self.key
