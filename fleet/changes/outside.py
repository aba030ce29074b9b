"""What rooms that the engine does not know have against the start of a change: told at start-up (their apps.py)."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from fleet.changes.models import Revision
from fleet.core.model import Reason

Reasons = tuple[Reason, ...]
# Revisions -> their reasons by primary key; those without any may be left out. A constant number of queries.
Gate = Callable[[Collection[Revision], datetime], Mapping[int, Reasons]]

_gates: list[Gate] = []


def tell(gate: Gate) -> None:
    """From now on this gate is asked as well."""
    if gate not in _gates:
        _gates.append(gate)


def reasons(revisions: Collection[Revision], now: datetime) -> Mapping[int, Reasons]:
    """Everything that stands against the start of each of these, by primary key."""
    found: dict[int, Reasons] = {}
    for gate in _gates:
        for pk, said in gate(revisions, now).items():
            found[pk] = found.get(pk, ()) + said
    return found
