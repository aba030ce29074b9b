"""Forms for a window and a freeze: local wall time of a zone, checked, looked at first, kept. Edit is exchange."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, cast
from zoneinfo import available_timezones

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from fleet import clock
from fleet.changes import windows as keeping
from fleet.changes.models import Freeze, Revision, Window
from fleet.changes.views import access
from fleet.changes.views.windows import WORDS, local, standing
from fleet.changes.windows import Wanted
from fleet.core import explain
from fleet.core.model import Reason
from fleet.core.windows import Period, occurrences
from fleet.guards import edits
from fleet.people import rights
from fleet.people.roles import CALENDAR
from inventory.models import Router, Site

LOOKED_AHEAD = 6  # occurrences that a look before saving shows
AHEAD = timedelta(days=1500)  # finds the next 29 February
_CLOCK = forms.DateTimeInput(attrs={"type": "datetime-local", "step": 60}, format="%Y-%m-%dT%H:%M")
_FORMATS = ["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"]


class _Days(forms.CharField):
    """Days, separated by commas or spaces."""

    def to_python(self, value: Any) -> Any:
        found = []
        for text in str(value or "").replace(",", " ").split():
            try:
                found.append(date.fromisoformat(text))
            except ValueError:
                raise forms.ValidationError(f"found {text[:20]!r}, wanted days such as 2026-12-24") from None
        return tuple(found)


class PeriodForm(forms.Form):
    """What a window and a freeze have in common. Times are naive: what the clock of the zone shows."""

    name = forms.CharField(max_length=keeping.LONGEST_NAME, help_text="Short; it stands in every reason why not.")
    starts = forms.CharField(label="Starts", widget=_CLOCK)
    ends = forms.CharField(label="Ends", widget=_CLOCK, help_text="Of the first one, on the same clock.")
    zone = forms.CharField(widget=forms.TextInput(attrs={"list": "zones"}), help_text="Whose clock that is.")
    repeat = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"list": "repeats"}),
        help_text="Empty: once. Otherwise an RRULE, such as FREQ=WEEKLY;BYDAY=TU,TH.",
    )
    without = _Days(required=False, label="Without", help_text="Start days that are left out, such as 2026-12-24.")
    sites = forms.MultipleChoiceField(required=False, help_text="None chosen: all.")
    roles = forms.MultipleChoiceField(required=False, help_text="None chosen: all.")
    recipes = forms.MultipleChoiceField(required=False, help_text="Kinds of change. None chosen: all.")

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **{"label_suffix": "", **more})
        for field, names in choices().items():
            had = [n for n in self.initial.get(field, ()) if n not in names]
            chosen = cast(forms.MultipleChoiceField, self.fields[field])
            chosen.choices = [(n, n) for n in [*names, *had]]
            chosen.widget.attrs["size"] = min(8, max(3, len(names)))

    def clean_starts(self) -> datetime:
        return self._clock("starts")

    def clean_ends(self) -> datetime:
        return self._clock("ends")

    def _clock(self, field: str) -> datetime:
        """Naive on purpose: Django's own field would read it in the zone of the server."""
        text = str(self.cleaned_data[field])
        try:
            if "+" in text or "Z" in text:
                raise ValueError
            return datetime.fromisoformat(text)
        except ValueError:
            raise forms.ValidationError(f"found {text[:30]!r}, wanted a local time such as 2026-11-28 01:00") from None

    def wanted(self) -> Wanted:
        """What was asked for, as a value. Only when the form is valid."""
        said = self.cleaned_data
        starts: datetime = said["starts"]
        return Wanted(
            name=said["name"],
            day=starts.date(),
            time=starts.time(),
            length=said["ends"] - starts,
            zone=said["zone"],
            recurrence=said["repeat"],
            without=said["without"],
            sites=tuple(said["sites"]),
            roles=tuple(said["roles"]),
            recipes=tuple(said["recipes"]),
            required=bool(said.get("required")),
            why=said.get("why", ""),
        )


class WindowForm(PeriodForm):
    """When work may start."""

    required = forms.BooleanField(
        required=False, help_text="What it covers may be changed in windows only, also by who presses Start."
    )


class FreezeForm(PeriodForm):
    """When no work may start."""

    why = forms.CharField(
        label="Why",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Whoever must wait reads it.",
    )
    field_order = ("name", "why")


def choices() -> dict[str, list[str]]:
    """The names that a scope may have. Three queries."""
    return {
        "sites": list(Site.objects.order_by("name").values_list("name", flat=True)),
        "roles": list(Router.objects.order_by("role").values_list("role", flat=True).distinct()),
        "recipes": list(Revision.objects.order_by("recipe").values_list("recipe", flat=True).distinct()),
    }


@edits(CALENDAR)
def window(request: HttpRequest, pk: int = 0) -> HttpResponse:
    """Add a window, or put another one in the place of one."""
    return _form(request, WindowForm, Window, pk)


@edits(CALENDAR)
def freeze(request: HttpRequest, pk: int = 0) -> HttpResponse:
    """Add a freeze, or put another one in the place of one."""
    return _form(request, FreezeForm, Freeze, pk)


def _form(request: HttpRequest, kind: type[PeriodForm], model: type[Window] | type[Freeze], pk: int) -> HttpResponse:
    old = standing(model, pk) if pk else None
    if request.method != "POST":
        return _page(request, kind(initial=_initial(old) if old else {"zone": "UTC"}), model, old)
    form = kind(request.POST, initial=_initial(old) if old else {})
    if not form.is_valid():
        return _page(request, form, model, old, status=400)
    who, now = access.person(request), clock.now()
    row = (keeping.window_row if model is Window else keeping.freeze_row)(form.wanted(), who, now)
    reasons = rights.refusals_of_scope(who, CALENDAR, sites=row.sites, roles=row.roles)
    if old is not None:
        reasons += rights.refusals_of_scope(who, CALENDAR, sites=old.sites, roles=old.roles)
    if "look" in request.POST:
        reasons += keeping.refuse(row)
        return _page(request, form, model, old, reasons=reasons, looked=row, status=409 if reasons else 200)
    if not reasons:
        reasons = keeping.exchange(old, row, who, now) if old is not None else keeping.add(row)
    if reasons:
        return _page(request, form, model, old, reasons=reasons, status=409)
    messages.success(request, f"{row.name}: {row.in_words}. It counts from the next tick on.")
    return redirect("windows")


def _initial(row: Window | Freeze) -> dict[str, Any]:
    starts = datetime.combine(row.day, row.time)
    ends: datetime = starts + row.length
    return {
        "name": row.name,
        "starts": f"{starts:%Y-%m-%dT%H:%M}",
        "ends": f"{ends:%Y-%m-%dT%H:%M}",
        "zone": row.zone,
        "repeat": row.recurrence,
        "without": ", ".join(row.without),
        "sites": row.sites,
        "roles": row.roles,
        "recipes": row.recipes,
        **({"required": row.required} if isinstance(row, Window) else {"why": row.why}),
    }


def _page(
    request: HttpRequest,
    form: PeriodForm,
    model: type[Window] | type[Freeze],
    old: Window | Freeze | None,
    *,
    reasons: Sequence[Reason] = (),
    looked: Window | Freeze | None = None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "now": clock.now(),
        "room": "calendar",
        "form": form,
        "word": "window" if model is Window else "freeze",
        "old": old,
        "looked": looked is not None and not reasons,
        "ahead": _ahead(looked, clock.now()) if looked is not None and not reasons else (),
        "zones": sorted(available_timezones()),
        "repeats": WORDS.items(),
        "refusals": explain.sentences(reasons),
    }
    return render(request, "rooms/window_form.html", context, status=status)


def _ahead(row: Window | Freeze, now: datetime) -> list[tuple[str, datetime, datetime]]:
    """The next occurrences: as the clock there shows them, and in UTC."""
    period = row.period()
    assert isinstance(period, Period)  # it was just not refused
    begin = datetime.combine(period.starts.date(), time(), now.tzinfo) - timedelta(days=2)
    found = []
    for span in occurrences(period, max(now, begin), max(now, begin) + AHEAD):
        found.append((local(span, period), span.start, span.end))
        if len(found) == LOOKED_AHEAD:
            break
    return found
