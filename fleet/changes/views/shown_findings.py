"""Findings of a plan as pages show them: each with who overrode it and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleet.changes.models import FindingOverride
from fleet.core import overrides
from fleet.core.model import Json


@dataclass(frozen=True)
class ShownFinding:
    """One finding, what identifies it, and its override if somebody gave one."""

    severity: str
    reason: Mapping[str, Json]
    identity: str
    can_be_overridden: bool
    override: FindingOverride | None

    @property
    def stops(self) -> bool:
        return self.severity == "fatal" and self.override is None


def shown(findings: Sequence[Mapping[str, Json]], given: Mapping[str, FindingOverride]) -> tuple[ShownFinding, ...]:
    """The findings, in their order. `given`: `models.overrides.in_force` of the same findings."""
    made = []
    for finding in findings:
        identity = overrides.identity(finding)
        row = given.get(identity)
        made.append(ShownFinding(finding["severity"], finding["reason"], identity, overrides.can_be(finding), row))
    return tuple(made)
