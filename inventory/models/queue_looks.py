"""Two looks at the queues of a device, some seconds apart, and the flows that were captured or given with them."""

from django.db import models

from inventory.models.routers import Router


class QueueLook(models.Model):
    """What the RSS doctor is asked about. `before`, `after`: looks as `playbooks.nic.reading` makes them.

    `flows`: [protocol, source, source port, destination, destination port, packets] of each flow, at most 20,000.
    """

    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="queue_looks")
    interface = models.CharField(max_length=64, blank=True, help_text="whose flows these are; empty: none were given")
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField(db_index=True)
    seconds = models.FloatField(default=10.0)
    capture = models.BooleanField(default=False, help_text="capture the flows of the interface on the device")
    taken_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    flows = models.JSONField(default=list, blank=True)
    reasons = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ("-asked_at", "-pk")
        indexes = (models.Index(fields=("router", "-asked_at"), name="queue_look_newest"),)

    def __str__(self) -> str:
        return f"queues of {self.router} {self.asked_at:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def is_open(self) -> bool:
        return self.ended_at is None
