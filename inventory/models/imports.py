"""Imports from NetBox: where from, what was asked and seen, and which rows came from it."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from fleet.core.model import Json
from inventory.models.links import Link
from inventory.models.names import name_is_plain
from inventory.models.places import Site

# A page may name the variable; it must not be able to name the worker's other secrets.
TOKEN_ENV_PATTERN = r"NETBOX_[A-Z0-9_]{1,90}"
token_env_is_netbox = RegexValidator(
    rf"^{TOKEN_ENV_PATTERN}\Z", "wanted the name of an environment variable that begins with NETBOX_"
)


def check_netbox_url(value: str) -> None:
    """Refuse what is no plain http(s) address, above all one with a password in it."""
    if not value.startswith(("http://", "https://")) or "@" in value or "?" in value or "#" in value:
        raise ValidationError("wanted http(s)://HOST[:PORT][/PATH] without user, password or query")


class NetboxSource(models.Model):
    """A NetBox that may be imported from, and where its token lies. The token is never stored."""

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])
    url = models.CharField(max_length=255, validators=[check_netbox_url])
    token_env = models.CharField(
        max_length=100, default="NETBOX_TOKEN", validators=[token_env_is_netbox], help_text="variable of the workers"
    )
    ca_file = models.CharField(max_length=255, blank=True, default="", help_text="PEM file on the workers")

    class Meta:
        ordering = ("name",)
        verbose_name = "NetBox"
        verbose_name_plural = "NetBoxes"
        constraints = (
            models.CheckConstraint(condition=~Q(url__contains="@"), name="netbox_url_without_password"),
            models.CheckConstraint(condition=Q(token_env__startswith="NETBOX_"), name="netbox_token_by_name"),  # noqa: S106
        )

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        check_netbox_url(self.url)
        token_env_is_netbox(self.token_env)
        super().save(*args, **kwargs)


class NetboxImport(models.Model):
    """One import: asked, previewed, agreed to by digest, applied. Its instants say how far it has come."""

    # None: asked by the command, which was given an address.
    source = models.ForeignKey(NetboxSource, null=True, blank=True, on_delete=models.PROTECT, related_name="imports")
    url = models.CharField(max_length=255)
    filters = models.JSONField(default=dict)
    defaults = models.JSONField(default=dict)
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    progress = models.CharField(max_length=100, blank=True, default="")
    preview = models.JSONField(null=True, blank=True, editable=False)
    digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    changes = models.PositiveIntegerField(default=0, editable=False)
    wrong = models.PositiveIntegerField(default=0, editable=False)
    previewed_at = models.DateTimeField(null=True, blank=True, editable=False)
    apply_asked_by = models.CharField(max_length=150, blank=True, default="", editable=False)
    apply_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    skip_wrong_rows = models.BooleanField(default=False)
    applied_at = models.DateTimeField(null=True, blank=True, editable=False)
    refused = models.JSONField(null=True, blank=True, editable=False, help_text="the reason why it ended")

    class Meta:
        ordering = ("-asked_at", "-pk")
        verbose_name = "NetBox import"

    def __str__(self) -> str:
        return f"{self.url} {self.asked_at:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def state(self) -> str:
        """asked > previewed > applying > applied; or refused, with its reason."""
        if self.refused is not None:
            return "refused"
        if self.applied_at is not None:
            return "applied"
        if self.apply_asked_at is not None:
            return "applying"
        return "previewed" if self.previewed_at is not None else "asked"

    def reason(self) -> Json:
        """Why it was refused (subject, found, wanted, remedy), or None."""
        return self.refused


class NetboxObject(models.Model):
    """Which site or cable of NetBox a row is. (A device carries its own: Router.source_id.)"""

    netbox_id = models.PositiveBigIntegerField()
    site = models.OneToOneField(Site, null=True, blank=True, on_delete=models.CASCADE, related_name="netbox")
    link = models.OneToOneField(Link, null=True, blank=True, on_delete=models.CASCADE, related_name="netbox")
    # As Router.stale_since: NetBox no longer has it; the row stays.
    stale_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "NetBox object"
        constraints = (
            models.CheckConstraint(
                condition=Q(site__isnull=False, link__isnull=True) | Q(site__isnull=True, link__isnull=False),
                name="netbox_object_is_site_or_link",
            ),
            models.UniqueConstraint(fields=("netbox_id",), condition=Q(site__isnull=False), name="netbox_site_once"),
            models.UniqueConstraint(fields=("netbox_id",), condition=Q(link__isnull=False), name="netbox_cable_once"),
        )

    def __str__(self) -> str:
        return f"{self.site or self.link} is #{self.netbox_id}"
