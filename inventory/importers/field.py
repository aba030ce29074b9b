"""What a key and a section of the inventory file are."""

from dataclasses import dataclass

from fleet.core.model import Json
from inventory.importers.kinds import Kind

NO_DEFAULT = object()


@dataclass(frozen=True)
class Field:
    """One key of an entry. `default` is what leaving it out means; without one it may not be left out."""

    name: str
    kind: Kind
    about: str
    default: Json = NO_DEFAULT

    @property
    def required(self) -> bool:
        return self.default is NO_DEFAULT


@dataclass(frozen=True)
class Section:
    """One section of the file: a list of entries, or (no fields) a list of plain names."""

    name: str
    about: str
    fields: tuple[Field, ...] = ()
    required: bool = True
