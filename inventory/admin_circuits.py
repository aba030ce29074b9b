"""Customers, circuits and what providers announce, in the Django admin."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from inventory import models
from inventory.admin_base import ModelAdmin, TabularInline


class CustomerCircuitInline(TabularInline):
    model = models.CustomerCircuit
    extra = 0
    raw_id_fields = ("link",)


@admin.register(models.Customer)
class CustomerAdmin(ModelAdmin):
    list_display = ("name", "account", "email")
    search_fields = ("name", "account", "email")
    inlines = (CustomerCircuitInline,)


@admin.register(models.ProviderCircuit)
class ProviderCircuitAdmin(ModelAdmin):
    list_display = ("provider", "circuit_id", "link")
    list_filter = ("provider",)
    search_fields = ("provider", "circuit_id")
    raw_id_fields = ("link",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.ProviderCircuit]:
        return super().get_queryset(request).prefetch_related("link__ends__router", "link__ends__external")


class ProviderImpactInline(TabularInline):
    model = models.ProviderImpact
    extra = 0
    raw_id_fields = ("link",)


@admin.register(models.ProviderMaintenance)
class ProviderMaintenanceAdmin(ModelAdmin):
    """Read from notices; by hand only to withdraw one that never ends, or to tie a circuit to its link."""

    list_display = ("provider", "maintenance_id", "status", "start_at", "end_at", "received_at")
    list_filter = ("provider", "status")
    search_fields = ("provider", "maintenance_id", "summary")
    readonly_fields = ("received_at", "received_by", "stamp", "sequence")
    inlines = (ProviderImpactInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
