"""Overriding a FATAL compatibility finding: the row, and its event in the change's chain."""

from collections.abc import Mapping
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, User
from django.db import transaction

from fleet.changes import approvals, transitions
from fleet.changes.models import Change, FindingOverride, Revision
from fleet.changes.transitions import Note
from fleet.core import overrides
from fleet.core.model import Json, Reason
from fleet.core.states import ChangeState
from fleet.people import rights
from fleet.people.roles import APPROVE

Reasons = tuple[Reason, ...]


def override(change: Change, person: AbstractBaseUser, now: datetime, *, identity: str, why: str) -> Reasons:
    """Say why the newest plan may go on in spite of the finding with this identity. Returns the reasons why not."""
    revision = change.revision
    if revision is None:
        return (Reason("plan", "none", "a plan", "Plan the change first."),)
    finding = find(revision, identity)
    state, name = ChangeState(change.state), person.get_username()
    is_author = person.pk in approvals.authors(change)
    reasons = overrides.may_override(finding, state, name=name, is_author=is_author, why=why)
    reasons += _rights(person, revision)
    if finding is not None and FindingOverride.objects.filter(change=change, identity=identity).exists():
        reasons += (Reason("finding", "overridden already", "one that still stops the plan", "Nothing is left to do."),)
    if reasons:
        return reasons
    assert finding is not None
    text = overrides.sentence(finding)
    data = {"user": person.pk, "code": finding["code"], "finding": text, "digest": revision.digest}
    with transaction.atomic():
        what = Note(name, f"overrode {finding['code']}: {why.strip()} (the finding: {text})", data)
        if not transitions.stay(change, "finding overridden", what, now):
            return approvals.raced("change")
        FindingOverride.objects.create(
            change=change,
            revision=revision,
            digest=revision.digest,
            code=finding["code"],
            identity=identity,
            subject=finding["reason"]["subject"],
            finding=text,
            reason=why.strip(),
            by_id=person.pk,
            at=now,
        )
    return ()


def _rights(person: AbstractBaseUser, revision: Revision) -> Reasons:
    assert isinstance(person, User)
    if not person.has_perm(APPROVE):
        remedy = "Ask somebody who may approve."
        return (Reason("permission", f"{person.get_username()}, without {APPROVE}", APPROVE, remedy),)
    return rights.refusals(person, APPROVE, approvals.targets_of(revision))


def find(revision: Revision, identity: str) -> Mapping[str, Json] | None:
    """The finding of a plan with this identity."""
    return next((f for f in revision.plan["findings"] if overrides.identity(f) == identity), None)
