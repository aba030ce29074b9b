"""What comparing one kind of row gave, and how two rows that want the same thing are told. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleet.core.model import Json, Reason
from inventory.importers.preview import Change, FieldChange
from inventory.importers.rows import RowKind

GONE = "no longer in NetBox"
OUTSIDE = "in NetBox, no longer in this selection"
REMEDY = "Correct one of the two, or leave the row out with --skip-wrong-rows."


@dataclass
class Outcome:
    """Collected while rows are compared."""

    creates: list[Change] = field(default_factory=list)
    updates: list[Change] = field(default_factory=list)
    stale: list[Change] = field(default_factory=list)
    wrong: list[Reason] = field(default_factory=list)
    kept: list[Reason] = field(default_factory=list)
    unchanged: int = 0

    def create(self, kind: RowKind, name: str, after: Mapping[str, Json]) -> None:
        self.creates.append(Change(kind, name, tuple(FieldChange(f, None, v) for f, v in after.items())))

    def compare(
        self, kind: RowKind, name: str, pk: int, *, before: Mapping[str, Json], after: Mapping[str, Json]
    ) -> None:
        """An update of what differs, or one more that is as it was."""
        fields = tuple(FieldChange(f, before[f], value) for f, value in after.items() if before[f] != value)
        if fields:
            self.updates.append(Change(kind, name, fields, pk))
        else:
            self.unchanged += 1

    def lost(self, kind: RowKind, name: str, pk: int, why: str) -> None:
        self.stale.append(Change(kind, name, (FieldChange("stale_since", None, why),), pk))

    def keep(self, url: str, fields: Iterable[tuple[str, Json, Json]]) -> None:
        """(field, what NetBox's custom field says, what Slipway has): said where they differ."""
        for name, said, have in fields:
            if said is not None and said != have:
                remedy = "Slipway's value stays; change it there if NetBox is right."
                self.kept.append(Reason(f"{url} slipway_{name}", str(said), f"{have}, as Slipway has it", remedy))


@dataclass(frozen=True)
class Claim:
    """A row of NetBox (by id) that wants something no two may have."""

    row: int
    url: str
    value: Any  # hashable


def clashes(claims: Iterable[Claim], held: Mapping[Any, str], say: Callable[[Claim, str], Reason]) -> dict[int, Reason]:
    """Row -> why it cannot be taken: its value is held by somebody else, or several rows of NetBox want it."""
    first: dict[Any, Claim] = {}
    found: dict[int, Reason] = {}
    for claim in claims:
        other = first.setdefault(claim.value, claim)
        if claim.value in held:
            found[claim.row] = say(claim, held[claim.value])
        elif other is not claim:
            found[claim.row] = say(claim, other.url)
            found.setdefault(other.row, say(other, claim.url))
    return found
