"""Pages of rows by cursor: the number of the last row that was given. Nothing is counted, nothing is skipped over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from rest_framework.request import Request

USUAL, MOST = 50, 500
LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Page:
    """Some rows, and how to ask for those that follow (None: there are no more)."""

    rows: Sequence[Any]
    cursor: int | None
    next: str | None


def page(
    rows: "QuerySet[Any]",
    request: Request,
    *,
    cursor: int | None,
    limit: int = USUAL,
    newest_first: bool = False,
    endless: bool = False,
) -> Page:
    """The rows after the cursor, in order of their numbers. One query.

    `endless`: there may be more later (events); the cursor is then given at the end as well.
    """
    if cursor is not None:
        rows = rows.filter(**{"pk__lt" if newest_first else "pk__gt": cursor})
    found: list[Model] = list(rows.order_by("-pk" if newest_first else "pk")[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    last = found[-1].pk if found else cursor
    following = _address(request, last) if more else None
    return Page(found, last if more or endless else None, following)


def _address(request: Request, cursor: int | None) -> str:
    asked = [(k, v) for k, values in request.query_params.lists() for v in values if k != "cursor"]
    return request.build_absolute_uri(f"{request.path}?{urlencode([*asked, ('cursor', str(cursor))])}")
