"""What people do about windows: schedule an approved change into them, put one above them in an emergency."""

from dataclasses import replace
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, User
from django.db import IntegrityError, transaction

from fleet.changes import approvals, calendar, transitions
from fleet.changes.approvals import Reasons
from fleet.changes.models import Change, Revision, Schedule, Window, WindowOverride
from fleet.changes.transitions import Note
from fleet.core import gates
from fleet.core import plan as planning
from fleet.core.model import Reason
from fleet.core.states import ChangeState
from fleet.core.windows import Terms
from fleet.core.windows_door import outlook
from fleet.people import rights
from fleet.people.roles import BREAK_GLASS, OPERATE


def schedule(change: Change, person: AbstractBaseUser, now: datetime, *, window: Window | None = None) -> Reasons:
    """Let an approved change start by itself in any window that covers it, or in this one only.

    Again for a change that is scheduled already: it is moved. Refused when no opening within 400 days is long enough
    for any device of its first wave.
    """
    revision = change.revision
    if revision is None:
        return (Reason("plan", "none", "a plan", "Plan the change first."),)
    reasons = [*_ready(change, revision, person, now)]
    if window is not None and window.withdrawn_at is not None:
        reasons.append(Reason(f"window {window}", "withdrawn", "one that stands", "Choose another window."))
    canaries = calendar.first_wave(revision)
    terms = Terms(windowed=True, window=window.name if window else None)
    where = calendar.places([n for n, _ in canaries], revision.recipe)
    ahead = outlook(calendar.beginners(canaries, where, calendar.load().calendar, terms, now), now)
    if ahead.at is None:
        reasons += ahead.holds
    if reasons:
        return tuple(reasons)
    into = f"window {window}" if window else "any window that covers it"
    assert ahead.at is not None
    what = Note(person.get_username(), f"scheduled into {into}, not before {ahead.at:%Y-%m-%d %H:%M} UTC")
    values = {"window": window, "by_id": person.pk, "at": now, "canaries": [list(c) for c in canaries], "holds": []}
    with transaction.atomic():
        if change.state == ChangeState.APPROVED:
            if not transitions.move_change(change, ChangeState.SCHEDULED, what, now):
                return approvals.raced("change")
        elif not transitions.stay(change, "change rescheduled", what, now):
            return approvals.raced("change")
        Schedule.objects.update_or_create(revision=revision, defaults={**values, "set_aside": False})
    return ()


def _ready(change: Change, revision: Revision, person: AbstractBaseUser, now: datetime) -> Reasons:
    """Everything but the time: approved as it stands, by somebody who may operate all of it."""
    state = ChangeState(change.state)
    digest = planning.digest(revision.plan)
    approved = approvals.approved_digest(revision)
    return (
        *gates.may_start(state, digest=digest, approved_digest=approved, window_end=None, now=now),
        *approvals.missing(revision, now, window_end=now),  # a window is what it is being given
        *rights.refusals(person, OPERATE, approvals.targets_of(revision)),
    )


def override_windows(change: Change, person: AbstractBaseUser, now: datetime, *, why: str) -> Reasons:
    """Emergency: the newest revision may start whatever windows and freezes say. Kept for ever: who, why, when."""
    revision = change.revision
    if revision is None:
        return (Reason("plan", "none", "a plan", "Plan the change first."),)
    assert isinstance(person, User)
    reasons = []
    if not person.has_perm(BREAK_GLASS):
        remedy = "Ask an operator, or an administrator of Slipway for the right."
        reasons.append(Reason("permission", "none of yours allows this", BREAK_GLASS, remedy))
    reasons += rights.refusals(person, BREAK_GLASS, approvals.targets_of(revision))
    if not why.strip():
        reasons.append(Reason("reason", "none", "what the emergency is", "Say it; it is kept for ever."))
    if change.ended:
        reasons.append(Reason("change", change.state, "not ended", "Open a new change."))
    if WindowOverride.objects.filter(revision=revision).exists():
        reasons.append(Reason("override", "already there", "none yet", "Start the change."))
    if reasons:
        return tuple(reasons)
    text = f"OVERRIDE of windows and freezes for revision {revision.number}, digest {revision.digest[:12]}: {why}"
    try:
        with transaction.atomic():
            WindowOverride.objects.create(revision=revision, by_id=person.pk, why=why, at=now)
            note = Note(person.get_username(), text, {"override": True})
            transitions.note(change.pk, "change override", note, now)
    except IntegrityError:
        return approvals.raced("override")
    return ()


def start_refused(revision: Revision, now: datetime, *, by_schedule: bool) -> Reasons:
    """Why windows and freezes do not let this revision start now. Who presses Start is bound by freezes and by windows
    that are required; what starts by schedule also by its own."""
    on = calendar.terms(revision, now_asked_for=not by_schedule)
    canaries = calendar.first_wave(revision)
    where = calendar.places([n for n, _ in canaries], revision.recipe)
    first = calendar.beginners(canaries, where, calendar.load().calendar, on, now)
    remedy = "Schedule it (./manage.py schedule), or override in an emergency (./manage.py freeze override)."
    return () if not first else tuple(_with(r, remedy, by_schedule=by_schedule) for r in outlook(first, now).holds)


def _with(reason: Reason, remedy: str, *, by_schedule: bool) -> Reason:
    return reason if by_schedule else replace(reason, remedy=remedy)


def bind(revision: Revision, *, by_schedule: bool) -> None:
    """A start by a person sets a schedule aside: the run is not bound to its window any more."""
    if not by_schedule:
        Schedule.objects.filter(revision=revision).update(set_aside=True)
