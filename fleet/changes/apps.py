"""The change engine as a Django app."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from inventory.models import Observation


class ChangesConfig(AppConfig):
    """Changes, their revisions, approvals, runs and events."""

    name = "fleet.changes"
    label = "changes"
    verbose_name = "Changes"

    def ready(self) -> None:
        """Tell the inventory, which may not import the engine, which devices a running change has in its hands, and
        hear what is observed."""
        from inventory import observed, running

        running.tell(_engaged)
        observed.tell(_observed)


def _observed(observations: "Sequence[Observation]") -> None:
    from fleet.changes import drained_outside, facts_again

    drained_outside.look_at(observations)
    facts_again.heard(observations)


def _engaged(names: Collection[str]) -> frozenset[str]:
    from fleet.changes.models import TargetRun

    rows = TargetRun.objects.filter(engaged=True, router__name__in=names)
    return frozenset(rows.values_list("router__name", flat=True))
