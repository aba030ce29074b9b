"""Windows and freezes as iCalendar (RFC 5545): read from files of others, written for their calendars.

An event is a freeze when its categories say FREEZE, a window when they say WINDOW, otherwise what the reader is told.
Scope stands in X-SLIPWAY-SITES, -ROLES, -RECIPES. What cannot be kept as it is written (RDATE, moved single events, a
zone that nobody knows) is refused by name: a maintenance time that was read half is worse than none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import icalendar
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from fleet.changes import windows
from fleet.changes.models import Freeze, Window
from fleet.changes.windows import Wanted
from fleet.core.model import Reason
from fleet.core.windows import Period, span_of

MOST_BYTES = 5_000_000  # a year of a large provider's notices is below 1 MB
MOST_EVENTS = 2_000
_UNKNOWN = ("RDATE", "EXRULE", "RECURRENCE-ID")
_LISTS = {"X-SLIPWAY-SITES": "sites", "X-SLIPWAY-ROLES": "roles", "X-SLIPWAY-RECIPES": "recipes"}


@dataclass(frozen=True)
class Read:
    """What a file says: windows, freezes, UIDs that it cancels, and everything in it that cannot be kept."""

    windows: tuple[Wanted, ...] = ()
    freezes: tuple[Wanted, ...] = ()
    cancelled: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Taken:
    """What was (or would be) done, one line each, or why nothing was."""

    lines: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()


# --- reading -------------------------------------------------------------------------------------------------------


def read(content: bytes, *, zone: str = "", freezes: bool = False) -> Read:
    """Read a file. `zone`: of times that name none; `freezes`: what events without a category are. Never raises."""
    if len(content) > MOST_BYTES:
        return Read(reasons=(Reason("file", f"{len(content)} bytes", f"at most {MOST_BYTES}", "Split it."),))
    try:
        events = [e for c in icalendar.Calendar.from_ical(content, multiple=True) for e in c.walk("VEVENT")]
    except Exception as error:  # the library raises many kinds on what is no calendar
        found = f"no calendar: {str(error)[:100]}"
        return Read(reasons=(Reason("file", found, "iCalendar (RFC 5545)", "Export it as .ics."),))
    if not 0 < len(events) <= MOST_EVENTS:
        return Read(reasons=(Reason("file", f"{len(events)} events", f"1 to {MOST_EVENTS}", "Choose another file."),))
    kept: dict[bool, list[Wanted]] = {True: [], False: []}
    cancelled, reasons = [], []
    for number, event in enumerate(events, 1):
        uid, name = str(event.get("UID", "")), str(event.get("SUMMARY", "")).strip()
        about = f"event {number} ({name[:40] or uid[:40] or 'without a name'})"
        if uid and str(event.get("STATUS", "")).upper() == "CANCELLED":
            cancelled.append(uid)
            continue
        frozen = _is_freeze(event, otherwise=freezes)
        try:
            made = _wanted(event, zone, frozen=frozen)
        except Exception as error:  # parsed by others: any property may be anything
            made = (Reason("event", str(error)[:100], "properties that can be read", "Mend it in its calendar."),)
        if isinstance(made, Wanted):
            kept[frozen].append(made)
        else:
            reasons += [replace(r, subject=f"{about}, {r.subject}") for r in made]
    return Read(tuple(kept[False]), tuple(kept[True]), tuple(cancelled), tuple(reasons))


def _is_freeze(event: Any, *, otherwise: bool) -> bool:
    said = event.get("CATEGORIES")
    cats = {str(c).upper() for part in (said if isinstance(said, list) else [said] if said else []) for c in part.cats}
    return "FREEZE" in cats or (otherwise and "WINDOW" not in cats)


def _wanted(event: Any, zone: str, *, frozen: bool) -> Wanted | tuple[Reason, ...]:
    reasons = [
        Reason(name, "there", "events without it", "Write it as a window or freeze of its own.")
        for name in _UNKNOWN
        if name in event
    ]
    reasons += [Reason(name, str(error)[:100], "what can be read", "Mend it.") for name, error in event.errors]
    if not event.get("UID"):
        reasons.append(Reason("UID", "none", "a UID", "Without it, the same event would be added at each reading."))
    start, end, rule = event.get("DTSTART"), event.get("DTEND"), event.get("RRULE")
    if start is None:
        reasons.append(Reason("DTSTART", "none", "a start", "Say when it begins."))
    if isinstance(rule, list):
        reasons.append(Reason("RRULE", f"{len(rule)} of them", "at most one", "Make several events."))
    if reasons or start is None:
        return tuple(reasons)
    named = _zone(start) or zone
    if not named:
        return (Reason("zone", "none", "a zone", "Say whose clock it is with --zone."),)
    local, length = _local(start.dt), _length(event, start.dt, end.dt if end else None, frozen=frozen)
    lists = {field: _names(event.get(name)) for name, field in _LISTS.items()}
    return Wanted(
        name=str(event.get("SUMMARY", "")).strip()[: windows.LONGEST_NAME].strip(),
        day=local.date(),
        time=local.time(),
        length=length,
        zone=named,
        recurrence=rule.to_ical().decode() if rule is not None else "",
        without=tuple(sorted({d.date() for d in _excluded(event)})),
        required=str(event.get("X-SLIPWAY-REQUIRED", "")).upper() == "TRUE",
        why=str(event.get("DESCRIPTION", "")).strip() or ("as the calendar says" if frozen else ""),
        uid=str(event["UID"])[:255],
        **lists,
    )


def _zone(start: Any) -> str:
    """The name of the zone of a time; empty when it names none (a whole day, a floating time)."""
    at = start.dt
    if not isinstance(at, datetime):
        return ""
    key = getattr(at.tzinfo, "key", None)
    if key or at.tzinfo is None:
        return str(key or start.params.get("TZID", ""))
    return "UTC" if at.tzinfo == UTC else str(start.params.get("TZID", ""))


def _local(at: date | datetime) -> datetime:
    return at.replace(tzinfo=None) if isinstance(at, datetime) else datetime.combine(at, time())


def _length(event: Any, start: date, end: date | None, *, frozen: bool) -> timedelta:
    """How long: of a window what really passes, of a freeze what the wall clock counts."""
    if end is not None:
        exact = isinstance(start, datetime) and isinstance(end, datetime) and start.tzinfo and end.tzinfo
        if exact and not frozen:
            assert isinstance(start, datetime)
            assert isinstance(end, datetime)
            return end.astimezone(UTC) - start.astimezone(UTC)
        if exact and isinstance(end, datetime) and isinstance(start, datetime):
            end = end.astimezone(start.tzinfo)
        return _local(end) - _local(start)
    if (said := event.get("DURATION")) is not None:
        return said.dt  # type: ignore[no-any-return]
    return timedelta(0) if isinstance(start, datetime) else timedelta(days=1)


def _excluded(event: Any) -> Iterator[datetime]:
    said = event.get("EXDATE")
    for part in said if isinstance(said, list) else [said] if said is not None else []:
        for one in part.dts:
            yield _local(one.dt)


def _names(text: Any) -> tuple[str, ...]:
    return tuple(n.strip() for n in str(text or "").split(",") if n.strip())


# --- taking over ---------------------------------------------------------------------------------------------------


class _NothingKept(Exception):
    """Inside the transaction: put everything back."""


def take_over(said: Read, person: AbstractBaseUser, now: datetime, *, dry_run: bool = False) -> Taken:
    """Make what stands as the file says: new ones added, moved ones replaced, cancelled ones withdrawn; all or nothing.

    What the file does not name is left alone: a file is one calendar of many.
    """
    if said.reasons:
        return Taken(reasons=said.reasons)
    lines: list[str] = []
    reasons: list[Reason] = []
    try:
        with transaction.atomic():
            for wanted in said.windows:
                reasons += _keep(windows.window_row(wanted, person, now), person, now, lines)
            for wanted in said.freezes:
                reasons += _keep(windows.freeze_row(wanted, person, now), person, now, lines)
            for uid in said.cancelled:
                for old in _standing(uid):
                    reasons += windows.withdraw(old, person, now)
                    lines.append(f"{old.name}: withdrawn")
            if reasons or dry_run:
                raise _NothingKept
    except _NothingKept:
        pass
    return Taken(reasons=tuple(reasons)) if reasons else Taken(tuple(lines))


def _standing(uid: str) -> list[Window | Freeze]:
    return [*Window.objects.standing().filter(uid=uid), *Freeze.objects.standing().filter(uid=uid)]


def _keep(row: Window | Freeze, person: AbstractBaseUser, now: datetime, lines: list[str]) -> Sequence[Reason]:
    replaced = False
    for old in _standing(row.uid):
        if type(old) is type(row) and _content(old) == _content(row):
            lines.append(f"{row.name}: unchanged")
            return ()
        windows.withdraw(old, person, now)
        replaced = True
    lines.append(f"{row.name}: {'replaced' if replaced else 'added'}: {row.in_words}")
    return [replace(r, subject=f"{row.name[:40]}, {r.subject}") for r in windows.add(row)]


_CONTENT = ("name", "day", "time", "length", "recurrence", "zone", "without", "sites", "roles", "recipes")


def _content(row: Window | Freeze) -> tuple[Any, ...]:
    own = row.required if isinstance(row, Window) else row.why
    return (*(getattr(row, field) for field in _CONTENT), own)


# --- writing -------------------------------------------------------------------------------------------------------


def export(rows: Sequence[Window | Freeze]) -> bytes:
    """A calendar of these rows. What cannot be read is left out: no other calendar could show it either."""
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Slipway//windows and freezes//EN")
    calendar.add("version", "2.0")
    for row in rows:
        period = row.period()
        if isinstance(period, Period):
            calendar.add_component(_event(row, period))
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())


def _event(row: Window | Freeze, period: Period) -> icalendar.Event:
    event = icalendar.Event()
    event.add("uid", row.uid)
    event.add("dtstamp", row.created_at)
    event.add("summary", row.name)
    event.add("categories", ["FREEZE" if isinstance(row, Freeze) else "WINDOW"])
    start = period.starts.replace(tzinfo=period.zone)
    event.add("dtstart", start)
    # A window's end as an instant: unlike the wall clock it never shows twice. A freeze ends by the wall clock.
    end = span_of(period, period.starts.date()).end
    event.add("dtend", start + period.length if period.by_clock else end)
    if period.rule is not None:
        event.add("rrule", icalendar.vRecur.from_ical(str(period.rule)))
    if period.without:
        times = [datetime.combine(d, period.starts.time(), tzinfo=period.zone) for d in sorted(period.without)]
        event.add("exdate", times)
    for name, field in _LISTS.items():
        if values := getattr(row, field):
            event.add(name, ",".join(values))
    if isinstance(row, Freeze):
        event.add("description", row.why)
    elif row.required:
        event.add("X-SLIPWAY-REQUIRED", "TRUE")
    return event
