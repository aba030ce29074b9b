"""What people ask to be drafted from drift. The engine takes it up: the web process plans nothing."""

from django.conf import settings
from django.db import models


class RepairRequest(models.Model):
    """Rows of drift that somebody wants a change for, and what came of it."""

    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="repair_requests")
    asked_at = models.DateTimeField()
    drifts = models.JSONField(default=list)  # ids of inventory.Drift
    words = models.CharField(max_length=255)  # what was asked for, as a person reads it
    taken_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    changes = models.ManyToManyField("changes.Change", related_name="repair_requests", blank=True)
    already = models.JSONField(default=list)  # ids of changes that do the same and are under way
    left = models.JSONField(default=list)  # sentences: what no draft repairs, and why

    class Meta:
        ordering = ("-asked_at", "-pk")
        indexes = (models.Index(fields=("asked_at",), condition=models.Q(ended_at__isnull=True), name="repair_open"),)

    def __str__(self) -> str:
        return f"{self.words}, asked by {self.asked_by}"
