"""What connects devices: links, what redundancy promises, and beacons (prefixes that only one device announces)."""

import ipaddress

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from inventory.models.routers import External, Router
from inventory.querysets import LinkQuerySet


class Link(models.Model):
    """A link with two ends, of which at least one is an interface of a router."""

    kind = models.CharField(max_length=63)
    capacity_mbps = models.PositiveIntegerField(validators=[MinValueValidator(1)])

    objects = LinkQuerySet.as_manager()

    def __str__(self) -> str:
        return " -- ".join(sorted(str(end) for end in self.ends.all()))


class Side(models.TextChoices):
    """Which end of a link. The order says nothing about direction."""

    A = "a"
    B = "b"


class LinkEnd(models.Model):
    """One end of a link: an interface of a router, or an external."""

    link = models.ForeignKey(Link, on_delete=models.CASCADE, related_name="ends")
    side = models.CharField(max_length=1, choices=Side)
    router = models.ForeignKey(Router, null=True, blank=True, on_delete=models.PROTECT, related_name="link_ends")
    interface = models.CharField(max_length=64, blank=True, default="")
    external = models.ForeignKey(External, null=True, blank=True, on_delete=models.PROTECT, related_name="link_ends")

    class Meta:
        ordering = ("link", "side")
        constraints = (
            models.UniqueConstraint(fields=("link", "side"), name="link_end_once_per_side"),
            models.UniqueConstraint(
                fields=("router", "interface"), condition=Q(router__isnull=False), name="link_end_interface_once"
            ),
            # An end cannot be its own other end: both ends of a link are different devices.
            models.UniqueConstraint(
                fields=("link", "router"), condition=Q(router__isnull=False), name="link_ends_two_routers"
            ),
            models.UniqueConstraint(
                fields=("link", "external"), condition=Q(external__isnull=False), name="link_ends_two_externals"
            ),
            models.CheckConstraint(
                condition=(Q(router__isnull=False, external__isnull=True) & ~Q(interface=""))
                | Q(router__isnull=True, external__isnull=False, interface=""),
                name="link_end_is_interface_or_external",
                violation_error_message="wanted a router with its interface, or an external alone",
            ),
        )

    def __str__(self) -> str:
        return f"{self.router}:{self.interface}" if self.router_id is not None else str(self.external)


class KeepConnected(models.Model):
    """What redundancy promises: every pair of `names` that is not itself drained reaches each other."""

    names = models.JSONField(help_text="sorted names of routers and externals")
    floor_mbps = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "keep connected"

    def __str__(self) -> str:
        return ", ".join(self.names)

    def clean(self) -> None:
        names = self.names if isinstance(self.names, list) else []
        if len(names) < 2 or not all(isinstance(name, str) for name in names):
            raise ValidationError({"names": 'wanted a list of at least two names: ["bly", "aebi"]'})
        known = {*Router.objects.values_list("name", flat=True), *External.objects.values_list("name", flat=True)}
        if unknown := sorted(set(names) - known):
            raise ValidationError({"names": f"found {', '.join(unknown)}, wanted names of routers and externals"})
        self.names = sorted(set(names))


def check_prefix(value: str) -> None:
    """Refuse what is not a prefix without host bits."""
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        raise ValidationError(f"found {value!r}, wanted a prefix such as 192.0.2.0/24 or 2001:db8::/48") from error


class Beacon(models.Model):
    """A prefix that one device announces to be probed through it, with an address in it that answers."""

    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="beacons")
    prefix = models.CharField(max_length=49, validators=[check_prefix])
    test_address = models.GenericIPAddressField(null=True, blank=True)

    class Meta:
        ordering = ("router__name", "prefix")
        constraints = (
            # A probe that another device may answer as well proves nothing about this one.
            models.UniqueConstraint(fields=("prefix",), name="beacon_of_one_device"),
        )

    def __str__(self) -> str:
        return f"{self.prefix} through {self.router}"

    def clean(self) -> None:
        try:
            prefix = ipaddress.ip_network(self.prefix)
        except ValueError:
            return  # the field says so
        if self.test_address and ipaddress.ip_address(self.test_address) not in prefix:
            raise ValidationError({"test_address": f"found {self.test_address}, wanted an address in {self.prefix}"})
