"""What a bundle of evidence says of a change, its approvals, its run and its targets: rows as JSON."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime

from django.db.models import Prefetch

from fleet.changes.models import (
    Approval,
    ApprovalRules,
    ApprovalVoid,
    BreakGlass,
    Change,
    FindingOverride,
    Notice,
    Revision,
    Run,
    StandardUse,
    StepRun,
    TargetRun,
    WindowOverride,
)
from fleet.core.model import Json

# Targets read at once: 100 with ten steps each are 3 MB in memory.
_AT_ONCE = 100


def _at(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant is not None else None


def _took_s(begin: datetime | None, end: datetime | None) -> float | None:
    return round((end - begin).total_seconds(), 3) if begin is not None and end is not None else None


def change(row: Change) -> Json:
    """The record and each of its revisions."""
    revisions = row.revisions.select_related("created_by").defer("plan", "recipe_text").order_by("number")
    return {
        "change": row.pk,
        "title": row.title,
        "description": row.description,
        "ticket": row.ticket,
        "author": row.author.get_username(),
        "state": row.state,
        "in_words": row.in_words,
        "created_at": _at(row.created_at),
        "revisions": [_revision(r) for r in revisions],
    }


def _revision(row: Revision) -> Json:
    return {
        "number": row.number,
        "recipe": row.recipe,
        "inputs": row.inputs,
        "digest": row.digest,
        "assessed": row.assessed,
        "created_by": row.created_by.get_username(),
        "created_at": _at(row.created_at),
    }


def approvals(row: Change) -> Json:
    """What was asked of approvers, what they said, what voided it, what went round it, and who was told."""
    mine = {"revision__change": row}
    return {
        "asked_for": [
            {"revision": r.revision.number, "at": _at(r.at), "risk": r.risk, "why": r.why, "policies": r.policies}
            for r in ApprovalRules.objects.filter(**mine).select_related("revision").order_by("pk")
        ],
        "said": [
            {
                "revision": a.revision.number,
                "by": a.approver.get_username(),
                "decision": a.decision,
                "digest": a.digest,
                "comment": a.comment,
                "groups": a.groups,
                "at": _at(a.at),
            }
            for a in Approval.objects.filter(**mine).select_related("revision", "approver").order_by("pk")
        ],
        "void": [
            {"revision": v.revision.number, "by": v.by, "at": _at(v.at), "reasons": v.reasons}
            for v in ApprovalVoid.objects.filter(**mine).select_related("revision").order_by("pk")
        ],
        "approved_beforehand": [
            {"revision": u.revision.number, "standard": u.standard.name, "digest": u.digest, "at": _at(u.at)}
            for u in StandardUse.objects.filter(**mine).select_related("revision", "standard").order_by("pk")
        ],
        "break_glass": [_glass(g) for g in BreakGlass.objects.filter(**mine).select_related("revision", "by")],
        "overridden_findings": [
            {"by": o.by.get_username(), "code": o.code, "finding": o.finding, "reason": o.reason, "at": _at(o.at)}
            for o in FindingOverride.objects.filter(change=row).select_related("by").order_by("pk")
        ],
        "overridden_windows": [
            {"by": w.by.get_username(), "why": w.why, "at": _at(w.at)}
            for w in WindowOverride.objects.filter(**mine).select_related("by").order_by("pk")
        ],
        "told": [
            {"kind": n.kind, "text": n.text, "at": _at(n.at), "delivered_at": _at(n.delivered_at)}
            for n in Notice.objects.filter(change=row).order_by("pk")
        ],
    }


def _glass(row: BreakGlass) -> Json:
    review = getattr(row, "review", None)
    reviewed = {"by": review.by.get_username(), "comment": review.comment, "at": _at(review.at)} if review else None
    return {
        "revision": row.revision.number,
        "by": row.by.get_username(),
        "why": row.why,
        "digest": row.digest,
        "at": _at(row.at),
        "review": reviewed,
    }


def run(row: Run) -> Json:
    """The execution as a whole."""
    return {
        "revision": row.revision.number,
        "digest": row.revision.digest,
        "started_by": row.started_by.get_username(),
        "started_at": _at(row.started_at),
        "ended_at": _at(row.ended_at),
        "took_s": _took_s(row.started_at, row.ended_at),
        "outcome": row.outcome,
        "control": row.control,
        "control_by": row.control_by,
        "control_reason": row.control_reason,
        "holds": row.holds,
        "strategy": row.strategy,
        "checks": row.checks,
        "window_end": _at(row.window_end),
    }


def targets(row: Run) -> Iterator[dict[str, Json]]:
    """Every target with its steps, wave by wave. Two queries for each hundred."""
    keys = list(TargetRun.objects.filter(run=row).order_by("wave", "name", "pk").values_list("pk", flat=True))
    steps = Prefetch("steps", StepRun.objects.order_by("index", "pk"))
    for start in range(0, len(keys), _AT_ONCE):
        found = TargetRun.objects.filter(pk__in=keys[start : start + _AT_ONCE]).prefetch_related(steps)
        for target in sorted(found, key=lambda t: (t.wave, t.name, t.pk)):
            yield _target(target)


def _target(row: TargetRun) -> dict[str, Json]:
    return {
        "id": row.pk,
        "name": row.name,
        "wave": row.wave,
        "failure_domain": row.failure_domain,
        "state": row.state,
        "in_words": row.in_words,
        "changed": row.changed,
        "drained": row.drained,
        "began_at": _at(row.began_at),
        "drained_at": _at(row.drained_at),
        "ended_at": _at(row.ended_at),
        "took_s": _took_s(row.began_at, row.ended_at),
        "reasons": row.reasons,
        "released_by": row.released_by,
        "released_reason": row.released_reason,
        "steps": [_step(step) for step in row.steps.all()],
    }


def _step(row: StepRun) -> dict[str, Json]:
    """`measured`: what was last seen (of a baseline: what everything after is compared with). What restores the device
    may hold whole configurations: its digest proves what it was."""
    return {
        "id": row.pk,
        "index": row.index,
        "title": row.title,
        "state": row.state,
        "back": row.back,
        "attempts": row.attempt,
        "diff": row.planned.get("diff", ""),
        "commands": row.planned.get("commands", []),
        "first_claimed_at": _at(row.first_claimed_at),
        "sent_at": _at(row.sent_at),
        "ended_at": _at(row.ended_at),
        "took_s": _took_s(row.first_claimed_at, row.ended_at),
        "changed": row.changed,
        "reasons": row.reasons,
        "measured": row.data,
        "artifact_sha256": _digest(row.artifact),
    }


def _digest(artifact: Json) -> str | None:
    if artifact is None:
        return None
    text = json.dumps(artifact, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
