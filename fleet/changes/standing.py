"""What a tick need not read: one query tells whether windows, freezes, schedules, or running-out approvals exist."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists

from fleet.changes import absence, approvals, calendar
from fleet.changes.models import Freeze, OverrunPolicy, Pulse, Window


@dataclass(frozen=True)
class Standing:
    """Is there any of it at all? Most ticks of most installations find none, and leave out five queries."""

    calendar: bool  # windows, freezes, policies of overrun
    running_out: bool
    scheduled: bool


def beat(now: datetime) -> Standing:
    """Tell that the tick is alive, and look what there is for it. Two queries, whatever there is.

    Whoever finds that there was no tick for long holds what was under way, before anybody sees that there is one again.
    """
    row = Pulse.objects.filter(name="tick")
    asked = row.values_list(
        "at",
        Exists(Window.objects.standing()),
        Exists(Freeze.objects.standing()),
        Exists(OverrunPolicy.objects.all()),
        Exists(approvals.may_run_out()),
        Exists(calendar.waiting()),
    )
    if (found := asked.first()) is None:
        Pulse.objects.update_or_create(name="tick", defaults={"at": now})
        found = asked.get()
    last, windows, freezes, policies, running_out, scheduled = found
    if absence.is_long(last, now):
        absence.hold_what_ran(last, now)
    row.update(at=now)
    return Standing(windows or freezes or policies, running_out, scheduled)
