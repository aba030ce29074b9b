"""The calendar: month, week and day with windows, freezes, and running, scheduled and blocked changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render

from fleet import clock
from fleet.changes import calendar as book
from fleet.changes.calendar import Kind
from fleet.changes.models import Event, Freeze, Window
from fleet.changes.views import access, calendar_days
from fleet.changes.views.access import reads
from fleet.changes.views.calendar_days import MARKS, TRACK, View
from fleet.core import explain
from fleet.core.model import Reason
from fleet.people.roles import CALENDAR
from inventory.models import Site

FIRST, LAST = date(2000, 1, 1), date(2199, 12, 1)
# In a cell of a month; the day has all of them.
CELL_SHOWS = 5
ZONES_SHOWN = 100


@dataclass(frozen=True)
class Asked:
    """What the address asks for."""

    view: View
    day: date
    zone: ZoneInfo

    def address(self, **other: object) -> str:
        """The same page but for what is given."""
        said = {"view": self.view, "day": self.day, "zone": self.zone, **other}
        return "?" + urlencode({k: str(v) for k, v in said.items()})


def read(said: QueryDict | Mapping[str, str], now: datetime) -> tuple[Asked, list[Reason]]:
    """What an address asks for; what cannot be read is refused, and the page of today in UTC is shown instead."""
    refusals = []
    zone = ZoneInfo("UTC")
    if name := said.get("zone", ""):
        try:
            zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            remedy = "Use a name of the time zone database."
            refusals.append(Reason("zone", repr(name[:60]), "a time zone such as Europe/London", remedy))
    view = View.WEEK
    if text := said.get("view", ""):
        if text in set(View):
            view = View(text)
        else:
            refusals.append(Reason("view", repr(text[:20]), f"one of {', '.join(View)}", "Choose one."))
    day = now.astimezone(zone).date()
    if text := said.get("day", ""):
        try:
            found = date.fromisoformat(text)
        except ValueError:
            found = date.min
        if FIRST <= found <= LAST:
            day = found
        else:
            wanted = f"a day such as {day}, from {FIRST.year} to {LAST.year}"
            refusals.append(Reason("day", repr(text[:20]), wanted, "Write year-month-day."))
    return Asked(view, day, zone), refusals


@reads
def calendar(request: HttpRequest) -> HttpResponse:
    """The calendar; for htmx its live part. 400 with the reasons when the address is not understood."""
    now = clock.now()
    asked, refusals = read(request.GET, now)
    zone = asked.zone
    days = calendar_days.days_of(asked.view, asked.day)
    start = calendar_days.midnight(days[0], zone)
    end = calendar_days.midnight(days[-1] + timedelta(days=1), zone)
    entries = book.entries(start, end, now)
    before, after = calendar_days.around(asked.view, asked.day)
    today = now.astimezone(zone).date()
    month = asked.day.month if asked.view is View.MONTH else 0
    found = calendar_days.by_day(entries, days, zone, today, month=month)
    context = {
        "now": now,
        "room": "calendar",
        "asked": asked,
        "title": _title(asked, days),
        "views": [(v, asked.address(view=v), v is asked.view) for v in View],
        "before": asked.address(day=before),
        "after": asked.address(day=after),
        "to_today": asked.address(day=today),
        "days": found,
        "weeks": [found[n : n + 7] for n in range(0, len(found), 7)],
        "tracks": calendar_days.tracks(entries, days, zone) if asked.view is not View.MONTH else (),
        "track": TRACK,
        "lines": _lines(days),
        "now_at": calendar_days.now_at(now, days, zone),
        "marks": MARKS,
        "cell_shows": CELL_SHOWS,
        "cell_slice": f":{CELL_SHOWS}",
        "hours": [f"{h:02}:00" for h in range(0, 24, 3)],
        "cut": len(entries) >= book.MOST_ENTRIES,
        "kinds": list(Kind),
        "zones": _zones(),
        "may_keep": access.person(request).has_perm(CALENDAR),
        "refusals": explain.sentences(refusals),
        "last_event": Event.objects.order_by("-id").values_list("id", flat=True).first() or 0,
    }
    template = "rooms/_calendar.html" if access.is_htmx(request) else "rooms/calendar.html"
    return render(request, template, context, status=400 if refusals else 200)


def _title(asked: Asked, days: list[date]) -> str:
    match asked.view:
        case View.DAY:
            return f"{asked.day:%A %d %B %Y}"
        case View.WEEK:
            return f"Week {asked.day.isocalendar().week}: {days[0]:%d %b} – {days[-1]:%d %b %Y}"
        case View.MONTH:
            return f"{asked.day:%B %Y}"


def _lines(days: list[date]) -> list[float]:
    """Where the lines of a track stand: between days, or every three hours of one."""
    pieces = len(days) if len(days) > 1 else 8
    return [TRACK * n / pieces for n in range(1, pieces)]


def _zones() -> list[str]:
    """The zones that people here read a clock in. Three queries."""
    names = {str(UTC)}
    for rows, field in ((Site.objects.all(), "time_zone"), (Window.objects.standing(), "zone"),
                        (Freeze.objects.standing(), "zone")):  # fmt: skip
        names.update(rows.order_by(field).values_list(field, flat=True).distinct()[:ZONES_SHOWN])
    return sorted(names)
