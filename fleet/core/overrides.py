"""A FATAL compatibility finding that somebody with the right overrides: what may be, by whom, and what it binds to."""

import hashlib
from collections.abc import Mapping

from fleet.core.compat_findings import OVERRIDABLE
from fleet.core.model import Json, Reason
from fleet.core.states import ChangeState


def sentence(finding: Mapping[str, Json]) -> str:
    """The text of a finding, as in `Plan.findings` of the stored plan: what an override binds to."""
    return str(Reason(**finding["reason"]))


def identity(finding: Mapping[str, Json]) -> str:
    """16 hex digits of SHA-256 over code and text: a finding that says anything else is another one."""
    return hashlib.sha256(f"{finding['code']}\n{sentence(finding)}".encode()).hexdigest()[:16]


def can_be(finding: Mapping[str, Json]) -> bool:
    """Is this a finding that a person may override? What would cut traffic or break a rule never is."""
    return bool(finding["severity"] == "fatal" and finding["code"] in OVERRIDABLE)


def may_override(
    finding: Mapping[str, Json] | None, state: ChangeState, *, name: str, is_author: bool, why: str
) -> tuple[Reason, ...]:
    """May this person override this finding of the newest plan now? All reasons why not. `finding` None: not there."""
    reasons = []
    if state is not ChangeState.DRAFT:
        remedy = "Findings are overridden before the change is submitted."
        reasons.append(Reason("change", str(state), "draft", remedy))
    if is_author:
        remedy = "Ask a colleague with the right to approve."
        reasons.append(Reason("you", f"{name}, who is an author of the change", "a second person", remedy))
    if not why.strip():
        reasons.append(Reason("reason", "none", "why it may be done all the same", "Say it; the approver reads it."))
    if finding is None:
        remedy = "The plan was edited since you opened it: read it again."
        reasons.append(Reason("finding", "not in the newest plan", "one of its FATAL findings", remedy))
    elif not can_be(finding):
        remedy = "Mend the plan; only compatibility can be overridden."
        reasons.append(
            Reason("finding", f"{finding['code']}, {finding['severity']}", "a FATAL compatibility finding", remedy)
        )
    return tuple(reasons)


def not_the_overrider(name: str, *, overrode: bool) -> tuple[Reason, ...]:
    """Whoever overrode a finding of the plan does not approve it as well."""
    if not overrode:
        return ()
    remedy = "Ask somebody else to approve it; your reason is shown to them."
    return (Reason("approver", f"{name}, who overrode a finding of this plan", "another person", remedy),)
