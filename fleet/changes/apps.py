"""The change engine as a Django app."""

from collections.abc import Collection

from django.apps import AppConfig


class ChangesConfig(AppConfig):
    """Changes, their revisions, approvals, runs and events."""

    name = "fleet.changes"
    label = "changes"
    verbose_name = "Changes"

    def ready(self) -> None:
        """Tell the inventory, which may not import the engine, which devices a running change has in its hands."""
        from inventory import running

        running.tell(_engaged)


def _engaged(names: Collection[str]) -> frozenset[str]:
    from fleet.changes.models import TargetRun

    rows = TargetRun.objects.filter(engaged=True, router__name__in=names)
    return frozenset(rows.values_list("router__name", flat=True))
