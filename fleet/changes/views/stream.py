"""Live pages: a stream of server-sent events that says "something moved"; the page then fetches its live part.

Measured (dependencies.md 3.2): an async generator under uvicorn delivers at once and is closed with the connection; a
sync one is buffered. Each stream costs one small query a second and holds no connection in between.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from asgiref.sync import sync_to_async
from django.db import connection
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_safe

from fleet.changes.models import Change, Event
from fleet.core.states import CHANGE_ENDED

POLL_S = 1.0
HEARTBEAT_S = 15.0  # below the idle timeout of common proxies (60 s)
# Then the stream ends and the browser comes back with its cookie: a login that was withdrawn ends here.
LONGEST_S = 600.0
RETRY_MS = 2000

Look = Callable[[], Awaitable[tuple[int, bool] | None]]


@require_safe
async def stream(request: HttpRequest, pk: int | None = None) -> HttpResponseBase:
    """Events of one change, or (without `pk`) of all. 401 without a login, 404 for a change that does not exist."""
    user = await request.auser()
    if not user.is_authenticated:
        return HttpResponse("Sign in first.", status=401, content_type="text/plain")

    async def look() -> tuple[int, bool] | None:
        # A pool thread that keeps no database connection: a hundred open pages are not a hundred connections.
        return await sync_to_async(_look, thread_sensitive=False)(pk)

    if await look() is None:
        return HttpResponse(f"There is no change {pk}.", status=404, content_type="text/plain")
    response = StreamingHttpResponse(follow(look, after=_seen(request)), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


async def follow(
    look: Look, *, after: int, poll_s: float = POLL_S, heartbeat_s: float = HEARTBEAT_S, longest_s: float = LONGEST_S
) -> AsyncIterator[str]:
    """ "moved" whenever there is an event newer than `after`; "ended" and the end once the change has ended.

    Ids may become visible out of order on PostgreSQL; such an event is shown with the next one, or by the page's own
    slow refresh.
    """
    loop = asyncio.get_running_loop()
    began = spoke = loop.time()
    yield f"retry: {RETRY_MS}\n\n"
    while (found := await look()) is not None:
        newest, ended = found
        now = loop.time()
        if newest > after:
            after, spoke = newest, now
            yield f"id: {newest}\nevent: moved\ndata: {newest}\n\n"
        elif now - spoke >= heartbeat_s:
            spoke = now
            yield ": still here\n\n"
        if ended:
            yield f"id: {newest}\nevent: ended\ndata: {newest}\n\n"
            return
        if now - began >= longest_s:
            return
        await asyncio.sleep(poll_s)


def _look(pk: int | None) -> tuple[int, bool] | None:
    """The newest event and whether the change has ended; None when there is no such change. One query."""
    try:
        newest = Event.objects.order_by("-id").values("id")
        if pk is None:
            row = newest.first()
            return (row["id"] if row else 0, False)
        last = Subquery(newest.filter(change=OuterRef("pk"))[:1])
        found = Change.objects.filter(pk=pk).annotate(last=last).values_list("last", "state").first()
        return (found[0] or 0, found[1] in CHANGE_ENDED) if found else None
    finally:
        connection.close()


def _seen(request: HttpRequest) -> int:
    """The newest event that the page already shows."""
    text = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
