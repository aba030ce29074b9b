"""What devices said, in the Django admin: looked at here, written by `collect` alone."""

from django.contrib import admin

from inventory import models
from inventory.admin_base import ModelAdmin, ReadOnly


@admin.register(models.Interface)
class InterfaceAdmin(ReadOnly, ModelAdmin):
    list_display = ("router", "name", "kind", "mac", "last_seen_at")
    list_filter = ("kind",)
    list_select_related = ("router",)
    search_fields = ("router__name", "name", "mac")


@admin.register(models.Nic)
class NicAdmin(ReadOnly, ModelAdmin):
    list_display = (
        "interface", "model", "driver", "driver_version", "driver_flavour", "firmware", "serial", "pci_address",
        "last_seen_at",
    )  # fmt: skip
    list_filter = ("driver", "driver_version", "driver_flavour", "firmware")
    list_select_related = ("interface__router",)
    search_fields = ("router__name", "interface__name", "model", "serial", "driver", "firmware")


@admin.register(models.Observation)
class ObservationAdmin(ReadOnly, ModelAdmin):
    list_display = ("router", "kind", "observed_at", "digest")
    list_filter = ("kind", "observed_at")
    list_select_related = ("router",)
    search_fields = ("router__name", "digest")
    show_full_result_count = False  # counting a history of millions for a page header helps nobody


@admin.register(models.Cpu)
class CpuAdmin(ReadOnly, ModelAdmin):
    list_display = ("router", "vendor", "model", "sockets", "cores", "threads", "numa_nodes", "isolated")
    list_filter = (
        "vendor",
        "model",
    )
    list_select_related = ("router",)
    search_fields = ("router__name", "model")


@admin.register(models.Software)
class SoftwareAdmin(ReadOnly, ModelAdmin):
    list_display = ("router", "os", "kernel", "suite", "suite_version", "booted_at")
    list_filter = (
        "os",
        "kernel",
        "suite",
        "suite_version",
    )
    list_select_related = ("router",)
    search_fields = ("router__name", "kernel")


@admin.register(models.Package)
class PackageAdmin(ReadOnly, ModelAdmin):
    list_display = ("router", "name", "version")
    list_filter = ("name",)
    list_select_related = ("router",)
    search_fields = ("router__name", "name")


@admin.register(models.Module)
class ModuleAdmin(ReadOnly, ModelAdmin):
    list_display = ("router", "name", "version", "flavour")
    list_filter = ("flavour",)
    list_select_related = ("router",)
    search_fields = ("router__name", "name")


@admin.register(models.Daemon)
class DaemonAdmin(ReadOnly, ModelAdmin):
    list_display = ("router", "name", "version", "pid", "started_at")
    list_filter = (
        "name",
        "version",
    )
    list_select_related = ("router",)
    search_fields = ("router__name", "name")


@admin.register(models.Drift)
class DriftAdmin(ReadOnly, ModelAdmin):
    list_display = ("router", "setting", "wanted", "found", "profile", "since", "ended_at")
    list_filter = (
        ("ended_at", admin.EmptyFieldListFilter),
        "profile",
    )
    list_select_related = ("router",)
    search_fields = ("router__name", "setting")
