"""Looks at queues, samples, and who is sampled, in the Django admin: for looking."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from inventory import models
from inventory.admin_base import ModelAdmin, ReadOnly


@admin.register(models.QueueLook)
class QueueLookAdmin(ReadOnly, ModelAdmin):
    list_display = ("router", "interface", "asked_by", "asked_at", "ended_at")
    list_select_related = ("router",)
    search_fields = ("router__name", "interface")
    exclude = ("before", "after", "flows")

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.QueueLook]:
        return super().get_queryset(request).defer("before", "after", "flows")


@admin.register(models.Sample)
class SampleAdmin(ReadOnly, ModelAdmin):
    list_display = ("router", "metric", "at", "value")
    list_filter = ("metric",)
    list_select_related = ("router",)
    search_fields = ("=router__name",)
    show_full_result_count = False  # millions of them


@admin.register(models.Sampled)
class SampledAdmin(ReadOnly, ModelAdmin):
    list_display = ("router", "every_s", "due_at", "until", "why", "failed")
    list_select_related = ("router",)
    search_fields = ("router__name", "why")
