"""How devices are reached: credentials by reference, host keys, out-of-band consoles."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from fleet import clock
from inventory import credential_reference, host_key
from inventory.models.names import name_is_plain


class Become(models.TextChoices):
    """How a login becomes root."""

    NOTHING = "", "logs in as root"
    SUDO = "sudo", "sudo"


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


class HostKey(models.Model):
    """A public SSH host key of a router. Replaced keys stay as history; one is active."""

    router = models.ForeignKey("inventory.Router", on_delete=models.CASCADE, related_name="host_keys")
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


class ConsoleKind(models.TextChoices):
    """How a device is reached when it does not answer by itself."""

    IPMI = "ipmi", "IPMI"
    REDFISH = "redfish", "Redfish"
    SERIAL = "serial", "serial"


class Console(models.Model):
    """A way to a device beside its own network: a management controller or a port of a terminal server."""

    router = models.ForeignKey("inventory.Router", on_delete=models.CASCADE, related_name="consoles")
    kind = models.CharField(max_length=8, choices=ConsoleKind)
    address = models.GenericIPAddressField()
    port = models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(65535)])
    credential = models.ForeignKey(Credential, on_delete=models.PROTECT, related_name="consoles")

    class Meta:
        ordering = ("router__name", "kind")
        constraints = (
            models.UniqueConstraint(fields=("router", "kind"), name="console_once_per_kind"),
            # One port for two devices would switch off the wrong one. A Redfish service can hold a whole chassis.
            models.UniqueConstraint(
                fields=("address", "port"), condition=~Q(kind="redfish"), name="console_leads_to_one_device"
            ),
        )

    def __str__(self) -> str:
        return f"{self.router} {self.kind}"
