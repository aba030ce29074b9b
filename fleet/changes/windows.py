"""What people do to windows and freezes: add, withdraw, say what happens when one closes on unfinished work.

Each refusal names everything that is wrong; nothing is half written.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from typing import TypeVar
from uuid import uuid4

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction

from fleet.changes.approvals import Reasons
from fleet.changes.models import Freeze, OverrunPolicy, Window
from fleet.core.model import Reason
from fleet.core.windows import OnOverrun
from inventory.models import Router, Site

LONGEST_NAME = 63


@dataclass(frozen=True)
class Wanted:
    """A window or freeze that somebody wants, in local wall time. Empty sites, roles, recipes: all of them.

    `required` is for windows, `why` for freezes. `uid`: of its iCalendar event; made up when empty.
    """

    name: str
    day: date
    time: time
    length: timedelta
    zone: str
    recurrence: str = ""
    without: tuple[date, ...] = ()
    sites: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    required: bool = False
    why: str = ""
    uid: str = ""


Row = TypeVar("Row", Window, Freeze)


def window_row(wanted: Wanted, person: AbstractBaseUser, now: datetime) -> Window:
    """The row, not yet kept."""
    return _filled(Window(required=wanted.required), wanted, person, now)


def freeze_row(wanted: Wanted, person: AbstractBaseUser, now: datetime) -> Freeze:
    """The row, not yet kept."""
    return _filled(Freeze(why=wanted.why), wanted, person, now)


def _filled(row: Row, wanted: Wanted, person: AbstractBaseUser, now: datetime) -> Row:
    row.name, row.day, row.time, row.length, row.zone = (
        wanted.name,
        wanted.day,
        wanted.time,
        wanted.length,
        wanted.zone,
    )
    row.recurrence = wanted.recurrence.strip().removeprefix("RRULE:")
    row.without = sorted(d.isoformat() for d in wanted.without)
    row.sites, row.roles, row.recipes = sorted(wanted.sites), sorted(wanted.roles), sorted(wanted.recipes)
    row.uid = wanted.uid or f"{uuid4()}@slipway"
    row.created_by_id, row.created_at = person.pk, now
    return row


def refuse(row: Window | Freeze, *, names_taken: Sequence[str] = ()) -> Reasons:
    """Everything that is wrong with a row before it is kept."""
    reasons = []
    if not 0 < len(row.name) <= LONGEST_NAME or not row.name.isprintable() or row.name != row.name.strip():
        wanted = f"1 to {LONGEST_NAME} characters that can be printed"
        reasons.append(Reason("name", repr(row.name[:80]), wanted, "Give it a short name."))
    if row.name in names_taken:
        reasons.append(Reason(f"name {row.name}", "taken", "a name of its own", "Withdraw the other, or name it anew."))
    period = row.period()
    reasons += period if isinstance(period, tuple) else ()
    reasons += _unknown("site", row.sites, Site.objects.values_list("name", flat=True))
    reasons += _unknown("role", row.roles, Router.objects.values_list("role", flat=True).distinct())
    if isinstance(row, Freeze) and not row.why.strip():
        reasons.append(Reason("reason", "none", "why nothing may start", "Say it; whoever must wait reads it."))
    return tuple(reasons)


def _unknown(what: str, names: Sequence[str], known: Iterable[str]) -> Reasons:
    """A name that nobody has would cover nothing: most likely it is mistyped."""
    have = sorted(set(known)) if names else []
    reasons = []
    for name in names:
        if name not in have:
            close = get_close_matches(name, have, 1)
            remedy = f"Did you mean {close[0]}?" if close else f"Known: {', '.join(have[:10]) or 'none'}."
            reasons.append(Reason(what, repr(name[:63]), f"a {what} of the inventory", remedy))
    return tuple(reasons)


def add(row: Window | Freeze) -> Reasons:
    """Keep a window or freeze; it counts from the engine's next tick on."""
    taken = type(row).objects.filter(withdrawn_at__isnull=True).values_list("name", flat=True)
    if reasons := refuse(row, names_taken=list(taken)):
        return reasons
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return (Reason(f"name {row.name}", "taken meanwhile", "a name of its own", "Look again."),)
    return ()


def withdraw(row: Window | Freeze, person: AbstractBaseUser, now: datetime) -> Reasons:
    """It counts no longer; the row stays, so that it can be told later what was true when."""
    standing = type(row).objects.filter(pk=row.pk, withdrawn_at__isnull=True)
    if standing.update(withdrawn_by=person.pk, withdrawn_at=now) != 1:
        return (Reason(f"{row.name}", "withdrawn already", "one that stands", "Nothing is left to do."),)
    return ()


class _NothingKept(Exception):
    """Rolls the exchange back."""


def exchange(old: Window | Freeze, new: Window | Freeze, person: AbstractBaseUser, now: datetime) -> Reasons:
    """Withdraw one and keep another in its place, or neither: at no instant is there none, or are there two."""
    reasons: Reasons = ()
    try:
        with transaction.atomic():
            new.uid = old.uid  # calendars of others see it moved, not another one
            if reasons := (*withdraw(old, person, now), *add(new)):
                raise _NothingKept
    except _NothingKept:
        return reasons
    return ()


def overrun_of(recipe: str) -> OnOverrun:
    """What is wanted of this kind of change when its window closes on it. One query. Part of every plan's digest."""
    found = OverrunPolicy.objects.filter(recipe=recipe).values_list("policy", flat=True).first()
    return OnOverrun(found) if found else OnOverrun.FINISH


def decide_overrun(recipe: str, policy: str, person: AbstractBaseUser, now: datetime) -> Reasons:
    """What happens to devices of this kind of change that are not finished when their window closes."""
    if policy not in set(OnOverrun):
        return (Reason("overrun", repr(policy[:40]), f"one of {', '.join(OnOverrun)}", "Choose one."),)
    values = {"policy": policy, "by_id": person.pk, "at": now}
    OverrunPolicy.objects.update_or_create(recipe=recipe, defaults=values)
    return ()
