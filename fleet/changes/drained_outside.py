"""Keeps the rows of devices that somebody else drained up to date with what is observed."""

from collections.abc import Sequence

from fleet.changes.models import DrainedOutside
from inventory.models import Observation
from playbooks.drain.seen import drained_by


def look_at(observations: Sequence[Observation]) -> None:
    """Open, keep and end rows. Two queries, and one for each router that begins, goes on or ends to be drained.

    What cannot be told changes nothing. While a change has a device in its hands nothing is opened: we drained it.
    """
    have = {row.router_id: row for row in DrainedOutside.objects.filter(router__in=[o.router_id for o in observations])}
    over = []
    for one in observations:
        said = drained_by(one.facts)
        row = have.get(one.router_id)
        if said is None or (one.during_change and row is None):
            continue
        if not said:
            over += [row.pk] if row is not None else []
            continue
        words = "; ".join(said)[:300]
        since = row.since if row is not None else one.observed_at
        DrainedOutside.objects.update_or_create(
            router_id=one.router_id, defaults={"since": since, "seen_at": one.observed_at, "words": words}
        )
    if over:
        DrainedOutside.objects.filter(pk__in=over).delete()
