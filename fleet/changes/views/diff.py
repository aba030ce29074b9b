"""A unified diff as lines that a page can mark, and as two sides beside each other."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

# A diff of a whole configuration may be long; a page shows its beginning and says so.
SHOWN_LINES = 400


@dataclass(frozen=True)
class Line:
    """One line of a diff; `kind` is "added", "removed", "place" or "same"."""

    kind: str
    text: str


@dataclass(frozen=True)
class Pair:
    """One row of two sides: old and new line, without their signs; None where the other side has more. `kind` is
    "changed", "same" or "place" (then `old` is the text of both)."""

    kind: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Diff:
    """A diff in both forms; `lines` for narrow screens and paper, `pairs` for wide ones."""

    lines: tuple[Line, ...]
    pairs: tuple[Pair, ...]

    @property
    def one_sided(self) -> bool:
        """Is there nothing old that something new stands against? Words of a driver about what it does."""
        return all(pair.kind == "same" for pair in self.pairs)

    @property
    def words(self) -> str:
        """ "2 lines added, 1 removed", for whoever does not see the marks."""
        added, removed = (sum(line.kind == kind for line in self.lines) for kind in ("added", "removed"))
        return f"{added} line{'' if added == 1 else 's'} added, {removed} removed"


def of(diff: str) -> Diff | None:
    """Both forms of a unified diff, or None of an empty one."""
    rows = lines(diff)
    if not rows:
        return None
    if all(line.kind == "same" for line in rows):
        return Diff(rows, tuple(_said(line.text) for line in rows))
    return Diff(rows, tuple(_pairs(rows)))


# "eth1, combined queues: 4 -> 8", as drivers write where there is no text to compare.
_FROM_TO = re.compile(r"(.+?): (.*?) -> (.*)")


def _said(text: str) -> Pair:
    found = _FROM_TO.fullmatch(text)
    if found is None:
        return Pair("same", text, text)
    return Pair("changed", f"{found[1]}: {found[2]}", f"{found[1]}: {found[3]}")


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


def _pairs(rows: Sequence[Line]) -> Iterator[Pair]:
    """A run of removed lines stands beside the run of added lines that follows it."""
    removed: list[str] = []
    added: list[str] = []
    for line in rows:
        match line.kind:
            case "removed":
                if added:
                    yield from _both(removed, added)
                    removed, added = [], []
                removed.append(line.text[1:])
            case "added":
                added.append(line.text[1:])
            case kind:
                yield from _both(removed, added)
                removed, added = [], []
                text = line.text if kind == "place" else line.text.removeprefix(" ")
                yield Pair(kind, text, text)
    yield from _both(removed, added)


def _both(removed: Sequence[str], added: Sequence[str]) -> Iterator[Pair]:
    for old, new in zip_longest(removed, added):
        yield Pair("changed", old, new)
