"""What people ask to be drafted by form, and the recipes they choose from. The engine plans, not the web process."""

from django.conf import settings
from django.db import models

from fleet.changes.models.engine import Change


class RecipeCard(models.Model):
    """What a form needs to know of a recipe that comes with Slipway; written by the engine from the files."""

    name = models.CharField(max_length=63, unique=True)
    summary = models.TextField(blank=True)
    inputs = models.JSONField(default=list)  # [{name, type, summary, required, default, minimum, maximum, choices}]
    where = models.JSONField(default=dict)  # its own selection of targets: attribute of a router -> value
    strategy = models.JSONField(default=dict)  # its own, as core/plan.py writes one
    digest = models.CharField(max_length=64, blank=True, default="")  # SHA-256 of its text: standard changes bind to it

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class DraftRequest(models.Model):
    """A change, or a new revision of `change`, that somebody wants; and what came of it."""

    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="draft_requests")
    asked_at = models.DateTimeField()
    change = models.ForeignKey(Change, on_delete=models.PROTECT, null=True, blank=True, related_name="draft_requests")
    edits = models.PositiveIntegerField(default=0)  # the number of the revision that is edited; 0: a new change
    title = models.CharField(max_length=200)
    ticket = models.CharField(max_length=100, blank=True)
    description = models.TextField(blank=True)
    recipe = models.CharField(max_length=63)
    inputs = models.JSONField(default=dict)
    names = models.JSONField(default=list)  # of the devices, in order
    strategy = models.JSONField(default=dict)  # as core/plan.py writes one; empty: as the recipe says
    taken_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    left = models.JSONField(default=list)  # sentences: why it could not be planned

    class Meta:
        ordering = ("-asked_at", "-pk")
        indexes = (models.Index(fields=("asked_at",), condition=models.Q(ended_at__isnull=True), name="draft_open"),)

    def __str__(self) -> str:
        return f"{self.title}, asked by {self.asked_by}"
