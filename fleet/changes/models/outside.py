"""Devices that carry no traffic although no change of ours drained them."""

from django.db import models

from fleet.changes.models.engine import TargetRun
from inventory.models import Router


class DrainedOutsideQuerySet(models.QuerySet["DrainedOutside"]):
    """Questions about what others drained."""

    def standing(self) -> "DrainedOutsideQuerySet":
        """Those that no change has in its hands: its own row says more. With router, site and failure domain."""
        ours = TargetRun.objects.engaged().filter(router=models.OuterRef("router"))
        rows = self.filter(~models.Exists(ours)).select_related("router__site__failure_domain")
        return rows.order_by("since", "router__name")


class DrainedOutside(models.Model):
    """A router that was seen drained while no change had it in its hands. The row ends when it is seen with traffic.

    `since`: when it was first seen so; `seen_at`: when last; `words`: what of its configuration says so.
    """

    router = models.OneToOneField(Router, on_delete=models.CASCADE, related_name="drained_outside")
    since = models.DateTimeField()
    seen_at = models.DateTimeField()
    words = models.CharField(max_length=300)

    objects = DrainedOutsideQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.router.name}, drained by others: {self.words}"
