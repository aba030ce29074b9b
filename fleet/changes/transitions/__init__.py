"""The only place where a state is assigned: one guarded UPDATE each, with its event row in the same transaction.

Losing a race is a normal return (False): somebody else moved the row, and the next tick decides again.

A warning for whoever adds a guard: conditions on the row itself stay plain filters, conditions on other rows are
`Exists(...)`. A filter across a relation would make Django write `WHERE id IN (SELECT ...)`; PostgreSQL does not
evaluate that again after it waited for the row lock, and two workers would both win.
"""

from fleet.changes.transitions.decisions import stay
from fleet.changes.transitions.rows import Lost, Note, note
from fleet.changes.transitions.runs import ask, end_run, move_change
from fleet.changes.transitions.steps import (
    Follow,
    Result,
    StepInHand,
    claim,
    keep,
    record,
    record_and_claim,
    remark,
    write_ahead,
)
from fleet.changes.transitions.targets import admit, again, back_to_pending, move_target, release, roll_back, strand

__all__ = [
    "Follow",
    "Lost",
    "Note",
    "Result",
    "StepInHand",
    "admit",
    "again",
    "ask",
    "back_to_pending",
    "claim",
    "end_run",
    "keep",
    "move_change",
    "move_target",
    "note",
    "record",
    "record_and_claim",
    "release",
    "remark",
    "roll_back",
    "stay",
    "strand",
    "write_ahead",
]
