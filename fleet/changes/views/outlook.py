"""What happens next, in words, from where a change stands. Pure; the states' own words are in core/explain.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from fleet.changes.views import progress
from fleet.changes.views.progress import Progress
from fleet.core.states import ChangeState, Control

_C = ChangeState


@dataclass(frozen=True)
class Standing:
    """What the words are made of. `author` and `control_by` are user names; `waves` is empty before the start."""

    state: ChangeState
    author: str
    fatal: int = 0
    control: Control = Control.NONE
    waves: Mapping[int, Progress] | None = None
    max_failures: int = 0
    tolerated: int = 0
    drained: Sequence[str] = ()
    outcome: str = ""


def whats_next(at: Standing) -> str:
    """One or two sentences: what happens next if nobody does anything, or whom it waits for."""
    match at.state:
        case _C.DRAFT if at.fatal:
            found = "a fatal finding stops" if at.fatal == 1 else f"{at.fatal} fatal findings stop"
            return f"Nothing: {found} this plan. Mend what is named below, then plan again."
        case _C.DRAFT:
            return f"{at.author} submits it; then a second person approves or rejects exactly this plan."
        case _C.SUBMITTED:
            return f"Somebody other than {at.author} reads the plan and approves or rejects it."
        case _C.APPROVED:
            return "Somebody schedules it or presses Start; then wave 0 begins. Nothing is touched before that."
        case _C.SCHEDULED:
            return "It starts by itself when its window opens, with wave 0. Nothing is touched before that."
        case _C.REJECTED:
            return "Nothing, until a new revision is made and submitted."
        case _C.RUNNING | _C.PAUSED:
            return _live(at)
        case _C.SUCCEEDED | _C.ROLLED_BACK | _C.FAILED | _C.CANCELLED | _C.EXPIRED:
            ended = "Nothing more: it has ended" + (f" ({at.outcome})." if at.outcome else ".")
            return f"{ended} {_stays(at.drained)} A person must look." if at.drained else ended
        case _:
            assert_never(at.state)


def _live(at: Standing) -> str:
    waves = at.waves or {}
    whole = progress.of_states((s, n) for p in waves.values() for s, n in p.by_state.items())
    match at.control:
        case Control.PAUSE:
            return f"Nothing, until somebody resumes or aborts it. {_stays(at.drained)}".rstrip()
        case Control.ABORT:
            return f"No further target starts. {_going_back(whole)} Then the change ends."
        case Control.ROLLBACK:
            changed = f" {whole.done} that are done are taken back as well, as the budget allows." if whole.done else ""
            return f"No further target starts. {_going_back(whole)}{changed} Then the change ends."
        case Control.NONE:
            return _going_on(at, waves, whole)
        case _:
            assert_never(at.control)


def _going_on(at: Standing, waves: Mapping[int, Progress], whole: Progress) -> str:
    failed = whole.stuck + whole.rolled_back
    if failed > at.max_failures + at.tolerated:
        tail = (
            f"What is in flight ({whole.in_flight}) comes to its end, then the change ends." if whole.in_flight else ""
        )
        tail = tail or "The change ends."
        return f"No further target starts: {failed} failed, at most {at.max_failures + at.tolerated} may. {tail}"
    number = progress.open_wave(waves)
    if number is None:
        return "Every target has ended; the change is being closed."
    wave = waves[number]
    here = f"Wave {number} ({number + 1} of {len(waves)}): {wave.words}."
    if wave.pending:
        return f"{here} The next of its targets starts as soon as the budget has room."
    following = [n for n in waves if n > number]
    if following:
        return f"{here} When it is finished, wave {following[0]} begins with {waves[following[0]].total} targets."
    return f"{here} It is the last one."


def _going_back(whole: Progress) -> str:
    if not whole.in_flight:
        return "Nothing is in flight."
    return f"What is in flight ({whole.in_flight}) is rolled back, verified, and takes traffic again."


def _stays(drained: Sequence[str]) -> str:
    if not drained:
        return "No device is drained."
    names = ", ".join(drained[:5]) + (" ..." if len(drained) > 5 else "")
    return f"{names} {'stays' if len(drained) == 1 else 'stay'} drained."
