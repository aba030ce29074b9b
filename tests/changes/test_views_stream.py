"""The live stream: who gets it, what it says, when it ends."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.test import AsyncClient
from django.urls import reverse

from fleet import clock
from fleet.changes.models import Event, Run
from fleet.changes.views import stream
from fleet.core.states import ChangeState
from tests.changes import builders


async def _take(lines: AsyncIterator[str], count: int, *, within_s: float = 10.0) -> list[str]:
    return [await asyncio.wait_for(anext(lines), within_s) for _ in range(count)]


def _texts(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    async def decoded() -> AsyncIterator[str]:
        async for chunk in chunks:
            yield chunk.decode()

    return decoded()


@pytest.mark.django_db(transaction=True)
def test_a_stream_needs_a_login_and_a_change(reader: User) -> None:
    async def ask() -> None:
        client = AsyncClient()
        assert (await client.get(reverse("stream"))).status_code == 401
        assert (await client.get(reverse("change-stream", args=[77]))).status_code == 401
        await client.aforce_login(reader)
        missing = await client.get(reverse("change-stream", args=[77]))
        assert missing.status_code == 404
        assert (await client.post(reverse("stream"))).status_code == 405

    async_to_sync(ask)()


@pytest.mark.django_db(transaction=True)
def test_it_says_what_moved_and_ends_with_the_change(author: User, approver: User, reader: User) -> None:
    builders.fleet(["bly"])
    run = builders.running(author, approver, builders.plan([["bly"]]), clock.now())
    change = run.revision.change
    known = Event.objects.latest("id").pk

    async def watch() -> None:
        client = AsyncClient()
        await client.aforce_login(reader)
        answer = await client.get(reverse("change-stream", args=[change.pk]) + f"?after={known}")
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/event-stream")
        assert answer["X-Accel-Buffering"] == "no"
        assert answer["Cache-Control"] == "no-store"
        lines = _texts(aiter(answer))
        assert await _take(lines, 1) == ["retry: 2000\n\n"]
        await sync_to_async(builders.events)(change, 3, clock.now())
        (moved,) = await _take(lines, 1)
        newest = await Event.objects.alatest("id")
        assert moved == f"id: {newest.pk}\nevent: moved\ndata: {newest.pk}\n\n"
        await sync_to_async(builders.end)(run, ChangeState.SUCCEEDED, "succeeded: 1 done", clock.now())
        rest = [line async for line in lines]
        assert [line.split("\n")[1] for line in rest] == ["event: moved", "event: ended"]

    async_to_sync(watch)()


@pytest.mark.django_db(transaction=True)
def test_a_browser_that_comes_back_says_what_it_saw(author: User, approver: User, reader: User) -> None:
    builders.fleet(["bly"])
    run: Run = builders.running(author, approver, builders.plan([["bly"]]), clock.now())
    newest = Event.objects.latest("id").pk
    address = reverse("change-stream", args=[run.revision.change_id])

    async def ask(*, within_s: float = 10.0, **headers: str) -> list[str]:
        client = AsyncClient()
        await client.aforce_login(reader)
        answer = await client.get(address, headers=headers)
        return await _take(_texts(aiter(answer)), 2, within_s=within_s)

    for seen in ({"Last-Event-ID": str(newest - 1)}, {"Last-Event-ID": "rubbish"}, {}):
        assert async_to_sync(ask)(**seen)[1].startswith(f"id: {newest}\nevent: moved\n")
    with pytest.raises(TimeoutError):  # nothing is new: nothing is said
        async_to_sync(ask)(within_s=2.5, **{"Last-Event-ID": str(newest)})


def _follow(looks: list[tuple[int, bool] | None], **more: float) -> list[str]:
    """What the stream says when the looks find this, one after the other."""
    left = list(looks)

    async def look() -> tuple[int, bool] | None:
        return left.pop(0)

    async def collect() -> list[str]:
        return [line async for line in stream.follow(look, after=5, **{"poll_s": 0.0, **more})]

    return async_to_sync(collect)()


def test_silence_is_filled_with_heartbeats() -> None:
    said = _follow([(5, False), (5, False), None], heartbeat_s=0.0)
    assert said[1:] == [": still here\n\n", ": still here\n\n"]


def test_each_event_is_told_once() -> None:
    said = _follow([(6, False), (6, False), (9, False), None])
    assert [line.split("\n")[0] for line in said[1:]] == ["id: 6", "id: 9"]


def test_a_stream_does_not_last_for_ever() -> None:
    assert len(_follow([(5, False)], longest_s=0.0)) == 1


def test_an_ended_change_ends_at_once() -> None:
    assert _follow([(5, True)])[-1] == "id: 5\nevent: ended\ndata: 5\n\n"


@pytest.mark.django_db(transaction=True)
def test_one_look_is_one_query(author: User, approver: User) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    builders.fleet(["bly"])
    run = builders.running(author, approver, builders.plan([["bly"]]), clock.now() - timedelta(minutes=1))
    builders.events(run.revision.change, 100, clock.now())
    for pk in (None, run.revision.change_id):
        with CaptureQueriesContext(connection) as seen:
            assert stream._look(pk) == (Event.objects.latest("id").pk, False)
            looked = len(seen)
        assert looked <= 2  # the second is this test's own
