"""Devices that somebody drained outside of Slipway, for the first page and the topology."""

from collections.abc import Sequence

from django.db.models import Q

from fleet.changes.models import DrainedOutside
from fleet.changes.models.outside import DrainedOutsideQuerySet
from fleet.changes.views import frame
from inventory.models import Router


def drained(scope: Q) -> DrainedOutsideQuerySet:
    """Those of a scope (of Router), the longest first."""
    rows = DrainedOutside.objects.standing()
    return rows.filter(router__in=Router.objects.filter(scope)) if scope else rows


def shown(scope: Q) -> tuple[Sequence[DrainedOutside], int]:
    """The longest of a scope, and how many there are. Two queries."""
    rows = drained(scope)
    return list(rows[: frame.NAMES_SHOWN]), rows.count()
