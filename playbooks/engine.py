"""Look before, act once, look after: the one place where a step is carried out on a device (DESIGN rule 4).

    precheck > write ahead > apply > observe          after a crash or a wait: observe first

Pure of the database and of time: the caller records. `write_ahead` is the only call back: it commits, before the
device is touched, what restores it.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from fleet.core.model import Json, Reason, Reversibility
from playbooks.base import (
    DeviceError,
    Driver,
    HostKeyRefused,
    Impossible,
    LoginRefused,
    Look,
    Refused,
    Seen,
    Session,
    Step,
    Unreachable,
    Unsure,
)
from playbooks.deadlines import nothing_after

WriteAhead = Callable[[Mapping[str, Json] | None], bool]
Clock = Callable[[], float]

AFTER_UNSURE_S = 1.0
# An unreachable device is tried again after a quarter of the time that it has been waited for: a router that boots in
# 4 s is found within 5, one that needs 8 minutes costs some 40 attempts.
BACKOFF_SHARE = 0.25
BACKOFF_MIN_S = 1.0
BACKOFF_MAX_S = 15.0
_TEXT = 300


class OutcomeKind(StrEnum):
    """What became of one visit to a step."""

    DONE = "done"
    WAIT = "wait"  # under way: visit again after `after_s`
    RETRY = "retry"  # not begun: try again after `after_s`
    ERROR = "error"
    IMPOSSIBLE = "impossible"
    UNSURE = "unsure"  # it may have been carried out and the device cannot be asked
    LOST = "lost"  # this worker lost its claim: record nothing, somebody else has the step


@dataclass(frozen=True)
class Outcome:
    """What one visit ended with. `data` is kept as the step's progress; `artifact` is recorded if none is yet.

    `changed` is False when the device was already as wanted and nothing was sent.
    """

    kind: OutcomeKind
    reasons: tuple[Reason, ...] = ()
    data: Mapping[str, Json] = field(default_factory=dict)
    changed: bool = False
    after_s: float = 0.0
    artifact: Mapping[str, Json] | None = None


def perform(
    driver: Driver,
    session: Session,
    step: Step,
    *,
    sent: bool,
    deadline_s: float,
    write_ahead: WriteAhead,
    clock: Clock = time.monotonic,
) -> Outcome:
    """Carry a step one visit further. Never raises for anything that a device or a driver does.

    `sent`: an earlier visit wrote ahead, so the device may have been touched. `deadline_s`: seconds from now after
    which nothing may be sent. `write_ahead(artifact)` commits "sent" and the artifact (None: there is nothing new to
    record) and says whether this worker still holds its claim; what it raises goes through.
    """
    ends_at = clock() + deadline_s
    if not driver.acts:
        return _watch(driver, session, step)
    if sent:
        look = _guarded(lambda: driver.observe(session, step), step, sent=True)
        if isinstance(look, Outcome):
            return look
        again = look.seen is Seen.NOT_DONE and driver.repeatable
        if not again:
            return _after(look, step)
        step = replace(step, progress=look.data or step.progress)
    look = _guarded(lambda: driver.precheck(session, step), step, sent=sent)
    if isinstance(look, Outcome):
        return look
    if look.seen is not Seen.READY:
        return _not_ready(look, step, sent=sent)
    # What was captured before the first touch is what restores; a later look would capture our own change.
    captured = look.artifact if step.artifact is None and not sent else None
    if clock() >= ends_at:
        return Outcome(OutcomeKind.RETRY, (_no_time(step),), data=step.progress)
    if not write_ahead(captured):
        return Outcome(OutcomeKind.LOST, data=step.progress)
    step = replace(step, artifact=step.artifact if captured is None else captured, progress=look.data or step.progress)
    return _act(driver.apply, driver.observe, session, step, ends_at=ends_at, clock=clock)


def perform_rollback(
    driver: Driver,
    session: Session,
    step: Step,
    *,
    sent: bool,
    deadline_s: float,
    write_ahead: WriteAhead,
    clock: Clock = time.monotonic,
) -> Outcome:
    """Put back what `step.artifact` holds, one visit further; the arguments are those of `perform`, for the rollback.

    A rollback may be sent again, so it is whenever the device says that it is not so yet. `step.waited_s` counts from
    the first visit of the rollback.
    """
    ends_at = clock() + deadline_s
    if not driver.acts or driver.reversibility is Reversibility.NOTHING_TO_UNDO:
        return Outcome(OutcomeKind.DONE, data=step.progress)
    if step.artifact is None or driver.reversibility is Reversibility.NOT_AT_ALL:
        return Outcome(OutcomeKind.IMPOSSIBLE, (_nothing_captured(driver, step),), data=step.progress)
    look = _guarded(lambda: driver.observe_rollback(session, step), step, sent=sent)
    if isinstance(look, Outcome):
        return look
    if look.seen is not Seen.NOT_DONE:
        return replace(_after(look, step), changed=look.seen is Seen.DONE and sent)
    if clock() >= ends_at:
        return Outcome(OutcomeKind.RETRY, (_no_time(step),), data=step.progress)
    if not write_ahead(None):
        return Outcome(OutcomeKind.LOST, data=step.progress)
    return _act(driver.rollback, driver.observe_rollback, session, step, ends_at=ends_at, clock=clock)


def _act(
    act: Callable[..., None],
    observe: Callable[[Session, Step], Look],
    session: Session,
    step: Step,
    *,
    ends_at: float,
    clock: Clock,
) -> Outcome:
    """Send once and look at once. Too late to send: left to whoever claims the step next, who will observe first."""
    left_s = ends_at - clock()
    if left_s <= 0:
        return Outcome(OutcomeKind.LOST, (_no_time(step),), data=step.progress)

    def send() -> Look:
        with nothing_after(ends_at, clock):
            act(session, step, deadline_s=left_s)
        return Look(Seen.WAITING)

    sending = _guarded(send, step, sent=True, acting=True)
    if isinstance(sending, Outcome):
        return sending
    look = _guarded(lambda: observe(session, step), step, sent=True)
    return look if isinstance(look, Outcome) else _after(look, step)


def _watch(driver: Driver, session: Session, step: Step) -> Outcome:
    """A step that only looks: there is nothing to undo and nothing to be unsure of."""
    look = _guarded(lambda: driver.observe(session, step), step, sent=False)
    if isinstance(look, Outcome):
        return look
    outcome = replace(_after(look, step), changed=False)
    return replace(outcome, kind=OutcomeKind.ERROR) if outcome.kind is OutcomeKind.UNSURE else outcome


def _after(look: Look, step: Step) -> Outcome:
    """What a look after the act means."""
    data = look.data or step.progress
    match look.seen:
        case Seen.DONE:
            return Outcome(OutcomeKind.DONE, look.reasons, data, changed=True, artifact=look.artifact)
        case Seen.WAITING if _in_time(step):
            return Outcome(OutcomeKind.WAIT, look.reasons, data, after_s=look.after_s or _backoff(step))
        case Seen.WAITING:
            return Outcome(OutcomeKind.ERROR, (*look.reasons, _late(step)), data)
        # A driver that says "not yet" and when to look again is believed while there is time.
        case Seen.NOT_DONE if look.after_s > 0 and _in_time(step):
            return Outcome(OutcomeKind.WAIT, look.reasons, data, after_s=look.after_s)
        case Seen.NOT_DONE:
            return Outcome(OutcomeKind.ERROR, look.reasons or (_says_not(step),), data)
        case Seen.UNKNOWN if _in_time(step):
            return Outcome(OutcomeKind.WAIT, look.reasons, data, after_s=look.after_s or _backoff(step))
        case Seen.UNKNOWN:
            return Outcome(OutcomeKind.UNSURE, (*look.reasons, _late(step)), data)
        case Seen.IMPOSSIBLE:
            return Outcome(OutcomeKind.IMPOSSIBLE, look.reasons, data)
        case _:
            return Outcome(OutcomeKind.ERROR, (*look.reasons, _wrong_answer(step, look.seen, "look after")), data)


def _not_ready(look: Look, step: Step, *, sent: bool) -> Outcome:
    """What a look before the act means when it is not READY."""
    data = look.data or step.progress
    match look.seen:
        # Not so a moment ago, so now: what we sent may still be taking effect. Only observe says that it is done.
        case Seen.ALREADY if sent:
            kind = OutcomeKind.WAIT if _in_time(step) else OutcomeKind.ERROR
            reasons = look.reasons if kind is OutcomeKind.WAIT else (*look.reasons, _late(step))
            return Outcome(kind, reasons, data, after_s=_backoff(step))
        case Seen.ALREADY:
            return Outcome(OutcomeKind.DONE, look.reasons, data, artifact=look.artifact)
        case Seen.WAITING if _in_time(step):
            return Outcome(OutcomeKind.WAIT, look.reasons, data, after_s=look.after_s or _backoff(step))
        case Seen.WAITING:
            return Outcome(OutcomeKind.ERROR, (*look.reasons, _late(step)), data)
        case Seen.IMPOSSIBLE:
            return Outcome(OutcomeKind.IMPOSSIBLE, look.reasons, data)
        case Seen.UNKNOWN | Seen.NOT_DONE:
            return Outcome(OutcomeKind.ERROR, look.reasons or (_cannot_tell(step),), data)
        case _:
            return Outcome(OutcomeKind.ERROR, (*look.reasons, _wrong_answer(step, look.seen, "look before")), data)


def _guarded(call: Callable[[], Look], step: Step, *, sent: bool, acting: bool = False) -> Look | Outcome:
    try:
        return call()
    except Exception as error:  # a bug in a driver is an outcome with its name, never the end of the leg
        return outcome_of(error, step, sent=sent, acting=acting)


def outcome_of(error: Exception, step: Step, *, sent: bool, acting: bool = False) -> Outcome:
    """What an exception means for a step. `sent`: it may have been touched; `acting`: it came from the act itself."""
    data = step.progress
    if not isinstance(error, DeviceError):
        return Outcome(OutcomeKind.ERROR, (_bug(step, error),), data)
    reasons = (error.reason,)
    over = (*reasons, _late(step))
    match error:
        case Unreachable() if _in_time(step):
            return Outcome(OutcomeKind.WAIT if sent else OutcomeKind.RETRY, reasons, data, after_s=_backoff(step))
        # A device that goes down or comes up refuses logins for a while (pam_nologin), and it let us in before.
        case LoginRefused() if sent and _in_time(step):
            return Outcome(OutcomeKind.WAIT, reasons, data, after_s=_backoff(step))
        case Unreachable():
            return Outcome(OutcomeKind.ERROR, over, data)
        case Unsure() if acting:
            return Outcome(OutcomeKind.WAIT, reasons, data, after_s=AFTER_UNSURE_S)
        case Unsure() if _in_time(step):
            kind = OutcomeKind.WAIT if sent else OutcomeKind.RETRY
            return Outcome(kind, reasons, data, after_s=AFTER_UNSURE_S)
        case Unsure():
            return Outcome(OutcomeKind.UNSURE if sent else OutcomeKind.ERROR, over, data)
        case Impossible():
            return Outcome(OutcomeKind.IMPOSSIBLE, reasons, data)
        case HostKeyRefused() | LoginRefused() | Refused():
            return Outcome(OutcomeKind.ERROR, reasons, data)
        case _:
            return Outcome(OutcomeKind.ERROR, reasons, data)


def _in_time(step: Step) -> bool:
    return step.waited_s < step.planned.within_s


def _backoff(step: Step) -> float:
    return min(BACKOFF_MAX_S, max(BACKOFF_MIN_S, step.waited_s * BACKOFF_SHARE))


def _subject(step: Step) -> str:
    return f"step {step.verb} on {step.device.name}"


def _late(step: Step) -> Reason:
    found = f"no end after {step.waited_s:.0f} s"
    return Reason(_subject(step), found, f"done within {step.planned.within_s:.0f} s", "Look at the device")


def _no_time(step: Step) -> Reason:
    return Reason(_subject(step), "no time left to send", "a send before the deadline", "It is tried again")


def _says_not(step: Step) -> Reason:
    return Reason(_subject(step), "the device is not as wanted after the act", "the device as planned")


def _cannot_tell(step: Step) -> Reason:
    return Reason(_subject(step), "a state that cannot be read", "a state to start from", "Look at the device")


def _wrong_answer(step: Step, seen: Seen, where: str) -> Reason:
    return Reason(_subject(step), f'"{seen.value}" from the {where}', "an answer that belongs there", "Report this bug")


def _nothing_captured(driver: Driver, step: Step) -> Reason:
    if driver.reversibility is Reversibility.NOT_AT_ALL:
        return Reason(f"rollback of {step.verb} on {step.device.name}", "a step that cannot be undone", "one that can")
    return Reason(f"rollback of {step.verb} on {step.device.name}", "no captured artifact", "what restores the device")


def _bug(step: Step, error: Exception) -> Reason:
    found = f"{type(error).__name__}: {error}"[:_TEXT]
    return Reason(
        _subject(step), found, "a driver without errors of its own", "Report this bug; the device may be changed"
    )
