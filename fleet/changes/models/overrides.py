"""FATAL compatibility findings that were overridden, each with its reason. Append-only."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import models

from fleet.changes.models.engine import Change, Revision
from fleet.core import overrides


class FindingOverrideQuerySet(models.QuerySet["FindingOverride"]):
    """Questions about many overrides."""

    def by_identity(self) -> dict[str, "FindingOverride"]:
        """Identity of the finding -> its first override. One query."""
        return {row.identity: row for row in self.select_related("by").order_by("-pk")}


class FindingOverride(models.Model):
    """Somebody with the right says why a change may go on in spite of one finding.

    It holds for findings of the same change with the same text, in later revisions too; `digest` is the plan it was
    given on. A finding that says anything else needs an override of its own.
    """

    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="overrides")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="overrides")
    digest = models.CharField(max_length=64)
    code = models.CharField(max_length=40)
    identity = models.CharField(max_length=16)
    subject = models.TextField()
    finding = models.TextField()
    reason = models.TextField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    objects = FindingOverrideQuerySet.as_manager()

    class Meta:
        indexes = (models.Index(fields=["change", "identity"], name="override_of_finding"),)

    def __str__(self) -> str:
        return f"{self.code} overridden by {self.by} in change {self.change_id}"


def in_force(change_id: int, findings: Sequence[Any]) -> dict[str, FindingOverride]:
    """Identity -> override of each finding of a plan that somebody overrode. No query while none could be."""
    wanted = {overrides.identity(f) for f in findings if overrides.can_be(f)}
    if not wanted:
        return {}
    return FindingOverride.objects.filter(change=change_id, identity__in=wanted).by_identity()


def standing_fatal(change_id: int, findings: Sequence[Any]) -> int:
    """How many FATAL findings of a plan stop it: those that nobody overrode."""
    given = in_force(change_id, findings)
    return sum(f["severity"] == "fatal" and overrides.identity(f) not in given for f in findings)
