"""What is told to whom: notices to customers, messages to chat and mail, feeds, and how far all that has come."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from fleet.changes.models import Change
from fleet.notices.kinds import KINDS
from inventory import credential_reference
from inventory.models import Customer


class Due(models.Model):
    """Something that is to be sent. `due_at` null: nothing more is to be done (sent, given up, nobody to send to)."""

    due_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        abstract = True


class MaintenanceNotice(Due):
    """One notice to one customer about one change. Rows are only added: the newest of a UID is what stands."""

    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="maintenance_notices")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="notices")
    uid = models.CharField(max_length=255)
    sequence = models.PositiveIntegerField()
    status = models.CharField(max_length=12)
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    summary = models.CharField(max_length=200)
    objects_told = models.JSONField()  # [circuit id, impact]
    at = models.DateTimeField()

    class Meta:
        ordering = ("-pk",)
        constraints = (models.UniqueConstraint(fields=["uid", "sequence"], name="notice_sequence"),)
        indexes = (
            models.Index(fields=["due_at"], name="maint_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["customer", "-id"], name="maint_of_customer"),
        )

    def __str__(self) -> str:
        return f"{self.status} of change {self.change_id} to {self.customer}"


class Announced(models.Model):
    """How far customers have been told of a change. `basis`: what was true then; the same again needs no look."""

    change = models.OneToOneField(Change, on_delete=models.PROTECT, related_name="announced", primary_key=True)
    basis = models.CharField(max_length=200)
    open = models.BooleanField(default=False)  # a notice stands that is neither completed nor cancelled
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"announced {self.change_id}"


def _kinds(value: object) -> None:
    if not isinstance(value, list) or not value or set(value) - set(KINDS):
        raise ValidationError(f"wanted a list of some of: {', '.join(KINDS)}")


class Channel(models.Model):
    """Where messages go: a chat room by its incoming webhook (Slack, Mattermost), or a mail address."""

    CHAT, MAIL = "chat", "mail"

    name = models.CharField(max_length=63, unique=True)
    kind = models.CharField(max_length=4, choices=[(CHAT, "chat"), (MAIL, "mail")])
    email = models.EmailField(blank=True)
    # The address of an incoming webhook is a secret: who has it may write there.
    reference = models.CharField(max_length=255, blank=True, help_text=credential_reference.WANTED)
    kinds = models.JSONField(validators=[_kinds], help_text=", ".join(KINDS))
    repeat_minutes = models.PositiveIntegerField(
        default=0, help_text="page again so often while something is stuck or a break-glass is not reviewed; 0: once"
    )
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(reference="") | Q(reference__startswith="file:/") | Q(reference__startswith="env:"),
                name="channel_is_a_reference",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.kind == self.MAIL and not self.email:
            raise ValidationError({"email": "found none, wanted the address that the mails go to"})
        if self.kind == self.CHAT and (reason := credential_reference.refuse(self.reference)):
            raise ValidationError({"reference": str(reason)})


class Message(Due):
    """One message to one channel. `key` is what it is about: the same is not told twice."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="messages")
    key = models.CharField(max_length=100)
    kind = models.CharField(max_length=40)
    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        ordering = ("-pk",)
        constraints = (models.UniqueConstraint(fields=["channel", "key"], name="message_once"),)
        indexes = (
            models.Index(fields=["due_at"], name="message_due", condition=Q(due_at__isnull=False)),
            models.Index(fields=["channel", "kind", "-at"], name="message_of_kind"),
        )

    def __str__(self) -> str:
        return f"{self.kind} to {self.channel}"


class Feed(models.Model):
    """A calendar at a secret address: of everything, or of one customer. Only the hash of the address is kept."""

    name = models.CharField(max_length=63)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, null=True, blank=True, related_name="feeds")
    token_hash = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return self.name


class Cursor(models.Model):
    """Up to when events were turned into messages."""

    name = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} up to {self.at:%Y-%m-%d %H:%M:%S}"
