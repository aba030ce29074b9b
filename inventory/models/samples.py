"""Samples: one number per device, metric and time; fine while young, thinned with age. And who is sampled."""

from django.db import models

from inventory.models.routers import Router


class Sample(models.Model):
    """One value. `boot`: of the machine, shortened; a new one tells that counters began again."""

    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="samples")
    metric = models.CharField(max_length=32)
    at = models.DateTimeField()
    value = models.FloatField()
    boot = models.CharField(max_length=12, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("router", "metric", "at"), name="sample_once"),)
        indexes = (models.Index(fields=("at",), name="sample_age"),)

    def __str__(self) -> str:
        return f"{self.metric} of {self.router_id} at {self.at:%Y-%m-%dT%H:%M:%SZ}: {self.value:g}"


class Sampled(models.Model):
    """A device that is sampled: how often and until when. `due_at`: next time; moving it is the claim of a worker."""

    router = models.OneToOneField(Router, on_delete=models.CASCADE, related_name="sampled")
    every_s = models.FloatField(default=60.0)
    due_at = models.DateTimeField(db_index=True)
    until = models.DateTimeField()
    why = models.CharField(max_length=200)
    failed = models.CharField(max_length=300, blank=True, help_text="why the last attempt brought nothing")

    def __str__(self) -> str:
        return f"{self.router} every {self.every_s:g} s until {self.until:%Y-%m-%dT%H:%M:%SZ}"
