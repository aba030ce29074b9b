"""What the change engine remembers of windows, freezes, and changes that wait for them.

Local wall time and zone are kept, never an instant: which instant that is follows the rules of the zone as they are
when it is asked. A window or freeze is not edited: it is withdrawn and another is added, so that it can be told later
what was true when.
"""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.db import models
from django.db.models import Q

from fleet.changes.models.engine import Revision, TargetRun
from fleet.core import rrule, windows, windows_refuse
from fleet.core.model import Reason
from fleet.core.windows import OnOverrun, Period, Scope

_STANDING = Q(withdrawn_at__isnull=True)


class WindowQuerySet(models.QuerySet["Window"]):
    """Questions about many windows."""

    def standing(self) -> "WindowQuerySet":
        """Those that count: not withdrawn."""
        return self.filter(_STANDING).order_by("name")


class FreezeQuerySet(models.QuerySet["Freeze"]):
    """Questions about many freezes."""

    def standing(self) -> "FreezeQuerySet":
        """Those that count: not withdrawn."""
        return self.filter(_STANDING).order_by("name")


class Recurring(models.Model):
    """A time on the wall clock of a zone, once or again and again, for some sites, roles and recipes (empty = all)."""

    name = models.CharField(max_length=63)
    day = models.DateField()
    time = models.TimeField()
    length = models.DurationField()
    recurrence = models.CharField(max_length=500, blank=True)
    zone = models.CharField(max_length=63)
    without = models.JSONField(default=list)  # start days that are left out, as YYYY-MM-DD
    sites = models.JSONField(default=list)
    roles = models.JSONField(default=list)
    recipes = models.JSONField(default=list)
    uid = models.CharField(max_length=255)  # of its iCalendar event: read again, the same is found again
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    withdrawn_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True)

    by_clock = False  # see fleet.core.windows.Period

    class Meta:
        abstract = True
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=["name"], condition=_STANDING, name="%(class)s_name_once"),
            models.UniqueConstraint(fields=["uid"], condition=_STANDING, name="%(class)s_uid_once"),
        )

    def __str__(self) -> str:
        return self.name

    def scope(self) -> Scope:
        return Scope(frozenset(self.sites), frozenset(self.roles), frozenset(self.recipes))

    def period(self) -> Period | tuple[Reason, ...]:
        """The value that decisions are made on, or everything that is wrong with this row."""
        wrong: list[Reason] = []
        rule = rrule.parse(self.recurrence) if self.recurrence else None
        if isinstance(rule, tuple):
            wrong += rule
        try:
            zone = ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            remedy = "Use a name of the time zone database."
            wrong.append(Reason("zone", repr(self.zone), "a time zone such as Europe/London", remedy))
        if wrong or isinstance(rule, tuple):
            return tuple(wrong)
        starts = datetime.combine(self.day, self.time)
        without = frozenset(type(self.day).fromisoformat(d) for d in self.without)
        made = Period(starts, self.length, zone, rule, without, self.by_clock)
        return windows_refuse.refuse(made, rule_text=self.recurrence) or made

    @property
    def in_words(self) -> str:
        """The wall time, as it was entered."""
        again = f", {self.recurrence}" if self.recurrence else ""
        return f"{self.day:%a %Y-%m-%d} {self.time:%H:%M} for {self.length} {self.zone}{again}"


class Window(Recurring):
    """When work may start. `required`: what it covers may be changed in windows only, also by who presses Start."""

    required = models.BooleanField(default=False)

    objects = WindowQuerySet.as_manager()

    class Meta(Recurring.Meta):
        pass

    def value(self) -> windows.Window | tuple[Reason, ...]:
        period = self.period()
        return windows.Window(self.name, period, self.scope(), self.required) if isinstance(period, Period) else period


class Freeze(Recurring):
    """When no work may start, whatever the windows."""

    why = models.TextField(blank=True)

    objects = FreezeQuerySet.as_manager()
    by_clock = True

    class Meta(Recurring.Meta):
        pass

    def value(self) -> windows.Freeze | tuple[Reason, ...]:
        period = self.period()
        return windows.Freeze(self.name, period, self.scope(), self.why) if isinstance(period, Period) else period


class Schedule(models.Model):
    """An approved revision that starts by itself, in any window that covers it or in one of them only."""

    revision = models.OneToOneField(Revision, on_delete=models.PROTECT, related_name="schedule")
    window = models.ForeignKey(Window, on_delete=models.PROTECT, null=True, related_name="schedules")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    set_aside = models.BooleanField(default=False)  # somebody pressed Start: it is bound to no window any more
    canaries = models.JSONField()  # [name, worst case in s] of wave 0, so that the tick need not read the plan
    holds = models.JSONField(default=list)  # sentences: why it has not started yet

    def __str__(self) -> str:
        return f"{self.revision} in {self.window or 'any window that covers it'}"


class WindowOverride(models.Model):
    """An emergency: this revision may start whatever windows and freezes say. Append-only; who, why, when."""

    revision = models.OneToOneField(Revision, on_delete=models.PROTECT, related_name="window_override")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    why = models.TextField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.revision} over windows and freezes, by {self.by}: {self.why}"


class OverrunPolicy(models.Model):
    """What happens to devices that are not finished when the window closes, for each kind of change (recipe)."""

    recipe = models.CharField(max_length=100, unique=True)
    policy = models.CharField(max_length=10, choices=[(p.value, p.value) for p in OnOverrun])
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.recipe}: {self.policy}"


class Overrun(models.Model):
    """A target that was put back because its window had closed: no failure, but not done either.

    `resumed_at`: when it went back to pending, to begin again in the next window; `steps`: what was done up to then.
    """

    target = models.ForeignKey(TargetRun, on_delete=models.PROTECT, related_name="overruns")
    at = models.DateTimeField()
    resumed_at = models.DateTimeField(null=True)
    steps = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{self.target.name} overran"
