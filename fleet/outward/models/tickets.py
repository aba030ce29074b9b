"""Ticket systems, and which ticket of theirs speaks for which change."""

import re
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef, Q

from fleet import clock
from fleet.changes.models import Change
from fleet.core.states import CHANGE_ENDED
from fleet.core.tickets import TicketApproval, TicketView
from fleet.outward.models.webhooks import Listening, check_reference, check_url
from inventory.models.names import name_is_plain

# Nobody has more changes under way; those beyond are tied at their next event.
MOST_TAKEN_UP = 5000
# It is sent to an address that the same person may choose: it must not be able to name the workers' other secrets.
_CREDENTIAL = re.compile(r"env:TICKET_[A-Z0-9_]+|file:/(?:[^/]+/)*ticket-[^/]+")


class TicketKind(models.TextChoices):
    """Which adapter speaks with a system."""

    GENERIC = "generic", "signed webhooks"
    SERVICENOW = "servicenow", "ServiceNow"
    JIRA = "jira", "Jira Service Management"


class TicketSystem(models.Model):
    """A ticket system that changes are kept in step with. `credential`: where its token lies, never the token."""

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])
    kind = models.CharField(max_length=12, choices=TicketKind)
    url = models.CharField(max_length=500, help_text="https://example.service-now.com, without a path")
    username = models.CharField(max_length=100, blank=True, help_text="empty: the secret is a bearer token")
    credential = models.CharField(max_length=255, help_text="env:TICKET_NAME or file:/path/ticket-name")
    pattern = models.CharField(max_length=100, default=r"CHG\d{4,12}", help_text="what its numbers look like")
    gate = models.BooleanField(default=True, help_text="a change waits for the approval of its ticket")
    opens = models.BooleanField(default=False, help_text="open a ticket for a change that is submitted without one")
    options = models.JSONField(default=dict, blank=True, help_text="docs/tickets.md")
    active = models.BooleanField(default=True)
    failures = models.PositiveIntegerField(default=0, editable=False)
    closed_until = models.DateTimeField(null=True, blank=True, editable=False)
    problem = models.TextField(blank=True, default="", editable=False)
    ok_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(credential__startswith="file:/") | Q(credential__startswith="env:"),
                name="ticket_credential_is_a_reference",
            ),
            models.CheckConstraint(condition=~Q(url__contains="@"), name="ticket_system_without_password"),
            # Two that open would open two tickets for one change.
            models.UniqueConstraint(
                fields=["opens"], condition=Q(opens=True, active=True), name="one_ticket_system_opens"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        from fleet.outward.tickets import registry

        check_url(self.url)
        check_reference("credential", self.credential)
        if not _CREDENTIAL.fullmatch(self.credential):
            raise ValidationError({"credential": "wanted env:TICKET_NAME or file:/PATH/ticket-NAME"})
        if reason := registry.refuse(self.kind, self.pattern, self.options):
            raise ValidationError({"options": str(reason)})

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.clean()
        super().save(*args, **kwargs)
        Listening.look()
        self._take_up()

    def _take_up(self) -> None:
        """Tie the changes that are under way to it: from now on they wait for their tickets."""
        from fleet.outward.tickets import linking

        waiting = Change.objects.exclude(state__in=CHANGE_ENDED).order_by("-pk").values_list("pk", flat=True)
        if self.active:
            linking.look(list(waiting[:MOST_TAKEN_UP]), clock.now())

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        gone = super().delete(*args, **kwargs)
        Listening.look()
        return gone


class TicketLinkQuerySet(models.QuerySet["TicketLink"]):
    """Questions about many tickets."""

    def due(self, now: datetime) -> "TicketLinkQuerySet":
        """Those that are to be looked at now and that nobody is at."""
        free = Q(busy_until=None) | Q(busy_until__lte=now)
        system = TicketSystem.objects.filter(Q(closed_until=None) | Q(closed_until__lte=now), active=True)
        up = Exists(system.filter(pk=OuterRef("system")))
        return self.filter(free, up, due_at__lte=now, ended_at=None).order_by("due_at", "pk")


class TicketLink(models.Model):
    """The ticket of a change: what was last read of it, and what it was told."""

    change = models.OneToOneField(Change, on_delete=models.PROTECT, related_name="ticket_link")
    system = models.ForeignKey(TicketSystem, on_delete=models.PROTECT, related_name="links")
    number = models.CharField(max_length=100, blank=True, default="")  # empty: still to be opened
    remote_id = models.CharField(max_length=100, blank=True, default="")
    page = models.CharField(max_length=500, blank=True, default="")
    # What was read.
    approval = models.CharField(
        max_length=14, choices=[(a.value, a.value) for a in TicketApproval], default=TicketApproval.UNKNOWN
    )
    remote_state = models.CharField(max_length=60, blank=True, default="")
    read_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True, default="")
    # Approval is for one plan: `offered` is the digest that the ticket shows, `asked` that it was seen waiting since.
    offered = models.CharField(max_length=64, blank=True, default="")
    asked = models.BooleanField(default=False)
    approved = models.CharField(max_length=64, blank=True, default="")
    approved_by = models.CharField(max_length=150, blank=True, default="")
    # What was told. `telling`: written before a note is sent, so that after a crash it is looked for, not sent again.
    told = models.PositiveBigIntegerField(default=0)
    telling = models.PositiveBigIntegerField(default=0)
    decided = models.CharField(max_length=80, blank=True, default="")
    conflicts = models.JSONField(null=True)
    attached_at = models.DateTimeField(null=True)
    stopped_run = models.PositiveBigIntegerField(default=0)  # the run that was paused because the ticket was taken back
    ended_at = models.DateTimeField(null=True)
    # When it is looked at next, and who is at it.
    due_at = models.DateTimeField()
    busy_until = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    generation = models.PositiveBigIntegerField(default=0)

    objects = TicketLinkQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(fields=["due_at"], name="ticket_due", condition=Q(ended_at=None)),)

    def __str__(self) -> str:
        return f"{self.name} of change {self.change_id}"

    @property
    def name(self) -> str:
        return f"{self.system.name} {self.number or '(not opened yet)'}"

    def view(self) -> TicketView:
        """As the gate looks at it."""
        return TicketView(
            name=self.name,
            approval=TicketApproval(self.approval),
            approved_digest=self.approved,
            bound=bool(self.system.options.get("bind", True)),
            read_at=self.read_at,
            polled=self.system.kind != TicketKind.GENERIC,
            problem=self.problem or (self.system.problem if self.system.closed_until else ""),
        )
