"""The tables of the change engine, by subject; imported from here."""

from fleet.changes.models.engine import (
    Admission,
    Approval,
    Change,
    ChangeQuerySet,
    Event,
    EventQuerySet,
    EventSeal,
    Pulse,
    Revision,
    Run,
    RunQuerySet,
    StepRun,
    StepRunQuerySet,
    TargetRun,
    TargetRunQuerySet,
    failed_in_traffic,
)

__all__ = [
    "Admission",
    "Approval",
    "Change",
    "ChangeQuerySet",
    "Event",
    "EventQuerySet",
    "EventSeal",
    "Pulse",
    "Revision",
    "Run",
    "RunQuerySet",
    "StepRun",
    "StepRunQuerySet",
    "TargetRun",
    "TargetRunQuerySet",
    "failed_in_traffic",
]
