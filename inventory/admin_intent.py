"""Profiles, their assignments, and cards by serial in the Django admin."""

from django.contrib import admin

from inventory import models
from inventory.admin_base import ModelAdmin, TabularInline


class AssignmentInline(TabularInline):
    model = models.Assignment
    extra = 0
    autocomplete_fields = ("site", "router")


@admin.register(models.Profile)
class ProfileAdmin(ModelAdmin):
    list_display = ("name", "kind", "parent", "weight")
    list_filter = ("kind",)
    list_select_related = ("parent",)
    search_fields = ("name",)
    autocomplete_fields = ("parent",)
    inlines = (AssignmentInline,)


@admin.register(models.Assignment)
class AssignmentAdmin(ModelAdmin):
    list_display = ("profile", "level", "role", "site", "nic_model", "router")
    list_filter = ("level", "profile__kind")
    list_select_related = ("profile", "site", "router")
    search_fields = ("profile__name", "role", "nic_model", "router__name")
    autocomplete_fields = ("profile", "site", "router")


@admin.register(models.Card)
class CardAdmin(ModelAdmin):
    list_display = ("serial", "router", "model")
    list_select_related = ("router",)
    search_fields = ("serial", "router__name", "model")
    autocomplete_fields = ("router",)
