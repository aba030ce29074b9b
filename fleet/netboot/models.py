"""What can be booted over the network, by which hosts, and which token opens the endpoint."""

import hashlib
import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

SHA256 = RegexValidator(r"^[0-9a-f]{64}\Z", "wanted 64 hexadecimal digits in lower case")
FILE = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9._+-]*(/[A-Za-z0-9][A-Za-z0-9._+-]*){0,4}\Z", "wanted a path below SLIPWAY_NETBOOT_DIR"
)
NAME = RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,62}\Z", "wanted letters, digits, dots, dashes")
# iPXE takes a line apart by blanks and expands ${...}: what is not of these could say another thing than was meant.
CMDLINE = RegexValidator(r"^[A-Za-z0-9 ._,:=/@+\[\]-]{0,1000}\Z", "wanted kernel parameters without quotes, $ or |")
MAC = RegexValidator(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}\Z", "wanted six pairs such as 52:54:00:12:34:56")
UUID = RegexValidator(r"^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?\Z", "wanted a UUID in lower case, or nothing")


class BootTarget(models.Model):
    """One kernel with its initramfs and command line. `release`: what `uname -r` says when it runs."""

    name = models.CharField(max_length=63, unique=True, validators=[NAME])
    release = models.CharField(max_length=100, validators=[NAME])
    kernel = models.CharField(max_length=255, validators=[FILE])
    kernel_sha256 = models.CharField(max_length=64, validators=[SHA256])
    initrd = models.CharField(max_length=255, blank=True, validators=[FILE])
    initrd_sha256 = models.CharField(max_length=64, blank=True, validators=[SHA256])
    cmdline = models.CharField(max_length=1000, blank=True, validators=[CMDLINE], help_text="panic=30 belongs in it")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} ({self.release})"

    def clean(self) -> None:
        if bool(self.initrd) != bool(self.initrd_sha256):
            raise ValidationError({"initrd_sha256": "wanted with an initrd, and only then"})


class BootNetwork(models.Model):
    """A network whose DHCPv6 option 59 leads here. Its token is shown once and kept as a hash."""

    name = models.CharField(max_length=63, unique=True, validators=[NAME])
    token_hash = models.CharField(max_length=64, unique=True, editable=False)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def new_token(self) -> str:
        """Make a token, good from now on; the old one is not any more."""
        token = secrets.token_urlsafe(24)
        self.token_hash = hash_of(token)
        return token


def hash_of(token: str) -> str:
    """What is kept of a token: 192 random bits need no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


class BootHost(models.Model):
    """A diskless host: what it boots, and what it is to try once.

    `once` is served a single time and moves to `trial`; every later boot is `default` again, until `trial` is kept.
    """

    router = models.OneToOneField("inventory.Router", on_delete=models.CASCADE, related_name="boot")
    network = models.ForeignKey(BootNetwork, on_delete=models.PROTECT, related_name="hosts")
    mac = models.CharField(max_length=17, unique=True, validators=[MAC])
    uuid = models.CharField(max_length=36, blank=True, validators=[UUID])
    default = models.ForeignKey(BootTarget, on_delete=models.PROTECT, related_name="hosts")
    once = models.ForeignKey(BootTarget, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    trial = models.ForeignKey(
        BootTarget, on_delete=models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    served = models.ForeignKey(
        BootTarget, on_delete=models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    served_at = models.DateTimeField(null=True, blank=True, editable=False)
    minute = models.DateTimeField(null=True, blank=True, editable=False)  # when the present minute of asking began
    in_minute = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        ordering = ("router__name",)

    def __str__(self) -> str:
        return f"{self.router} boots {self.default}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.mac, self.uuid = self.mac.lower(), self.uuid.lower()
        super().save(*args, **kwargs)
