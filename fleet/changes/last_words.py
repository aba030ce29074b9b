"""A step that failed on a device that died: what its kernel said last, and which known fault that looks like.

The web process never asks a device; this runs in the leg, over its session, after a failure and only then.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from fleet.changes.models import StepRun
from fleet.core.compat_components import running
from fleet.core.compat_panic import Suspect, suspects
from fleet.core.model import Reason
from fleet.core.states import StepState
from inventory.compat import knowledge
from playbooks import last_words
from playbooks.base import DeviceError, Session, Step
from playbooks.engine import Outcome, OutcomeKind
from playbooks.facts.driver import collect

log = logging.getLogger(__name__)

_FAILED = frozenset({OutcomeKind.ERROR, OutcomeKind.IMPOSSIBLE, OutcomeKind.UNSURE})
# Clocks of devices differ from ours by seconds; a panic older than the change by this much is not ours.
_SLACK_S = 30.0
KEY = "panic"  # in a step's data


def attached(steps: Sequence[StepRun], session: Session, value: Step, outcome: Outcome, now: datetime) -> Outcome:
    """The outcome of a failed visit with the panic of the device, if it had one since its baseline. Never raises."""
    began = next((s.ended_at for s in steps if s.verb == "baseline" and s.state == StepState.DONE), None)
    # A session of a leg that never reached the device would only wait for it once more.
    if outcome.kind not in _FAILED or began is None or not getattr(session, "spoke", True):
        return outcome
    try:
        words = last_words.gather(session, within_s=(now - began).total_seconds() + _SLACK_S)
        if words is None:
            return outcome
        facts = collect(session)
    except DeviceError:
        return outcome  # it cannot be asked; the failure itself says so
    except Exception:
        log.exception("last words of %s", value.device.name)
        return outcome
    named = {*words.panic.functions, *words.panic.modules}
    known = suspects(knowledge(), running(value.device.name, facts), named)
    data = {**words.data(), "known": [{"id": s.advisory.id, "words": s.words} for s in known]}
    return replace(outcome, reasons=(_reason(value, words, known), *outcome.reasons), data={**outcome.data, KEY: data})


def _reason(value: Step, words: last_words.LastWords, known: Sequence[Suspect]) -> Reason:
    remedy = "Known: " + " Or: ".join(s.words for s in known) if known else "No advisory speaks of it."
    found = f"it died: {words.panic.words} ({words.source})"
    return Reason(f"kernel of {value.device.name}", found, "a kernel that lives", remedy)
