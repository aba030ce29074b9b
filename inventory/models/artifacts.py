"""Software that can be put onto devices: kernels, drivers, firmware, images, packages."""

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from fleet.core.model import Json
from inventory.models.names import name_is_plain

SHA256 = r"[0-9a-f]{64}"


class ArtifactKind(models.TextChoices):
    """What an artifact is."""

    KERNEL = "kernel", "kernel"
    DRIVER = "driver", "driver"
    FIRMWARE = "firmware", "firmware"
    IMAGE = "image", "image"
    PACKAGE = "package", "package"


def check_brings(value: Json) -> None:
    """Refuse what is not a list of components, each a mapping that says its kind and name."""
    if not isinstance(value, list):
        raise ValidationError("wanted a list of components")
    for number, one in enumerate(value, 1):
        if not isinstance(one, dict) or not all(isinstance(one.get(key), str) and one[key] for key in ("kind", "name")):
            raise ValidationError(f"component {number}: wanted a mapping with kind and name (and version, flavour)")


class Artifact(models.Model):
    """One version of a piece of software: its digest, where it lies, and what it brings along."""

    kind = models.CharField(max_length=8, choices=ArtifactKind)
    name = models.CharField(max_length=63, validators=[name_is_plain])
    version = models.CharField(max_length=63)
    sha256 = models.CharField(
        max_length=64, validators=[RegexValidator(rf"^{SHA256}\Z", "wanted 64 hexadecimal digits in lower case")]
    )
    location = models.CharField(max_length=1023, help_text="path or address, without a secret in it")
    brings = models.JSONField(
        default=list,
        blank=True,
        validators=[check_brings],
        help_text='components: [{"kind": "driver", "name": "i40e", "version": "2.13.10", "flavour": "vendor"}]',
    )

    class Meta:
        ordering = ("kind", "name", "version")
        constraints = (models.UniqueConstraint(fields=("kind", "name", "version"), name="artifact_once_per_version"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.version}"
