"""Conditions that the filters of several pages share, and the values that there are to choose from."""

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from django.db.models import Exists, Model, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast

from fleet.core.model import Reason
from fleet.core.versions import Range, Version
from inventory.models import Drift, Router, Site
from inventory.views.listing import Choices, Filter

YES_NO: Choices = (("yes", "yes"), ("no", "no"))


def values(rows: QuerySet[Any], field: str) -> Callable[[], Choices]:
    """The different values of a column, sorted, without the empty one. One query."""

    def find() -> Choices:
        found = rows.all().order_by(field).values_list(field, flat=True).distinct()
        return [(str(value), str(value)) for value in found if value not in {None, ""}]

    return find


def names(model: type[Model]) -> Callable[[], Choices]:
    """The names of all rows of a table. One query."""
    return values(model._default_manager.all(), "name")


def one_of(field: str) -> Callable[[Sequence[str], Choices], Q]:
    """The column has one of these values."""
    return lambda asked, choices: Q(**{f"{field}__in": asked})


def among(rows: QuerySet[Any], field: str, to: str = "router") -> Callable[[Sequence[str], Choices], Q]:
    """Among the many rows that belong to this one, some has one of these values."""
    return lambda asked, choices: Q(pk__in=rows.filter(**{f"{field}__in": asked}).values(to))


def versions_of(field: str) -> Callable[[Sequence[str], Choices], Q | Reason]:
    """The column has one of these versions: "6.1.0-28-amd64", "6.1.*", "< 7.5", ">= 2.13,< 2.14"."""

    def where(asked: Sequence[str], choices: Choices) -> Q | Reason:
        found = fitting(asked, [value for value, _ in choices])
        return found if isinstance(found, Reason) else Q(**{f"{field}__in": found})

    return where


def versions_among(rows: QuerySet[Any], field: str) -> Callable[[Sequence[str], Choices], Q | Reason]:
    """As `versions_of`, among the many rows that belong to a device."""

    def where(asked: Sequence[str], choices: Choices) -> Q | Reason:
        found = fitting(asked, [value for value, _ in choices])
        return found if isinstance(found, Reason) else Q(pk__in=rows.filter(**{f"{field}__in": found}).values("router"))

    return where


def fitting(asked: Iterable[str], known: Sequence[str]) -> list[str] | Reason:
    """Those of the known versions that fit any of what is asked for; a Reason for what is no range of versions."""
    found: set[str] = set()
    for text in asked:
        if text in known:
            found.add(text)
        elif "*" in text and (some := [k for k in known if fnmatchcase(k.lower(), text.lower())]):
            found.update(some)
        else:
            wanted = Range.parse(text)
            if isinstance(wanted, Reason):
                remedy = "Or choose one of the versions that there are."
                return Reason(f"version {text[:60]!r}", wanted.found, wanted.wanted, remedy)
            parsed = ((k, Version.parse(k)) for k in known)
            found.update(k for k, version in parsed if isinstance(version, Version) and wanted.holds(version))
    return sorted(found)


def yes_or_no(condition: Callable[[], Q]) -> Callable[[Sequence[str], Choices], Q]:
    """Filter with the choices yes and no; both together are everything."""
    return lambda asked, choices: Q() if len(set(asked)) > 1 else (condition() if asked[0] == "yes" else ~condition())


def tagged(field: str) -> Callable[[Sequence[str], Choices], Q]:
    """The JSON list of names holds one of these. The same text on both databases; names need no escapes."""

    def where(asked: Sequence[str], choices: Choices) -> Q:
        rows = Router.objects.annotate(tags_text=Cast("tags", TextField()))
        fits = Q(pk__in=[])
        for tag in asked:
            fits |= Q(tags_text__contains=f'"{tag}"')
        return Q(**{f"{field}__in": rows.filter(fits).values("pk")})

    return where


def tags() -> Choices:
    """Every tag in use. One query over the rows that have any."""
    lists = Router.objects.exclude(tags=[]).values_list("tags", flat=True)
    return [(tag, tag) for tag in sorted({str(tag) for found in lists if isinstance(found, list) for tag in found})]


def of_device(to: str = "") -> tuple[Filter, ...]:
    """Filters by the device that a row belongs to; `to` is the way to it ("router__")."""
    return (
        Filter("site", "Site", one_of(f"{to}site__name"), names(Site)),
        Filter("role", "Role", one_of(f"{to}role"), values(Router.objects.all(), "role")),
        Filter("tag", "Tag", tagged(f"{to}pk"), tags),
    )


def drifting(to: str = "pk") -> Callable[[], Q]:
    """Devices with a setting that is not as wanted now."""
    return lambda: Q(Exists(Drift.objects.open().filter(router=OuterRef(to))))
