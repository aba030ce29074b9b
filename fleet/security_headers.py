"""Response headers that keep foreign code out of the pages: a strict content security policy, nothing inline."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware


def _identity_provider() -> tuple[str, ...]:
    """The origin of the identity provider, where there is one."""
    parts = urlsplit(settings.SLIPWAY_OIDC_URL)
    return (f"{parts.scheme}://{parts.netloc}",) if parts.netloc else ()


# Everything a page needs is served by Slipway itself. `data:` for images: Bootstrap's form controls carry their arrows
# as data URLs. No 'unsafe-inline' and no 'unsafe-eval' anywhere: device output that slips past a template cannot run.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        # Browsers hold a form to this also where its answer leads on: to sign in at the identity provider.
        " ".join(("form-action 'self'", *_identity_provider())),
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

Handler = Callable[[HttpRequest], HttpResponseBase]
AsyncHandler = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def _mark(response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    return response


@sync_and_async_middleware
def security_headers(get_response: Handler | AsyncHandler) -> Handler | AsyncHandler:
    """Set the policy on every answer that does not bring its own."""
    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponseBase:
            return _mark(await get_response(request))

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        assert isinstance(response, HttpResponseBase)
        return _mark(response)

    return synchronous
