"""Windows and freezes as lists: those that stand with their next opening, those that were withdrawn and by whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fleet import clock
from fleet.changes import calendar
from fleet.changes import windows as keeping
from fleet.changes.models import Freeze, OverrunPolicy, Window
from fleet.changes.models.windows import FreezeQuerySet, WindowQuerySet
from fleet.changes.templatetags.slipway import duration
from fleet.changes.views import access
from fleet.changes.views.access import acts, reads
from fleet.core import explain
from fleet.core.model import Reason
from fleet.core.windows import OnOverrun, Period, Span, occurrences
from fleet.people import rights
from fleet.people.roles import CALENDAR

PER_PAGE = 50
AHEAD = timedelta(days=400)
# Recurrences that a form suggests, in words.
WORDS = {
    "FREQ=DAILY": "every day",
    "FREQ=WEEKLY": "every week",
    "FREQ=WEEKLY;BYDAY=TU,TH": "Tuesdays and Thursdays",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH": "Monday to Thursday",
    "FREQ=WEEKLY;BYDAY=SU": "Sundays",
    "FREQ=MONTHLY;BYDAY=2TU": "the second Tuesday of a month",
    "FREQ=MONTHLY;BYDAY=-1SU": "the last Sunday of a month",
    "FREQ=YEARLY": "every year",
}


@dataclass(frozen=True)
class Shown:
    """A window or freeze with its next occurrence (`next`: none within 400 days) and what makes it unreadable."""

    row: Window | Freeze
    scope: str
    wall: str
    again: str
    next: Span | None
    local: str
    open_now: bool
    over: bool
    wrong: tuple[str, ...]


def shown(row: Window | Freeze, now: datetime) -> Shown:
    """One row as its list shows it. No query."""
    scope = calendar.in_words(row.sites, row.roles, row.recipes)
    period = row.period()
    if not isinstance(period, Period):
        wrong = explain.sentences(period)
        return Shown(row, scope, row.in_words, "", None, "", open_now=False, over=False, wrong=wrong)
    span = next(iter(occurrences(period, now, now + AHEAD)), None)
    wall = f"{row.day:%a %Y-%m-%d} {row.time:%H:%M}, for {duration(row.length.total_seconds())}, {row.zone}"
    on, over = bool(span and span.start <= now), span is None and period.rule is None
    again = WORDS.get(row.recurrence, row.recurrence)
    return Shown(row, scope, wall, again, span, local(span, period), open_now=on, over=over, wrong=())


def local(span: Span | None, period: Period) -> str:
    """An occurrence as the clock there shows it: "Sun 2026-11-22 01:00 – 04:00"."""
    if span is None:
        return ""
    begins, ends = span.start.astimezone(period.zone), span.end.astimezone(period.zone)
    same = begins.date() == ends.date()
    return f"{begins:%a %Y-%m-%d %H:%M} – {ends:{'%H:%M' if same else '%a %Y-%m-%d %H:%M'}}"


@reads
def windows(request: HttpRequest) -> HttpResponse:
    """All windows and freezes that stand, or with `withdrawn=1` those that do not any more."""
    return listed(request)


def listed(request: HttpRequest, *, refusals: Sequence[Reason] = (), status: int = 200) -> HttpResponse:
    """The page of windows and freezes, with what was refused."""
    now = clock.now()
    withdrawn = request.GET.get("withdrawn") == "1"
    pages = {kind: _page(request, kind, withdrawn=withdrawn) for kind in ("windows", "freezes")}
    context = {
        "now": now,
        "room": "calendar",
        "withdrawn": withdrawn,
        "windows": [shown(row, now) for row in pages["windows"]],
        "freezes": [shown(row, now) for row in pages["freezes"]],
        "pages": pages,
        "overrun": list(OverrunPolicy.objects.select_related("by").order_by("recipe")[:PER_PAGE]),
        "finish": OnOverrun.FINISH,
        "may_keep": access.person(request).has_perm(CALENDAR),
        "refusals": explain.sentences(refusals),
    }
    return render(request, "rooms/windows.html", context, status=status)


def _page(request: HttpRequest, kind: str, *, withdrawn: bool) -> "Page[Any]":
    found: WindowQuerySet | FreezeQuerySet = (Window if kind == "windows" else Freeze).objects.all()
    rows = found.exclude(withdrawn_at=None).order_by("-withdrawn_at") if withdrawn else found.standing()
    return Paginator(rows.select_related("created_by", "withdrawn_by"), PER_PAGE).get_page(request.GET.get(kind))


def standing(model: type[Window] | type[Freeze], pk: int) -> Window | Freeze:
    """A row by its number, withdrawn or not. Raises Http404."""
    row: Window | Freeze | None = model.objects.filter(pk=pk).first()
    if row is None:
        raise Http404(f"There is no {model._meta.verbose_name} {pk}.")
    return row


@acts(CALENDAR)
def withdraw_window(request: HttpRequest, pk: int) -> HttpResponse:
    """It counts no longer."""
    return _withdraw(request, standing(Window, pk))


@acts(CALENDAR)
def withdraw_freeze(request: HttpRequest, pk: int) -> HttpResponse:
    """It counts no longer."""
    return _withdraw(request, standing(Freeze, pk))


def _withdraw(request: HttpRequest, row: Window | Freeze) -> HttpResponse:
    who = access.person(request)
    reasons = rights.refusals_of_scope(who, CALENDAR, sites=row.sites, roles=row.roles)
    if reasons := reasons or keeping.withdraw(row, who, clock.now()):
        return listed(request, refusals=reasons, status=409)
    messages.success(request, f"{row.name} is withdrawn. It counts no longer from the next tick on.")
    return redirect("windows")
