"""The API speaks JSON and nothing else: whatever a client accepts it gets JSON, and what it sends must be JSON."""

import io
from collections.abc import Mapping
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from fleet.api.problems import Problem
from fleet.core.model import Reason

MOST_BYTES = 2_500_000  # as a form may have: names of 10,000 devices are 200 kB
DEEPEST = 32


class Parser(JSONParser):
    """JSON whose strings a database can keep."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            reason = Reason("content", f"more than {MOST_BYTES} bytes", "less", "Name fewer devices at once.")
            raise Problem(413, "too_large", [reason])
        try:
            found = super().parse(io.BytesIO(content), media_type, dict(parser_context or {}))
        except RecursionError:
            raise ParseError("JSON that is nested less deeply") from None
        _storable(found, 0)
        return found


def _storable(value: Any, depth: int) -> None:
    """No null characters, no halves of characters, no depth: PostgreSQL keeps none of them."""
    if depth > DEEPEST:
        raise ParseError(f"JSON of at most {DEEPEST} levels")
    match value:
        case str():
            if "\x00" in value or any("\ud800" <= c <= "\udfff" for c in value):
                raise ParseError("text without null characters and halves of characters")
        case dict():
            for key, inner in value.items():
                _storable(key, depth)
                _storable(inner, depth + 1)
        case list():
            for inner in value:
                _storable(inner, depth + 1)
        case _:
            return


class Negotiation(BaseContentNegotiation):
    """Always JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        kind = str(request.content_type or "").partition(";")[0].strip().lower()
        return next((p for p in parsers if p.media_type == kind), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type
