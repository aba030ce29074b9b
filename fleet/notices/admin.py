"""Channels, feeds and what was told, in the Django admin."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from fleet import clock
from fleet.notices import models
from inventory.admin_base import ModelAdmin, ReadOnly


@admin.register(models.Channel)
class ChannelAdmin(ModelAdmin):
    list_display = ("name", "kind", "kinds", "repeat_minutes", "active")
    list_filter = ("kind", "active")
    search_fields = ("name",)


@admin.register(models.Message)
class MessageAdmin(ReadOnly, ModelAdmin):
    list_display = ("channel", "kind", "change_id", "at", "sent_at", "attempts", "error")
    list_filter = ("channel", "kind")
    list_select_related = ("channel",)
    actions = ("again",)

    def has_send_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notices.change_message")

    @admin.action(description="Send again", permissions=["send"])
    def again(self, request: HttpRequest, rows: QuerySet[models.Message]) -> None:
        rows.update(due_at=clock.now(), attempts=0)


@admin.register(models.MaintenanceNotice)
class MaintenanceNoticeAdmin(ReadOnly, ModelAdmin):
    list_display = ("uid", "sequence", "status", "customer", "start_at", "end_at", "sent_at", "error")
    list_filter = ("status",)
    list_select_related = ("customer",)
    search_fields = ("uid", "customer__name")


@admin.register(models.Feed)
class FeedAdmin(ReadOnly, ModelAdmin):
    list_display = ("name", "customer", "created_by", "created_at", "read_at", "revoked_at")
    list_select_related = ("customer", "created_by")
    exclude = ("token_hash",)
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("notices.change_feed")

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, rows: QuerySet[models.Feed]) -> None:
        rows.filter(revoked_at__isnull=True).update(revoked_at=clock.now())
