"""Collections of facts in the Django admin: how far each is, and which devices it could not see and why."""

from django.contrib import admin

from inventory import models
from inventory.admin_base import ModelAdmin, ReadOnly, TabularInline


class FailureInline(ReadOnly, TabularInline):
    model = models.CollectionFailure
    fields = ("router", "reason", "at")
    extra = 0


@admin.register(models.CollectionRun)
class CollectionRunAdmin(ReadOnly, ModelAdmin):
    list_display = ("why", "started_at", "asked", "done", "failed", "waiting", "ended_at")
    list_filter = ("why",)
    inlines = (FailureInline,)
