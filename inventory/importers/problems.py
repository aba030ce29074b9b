"""What is wrong in an inventory file: line, field, found, wanted, remedy."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from fleet.core.model import Reason


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong. `line` counts from 1; 0 means the file as a whole.

    `row`: the line at which the entry begins that is wrong; 0 where no entry can be left out to mend it.
    """

    line: int
    field: str
    found: str
    wanted: str
    remedy: str
    row: int = 0

    def reason(self) -> Reason:
        where = f"line {self.line}, {self.field}" if self.line else self.field
        return Reason(where, self.found, self.wanted, self.remedy)

    def __str__(self) -> str:
        return str(self.reason())


def shown(text: str, *, at_most: int = 60) -> str:
    """A text of the file as a message may repeat it: quoted, control characters escaped, shortened."""
    return repr(text if len(text) <= at_most else text[: at_most - 3] + "...")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`Did you mean X? ` when one known name is close, else the empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"Did you mean {close[0]}? " if close else ""
