"""List pages: filters, words, sorting, paging, saved filters and CSV, in a number of queries that does not grow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse

from fleet import clock
from fleet.core import explain
from fleet.core.model import Reason
from fleet.guards import person
from inventory.views import asked as reading
from inventory.views import saved, sheet
from inventory.views.asked import Asked
from inventory.views.cells import Cell, Plain

M = TypeVar("M", bound=Model)
PER_PAGE = 100
AT_ONCE = 1_000  # rows of one answer to a program

Choices = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Column(Generic[M]):
    """A column: what stands in it, how CSV has it (default: the cell's text), what it sorts by (none: it does not).

    `given` adds what only sorting by this column needs.
    """

    key: str
    title: str
    cell: Callable[[M], Cell | Sequence[Cell]]
    sort: tuple[str, ...] = ()
    plain: Callable[[M], Plain] | None = None
    given: Callable[[QuerySet[M]], QuerySet[M]] = lambda rows: rows

    def cells(self, row: M) -> Sequence[Cell]:
        found = self.cell(row)
        return (found,) if isinstance(found, Cell) else found

    def value(self, row: M) -> Plain:
        """What the CSV file gets."""
        return self.plain(row) if self.plain else ", ".join(c.text for c in self.cells(row) if c.text)


@dataclass(frozen=True)
class Filter:
    """A filter: `where` makes the condition of the given values (beside the choices), or says why it cannot.

    `choices`: the values that exist, as (value, words), one query or none. `free`: any text may be asked for and the
    choices are suggestions; otherwise a value that is no choice is refused.
    """

    key: str
    label: str
    where: Callable[[Sequence[str], Choices], Q | Reason]
    choices: Callable[[], Choices] = tuple
    free: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Listing(Generic[M]):
    """One list page. `rows` is what filters and order work on; `detail` adds what the cells of a page's rows read."""

    page: str
    title: str
    about: str
    address: str
    rows: Callable[[], QuerySet[M]]
    columns: Sequence[Column[M]]
    filters: Sequence[Filter] = ()
    search: Callable[[str], Q] | None = None
    order: tuple[str, ...] = ("pk",)
    detail: Callable[[QuerySet[M]], QuerySet[M]] = lambda rows: rows
    nothing: str = ""
    add: str = ""  # address name of the form for a new one, and the right that it needs
    add_right: str = ""
    add_words: str = ""
    template: str = "inventory/list.html"
    more: Callable[[HttpRequest], Mapping[str, Any]] = field(default=lambda request: {})


@dataclass(frozen=True)
class ShownFilter:
    """A filter with its choices and what is asked of it."""

    key: str
    label: str
    choices: Choices
    chosen: str
    free: bool
    hint: str


@dataclass(frozen=True)
class Head:
    """The head of a column: title, where a press leads, and how it is sorted now ("", "ascending", "descending")."""

    title: str
    href: str
    sorted: str


def show(request: HttpRequest, listing: Listing[M]) -> HttpResponseBase:
    """The page, or its CSV file with `format=csv`. 400 with the reasons when the address is not understood."""
    sortable = [c.key for c in listing.columns if c.sort]
    asked = reading.read(request.GET, filters=[f.key for f in listing.filters], sortable=sortable)
    choices = {f.key: f.choices() for f in listing.filters}
    found, refusals = _narrowed(listing, asked, choices)
    wanted = request.GET.get("format", "")
    if wanted not in {"", "csv"}:
        refusals.append(Reason("format", repr(wanted[:20]), "csv", "Leave it away for the page."))
    ordered = _ordered(listing, asked, found)
    if wanted == "csv" and not refusals:
        titles = [c.key for c in listing.columns]
        return sheet.csv(listing.page, titles, ordered, lambda pks: _values(listing, pks))
    return _page(request, listing, asked, choices, () if refusals else ordered, refusals)


def answer(request: HttpRequest, listing: Listing[M]) -> tuple[list[int], int, int, list[Reason]]:
    """For programs: keys of the rows of the page asked for, how many there are in all, which page, refusals."""
    asked = reading.read(request.GET, filters=[f.key for f in listing.filters], sortable=[])
    found, refusals = _narrowed(listing, asked, {f.key: f.choices() for f in listing.filters})
    if refusals:
        return [], 0, 1, refusals
    ordered = _ordered(listing, asked, found)
    return list(ordered[(asked.page - 1) * AT_ONCE : asked.page * AT_ONCE]), ordered.count(), asked.page, []


def _narrowed(listing: Listing[M], asked: Asked, choices: Mapping[str, Choices]) -> tuple[QuerySet[M], list[Reason]]:
    rows, refusals = listing.rows(), list(asked.refusals)
    for each in listing.filters:
        values = asked.filters.get(each.key)
        if not values:
            continue
        known = {value for value, _ in choices[each.key]}
        strange = [] if each.free else [v for v in values if v not in known]
        where = _strange(each, strange, known) if strange else each.where(values, choices[each.key])
        if isinstance(where, Reason):
            refusals.append(where)
        else:
            rows = rows.filter(where)
    if listing.search is not None:
        for word in asked.text.split()[:10]:
            rows = rows.filter(listing.search(word))
    return rows, refusals


def _strange(each: Filter, values: Sequence[str], known: set[str]) -> Reason:
    some = ", ".join(sorted(known)[:8]) or "(there is nothing to choose yet)"
    return Reason(f"filter {each.label}", ", ".join(repr(v[:60]) for v in values), some, "Choose one from the list.")


def _ordered(listing: Listing[M], asked: Asked, rows: QuerySet[M]) -> "QuerySet[M, int]":
    """The keys of the rows in the order asked for; equal ones in the usual order."""
    column = next((c for c in listing.columns if c.key == asked.column and c.sort), None)
    if column is None:
        by: Sequence[str] = listing.order
    else:
        rows = column.given(rows)
        by = [_turned(name) for name in column.sort] if asked.descending else column.sort
    return rows.order_by(*by, "pk").values_list("pk", flat=True)


def _turned(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _in_order(listing: Listing[M], pks: Sequence[int]) -> list[M]:
    """The rows of a page with all that their cells read, in the order asked for."""
    place = {pk: n for n, pk in enumerate(pks)}
    rows = listing.detail(listing.rows().filter(pk__in=pks).order_by())
    return sorted(rows, key=lambda row: place[row.pk])


def _values(listing: Listing[M], pks: Sequence[int]) -> list[list[Plain]]:
    return [[c.value(row) for c in listing.columns] for row in _in_order(listing, pks)]


def _page(
    request: HttpRequest,
    listing: Listing[M],
    asked: Asked,
    choices: Mapping[str, Choices],
    ordered: "QuerySet[Any, int] | Sequence[int]",
    refusals: Sequence[Reason],
) -> HttpResponse:
    count = ordered.count() if isinstance(ordered, QuerySet) else 0
    pages = max(1, -(-count // PER_PAGE))
    number = min(asked.page, pages)
    pks = list(ordered[(number - 1) * PER_PAGE : number * PER_PAGE])
    rows = _in_order(listing, pks) if pks else []
    who = person(request)
    context = {
        "now": clock.now(),
        "listing": listing,
        "here": reverse(listing.address),
        "heads": [_head(c, asked) for c in listing.columns],
        "rows": [[(c.title, c.cells(row)) for c in listing.columns] for row in rows],
        "filters": [_shown(f, asked, choices[f.key]) for f in listing.filters],
        "chips": _chips(listing, asked),
        "asked": asked,
        "count": count,
        "number": number,
        "pages": pages,
        "first": (number - 1) * PER_PAGE + 1,
        "last": (number - 1) * PER_PAGE + len(rows),
        "earlier": asked.address(page=number - 1) if number > 1 else "",
        "further": asked.address(page=number + 1) if number < pages else "",
        "csv": asked.address(format="csv"),
        "narrowed": bool(asked.filters or asked.text),
        "may_add": bool(listing.add) and who.has_perm(listing.add_right),
        "may_save": listing.page in saved.PAGES,
        "saved": saved.of(listing.page, who),
        "not_understood": explain.sentences(refusals),
        **listing.more(request),
    }
    return render(request, listing.template, context, status=400 if refusals else 200)


def _head(column: Column[M], asked: Asked) -> Head:
    if not column.sort:
        return Head(column.title, "", "")
    if asked.column != column.key:
        return Head(column.title, asked.address(sort=column.key), "")
    other = column.key if asked.descending else f"-{column.key}"
    return Head(column.title, asked.address(sort=other), "descending" if asked.descending else "ascending")


def _shown(each: Filter, asked: Asked, choices: Choices) -> ShownFilter:
    values = asked.filters.get(each.key, ())
    return ShownFilter(each.key, each.label, choices, values[0] if values else "", each.free, each.hint)


def _chips(listing: Listing[M], asked: Asked) -> list[tuple[str, str]]:
    """What is asked for now, in words, each with the address without it."""
    labels = {f.key: f.label for f in listing.filters}
    chips = [(f"{labels[k]}: {' or '.join(v)}", asked.address(**{k: None})) for k, v in asked.filters.items()]
    return [*chips, *([(f"words: {asked.text}", asked.address(q=None))] if asked.text else [])]
