"""Who may see a page and who may press a button: everything needs a login, acting is a POST with a permission.

For every room with pages: the changes and the inventory use the same guards.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render, resolve_url
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from fleet.core import explain
from fleet.core.model import Reason

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def is_htmx(request: HttpRequest) -> bool:
    """Is only the live part of the page asked for?"""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"


def person(request: HttpRequest) -> User:
    """Who asks. Only inside views that need a login."""
    assert isinstance(request.user, User)
    return request.user


def _to_login(request: HttpRequest) -> HttpResponse:
    if not is_htmx(request):
        # A form that comes too late leads to its page, not to an address that only takes POST.
        return redirect_to_login(request.get_full_path() if request.method in {"GET", "HEAD"} else "/")
    # A live fragment: the login page belongs in the window, not into the middle of the page.
    response = HttpResponse(status=401)
    response["HX-Redirect"] = resolve_url("login")
    return response


def _private(response: HttpResponseBase) -> HttpResponseBase:
    """Pages are for one person and this moment; one address answers whole pages and fragments."""
    response.headers.setdefault("Cache-Control", "no-store")
    patch_vary_headers(response, ["HX-Request", "Cookie"])
    return response


def reads(view: View[P]) -> View[P]:
    """A page: GET, with a login."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return _to_login(request)
        return _private(view(request, *args, **kwargs))

    return require_safe(guarded)


def acts(*permissions: str) -> Callable[[View[P]], View[P]]:
    """A button: POST, with a login and one of these permissions (none: the view itself asks who it is)."""
    return lambda view: require_POST(_with_right(view, permissions))


def edits(*permissions: str) -> Callable[[View[P]], View[P]]:
    """A form: GET shows it, POST writes; both with a login and one of these permissions (none: the view asks)."""
    return lambda view: require_http_methods(["GET", "HEAD", "POST"])(_with_right(view, permissions))


def _with_right(view: View[P], permissions: Sequence[str]) -> View[P]:
    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return _to_login(request)
        if permissions and not any(request.user.has_perm(p) for p in permissions):
            return _private(refused(request, [missing(*permissions)], status=403))
        return _private(view(request, *args, **kwargs))

    return guarded


def missing(*permissions: str) -> Reason:
    """Why a person without the permission may not."""
    return Reason(
        "permission", "none of yours allows this", " or ".join(permissions), "Ask an administrator of Slipway for it."
    )


def refused(request: HttpRequest, reasons: Sequence[Reason], *, status: int) -> HttpResponse:
    """A page that says no, and why."""
    return render(request, "refused.html", {"refusals": explain.sentences(reasons)}, status=status)
