"""What runs on a device, as it was seen: system, kernel, packages, modules, routing daemons."""

from django.db import models

from inventory.models.hardware import Flavour
from inventory.models.routers import Router


class Software(models.Model):
    """The system of a device. Empty text and null mean unknown."""

    router = models.OneToOneField(Router, on_delete=models.CASCADE, related_name="software")
    os = models.CharField(max_length=127, blank=True, default="")
    kernel = models.CharField(max_length=127, blank=True, default="", db_index=True)
    cmdline = models.TextField(blank=True, default="")
    suite = models.CharField(max_length=31, blank=True, default="", help_text="routing suite as the device shows it")
    suite_version = models.CharField(max_length=63, blank=True, default="", db_index=True)
    boot_id = models.CharField(max_length=63, blank=True, default="")
    booted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("router__name",)
        verbose_name_plural = "software"

    def __str__(self) -> str:
        return f"{self.router} {self.kernel}".strip()


class Package(models.Model):
    """An installed package of those that matter to forwarding."""

    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="packages")
    name = models.CharField(max_length=127)
    version = models.CharField(max_length=127, blank=True, default="")

    class Meta:
        ordering = ("router__name", "name")
        constraints = (models.UniqueConstraint(fields=("router", "name"), name="package_once_per_router"),)

    def __str__(self) -> str:
        return f"{self.router} {self.name} {self.version}".strip()


class Module(models.Model):
    """A loaded kernel module."""

    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="modules")
    name = models.CharField(max_length=63)
    version = models.CharField(max_length=127, blank=True, default="")
    flavour = models.CharField(max_length=8, choices=Flavour, default=Flavour.UNKNOWN, blank=True)

    class Meta:
        ordering = ("router__name", "name")
        constraints = (models.UniqueConstraint(fields=("router", "name"), name="module_once_per_router"),)

    def __str__(self) -> str:
        return f"{self.router} {self.name} {self.version}".strip()


class Daemon(models.Model):
    """A running daemon of the routing suite."""

    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="daemons")
    name = models.CharField(max_length=63)
    version = models.CharField(max_length=63, blank=True, default="")
    pid = models.PositiveIntegerField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("router__name", "name")
        constraints = (models.UniqueConstraint(fields=("router", "name"), name="daemon_once_per_router"),)

    def __str__(self) -> str:
        return f"{self.router} {self.name} {self.version}".strip()
