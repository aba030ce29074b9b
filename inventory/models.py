"""What exists (sites, routers, links, credentials by reference, host keys) and what was seen of it (observations)."""

import hashlib
import json
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from fleet import clock
from fleet.core.model import Json
from inventory import credential_reference, host_key
from inventory.querysets import AppendOnlyError, LinkQuerySet, ObservationQuerySet, RouterQuerySet
from playbooks.base import Device

# No ":" (it parts router and interface in the ends of a link), no "/" (names stand in addresses of pages).
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
name_is_plain = RegexValidator(
    rf"^{NAME_PATTERN}\Z", "wanted letters, digits, '.', '_', '-', beginning with a letter or digit, at most 63"
)


class Suite(models.TextChoices):
    """The routing suite of a router."""

    FRR = "frr", "FRR"
    BIRD = "bird", "BIRD"
    NONE = "none", "none"


class Become(models.TextChoices):
    """How a login becomes root."""

    NOTHING = "", "logs in as root"
    SUDO = "sudo", "sudo"


def check_time_zone(value: str) -> None:
    """Refuse what the time zone database of this machine does not know."""
    if value not in available_timezones():
        raise ValidationError(f"found {value!r}, wanted a time zone such as Europe/London")


class FailureDomain(models.Model):
    """Things that fail together."""

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Site(models.Model):
    """A place with routers. Its time zone is the one in which its people read a window."""

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])
    failure_domain = models.ForeignKey(FailureDomain, on_delete=models.PROTECT, related_name="sites")
    time_zone = models.CharField(max_length=63, default="UTC", validators=[check_time_zone])

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Credential(models.Model):
    """How to log in: a user name and where the secret lies. A secret itself is refused, also by the database."""

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])
    username = models.CharField(max_length=63)
    reference = models.CharField(max_length=255, help_text=credential_reference.WANTED)
    become = models.CharField(max_length=8, choices=Become, default=Become.NOTHING, blank=True)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=Q(reference__startswith="file:/") | Q(reference__startswith="env:"),
                name="credential_is_a_reference",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if reason := credential_reference.refuse(self.reference):
            raise ValidationError({"reference": str(reason)})

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.clean()  # every path, not only forms: what is written here would be in backups for ever
        super().save(*args, **kwargs)


class Router(models.Model):
    """One managed router and how it is reached."""

    if TYPE_CHECKING:
        active_host_keys: list["HostKey"]  # there after `Router.objects.reachable()`

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="routers")
    role = models.CharField(max_length=63, db_index=True)
    platform = models.CharField(max_length=63, default="linux")
    suite = models.CharField(max_length=8, choices=Suite)
    address = models.GenericIPAddressField()
    port = models.PositiveIntegerField(default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)])
    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="routers")
    # As the routing protocols show it: how the live network's own view is matched with this row.
    router_id = models.GenericIPAddressField(protocol="IPv4", null=True, blank=True, unique=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    objects = RouterQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            # One device under two names would be changed by two changes at once.
            models.UniqueConstraint(fields=("address", "port"), name="router_address_once"),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if External.objects.filter(name=self.name).exists():
            raise ValidationError({"name": f"found {self.name!r}, the name of an external, wanted one name per device"})

    def host_key(self) -> "HostKey | None":
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
        )


class HostKey(models.Model):
    """A public SSH host key of a router. Replaced keys stay as history; one is active."""

    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="host_keys")
    algorithm = models.CharField(max_length=63)
    key = models.TextField(help_text="base64 part of the public key")
    added_at = models.DateTimeField(default=clock.now, editable=False)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("router__name", "-added_at")
        constraints = (
            models.UniqueConstraint(
                fields=("router",), condition=Q(retired_at__isnull=True), name="host_key_one_active_per_router"
            ),
        )

    def __str__(self) -> str:
        return f"{self.algorithm} {self.key}"

    def clean(self) -> None:
        found = host_key.parse(str(self))
        if not isinstance(found, host_key.PublicKey):
            raise ValidationError({"key": str(found)})

    @property
    def fingerprint(self) -> str:
        """`SHA256:...` as ssh-keygen -l prints it."""
        return host_key.fingerprint(self.key)


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


class Interface(models.Model):
    """A network interface as the facts showed it. Kept when it is no longer seen (`last_seen_at` says so)."""

    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="interfaces")
    name = models.CharField(max_length=64)
    mac = models.CharField(max_length=63, blank=True, default="")
    kind = models.CharField(max_length=63, blank=True, default="", help_text="as ip -d link says: veth, vlan, bond")
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ("router__name", "name")
        constraints = (models.UniqueConstraint(fields=("router", "name"), name="interface_once_per_router"),)

    def __str__(self) -> str:
        return f"{self.router}:{self.name}"


class Nic(models.Model):
    """The network adapter behind an interface, as ethtool showed it. Empty text and null mean unknown."""

    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="nics")
    interface = models.OneToOneField(Interface, on_delete=models.CASCADE, related_name="nic")
    pci_address = models.CharField(max_length=63, blank=True, default="", help_text="bus-info; empty on virtual ones")
    driver = models.CharField(max_length=63, blank=True, default="")
    driver_version = models.CharField(max_length=127, blank=True, default="")
    firmware = models.CharField(max_length=127, blank=True, default="")
    channels = models.JSONField(null=True, blank=True)
    rings = models.JSONField(null=True, blank=True)
    last_seen_at = models.DateTimeField()

    class Meta:
        ordering = ("router__name", "interface__name")
        verbose_name = "NIC"
        verbose_name_plural = "NICs"

    def __str__(self) -> str:
        return f"{self.interface} {self.driver}".strip()


def digest_of(facts: Json) -> str:
    """SHA-256 (hex) of the facts as JSON with sorted keys: equal content, equal digest."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class Observation(models.Model):
    """What was seen of a router at one instant. Only ever added: the history is the evidence."""

    router = models.ForeignKey(Router, on_delete=models.PROTECT, related_name="observations")
    kind = models.CharField(max_length=32, default="facts")
    observed_at = models.DateTimeField()
    facts = models.JSONField()
    digest = models.CharField(max_length=64, editable=False)

    objects = ObservationQuerySet.as_manager()

    class Meta:
        ordering = ("-observed_at", "-pk")
        indexes: ClassVar = [models.Index(fields=("router", "kind", "-observed_at"), name="observation_newest")]

    def __str__(self) -> str:
        return f"{self.router} {self.kind} {self.observed_at:%Y-%m-%dT%H:%M:%SZ}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError("An observation is history: found a change, wanted a new observation beside it.")
        self.digest = digest_of(self.facts)
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnlyError("An observation is history: found a removal, wanted it kept.")
