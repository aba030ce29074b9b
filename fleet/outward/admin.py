"""Ticket systems and senders are set up in the admin; what was delivered and read is there to look at only."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from fleet import clock
from fleet.changes.admin_base import ReadOnly
from fleet.outward.models import Delivery, Endpoint, InboundSource, TicketLink, TicketSystem

if TYPE_CHECKING:
    SystemAdmin = admin.ModelAdmin[TicketSystem]
    SourceAdmin = admin.ModelAdmin[InboundSource]
else:
    SystemAdmin = SourceAdmin = admin.ModelAdmin


@admin.register(TicketSystem)
class TicketSystemAdmin(SystemAdmin):
    """Ticket systems."""

    list_display = ("name", "kind", "url", "gate", "opens", "active", "problem")
    list_per_page = 50


@admin.register(InboundSource)
class InboundSourceAdmin(SourceAdmin):
    """Who may call /hooks/."""

    list_display = ("name", "scheme", "system", "netbox", "active", "taken", "refused")
    exclude = ("created_at",)
    list_select_related = ("system", "netbox")
    list_per_page = 50

    def save_model(self, request: HttpRequest, obj: InboundSource, form: Any, change: bool) -> None:  # noqa: FBT001
        if not change:
            obj.created_at = clock.now()
        super().save_model(request, obj, form, change)


@admin.register(Endpoint)
class EndpointAdmin(ReadOnly):
    """Endpoints; they are edited on their pages."""

    list_display = ("name", "url", "active", "failures", "closed_until", "problem")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly):
    """Deliveries."""

    list_display = ("id", "endpoint_id", "message_id", "outcome", "attempts", "due_at", "ended_at")
    list_filter = ("outcome",)


@admin.register(TicketLink)
class TicketLinkAdmin(ReadOnly):
    """Tickets of changes."""

    list_display = ("change_id", "system_id", "number", "approval", "remote_state", "read_at", "failures", "problem")
