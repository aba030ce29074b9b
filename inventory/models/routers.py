"""Managed devices, and the others that links lead to."""

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from fleet import clock
from fleet.core.model import Json
from inventory.models.access import Credential, HostKey
from inventory.models.names import name_is_plain
from inventory.models.places import Site
from inventory.querysets import RouterQuerySet
from playbooks.base import Device


class Suite(models.TextChoices):
    """The routing suite of a router."""

    FRR = "frr", "FRR"
    BIRD = "bird", "BIRD"
    NONE = "none", "none"


class DeviceKind(models.TextChoices):
    """What a device is."""

    ROUTER = "router", "router"
    HOST = "host", "host"
    BLADE = "blade", "blade"


def check_tags(value: Json) -> None:
    """Refuse what is not a list of different plain names."""
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise ValidationError('wanted a list of names: ["canary", "rack-7"]')
    for tag in value:
        name_is_plain(tag)
    if len(set(value)) != len(value):
        raise ValidationError("found a tag twice, wanted each once")


class Router(models.Model):
    """One managed device (router, host or blade) and how it is reached."""

    if TYPE_CHECKING:
        active_host_keys: list[HostKey]  # there after `Router.objects.reachable()`

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="routers")
    kind = models.CharField(max_length=8, choices=DeviceKind, default=DeviceKind.ROUTER)
    role = models.CharField(max_length=63, db_index=True)
    platform = models.CharField(max_length=63, default="linux")
    suite = models.CharField(max_length=8, choices=Suite)
    address = models.GenericIPAddressField()
    port = models.PositiveIntegerField(default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    fallback_address = models.GenericIPAddressField(
        null=True, blank=True, help_text="tried where nothing answers at the address; the same host key must show"
    )
    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="routers")
    # As the routing protocols show it: how the live network's own view is matched with this row.
    router_id = models.GenericIPAddressField(protocol="IPv4", null=True, blank=True, unique=True)
    tags = models.JSONField(default=list, blank=True, validators=[check_tags], help_text="list of names")
    # Set when the source that a device came from no longer has it; nothing is deleted because it is missing.
    stale_since = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=16, blank=True, default="", help_text='"netbox", or empty: by hand or file')
    source_id = models.CharField(max_length=63, blank=True, default="", help_text="its id in that source")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = RouterQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        verbose_name = "device"
        constraints = (
            # One device under two names would be changed by two changes at once.
            models.UniqueConstraint(fields=("address", "port"), name="router_address_once"),
            models.UniqueConstraint(
                fields=("source", "source_id"), condition=~Q(source=""), name="router_once_per_source"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if External.objects.filter(name=self.name).exists():
            raise ValidationError({"name": f"found {self.name!r}, the name of an external, wanted one name per device"})
        if self.fallback_address and self.fallback_address == self.address:
            raise ValidationError({"fallback_address": "found the address itself, wanted another one, or none"})

    def host_key(self) -> HostKey | None:
        """The key that a connection must show, or None: not known, no connection."""
        if "active_host_keys" not in self.__dict__:
            return self.host_keys.filter(retired_at__isnull=True).first()
        return self.active_host_keys[0] if self.active_host_keys else None

    def device(self) -> Device:
        """The value that drivers and transport get. No query after `Router.objects.reachable()`."""
        key = self.host_key()
        return Device(
            name=self.name,
            address=self.address,
            port=self.port,
            username=self.credential.username,
            credential=self.credential.reference,
            host_key=str(key) if key else "",
            suite=self.suite,
            become=self.credential.become,
            router_id=self.router_id or "",
            platform=self.platform,
            fallback_address=self.fallback_address or "",
        )


class External(models.Model):
    """The other end of a link that Slipway does not manage: an upstream, a customer."""

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if Router.objects.filter(name=self.name).exists():
            raise ValidationError({"name": f"found {self.name!r}, the name of a router, wanted one name per device"})
