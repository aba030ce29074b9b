"""A unified diff as lines that a page can mark."""

from dataclasses import dataclass

# A diff of a whole configuration may be long; a page shows its beginning and says so.
SHOWN_LINES = 400


@dataclass(frozen=True)
class Line:
    """One line of a diff; `kind` is "added", "removed", "place" or "same"."""

    kind: str
    text: str


def lines(diff: str) -> tuple[Line, ...]:
    """The lines of a unified diff, at most SHOWN_LINES of them."""
    rows = diff.splitlines()
    made = [Line(_kind(row), row) for row in rows[:SHOWN_LINES]]
    if len(rows) > SHOWN_LINES:
        made.append(Line("place", f"... shortened: {len(rows)} lines in all"))
    return tuple(made)


def _kind(row: str) -> str:
    if row.startswith(("+++", "---", "@@")):
        return "place"
    return {"+": "added", "-": "removed"}.get(row[:1], "same")
