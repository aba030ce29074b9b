"""Every "no" of the API: problem+json (RFC 9457) with the reasons of the pages, each with its sentence.

drf-standardized-errors brings all errors of the framework into one shape; here that becomes a problem.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from django.http import Http404
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import Error, ErrorResponse
from rest_framework import exceptions
from rest_framework.response import Response

from fleet.core.model import Reason

PROBLEM = "application/problem+json"
# What the `type` of a problem begins with; its last part is `code`. A name, not an address: nothing is fetched there.
NAMED = "urn:slipway:problem:"


class Problem(exceptions.APIException):
    """An answer that says no. `code`: a word for programs; `reasons`: for people, all at once."""

    def __init__(
        self, status: int, code: str, reasons: Iterable[Reason], *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status_code = status
        self.code = code
        self.reasons = tuple(reasons)
        self.headers = dict(headers or {})
        super().__init__(" ".join(str(r) for r in self.reasons), code)


def document(status: int, code: str, reasons: Iterable[Reason]) -> dict[str, Any]:
    """The content of a problem."""
    all_of_them = tuple(reasons)
    return {
        "type": f"{NAMED}{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": " ".join(dict.fromkeys(str(r) for r in all_of_them)),
        "reasons": [
            {"subject": r.subject, "found": r.found, "wanted": r.wanted, "remedy": r.remedy, "text": str(r)}
            for r in all_of_them
        ],
    }


def refused(reasons: Iterable[Reason], *, status: int = 409, code: str = "refused") -> Response:
    """No, as things stand. An answer and no exception: what was written on the way (a void approval) stays written."""
    return Response(document(status, code, reasons), status=status, content_type=PROBLEM)


class Formatter(ExceptionFormatter):
    """Errors of the framework as a problem."""

    def format_error_response(self, error_response: ErrorResponse) -> Any:
        error = self.exc
        status = error.status_code
        if isinstance(error, Problem):
            return document(status, error.code, error.reasons)
        code = "invalid" if error_response.type == "validation_error" else str(error_response.errors[0].code)
        return document(status, code, [_reason(e) for e in error_response.errors])


_FOUND = {
    "required": "nothing",
    "null": "null",
    "blank": "an empty text",
    "not_authenticated": "no token",
    "method_not_allowed": "another method",
    "not_found": "nothing under this address",
    "unsupported_media_type": "another type",
}


def _reason(error: Error) -> Reason:
    match error.code:
        case "not_found":
            return Reason("address", "nothing there", "something that exists", error.detail)
        case "not_authenticated":
            return Reason("token", "none", "Authorization: Bearer TOKEN", "Make a token at /tokens/.")
        case "error":
            return Reason("Slipway", "a fault of its own", "an answer", "Please report it; it is in the log.")
        case _:
            return Reason(error.attr or "request", _FOUND.get(error.code, "something else"), error.detail.rstrip("."))


class Handler(ExceptionHandler):
    """The handler that sends problems with their type and headers."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        """What is not there is named, where the view did."""
        if isinstance(exc, Http404) and exc.args and isinstance(exc.args[0], str):
            return exceptions.NotFound(exc.args[0])
        return super().convert_known_exceptions(exc)

    def get_response(self, exc: exceptions.APIException, data: dict[str, Any]) -> Response:
        response = super().get_response(exc, data)
        response.content_type = PROBLEM
        for name, value in getattr(exc, "headers", {}).items():
            response[name] = value
        return response
