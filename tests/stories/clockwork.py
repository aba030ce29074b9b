"""The engine in this process on a clock of the test's own: ten hours of soaking pass in seconds, devices and all.

Ticks and legs are the real ones, over real SSH to simulated routers. Whenever nothing is due, the clock of the engine
and that of the fleet are moved together to where something is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest import mock

from django.db import connection
from django.db.models import Min
from django.test import override_settings

from fleet import clock
from fleet.changes import dispatch, legs, orchestrate, remedies
from fleet.changes.models import Change, StepRun
from fleet.core.states import STEP_OPEN
from lab.sim import SimFleet
from tests.stories.stage import targets


class Clockwork:
    """`run_until(...)` works until something is so; `happens_at` lets something happen on the way."""

    def __init__(self, fleet: SimFleet) -> None:
        self.fleet, self.ahead = fleet, timedelta()
        self._events: list[tuple[datetime, Callable[[], object]]] = []
        self._sent: list[int] = []

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @contextmanager
    def running(self) -> Iterator[None]:
        """Everything that reads the clock reads this one while the block runs."""
        with (
            mock.patch.object(clock, "now", self.now),
            mock.patch.dict(legs.run_leg.__kwdefaults__ or {}, now=self.now),
            mock.patch.object(legs, "time", SimpleNamespace(sleep=self.skip)),
            mock.patch.object(dispatch, "send", self._sent.extend),
            override_settings(SLIPWAY_AWAY_SECONDS=0),  # the jumps of this clock are no absence
        ):
            yield

    def skip(self, seconds: float) -> None:
        """Let time pass, here and on every router."""
        if seconds > 0:
            self.ahead += timedelta(seconds=seconds)
            self.fleet.advance(seconds)

    def in_hours(self, hours: float, what: Callable[[], object]) -> None:
        """Have something happen so long from now."""
        self._events.append((self.now() + timedelta(hours=hours), what))
        self._events.sort(key=lambda event: event[0])

    def run_until(self, true: Callable[[], bool], *, rounds: int = 3_000) -> None:
        """Tick and walk legs until something is so. Fails with where the targets stand."""
        for _ in range(rounds):
            orchestrate.tick(self.now())
            remedies.take_up(self.now())
            sent, self._sent[:] = sorted(set(self._sent)), []
            if sent:
                legs.run_shard(sent, worker="clockwork")
            if true():
                return
            self._to_next(idle=not sent)
        raise AssertionError(f"not within {rounds} rounds: {_where()}")

    def _to_next(self, *, idle: bool) -> None:
        """Move the clock to the next step that is due, or to the next event, whichever comes first."""
        due = StepRun.objects.filter(state__in=STEP_OPEN, due_at__isnull=False).aggregate(at=Min("due_at"))["at"]
        times = [at for at in (due, self._events[0][0] if self._events else None) if at is not None]
        left_s = (min(times) - self.now()).total_seconds() if times else 1.0
        self.skip(max(left_s + 0.01, 1.0 if idle else 0.0))
        while self._events and self._events[0][0] <= self.now():
            self._events.pop(0)[1]()


def _where() -> object:
    change = Change.objects.order_by("-pk").first()
    assert change is not None
    connection.ensure_connection()
    return [(t.name, t.state, t.reasons, str(t.current_step())) for t in targets(change).values()]
