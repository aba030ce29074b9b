"""Service accounts, tokens, and the answers that are kept so that a request sent twice acts once.

No secret is in any row: of a token its SHA-256, of an answer only what may be read again.
"""

import ipaddress
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from fleet.api.scopes import Scope


def scopes_only(value: Any) -> None:
    """Refuse what is not a list of scopes."""
    if not isinstance(value, list) or not value or not set(map(str, value)) <= set(Scope):
        raise ValidationError(f"wanted some of: {', '.join(Scope)}")


def networks_only(value: Any) -> None:
    """Refuse what is not a list of prefixes."""
    if not isinstance(value, list):
        raise ValidationError('wanted a list of prefixes: ["192.0.2.0/24"]')
    for text in value:
        try:
            ipaddress.ip_network(text)
        except (ValueError, TypeError) as error:
            raise ValidationError(f"found {str(text)[:60]!r}, wanted a prefix such as 192.0.2.0/24") from error


class ServiceAccount(models.Model):
    """An account that a program uses. Somebody answers for it: to Slipway the two are one person who writes changes.

    What it writes, its owner cannot approve, and what its owner writes, it cannot (fleet/changes/approvals.py).
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="service_account")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="service_accounts")
    purpose = models.CharField(max_length=200, help_text="which program it is, and whom to ask")
    may_approve = models.BooleanField(
        default=False, help_text="its approvals count, where a role or a right allows it to approve at all"
    )
    policy = models.ForeignKey(
        "changes.ApprovalPolicy",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="must be met by every change that the account writes, beside those that apply anyway",
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("user__username",)

    def __str__(self) -> str:
        return f"{self.user} of {self.owner}"


class TokenQuerySet(models.QuerySet["ApiToken"]):
    """Questions about many tokens."""

    def usable(self, now: datetime) -> "TokenQuerySet":
        return self.filter(revoked_at__isnull=True, expires_at__gt=now)


class ApiToken(models.Model):
    """What a program shows instead of a password. Its text is shown once, when it is made."""

    prefix = models.CharField(max_length=12, unique=True, editable=False)  # by which it is found, and told in a list
    hash = models.CharField(max_length=64, editable=False)  # SHA-256 of the whole text, which has 256 bits of chance
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=63)
    scopes = models.JSONField(validators=[scopes_only])
    networks = models.JSONField(default=list, blank=True, validators=[networks_only])  # empty: from anywhere
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)  # to the minute
    last_used_from = models.GenericIPAddressField(null=True, blank=True)
    # The token that this one takes the place of; that one ends soon after.
    replaces = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="replaced_by")

    objects = TokenQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-pk")
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}) of {self.person}"

    def usable(self, now: datetime) -> bool:
        return self.revoked_at is None and self.expires_at > now


class KeptAnswer(models.Model):
    """One Idempotency-Key of one person: what was asked by it, who is at it, what was answered.

    First the claim is committed (so that a second request sees it), then what was done and its answer in one
    transaction. A process that dies in between has done nothing; its claim runs out, and the next request takes over.
    """

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    asked = models.CharField(max_length=64)  # SHA-256 of method, address and content
    claim = models.PositiveIntegerField(default=1)  # who took over has a higher one: the late writer is refused
    claimed_until = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    status = models.PositiveSmallIntegerField(null=True)  # null: not answered yet
    headers = models.JSONField(default=dict)
    content = models.TextField(blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["person", "key"], name="key_once_per_person"),
            models.CheckConstraint(condition=Q(claim__gte=1), name="key_is_claimed"),
        )

    def __str__(self) -> str:
        return f"{self.key} of {self.person}"
