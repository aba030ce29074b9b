"""`GET /changes/{id}/why`: what the head of a change's page says, as values, in the same words."""

from datetime import datetime
from typing import Any

from fleet.changes import approvals, scheduled
from fleet.changes.models import ApprovalVoid, Revision, TargetRun
from fleet.changes.views import frame as frames
from fleet.core.model import Reason
from fleet.core.states import ChangeState, TargetState

MOST_TARGETS = 200
_WAITS = frozenset({ChangeState.SUBMITTED, ChangeState.APPROVED, ChangeState.SCHEDULED})
_QUIET = (TargetState.PENDING, TargetState.DONE)


def of_change(pk: int, now: datetime) -> dict[str, Any]:
    """Everything that WhyOut shows. Raises Http404."""
    frame = frames.load(pk, now)
    revision = frame.revision
    holds: list[str] = _stopping(frame) if frame.run is None else []
    starts_at, by_itself = None, False
    if frame.run is not None:
        holds += frame.run.holds
    else:
        ahead = scheduled.ahead(frame.change, now)
        holds += ahead.holds
        starts_at, by_itself = ahead.at, ahead.scheduled
    values: dict[str, Any] = {
        "change": pk,
        "state": frame.state.value,
        "in_words": frame.change.in_words,
        "next": frame.next,
        "holds": list(dict.fromkeys(holds)),
        "starts_at": starts_at,
        "scheduled": by_itself,
        "digest": revision.digest if revision is not None else None,
        "targets": _targets(frame),
        "engine_seen_at": frame.engine_seen,
        **_approval(frame, revision),
    }
    return values


def _stopping(frame: frames.Frame) -> list[str]:
    """The findings that stop the plan, as sentences."""
    return [str(Reason(**f.reason)) for f in frame.findings if f.stops]


def _approval(frame: frames.Frame, revision: Revision | None) -> dict[str, Any]:
    if revision is None or frame.state not in _WAITS | {ChangeState.DRAFT}:
        return {"approval": [], "approval_expires_at": None, "void": []}
    void = ApprovalVoid.objects.filter(revision=revision).order_by("-pk").first()
    said = {"void": list(void.reasons) if void is not None else []}
    if frame.state not in _WAITS:
        return {"approval": [], "approval_expires_at": None, **said}
    revision.change = frame.change
    standing = approvals.standing(revision)
    stages = [
        {
            "policy": s.policy,
            "stage": s.stage.name,
            "have": [g.name for g in s.have],
            "missing": s.missing,
            "open": s.open,
            "words": s.words,
        }
        for s in standing.stages
    ]
    return {"approval": stages, "approval_expires_at": standing.expires_at, **said}


def _targets(frame: frames.Frame) -> list[dict[str, Any]]:
    """Devices that are under way, stuck or back, with every reason."""
    if frame.run is None:
        return []
    rows = TargetRun.objects.filter(run=frame.run).exclude(state__in=_QUIET).with_steps().order_by("wave", "name")
    found = []
    for row in rows[:MOST_TARGETS]:
        step = row.current_step()
        reasons = row.reasons or (step.reasons if step is not None else [])
        about = {"name": row.name, "state": row.state, "drained": row.drained, "reasons": list(reasons)}
        found.append({**about, "step": step.title if step is not None else None})
    return found
