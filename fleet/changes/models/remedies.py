"""What people ask to be done about a verification that does not pass. The engine does it: no page touches a device."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class Remedy(models.Model):
    """One remedy that a person asked for, on a neighbour of a target, and what came of it."""

    target = models.ForeignKey("changes.TargetRun", on_delete=models.PROTECT, related_name="remedies")
    neighbour = models.CharField(max_length=100)
    address = models.CharField(max_length=45)  # the destination by which the fault is seen
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="remedies")
    asked_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    done = models.BooleanField(null=True)
    said = models.TextField(blank=True)  # what was done, or why not

    class Meta:
        ordering = ("-asked_at", "-pk")
        indexes = (models.Index(fields=("asked_at",), condition=Q(ended_at__isnull=True), name="remedy_open"),)
        constraints = (
            models.UniqueConstraint(
                fields=("target", "neighbour"), condition=Q(ended_at__isnull=True), name="remedy_once_at_a_time"
            ),
        )

    def __str__(self) -> str:
        return f"remedy on {self.neighbour} for {self.target}"
