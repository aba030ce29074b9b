"""What is wanted: profiles of settings, and to which devices they are assigned."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from fleet.core import intent
from inventory.models.names import name_is_plain
from inventory.models.places import Site
from inventory.models.routers import Router


class ProfileKind(models.TextChoices):
    """What a profile is about."""

    NIC = "nic", "NIC"
    KERNEL = "kernel", "kernel"
    DRIVER = "driver", "driver"
    FIRMWARE = "firmware", "firmware"
    ROUTING = "routing", "routing"
    DATAPLANE = "dataplane", "dataplane"
    ADAPTER = "adapter", "adapter policy"


class Profile(models.Model):
    """Settings under one name. It has those of its parent as well, and its own win."""

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])
    kind = models.CharField(max_length=9, choices=ProfileKind)
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="children")
    settings = models.JSONField(
        default=dict, blank=True, help_text='{"nic.queues": 8, "nic.rings.rx": 4096}; null: left alone on purpose'
    )
    weight = models.IntegerField(default=0, help_text="among profiles of one level the higher one wins")

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=~Q(parent=F("pk")) | Q(parent__isnull=True), name="profile_not_its_own_parent"
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        chain, above = [self.name], self.parent
        while above is not None and above.name not in chain:
            chain.append(above.name)
            above = above.parent
        if above is not None:
            found = " > ".join([*chain, above.name])
            raise ValidationError({"parent": f"found a cycle of profiles: {found}, wanted a chain that ends"})
        if self.parent is not None and self.parent.kind != self.kind:
            found = f"{self.parent.name}, a {self.parent.kind} profile"
            raise ValidationError({"parent": f"found {found}, wanted a parent of the same kind ({self.kind})"})
        if not isinstance(self.settings, dict):
            raise ValidationError({"settings": 'wanted settings with their values: {"nic.queues": 8}'})
        if wrong := [str(r) for key, value in self.settings.items() if (r := intent.refuse(self.kind, key, value))]:
            raise ValidationError({"settings": wrong})


class Level(models.TextChoices):
    """To what a profile is assigned; a later one wins over an earlier one (fleet.core.intent.PRECEDENCE)."""

    FLEET = "fleet", "the whole fleet"
    ROLE = "role", "a role"
    SITE = "site", "a site"
    NIC_MODEL = "nic_model", "a NIC model"
    DEVICE = "device", "one device"


def _one_target(level: str, *, site: bool = False, role: bool = False, nic: bool = False, device: bool = False) -> Q:
    """Exactly what the level speaks of is filled in."""
    filled = Q(level=level, site__isnull=not site, router__isnull=not device)
    filled &= ~Q(role="") if role else Q(role="")
    return filled & (~Q(nic_model="") if nic else Q(nic_model=""))


class Assignment(models.Model):
    """A profile assigned to the fleet, a role, a site, a NIC model or one device."""

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="assignments")
    level = models.CharField(max_length=9, choices=Level)
    role = models.CharField(max_length=63, blank=True, default="")
    site = models.ForeignKey(Site, null=True, blank=True, on_delete=models.CASCADE, related_name="assignments")
    nic_model = models.CharField(
        max_length=255, blank=True, default="", help_text="PCI ids (8086:1583), a driver (i40e) or the name of pci.ids"
    )
    router = models.ForeignKey(Router, null=True, blank=True, on_delete=models.CASCADE, related_name="assignments")

    class Meta:
        ordering = ("profile__name", "level", "role", "site__name", "nic_model", "router__name")
        constraints = (
            models.CheckConstraint(
                condition=_one_target("fleet")
                | _one_target("role", role=True)
                | _one_target("site", site=True)
                | _one_target("nic_model", nic=True)
                | _one_target("device", device=True),
                name="assignment_names_what_its_level_says",
                violation_error_message="wanted exactly what the level says: a role, a site, a NIC model or a device; "
                "nothing for the whole fleet",
            ),
            models.UniqueConstraint(
                fields=("profile", "role", "nic_model"),
                condition=Q(site__isnull=True, router__isnull=True),
                name="assignment_once_by_name",
            ),
            models.UniqueConstraint(
                fields=("profile", "site"), condition=Q(site__isnull=False), name="assignment_once_per_site"
            ),
            models.UniqueConstraint(
                fields=("profile", "router"), condition=Q(router__isnull=False), name="assignment_once_per_device"
            ),
        )

    def __str__(self) -> str:
        return f"{self.profile} to {self.target()}"

    def target(self) -> str:
        """What it is assigned to, in words."""
        match self.level:
            case Level.ROLE:
                return f"role {self.role}"
            case Level.SITE:
                return f"site {self.site}"
            case Level.NIC_MODEL:
                return f"NIC model {self.nic_model}"
            case Level.DEVICE:
                return f"device {self.router}"
            case _:
                return "the whole fleet"
