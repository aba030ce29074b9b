"""What the buttons about time need: the windows to choose from, the schedule, what was put above windows."""

from typing import Any

from django.contrib.auth.models import User

from fleet.changes.models import Change, Revision, Schedule, Window, WindowOverride
from fleet.core.states import ChangeState
from fleet.people.roles import BREAK_GLASS

WINDOWS_SHOWN = 100
_STARTABLE = frozenset({ChangeState.APPROVED, ChangeState.SCHEDULED})


def shown(change: Change, revision: Revision | None, who: User) -> dict[str, Any]:
    """For the templates `_when.html` and `_outlook.html`. Three queries before the start, one afterwards."""
    if revision is None:
        return {}
    over = WindowOverride.objects.filter(revision=revision).select_related("by").first()
    values: dict[str, Any] = {"window_override": over}
    if ChangeState(change.state) in _STARTABLE:
        rows = Schedule.objects.filter(revision=revision, set_aside=False).select_related("window", "by")
        values |= {
            "schedule": rows.first(),
            "windows": list(Window.objects.standing().order_by("name")[:WINDOWS_SHOWN]),
            "may_override_windows": over is None and who.has_perm(BREAK_GLASS),
        }
    return values
