"""What people did to approval policies and standard changes, for the audit page beside the events of changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db.models import Model, QuerySet
from django.urls import reverse

from fleet.changes.models import PolicyEdit, StandardChange, StandardDecision
from fleet.core.standard import bound_in_words

KINDS = ("policy edited", "standard change written", "standard change approved", "standard change withdrawn")
_Row = TypeVar("_Row", bound=Model)
# Of one page of events; the pages of the rules have all of them.
MOST = 200


@dataclass(frozen=True)
class Done:
    """One thing that was done to the rules, in the words of the audit page."""

    at: datetime
    actor: str
    kind: str
    text: str
    where: str

    @property
    def address(self) -> str:
        return reverse(self.where)


@dataclass(frozen=True)
class Between:
    """What is asked for: `since` and `until` are included, `before` is not."""

    person: str = ""
    kind: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: datetime | None = None

    def of(self, rows: "QuerySet[_Row]", who: str, at: str) -> "QuerySet[_Row]":
        """The newest rows of a table in which `who` and `at` say who did it and when."""
        asked: dict[str, object] = {
            f"{who}__username": self.person or None, f"{at}__gte": self.since, f"{at}__lte": self.until,
            f"{at}__lt": self.before,
        }  # fmt: skip
        filters = {key: value for key, value in asked.items() if value is not None}
        return rows.filter(**filters).select_related(who).order_by(f"-{at}", "-pk")[:MOST]


def done(asked: Between) -> Sequence[Done]:
    """Newest first, at most MOST. Three queries; none for a kind that is no kind of these."""
    if asked.kind and asked.kind not in KINDS:
        return ()
    edits = [
        Done(e.at, e.by.username, KINDS[0], _edit(e), "policies")
        for e in asked.of(PolicyEdit.objects.all(), "by", "at")
    ]
    written = [
        Done(s.created_at, s.author.username, KINDS[1], _standard(s), "standards")
        for s in asked.of(StandardChange.objects.all(), "author", "created_at")
    ]
    decided = [
        Done(d.at, d.by.username, f"standard change {d.decision}", _decision(d), "standards")
        for d in asked.of(StandardDecision.objects.select_related("standard"), "by", "at")
    ]
    found = [one for one in (*edits, *written, *decided) if asked.kind in {"", one.kind}]
    return sorted(found, key=lambda one: one.at, reverse=True)[:MOST]


def _edit(row: PolicyEdit) -> str:
    return f"policy {row.name}: {'; '.join(map(str, row.lines))}. Why: {row.why}"


def _standard(row: StandardChange) -> str:
    bounds: Mapping[str, Mapping[str, object]] = row.bounds
    said = ", ".join(f"{name} {bound_in_words(bound)}" for name, bound in sorted(bounds.items())) or "no inputs"
    return f"{row.name}: {row.recipe} with {said}, at most {row.max_devices} devices, until {row.expires_at:%Y-%m-%d}"


def _decision(row: StandardDecision) -> str:
    return f"{row.standard.name} {row.decision}{f': {row.comment}' if row.comment else ''}"
