"""The table of all addresses of the API, from the views themselves; a test compares docs/api.md with it."""

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver

from fleet.api.views import ApiView

BEGIN, END = "<!-- addresses: ./manage.py api_reference -->", "<!-- end of addresses -->"


def views() -> Iterator[tuple[str, type[ApiView]]]:
    """Every address of the API, as its pattern under /api/v1, with its view."""
    from fleet.api import urls

    yield from _within(urls.urlpatterns, "/")


def _within(entries: Any, before: str) -> Iterator[tuple[str, type[ApiView]]]:
    for entry in entries:
        here = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _within(entry.url_patterns, here)
        elif isinstance(entry, URLPattern):
            kind = getattr(entry.callback, "cls", None)
            if isinstance(kind, type) and issubclass(kind, ApiView):
                yield here, kind


def table() -> str:
    """Method, address, scope, right, and what it does; one line each."""
    lines = ["| | address | scope | right | |", "|---|---|---|---|---|"]
    for pattern, view in views():
        for method, op in view.ops.items():
            words = (getattr(view, method.lower()).__doc__ or "").partition("\n")[0]
            right = " or ".join(f"`{r}`" for r in op.rights)
            path = pattern.replace("<int:", "{").replace("<str:", "{").replace(">", "}")
            lines.append(f"| {method} | `{path}` | `{op.scope}` | {right} | {words} |")
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with the table as it should be."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{tail}"
