"""What other changes are about to do, as values: read when a plan is made, to tell its approver of conflicts."""

from django.db.models import F, Max
from django.db.models.fields.json import KeyTransform

from fleet.changes.models import Change, Revision
from fleet.core import conflicts
from fleet.core.model import Finding, Topology
from fleet.core.states import CHANGE_LIVE, ChangeState

# Drafts are nobody's plan yet.
_MEANT = frozenset({ChangeState.SUBMITTED, ChangeState.APPROVED, ChangeState.SCHEDULED}) | CHANGE_LIVE
# Of more open changes than this the newest are looked at: an approver reads no longer list.
MOST_CHANGES = 100


def look(names: list[str], topology: Topology, *, but: Change | None = None) -> tuple[Finding, ...]:
    """Conflicts of a plan for these devices with every other change that is meant to run. One query."""
    rows = (
        Revision.objects.filter(change__state__in=_MEANT)
        .exclude(change=but.pk if but else 0)
        .annotate(newest=Max("change__revisions__number"), targets=KeyTransform("targets", "plan"))
        .filter(number=F("newest"))
        .order_by("-change_id")
        .values_list("change_id", "change__state", "targets")[:MOST_CHANGES]
    )
    others = {
        f"change {pk}, {state}": {t["name"]: t["failure_domain"] for t in targets or ()} for pk, state, targets in rows
    }
    return conflicts.find({n: topology.domain_of.get(n, "") for n in names}, others, topology)
