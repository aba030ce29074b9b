"""A machine that says nothing when its time is over: its console is read, and it is switched off and on, once.

Only where the inventory names a management controller, only after something was sent that may have killed it, and only
once for a step: the event is written before, so that a worker that dies in between is not followed by another cycle.
What was tried by a one-shot boot comes back on the old kernel by that; the driver that looks next says so.
"""

from dataclasses import replace
from datetime import datetime

from fleet.changes import out_of_band, transitions
from fleet.changes.models import Event, StepRun
from fleet.core.model import PlannedStep, Reason
from playbooks import last_words, oob, registry
from playbooks.base import DeviceError, Session, Step
from playbooks.engine import Outcome, OutcomeKind

EVENT = "console power cycle"
# Servers need 3 to 10 minutes from power to a login (domain kernel.md 6).
GRACE_S = 900.0
_AGAIN_S = 15.0
_TEXT = 4_000


def longer(step: StepRun, planned: PlannedStep, now: datetime) -> PlannedStep:
    """The planned step with the time that a machine gets after its power cycle. No query before its time is over."""
    if step.first_claimed_at is None or (now - step.first_claimed_at).total_seconds() < planned.within_s:
        return planned
    done = Event.objects.filter(step_id=step.pk, kind=EVENT).values_list("at", flat=True).first()
    if done is None:
        return planned
    return replace(planned, within_s=(done - step.first_claimed_at).total_seconds() + GRACE_S)


def asked(hand: transitions.StepInHand, session: Session, value: Step, outcome: Outcome, now: datetime) -> Outcome:
    """The outcome of a visit to a machine that was not reached in time, after its console was asked. Never raises."""
    step, spoke = hand.row, getattr(session, "spoke", True)
    failed = outcome.kind in {OutcomeKind.ERROR, OutcomeKind.UNSURE}
    if spoke or not failed or step.sent_at is None or not registry.driver(step.verb).acts or _was_cycled(step):
        return outcome
    consoles = [c for c in out_of_band.consoles(step.target.router_id) if c.kind in oob.ASKED]
    if not consoles:
        none = Reason(f"console of {value.device.name}", "none on record", "a way to a machine that says nothing",
                      "Enter its management controller in the inventory, or go there.")  # fmt: skip
        return replace(outcome, reasons=(*outcome.reasons, none))
    shown = next((text for c in consoles if (text := oob.last_lines(c))), "")
    what = f"{value.device.name}: says nothing; switched off and on by {' or '.join(c.kind for c in consoles)}"
    kept = {"console": shown[-_TEXT:]} if shown else {}
    if not transitions.remark(hand, EVENT, transitions.Note(step.claimed_by, what, kept), now):
        return Outcome(OutcomeKind.LOST, data=outcome.data)
    did, reasons = _cycled(consoles)
    data = {**outcome.data, "power": did, **kept}
    words = last_words.with_console(None, shown)
    if words is not None:
        data["panic"] = words.data()
        died = f"it died: {words.panic.words} ({words.source})"
        reasons = (Reason(f"kernel of {value.device.name}", died, "a kernel that lives"), *reasons)
    if not did:
        return replace(outcome, reasons=(*reasons, *outcome.reasons), data=data)
    waits = Reason(f"{value.device.name}", f"no answer; {did}", "an answer after its power cycle")
    return Outcome(OutcomeKind.WAIT, (waits, *reasons), data, after_s=_AGAIN_S)


def _was_cycled(step: StepRun) -> bool:
    return Event.objects.filter(step_id=step.pk, kind=EVENT).exists()


def _cycled(consoles: list[oob.Console]) -> tuple[str, tuple[Reason, ...]]:
    """What was done, by the first that answers; or why by none."""
    reasons = []
    for console in consoles:
        try:
            return oob.power_cycle(console), ()
        except DeviceError as error:
            reasons.append(error.reason)
            if error.may_have_changed:
                break
    return "", tuple(reasons)
