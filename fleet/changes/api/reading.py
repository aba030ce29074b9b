"""Rows with what the shapes of the API show beside them, read for a whole page at once."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Max, OuterRef, Subquery
from django.db.models.fields.json import KeyTransform
from django.http import Http404

from fleet.changes.models import Change, Event, Revision, Run, TargetRun


def of_changes(rows: Sequence[Change]) -> Sequence[Change]:
    """Changes with `brief`, their newest revision, and `brief_run`. One query, without plans."""
    pks = [row.pk for row in rows]
    newest = Revision.objects.filter(change=OuterRef("change")).order_by().values("change").annotate(n=Max("number"))
    found = (
        Revision.objects.filter(change__in=pks, number=Subquery(newest.values("n")))
        .select_related("created_by", "run")
        .defer("plan", "recipe_text")
        .annotate(told=KeyTransform("findings", "plan"))
    )
    by_change = {revision.change_id: revision for revision in found}
    for row in rows:
        revision: Any = by_change.get(row.pk)
        if revision is not None:
            _brief(revision)
        row.brief = revision  # type: ignore[attr-defined]
        row.brief_run = getattr(revision, "run", None)  # type: ignore[attr-defined]
    return rows


def _brief(revision: Any) -> None:
    told = revision.told or ()
    revision.findings = {kind: sum(f["severity"] == kind for f in told) for kind in ("fatal", "warn")}
    assessed = revision.assessed or {}
    revision.risk_word, revision.impact_word = assessed.get("risk"), assessed.get("impact")


def change(pk: int) -> Change:
    """One change as the API shows it. Raises Http404. Two queries."""
    row = Change.objects.select_related("author").filter(pk=pk).first()
    if row is None:
        raise Http404(f"There is no change {pk}.")
    return of_changes([row])[0]


def revision(pk: int, number: int | None = None) -> Revision:
    """The newest revision of a change with its plan, or that of this number. Raises Http404."""
    rows = Revision.objects.filter(change=pk).select_related("created_by", "change__author").order_by("-number")
    row = (rows if number is None else rows.filter(number=number)).first()
    if row is None:
        raise Http404(f"There is no such revision of change {pk}.")
    return row


def of_events(rows: Sequence[Event]) -> Sequence[Event]:
    """Events with the name of their target, the number of their step and their seal: selected with them."""
    for row in rows:
        shown: Any = row
        shown.on = row.target.name if row.target is not None else None
        shown.at_step = row.step.index if row.step is not None else None
        seal = getattr(row, "seal", None)
        shown.sealed = seal.hash if seal is not None else None
    return rows


def of_runs(rows: Sequence[Run]) -> Sequence[Run]:
    """Runs with `counted`: how many targets of each wave are in each state. One query."""
    from django.db.models import Count

    counted: dict[int, dict[tuple[int, str], int]] = {row.pk: {} for row in rows}
    found = TargetRun.objects.filter(run__in=counted).values_list("run", "wave", "state").annotate(n=Count("id"))
    for run, wave, state, count in found.order_by():
        counted[run][wave, state] = count
    for row in rows:
        row.counted = counted[row.pk]  # type: ignore[attr-defined]
    return rows
