"""When a change fits, and which others get in its way."""

from datetime import datetime, timedelta
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from fleet import clock
from fleet.api.problems import refused
from fleet.api.scopes import Scope
from fleet.api.views import ApiView, Op, methods
from fleet.changes import approvals, calendar, conflicts
from fleet.changes.api import asked, reading, shapes
from fleet.changes.models import Revision
from fleet.core.model import Reason
from fleet.core.windows import Span, Terms, fits
from fleet.core.windows_door import outlook
from inventory.topology import load as load_topology

USUAL = timedelta(days=14)
MOST = timedelta(days=400)
MOST_SLOTS = 200


class SlotsView(ApiView):
    """Free slots."""

    name, tag = "change-slots", "calendar"
    ops = methods(GET=Op(Scope.READ, query=asked.SlotsAsked, gives=shapes.SlotsOut, refuses=True))

    def get(self, request: Request, pk: int) -> Response:
        """List the periods in which a change fits: its windows, less freezes, less its worst case with rollback."""
        reading.change(pk)
        revision = reading.revision(pk)
        now = clock.now()
        first = max(self.asked.get("first", now), now)
        last = self.asked.get("last", first + USUAL)
        if last <= first or last - first > MOST:
            found = f"{first:%Y-%m-%dT%H:%MZ} to {last:%Y-%m-%dT%H:%MZ}"
            wanted = f"a time to come, of at most {MOST.days} days"
            return refused([Reason("first and last", found, wanted, "Ask for another time.")])
        return self.answer(_slots(revision, Span(first, last), self.asked.get("window"), now))


def _slots(revision: Revision, horizon: Span, window: str | None, now: datetime) -> dict[str, Any]:
    book = calendar.load().calendar
    canaries = calendar.first_wave(revision)
    where = calendar.places([name for name, _ in canaries], revision.recipe)
    worst = max((seconds for _, seconds in canaries), default=0.0)
    places = [where[name] for name, _ in canaries if name in where]
    shut = [u.reason for u in book.unreadable if u.freeze and any(u.scope.covers(p) for p in places)]
    windows = [w for w in book.windows if window is None or w.name == window]
    found = () if shut or not places else fits(timedelta(seconds=worst), windows, book.freezes, horizon, places)
    reasons = [str(r) for r in shut]
    if not found and not shut:
        on = Terms(windowed=True, window=window)
        reasons += [str(r) for r in outlook(calendar.beginners(canaries, where, book, on, now), now).holds]
        reasons = reasons or ["slots: found none in this time, wanted an opening as long as the worst case. Ask later."]
    return {
        "change": revision.change_id,
        "first": horizon.start,
        "last": horizon.end,
        "window": window,
        "worst_case_s": worst,
        "slots": found[:MOST_SLOTS],
        "reasons": reasons,
    }


class ConflictsView(ApiView):
    """Conflicts."""

    name, tag = "change-conflicts", "calendar"
    ops = methods(GET=Op(Scope.READ, gives=shapes.ConflictsOut))

    def get(self, request: Request, pk: int) -> Response:
        """List the other changes on the same devices, on the other ends of their links, in their failure domains."""
        revision = reading.revision(pk)
        found = conflicts.look(approvals.targets_of(revision), load_topology(), but=revision.change)
        return self.answer({"change": pk, "conflicts": [finding.reason for finding in found]})
