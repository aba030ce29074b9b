"""Notices as a Django app."""

from typing import TYPE_CHECKING

from django.apps import AppConfig

from fleet.core.model import Json

if TYPE_CHECKING:
    from fleet.changes.models import Change


class NoticesConfig(AppConfig):
    """Who is told what: customers, providers, chat, mail, calendars."""

    name = "fleet.notices"
    label = "notices"
    verbose_name = "Notices"

    def ready(self) -> None:
        """Tell the engine, which may not import this room, what goes on beside it and what belongs to the evidence."""
        from fleet.changes import beside, evidence_bundle
        from fleet.notices import rounds

        beside.tell(rounds.run)
        evidence_bundle.add_part("notices", _told)


def _told(change: "Change") -> Json:
    """What customers were told of a change."""
    from fleet.notices.models import MaintenanceNotice

    rows = MaintenanceNotice.objects.filter(change=change).select_related("customer").order_by("uid", "sequence")
    return [
        {
            "customer": row.customer.name,
            "uid": row.uid,
            "sequence": row.sequence,
            "status": row.status,
            "start": row.start_at.isoformat(),
            "end": row.end_at.isoformat(),
            "objects": row.objects_told,
            "at": row.at.isoformat(),
            "sent_at": row.sent_at.isoformat() if row.sent_at else None,
        }
        for row in rows
    ]
