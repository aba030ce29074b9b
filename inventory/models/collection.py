"""One collection of facts over many devices: how far it is, and which devices were not seen and why."""

from datetime import datetime

from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

from inventory.models.routers import Router


class CollectionRunQuerySet(models.QuerySet["CollectionRun"]):
    """Questions about many collections."""

    def open(self) -> "CollectionRunQuerySet":
        return self.filter(ended_at__isnull=True)

    def count_again(self, pk: int, *, now: datetime) -> None:
        """Bring the counts of a collection up to date and end it when all were heard of; two statements.

        A device that failed and was seen in a repeat of its shard counts as seen.
        """
        from inventory.models.observations import Observation

        seen = Observation.objects.filter(collection=OuterRef("pk")).order_by().values("collection")
        silent = CollectionFailure.objects.filter(run=OuterRef("pk")).exclude(
            router__in=Observation.objects.filter(collection=OuterRef(OuterRef("pk"))).values("router")
        )
        self.filter(pk=pk).update(
            done=Coalesce(Subquery(seen.values(n=Count("router", distinct=True))), 0),
            failed=Coalesce(Subquery(silent.order_by().values("run").values(n=Count("pk"))), 0),
        )
        self.filter(pk=pk, ended_at__isnull=True, asked__lte=F("done") + F("failed")).update(ended_at=now)

    def newest(self) -> "CollectionRun | None":
        return self.order_by("-started_at", "-pk").first()


class CollectionRun(models.Model):
    """A collection. `asked`, `done`, `failed` count devices; what is missing to `asked` is under way, or was lost."""

    why = models.CharField(max_length=63, help_text="schedule, or who asked for it")
    asked = models.PositiveIntegerField()
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = CollectionRunQuerySet.as_manager()

    class Meta:
        ordering = ("-started_at", "-pk")
        constraints = (
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")),
                name="collection_ends_after_start",
            ),
        )

    def __str__(self) -> str:
        return f"{self.why}: {self.done} of {self.asked}, {self.failed} failed"

    @property
    def waiting(self) -> int:
        """Devices of which nothing was heard yet; of a collection that has ended: whose message was lost."""
        return max(0, self.asked - self.done - self.failed)


class CollectionFailure(models.Model):
    """A device that a collection could not see."""

    run = models.ForeignKey(CollectionRun, on_delete=models.CASCADE, related_name="failures")
    router = models.ForeignKey(Router, on_delete=models.CASCADE, related_name="collection_failures")
    reason = models.TextField(help_text="found, wanted, and what to do")
    at = models.DateTimeField()

    class Meta:
        ordering = ("router__name",)
        constraints = (models.UniqueConstraint(fields=("run", "router"), name="collection_failure_once"),)

    def __str__(self) -> str:
        return f"{self.router}: {self.reason}"[:200]
