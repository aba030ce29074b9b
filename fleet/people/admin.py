"""Grants in Django's admin."""

from typing import TYPE_CHECKING

from django.contrib import admin

from fleet.people.models import Grant

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Grant]
else:
    ModelAdmin = admin.ModelAdmin  # not generic at run time


@admin.register(Grant)
class GrantAdmin(ModelAdmin):
    """Who has which role where."""

    list_display = ("role", "person", "group", "device_roles")
    list_filter = ("role",)
    list_select_related = ("person", "group")
    filter_horizontal = ("sites",)
