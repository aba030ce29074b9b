"""What the address of a list page asks for, read strictly: what is not understood lists nothing and is named."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import QueryDict

from fleet.core.model import Reason

RESERVED = frozenset({"q", "sort", "page", "format"})
LONGEST_TEXT = 200


@dataclass(frozen=True)
class Asked:
    """Filters by key (each with one or more values, any of them fits), words, sorting, page."""

    filters: Mapping[str, tuple[str, ...]]
    text: str = ""
    sort: str = ""
    page: int = 1
    refusals: tuple[Reason, ...] = ()

    @property
    def column(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-")

    def address(self, **changes: str | int | None) -> str:
        """The query string with changes: `page=2`; None takes a part away. The page is forgotten unless given."""
        parts: dict[str, Sequence[str] | str | int] = dict(self.filters)
        if self.text:
            parts["q"] = self.text
        if self.sort:
            parts["sort"] = self.sort
        for key, value in changes.items():
            if value is None:
                parts.pop(key, None)
            else:
                parts[key] = value
        return "?" + urlencode(parts, doseq=True)

    @property
    def query(self) -> str:
        """What a saved filter keeps: filters, words and sorting."""
        return self.address().removeprefix("?")


def read(query: QueryDict, *, filters: Sequence[str], sortable: Sequence[str]) -> Asked:
    """Read a query string. Empty values count as not given (an untouched form sends them)."""
    refusals: list[Reason] = []
    chosen: dict[str, tuple[str, ...]] = {}
    for key in query:
        values = tuple(dict.fromkeys(_clean(v) for v in query.getlist(key)))
        values = tuple(v for v in values if v)
        if key in filters and values:
            chosen[key] = values
        elif key not in filters and key not in RESERVED:
            refusals.append(
                Reason(f"filter {key[:60]!r}", "no filter of this page", ", ".join(filters), "Correct the address.")
            )
    sort = _clean(query.get("sort", ""))
    if sort and sort.removeprefix("-") not in sortable:
        refusals.append(Reason("sort", repr(sort[:60]), ", ".join(sortable), "Press the head of a column."))
        sort = ""
    page = query.get("page", "1")
    number = int(page) if page.isascii() and page.isdigit() and len(page) <= 6 else 1
    return Asked(chosen, _clean(query.get("q", "")), sort, max(1, number), tuple(refusals))


def _clean(text: str) -> str:
    return text.replace("\x00", "").strip()[:LONGEST_TEXT]
