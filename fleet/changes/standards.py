"""Standard changes over rows: written by one person, approved by two others, then used without a further decision."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction

from fleet.changes import approvals, transitions
from fleet.changes.approvals import Reasons
from fleet.changes.models import Change, RecipeCard, Revision, StandardChange, StandardDecision, StandardUse
from fleet.changes.transitions import Note
from fleet.core import gates, standard
from fleet.core.model import Reason
from fleet.core.states import ChangeState
from inventory.models import Router

LONGEST_NAME = 63


@dataclass(frozen=True)
class Bounds:
    """What a standard change allows: inputs, devices, and until when."""

    inputs: Mapping[str, Mapping[str, Any]]
    max_devices: int
    expires_at: datetime
    sites: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


def digest_of(recipe_text: str) -> str:
    """SHA-256 of the text of a recipe: what a standard change binds to."""
    return hashlib.sha256(recipe_text.encode()).hexdigest()


def write(
    name: str, recipe: str, recipe_digest: str, bounds: Bounds, *, author: AbstractBaseUser, now: datetime
) -> StandardChange | Reasons:
    """A new standard change, in force once two others have approved it. Its content never changes.

    `recipe_digest`: of the recipe's text (`digest_of`), which is approved with it.
    """
    reasons = list(standard.wrong_bounds(bounds.inputs))
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        form = f"1 to {LONGEST_NAME} characters that can be printed"
        reasons.append(Reason("name", repr(name[:80]), form, "Give it a short name."))
    if bounds.max_devices < 1:
        reasons.append(Reason("devices", str(bounds.max_devices), "at least 1"))
    if bounds.expires_at <= now:
        reasons.append(Reason("expires", f"{bounds.expires_at:%Y-%m-%d %H:%M} UTC", "a time to come"))
    if StandardChange.objects.filter(name=name).exists():
        reasons.append(Reason("name", f"{name}, which exists", "a name of its own", "Its content is fixed; name anew."))
    if reasons:
        return tuple(reasons)
    row = StandardChange(
        name=name,
        recipe=recipe,
        recipe_digest=recipe_digest,
        bounds=dict(bounds.inputs),
        site_names=list(bounds.sites),
        roles=list(bounds.roles),
        max_devices=bounds.max_devices,
        expires_at=bounds.expires_at,
        author_id=author.pk,
        created_at=now,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return (Reason("name", f"{name}, which exists", "a name of its own", "Its content is fixed; name anew."),)
    return row


def approve(row: StandardChange, person: AbstractBaseUser, now: datetime, *, comment: str = "") -> Reasons:
    """One of the two approvals; never by its author, and once by each person."""
    if person.pk == row.author_id:
        return (
            Reason("approver", f"{person.get_username()}, who is the author", "a second person", "Ask a colleague."),
        )
    if row.withdrawn:
        return (Reason(f"standard change {row.name}", "withdrawn", "one that is in force", "Write a new one."),)
    return _decide(row, person, StandardDecision.APPROVED, comment, now)


def withdraw(row: StandardChange, person: AbstractBaseUser, now: datetime, *, comment: str) -> Reasons:
    """Nothing is submitted by it from now on, and what waits to start by it does not start."""
    if not comment:
        return (Reason("comment", "none", "why it is withdrawn", "Say why."),)
    return _decide(row, person, StandardDecision.WITHDRAWN, comment, now)


def _decide(row: StandardChange, person: AbstractBaseUser, decision: str, comment: str, now: datetime) -> Reasons:
    try:
        with transaction.atomic():
            StandardDecision.objects.create(standard=row, by_id=person.pk, decision=decision, comment=comment, at=now)
    except IntegrityError:
        found = f"{person.get_username()}, who has {decision} it already"
        return (Reason("approver", found, "once by each person", "Ask a colleague."),)
    return ()


def misfits(row: StandardChange, revision: Revision, now: datetime) -> Reasons:
    """Why a revision is not that standard change."""
    names = approvals.targets_of(revision)
    where = Router.objects.filter(name__in=names).values_list("name", "site__name", "role")
    wanted = standard.Wanted(
        recipe=revision.recipe,
        recipe_digest=digest_of(revision.recipe_text),
        inputs=_said(revision),
        devices={name: (site, role) for name, site, role in where},
        authors=approvals.authors(revision.change),
        fatal=revision.fatal,
    )
    return standard.misfits(row.value(), wanted, now)


def _said(revision: Revision) -> Mapping[str, Any]:
    """The inputs that are not as the recipe has them by itself: forms write every default out."""
    card = RecipeCard.objects.filter(name=revision.recipe, digest=digest_of(revision.recipe_text)).first()
    defaults = {spec["name"]: spec["default"] for spec in card.inputs} if card is not None else {}
    return {
        name: value
        for name, value in revision.inputs.items()
        if name not in defaults or defaults[name] is None or defaults[name] != value
    }


def fitting(revision: Revision, now: datetime) -> Sequence[StandardChange]:
    """Every standard change that a revision may be submitted by."""
    rows = StandardChange.objects.filter(recipe=revision.recipe, expires_at__gt=now).prefetch_related("decisions")
    return [row for row in rows if not misfits(row, revision, now)]


def submit(change: Change, person: AbstractBaseUser, now: datetime, *, name: str) -> Reasons:
    """Submit a draft as a standard change: approved beforehand, it waits for its start, and says so."""
    revision = change.revision
    planned = revision is not None
    reasons = gates.may_submit(ChangeState(change.state), fatal=revision.fatal if revision else 0, planned=planned)
    row = StandardChange.objects.filter(name=name).first()
    if row is None:
        reasons += (Reason("standard change", name or "none", "one that exists", "Submit the change for approval."),)
    elif revision is not None:
        reasons += misfits(row, revision, now)
    if reasons:
        return tuple(dict.fromkeys(reasons))
    assert row is not None and revision is not None
    by = ", ".join(
        row.decisions.filter(decision=StandardDecision.APPROVED).values_list("by__username", flat=True).order_by("pk")
    )
    said = Note(person.get_username(), f"submitted revision {revision.number} as standard change {row.name}")
    beforehand = f"approved beforehand by standard change {row.name} ({by}), digest {revision.digest[:12]}"
    try:
        with transaction.atomic():
            if not transitions.move_change(change, ChangeState.SUBMITTED, said, now):
                raise transitions.Lost
            if not transitions.move_change(change, ChangeState.APPROVED, Note(said.actor, beforehand), now):
                raise transitions.Lost
            StandardUse.objects.create(revision=revision, standard=row, digest=revision.digest, at=now)
    except transitions.Lost:
        return approvals.raced("change")
    return ()
