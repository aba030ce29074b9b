"""May work on a place start now, if not why, and when next: every reason at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from fleet.core.model import Reason
from fleet.core.windows import Calendar, Period, Place, Span, Terms, occurrences, openings, windows_for

# How far ahead an opening is looked for: a yearly window is found in any case. Looked at in growing steps, because most
# windows are nightly or weekly and their next one is near.
AHEAD = (timedelta(days=8), timedelta(days=62), timedelta(days=400))


@dataclass(frozen=True)
class Door:
    """Whether work on a place may start now: why it is closed (empty: it is open), until when it is open (None: longer
    than was looked ahead), and the openings that follow. `owner`: the local start day of what is open."""

    closed: tuple[Reason, ...] = ()
    until: datetime | None = None
    later: tuple[Span, ...] = ()
    owner: date | None = None

    def next_fit(self, need: timedelta) -> datetime | None:
        """The next instant, after what is open now, at which work of this worst case could start."""
        return next((s.start for s in self.later if s.length >= need), None)


ALWAYS_OPEN = Door()


def door(calendar: Calendar, place: Place, terms: Terms, now: datetime, need: timedelta = timedelta()) -> Door:
    """The door to a place. `need`: the longest worst case that anybody will ask about; openings are looked for until
    one is that long, or for 400 days."""
    if terms.override or (not calendar.freezes and not calendar.unreadable and _needs_no_window(calendar, terms)):
        return ALWAYS_OPEN
    here: Span | None = None
    later: list[Span] = []
    horizon = now
    for ahead in AHEAD:
        horizon = now + max(ahead, need + timedelta(days=1))
        spans = openings(calendar, place, terms, now, horizon)
        here = next((s for s in spans if s.start <= now < s.end), None)
        later = [s for s in spans if s.start > now]
        if any(s.length >= need for s in later) or (here is not None and here.end >= horizon):
            break
    if here is None:
        return Door(_why_closed(calendar, place, terms, now, later), None, tuple(later))
    return Door((), here.end if here.end < horizon else None, tuple(later), here.day)


def _needs_no_window(calendar: Calendar, terms: Terms) -> bool:
    return not terms.windowed and not any(w.required for w in calendar.windows)


def _why_closed(
    calendar: Calendar, place: Place, terms: Terms, now: datetime, later: Sequence[Span]
) -> tuple[Reason, ...]:
    """Every reason why nothing may start here now."""
    reasons = [u.reason for u in calendar.unreadable if u.scope.covers(place)]
    for freeze in calendar.freezes:
        if freeze.scope.covers(place) and (end := _end_of(freeze.period, now)) is not None:
            remedy = "It may start when the freeze is over, or with a recorded emergency override."
            said = f"until {shown(end, freeze.period.zone)}" + (f" ({freeze.why})" if freeze.why else "")
            reasons.append(Reason(f"freeze {freeze.name}", said, "no freeze", remedy))
    wanted = windows_for(calendar, place, terms)
    if wanted is None or any(_end_of(w.period, now) is not None for w in wanted):
        return tuple(reasons)
    if not wanted:
        what = f"window {terms.window}" if terms.window else "windows"
        remedy = "Add one (./manage.py windows add), or choose another window."
        reasons.append(Reason(what, f"none for {place}", "a window that covers it", remedy))
    elif not later:
        names = ", ".join(w.name for w in wanted)
        remedy = "Choose another window, or end the freeze that covers it."
        reasons.append(
            Reason(f"window {names}", f"closed, and no opening within {AHEAD[-1].days} days", "open", remedy)
        )
    else:
        opens = shown(later[0].start, wanted[0].period.zone)
        names = ", ".join(w.name for w in wanted)
        reasons.append(Reason(f"window {names}", f"closed, opens {opens}", "open", "It starts by itself then."))
    return tuple(reasons)


def _end_of(period: Period, now: datetime) -> datetime | None:
    """When what is on now ends; None when nothing is."""
    return max(
        (s.end for s in occurrences(period, now, now + timedelta(microseconds=1)) if s.start <= now), default=None
    )


def shown(at: datetime, zone: tzinfo) -> str:
    """An instant for people: UTC, and what the clock of the zone shows then when that differs."""
    local = at.astimezone(zone)
    text = f"{at:%Y-%m-%d %H:%M} UTC"
    return text if not local.utcoffset() else f"{text} ({local:%a %H:%M} {zone})"


def through(door: Door, name: str, worst_case_s: float, now: datetime) -> tuple[Reason, ...]:
    """May work on this device start now? Point of no return: its worst case, with rollback, must still fit (rule 7)."""
    if door.closed:
        return door.closed
    need = timedelta(seconds=worst_case_s)
    if door.until is None or now + need <= door.until:
        return ()
    then = door.next_fit(need)
    carried = f"It is carried to the next opening, {then:%Y-%m-%d %H:%M} UTC." if then else NEVER_FITS
    wanted = f"{worst_case_s:.0f} s before that (worst case with rollback)"
    return (Reason(f"window for {name}", f"closes {door.until:%Y-%m-%d %H:%M} UTC", wanted, carried),)


NEVER_FITS = f"No opening within {AHEAD[-1].days} days is long enough: make a longer window, or plan fewer steps."


@dataclass(frozen=True)
class Beginner:
    """A device of the first wave: whichever of them may start, starts the change."""

    name: str
    worst_case_s: float
    door: Door


@dataclass(frozen=True)
class Outlook:
    """Why a change may not start now (empty: it may), and the next instant at which windows and freezes would let it
    (None: none within 400 days)."""

    holds: tuple[Reason, ...]
    at: datetime | None


def outlook(beginners: Iterable[Beginner], now: datetime) -> Outlook:
    """When may the first of these start? It is enough that one may; otherwise all their reasons, each once."""
    reasons: dict[Reason, None] = {}
    instants: list[datetime] = []
    some = list(beginners)
    for one in some:
        mine = through(one.door, one.name, one.worst_case_s, now)
        if not mine:
            return Outlook((), now)
        reasons.update(dict.fromkeys(mine))
        then = one.door.next_fit(timedelta(seconds=one.worst_case_s))
        if then is not None:
            instants.append(then)
    if some and not instants:
        longest = min(b.worst_case_s for b in some)
        never = Reason("worst case", f"{longest:.0f} s with rollback", "an opening that is as long", NEVER_FITS)
        reasons[never] = None
    return Outlook(tuple(reasons), min(instants, default=None if some else now))
