"""What was seen of a device at one instant: the history that is only added to."""

import hashlib
import json
from typing import Any, ClassVar

from django.db import models

from fleet.core.model import Json
from inventory.models.collection import CollectionRun
from inventory.models.routers import Router
from inventory.querysets import AppendOnlyError, ObservationQuerySet


def digest_of(facts: Json) -> str:
    """SHA-256 (hex) of the facts as JSON with sorted keys: equal content, equal digest."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


class Observation(models.Model):
    """What was seen of a router at one instant. The history is the evidence: nothing that differs is ever removed."""

    router = models.ForeignKey(Router, on_delete=models.PROTECT, related_name="observations")
    kind = models.CharField(max_length=32, default="facts")
    observed_at = models.DateTimeField()
    # A running change had the device in its hands: what was seen may be neither the state before nor the one after.
    during_change = models.BooleanField(default=False)
    collection = models.ForeignKey(
        CollectionRun, null=True, blank=True, on_delete=models.SET_NULL, related_name="observations"
    )
    facts = models.JSONField()
    digest = models.CharField(max_length=64, editable=False)

    objects = ObservationQuerySet.as_manager()

    class Meta:
        ordering = ("-observed_at", "-pk")
        indexes: ClassVar = [models.Index(fields=("router", "kind", "-observed_at"), name="observation_newest")]

    def __str__(self) -> str:
        return f"{self.router} {self.kind} {self.observed_at:%Y-%m-%dT%H:%M:%SZ}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError("An observation is history: found a change, wanted a new observation beside it.")
        self.digest = digest_of(self.facts)
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnlyError("An observation is history: found a removal, wanted it kept.")
