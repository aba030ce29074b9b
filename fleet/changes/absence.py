"""No tick for long: the engine was away, or the database is a backup and the devices are further than its rows say.

Nothing in the rows tells which. What a restored run would do next may be done already, and a restart cannot be seen to
have been done by somebody who has forgotten it: so it holds until a person has looked (DESIGN rule 5).
"""

from datetime import datetime

from django.conf import settings

from fleet.changes import transitions
from fleet.changes.models import Run
from fleet.core.model import Reason
from fleet.core.states import ChangeState, Control

ENGINE = "engine"


def is_long(last: datetime, now: datetime) -> bool:
    """Was there no tick for longer than SLIPWAY_AWAY_SECONDS?"""
    longest: float = settings.SLIPWAY_AWAY_SECONDS
    return longest > 0 and (now - last).total_seconds() > longest


def hold_what_ran(last: datetime, now: datetime) -> int:
    """Pause every run that was going forward at the last tick; returns how many. A run that goes back goes on: each
    of its steps looks before it acts, and what it does may be done again."""
    held = 0
    rows = Run.objects.live().filter(control=Control.NONE, started_at__lte=last).select_related("revision__change")
    for run in rows.defer("revision__plan"):
        said = transitions.Note(ENGINE, str(_why(run, last, now)))
        if not transitions.ask(run, Control.PAUSE, said, now):
            continue
        held += 1
        change = run.revision.change
        if change.state == ChangeState.RUNNING:
            transitions.move_change(change, ChangeState.PAUSED, transitions.Note(ENGINE, f"paused: {said.text}"), now)
    return held


def _why(run: Run, last: datetime, now: datetime) -> Reason:
    return Reason(
        f"change {run.revision.change_id}",
        f"no tick of the engine from {last:%Y-%m-%d %H:%M:%S} to {now:%Y-%m-%d %H:%M:%S} UTC",
        f"one at least every {settings.SLIPWAY_AWAY_SECONDS:.0f} s",
        "Restored from a backup? Then its devices may be further than is known here: collect them, then abort. "
        "If the engine was only away, resume.",
    )
