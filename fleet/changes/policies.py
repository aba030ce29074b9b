"""What people do to approval policies: keep one, remove one. Every edit is a row of its own that is never altered.

What is under way keeps the rules of its submission (fleet/changes/approvals.py): an edit counts from the next one on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, Group
from django.db import IntegrityError, transaction

from fleet.changes.approvals import Reasons
from fleet.changes.models import ApprovalPolicy, ApprovalStage, PolicyEdit
from fleet.core.model import Json, Reason
from inventory.models import Site

LONGEST_NAME = 63
MOST_STAGES = 8
MOST_PEOPLE = 20  # of one stage, as its table has it


@dataclass(frozen=True)
class WantedStage:
    """So many approvals by people of these groups; no groups: anybody who may approve."""

    name: str
    groups: tuple[str, ...] = ()
    quorum: int = 1


@dataclass(frozen=True)
class WantedPolicy:
    """A policy that somebody wants. Empty scopes: whichever. `expires_hours` 0: never."""

    name: str
    stages: tuple[WantedStage, ...]
    active: bool = True
    least_risk: str = ""
    recipes: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    expires_hours: int = 0
    conditions: tuple[str, ...] = ()


class _Stale(Exception):
    """Rolls back: somebody else was quicker."""


def refuse(wanted: WantedPolicy, *, why: str) -> Reasons:
    """Everything that is wrong with a policy before it is kept."""
    reasons = []
    name = wanted.name
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        form = f"1 to {LONGEST_NAME} characters that can be printed"
        reasons.append(Reason("name", repr(name[:80]), form, "Give it a short name."))
    if not wanted.stages:
        remedy = "Without a stage it asks for nobody: add one, or remove the policy."
        reasons.append(Reason("stages", "none", f"1 to {MOST_STAGES}", remedy))
    if len(wanted.stages) > MOST_STAGES:
        reasons.append(Reason("stages", str(len(wanted.stages)), f"at most {MOST_STAGES}", "Leave some away."))
    names = [s.name for s in wanted.stages]
    for stage in wanted.stages:
        if not 0 < len(stage.name) <= LONGEST_NAME or not stage.name.isprintable():
            reasons.append(Reason("stage", repr(stage.name[:80]), "a short name", "Name it after who approves."))
        if not 1 <= stage.quorum <= MOST_PEOPLE:
            remedy = "A quorum of none would approve by itself."
            reasons.append(Reason(f"quorum of {stage.name}", str(stage.quorum), f"1 to {MOST_PEOPLE}", remedy))
    for name in sorted({n for n in names if names.count(n) > 1}):
        reasons.append(Reason(f"stage {name}", "named twice", "a name for each", "Refusals name the stage."))
    if not why.strip():
        reasons.append(Reason("reason", "none", "why the rules change", "Say it; it is kept for ever."))
    return tuple(reasons)


def version(policy: ApprovalPolicy | None) -> int:
    """Which edit of it was the newest: a form that knows another one is out of date."""
    if policy is None:
        return 0
    newest = PolicyEdit.objects.filter(policy_number=policy.pk).order_by("-pk").values_list("pk", flat=True)
    return newest.first() or 0


def keep(
    old: ApprovalPolicy | None, wanted: WantedPolicy, person: AbstractBaseUser, now: datetime, *, why: str, known: int
) -> Reasons:
    """Add a policy, or change `old` as its form knew it (`known`, of `version`). It counts from the next submission."""
    if reasons := refuse(wanted, why=why):
        return reasons
    try:
        with transaction.atomic():
            _still(old, known)
            before = words(old) if old else {}
            row = _write(old, wanted)
            after = words(row)
            if before == after:
                return (Reason(row.name, "as it is already", "something that differs", "Nothing was written."),)
            _record(row.pk, row.name, person, now, why=why, text=difference(before, after))
    except _Stale:
        return _raced(wanted.name)
    except IntegrityError:
        return (Reason(f"name {wanted.name}", "taken", "a name of its own", "Edit that policy, or name this anew."),)
    return ()


def remove(policy: ApprovalPolicy, person: AbstractBaseUser, now: datetime, *, why: str, known: int) -> Reasons:
    """It asks for nothing from the next submission on; what it was stays among the edits."""
    if not why.strip():
        return (Reason("reason", "none", "why the rules change", "Say it; it is kept for ever."),)
    try:
        with transaction.atomic():
            _still(policy, known)
            gone = difference(words(policy), {})
            _record(policy.pk, policy.name, person, now, why=why, text=gone)
            policy.delete()
    except _Stale:
        return _raced(policy.name)
    return ()


def _still(policy: ApprovalPolicy | None, known: int) -> None:
    """Lock the row; raise when it is gone or was edited meanwhile."""
    if policy is not None:
        there = ApprovalPolicy.objects.select_for_update().filter(pk=policy.pk).first()
        if there is None or version(there) != known:
            raise _Stale


def _raced(name: str) -> Reasons:
    return (
        Reason(name, "edited by somebody else meanwhile", "the form's own state", "Read it again; nothing is kept."),
    )


def _write(old: ApprovalPolicy | None, wanted: WantedPolicy) -> ApprovalPolicy:
    row = ApprovalPolicy(pk=old.pk if old else None)
    row.name, row.active, row.least_risk = wanted.name, wanted.active, wanted.least_risk
    row.recipes, row.roles = sorted(wanted.recipes), sorted(wanted.roles)
    row.expires_hours, row.conditions = wanted.expires_hours or None, sorted(wanted.conditions)
    row.save(force_insert=old is None, force_update=old is not None)
    row.sites.set(Site.objects.filter(name__in=wanted.sites))
    row.stages.all().delete()
    for number, stage in enumerate(wanted.stages):
        made = ApprovalStage.objects.create(policy=row, number=number, name=stage.name, quorum=stage.quorum)
        made.groups.set(Group.objects.filter(name__in=stage.groups))
    return row


def words(policy: ApprovalPolicy) -> Mapping[str, str]:
    """A policy field by field, as people read it."""
    value = ApprovalPolicy.objects.prefetch_related("sites", "stages__groups").get(pk=policy.pk).value()
    every = "whichever"
    said: dict[str, str] = {
        "in force": "yes" if policy.active else "no",
        "name": value.name,
        "least risk": value.least_risk or every,
        "recipes": ", ".join(sorted(value.recipes)) or every,
        "sites": ", ".join(sorted(value.sites)) or every,
        "roles": ", ".join(sorted(value.roles)) or every,
        "expires": f"{policy.expires_hours} h after the first approval" if policy.expires_hours else "never",
        "conditions": ", ".join(sorted(value.conditions)) or "none",
    }
    for number, stage in enumerate(value.stages, 1):
        said[f"stage {number}"] = f"{stage.name}: {stage.quorum} of {stage.who}"
    return said


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> Sequence[str]:
    """What an edit changed, a line for each field: "least risk: whichever > high"."""
    if not before:
        return ["added", *(f"{field}: {text}" for field, text in after.items())]
    if not after:
        return ["removed", *(f"{field}: {text}" for field, text in before.items())]
    fields = [*before, *(f for f in after if f not in before)]
    pairs = ((f, before.get(f, "none"), after.get(f, "none")) for f in fields)
    return [f"{field}: {was} > {now}" for field, was, now in pairs if was != now]


def _record(number: int, name: str, person: AbstractBaseUser, now: datetime, *, why: str, text: Sequence[str]) -> None:
    lines: list[Json] = list(text)
    PolicyEdit.objects.create(policy_number=number, name=name, by_id=person.pk, at=now, why=why.strip(), lines=lines)
