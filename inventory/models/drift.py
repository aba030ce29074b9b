"""Where facts differ from intent, since when, and until when."""

from django.db import models
from django.db.models import F, Q

from inventory.models.routers import Router
from inventory.querysets import DriftQuerySet


class Drift(models.Model):
    """One setting of one device that was not as wanted from `since` to `ended_at` (null: still so)."""

    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="drifts")
    setting = models.CharField(max_length=255, help_text="nic.queues[eth1], kernel.version")
    wanted = models.JSONField(null=True)
    found = models.JSONField(null=True)
    profile = models.CharField(max_length=63, help_text="name of the profile that wants it")
    since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = DriftQuerySet.as_manager()

    class Meta:
        ordering = ("router__name", "setting", "-since")
        verbose_name_plural = "drift"
        constraints = (
            models.UniqueConstraint(
                fields=("router", "setting"), condition=Q(ended_at__isnull=True), name="drift_one_open_per_setting"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("since")), name="drift_ends_after_it_began"
            ),
        )
        indexes = (models.Index(fields=("ended_at", "since"), name="drift_newest"),)

    def __str__(self) -> str:
        return f"{self.router} {self.setting}"
