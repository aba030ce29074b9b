"""The first page: what needs a person, what runs now, what waits for me, what carries no traffic, what comes next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fleet import clock
from fleet.changes import calendar
from fleet.changes.calendar import Entry, Kind
from fleet.changes.models import Change, Event
from fleet.changes.views import access, for_me, frame, outside, running_now
from fleet.changes.views.access import reads
from fleet.core.states import CHANGE_ENDED
from inventory.models import Router

AHEAD = timedelta(days=7)
COMING_SHOWN = 8
ENDED_SHOWN = 8


@dataclass(frozen=True)
class Coming:
    """What the calendar holds of the next days: one entry of each window, freezes, and changes that wait."""

    openings: Sequence[Entry]
    freezes: Sequence[Entry]
    scheduled: Sequence[Entry]
    scheduled_in_all: int


@reads
def dashboard(request: HttpRequest) -> HttpResponse:
    """The first page; for htmx its live part."""
    now = clock.now()
    live = running_now.live()
    seen = frame.engine_seen()
    by_others, by_others_in_all = outside.shown(Q())
    context = {
        "now": now,
        "live": live,
        "live_shown": running_now.LIVE_SHOWN,
        "held": running_now.held(),
        "waiting": for_me.waiting(access.person(request), now),
        "coming": coming(calendar.entries(now, now + AHEAD, now), now),
        "ended": list(Change.objects.filter(state__in=CHANGE_ENDED).listed()[:ENDED_SHOWN]),
        "engine_seen": seen,
        "engine_silent": bool(live) and frame.silent(seen, now),
        "last_event": Event.objects.order_by("-id").values_list("id", flat=True).first() or 0,
        "outside": by_others,
        "outside_in_all": by_others_in_all,
        "no_device": not Router.objects.exists(),
        "may_operate": access.person(request).has_perm(access.OPERATE),
        "room": "dashboard",
    }
    template = "rooms/_dashboard.html" if access.is_htmx(request) else "rooms/dashboard.html"
    return render(request, template, context)


def coming(entries: Iterable[Entry], now: datetime) -> Coming:
    """What comes next: of each window and freeze the first occurrence that is not over."""
    first: dict[tuple[Kind, str], Entry] = {}
    scheduled = []
    for entry in entries:
        if entry.kind in {Kind.WINDOW, Kind.FREEZE}:
            if entry.end > now:
                first.setdefault((entry.kind, entry.title), entry)
        elif entry.kind is Kind.SCHEDULED or entry.start >= now:
            scheduled.append(entry)
    windows = [e for e in first.values() if e.kind is Kind.WINDOW]
    freezes = [e for e in first.values() if e.kind is Kind.FREEZE]
    return Coming(windows[:COMING_SHOWN], freezes[:COMING_SHOWN], scheduled[:COMING_SHOWN], len(scheduled))
