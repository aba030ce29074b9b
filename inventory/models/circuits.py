"""Who is behind a link: customers with their circuits, providers with theirs and what these announce."""

from datetime import datetime

from django.db import models

from fleet.core.model import Impact
from inventory.models.links import Link
from inventory.models.names import name_is_plain


class Customer(models.Model):
    """Somebody who is told before a link of theirs is touched. `account`: how both sides call the contract."""

    name = models.CharField(max_length=63, unique=True, validators=[name_is_plain])
    account = models.CharField(max_length=63, unique=True)
    email = models.EmailField(blank=True, help_text="where notices go; empty: the feed only")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class CustomerCircuit(models.Model):
    """What a customer calls the service that runs over a link."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="circuits")
    link = models.ForeignKey(Link, on_delete=models.CASCADE, related_name="customer_circuits")
    circuit_id = models.CharField(max_length=100)

    class Meta:
        ordering = ("customer__name", "circuit_id")
        constraints = (models.UniqueConstraint(fields=("customer", "circuit_id"), name="customer_circuit_once"),)

    def __str__(self) -> str:
        return f"{self.circuit_id} of {self.customer}"


class ProviderCircuit(models.Model):
    """What a provider calls the line that a link is made of. Upper and lower case make no difference."""

    provider = models.CharField(max_length=63)
    circuit_id = models.CharField(max_length=100)
    link = models.ForeignKey(Link, on_delete=models.CASCADE, related_name="provider_circuits")

    class Meta:
        ordering = ("provider", "circuit_id")
        constraints = (models.UniqueConstraint(fields=("provider", "circuit_id"), name="provider_circuit_once"),)

    def __str__(self) -> str:
        return f"{self.circuit_id} of {self.provider}"


class ProviderStatus(models.TextChoices):
    """Where a maintenance of a provider stands (maintnote, and RE-SCHEDULED of those who say so)."""

    TENTATIVE = "TENTATIVE"
    CONFIRMED = "CONFIRMED"
    RE_SCHEDULED = "RE-SCHEDULED"
    IN_PROCESS = "IN-PROCESS"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class ProviderMaintenanceQuerySet(models.QuerySet["ProviderMaintenance"]):
    """Questions about many announcements."""

    def ahead(self, now: datetime) -> "ProviderMaintenanceQuerySet":
        """Those that are not over: what is merely tentative counts too."""
        over = (ProviderStatus.COMPLETED, ProviderStatus.CANCELLED)
        return self.exclude(status__in=over).filter(end_at__gt=now)


class ProviderMaintenance(models.Model):
    """Work that a provider announced; the newest notice about it. Who may read it: everybody who may sign in."""

    provider = models.CharField(max_length=63)
    account = models.CharField(max_length=100, blank=True)
    maintenance_id = models.CharField(max_length=200)
    status = models.CharField(max_length=12, choices=ProviderStatus)
    sequence = models.BigIntegerField(default=0)
    stamp = models.DateTimeField()
    start_at = models.DateTimeField()
    end_at = models.DateTimeField()
    summary = models.TextField(blank=True)
    received_at = models.DateTimeField()
    received_by = models.CharField(max_length=150)

    objects = ProviderMaintenanceQuerySet.as_manager()

    class Meta:
        ordering = ("start_at", "pk")
        constraints = (models.UniqueConstraint(fields=("provider", "maintenance_id"), name="maintenance_once"),)
        indexes = (models.Index(fields=["end_at"], name="maintenance_end"),)

    def __str__(self) -> str:
        return f"{self.provider} {self.maintenance_id}"


class ProviderImpact(models.Model):
    """What such work does to one circuit. `link`: null when no link of the inventory has a circuit of this name."""

    maintenance = models.ForeignKey(ProviderMaintenance, on_delete=models.CASCADE, related_name="impacts")
    circuit_id = models.CharField(max_length=100)
    impact = models.CharField(max_length=20, choices=[(i.value, i.value) for i in Impact])
    link = models.ForeignKey(Link, on_delete=models.SET_NULL, null=True, blank=True, related_name="provider_impacts")

    class Meta:
        ordering = ("circuit_id",)
        constraints = (models.UniqueConstraint(fields=("maintenance", "circuit_id"), name="impact_once"),)

    def __str__(self) -> str:
        return f"{self.impact} on {self.circuit_id}"
