"""From an event to its receivers: outbox in the event's transaction, retries over days, breaker, dead letters."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from standardwebhooks.webhooks import Webhook

from fleet.changes import transitions
from fleet.changes.models import Change, Event
from fleet.outward import backoff, deliver, outbox, rounds
from fleet.outward.models import Delivery, Endpoint, Listening, Message, Outbox
from lab.tickets.receiver import Receiver
from lab.tickets.server import Fake, Site, failing
from tests.changes import builders
from tests.outward.conftest import OLD_SECRET, SECRET, Clock

pytestmark = pytest.mark.django_db


def endpoint(site: Site | None, at: Clock, name: str = "chat", **more: Any) -> Endpoint:
    url = f"{site.url}/hook" if site else "http://127.0.0.1:9/hook"
    values = {"secret": "env:HOOK_SECRET", "events": ["*"], "created_at": at(), "created_by": "admin", **more}
    return Endpoint.objects.create(name=name, url=values.pop("url", url), **values)


@pytest.fixture
def change(author: User, at: Clock) -> Change:
    builders.fleet(["bly"])
    return builders.draft(author, builders.plan([["bly"]]), at())


def say(change: Change, at: Clock, kind: str = "change comment", text: str = "hello") -> int:
    transitions.note(change.pk, kind, transitions.Note("author", text), at())
    return Event.objects.latest("pk").pk


def go(at: Clock) -> int:
    """One round, in this thread."""
    rounds.prepare(at())
    return sum(deliver.serve(e.pk, read_clock=at) for e in Endpoint.objects.due(at()))


# --- outbox --------------------------------------------------------------------------------------------------------


def test_nobody_listens_no_row(change: Change, at: Clock) -> None:
    say(change, at)
    assert not Outbox.objects.exists()
    one = endpoint(None, at)
    say(change, at)
    assert Outbox.objects.count() == 1
    one.active = False
    one.save()
    say(change, at)
    assert Outbox.objects.count() == 1
    one.delete()
    assert not Listening.objects.exists()


def test_every_way_of_writing_an_event_fills_the_outbox(author: User, approver: User, at: Clock) -> None:
    """By the ORM, by bulk, by the engine's own INSERT: all events of a whole run, each once."""
    endpoint(None, at)
    before = Event.objects.count()
    builders.fleet(["bly", "aebi"])
    run = builders.running(author, approver, builders.plan([["bly"], ["aebi"]]), at())
    builders.begin(run, ["bly"], at())
    builders.walk(run, "bly", at())
    builders.events(run.change, 10, at())
    events = set(Event.objects.values_list("pk", flat=True))
    assert len(events) > before + 20
    assert set(Outbox.objects.values_list("event_id", flat=True)) == events


def test_what_is_rolled_back_is_never_told(change: Change, at: Clock) -> None:
    endpoint(None, at)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        say(change, at)
        assert Outbox.objects.count() == 1
        raise ZeroDivisionError
    assert not Outbox.objects.exists()
    assert not Event.objects.exists()


def test_two_that_fan_out_make_one_delivery(change: Change, at: Clock) -> None:
    endpoint(None, at)
    say(change, at)
    row = Outbox.objects.get()
    assert outbox.fan_out(at()) == 1
    assert outbox.fan_out(at()) == 0
    Outbox.objects.create(event_id=row.event_id)  # a second one that had read before the first deleted
    with pytest.raises(IntegrityError), transaction.atomic():
        outbox.fan_out(at())
    assert Delivery.objects.count() == 1


# --- what is sent --------------------------------------------------------------------------------------------------


def test_a_receiver_gets_the_event_signed_and_versioned(
    change: Change, at: Clock, serve: Callable[[Fake], Site], settings: Any
) -> None:
    settings.SLIPWAY_URL = "https://slipway.example.net"
    site = serve(receiver := Receiver())
    endpoint(site, at)
    pk = say(change, at, text="größer")
    assert go(at) == 1
    asked = receiver.asked[0]
    said = Webhook(SECRET).verify(asked.body, asked.headers)
    assert said == json.loads(asked.body)
    assert said["type"] == "change.comment"
    assert said["version"] == 1
    assert said["timestamp"].endswith("Z")
    assert said["data"]["event"] == pk
    assert said["data"]["text"] == "größer"
    assert said["data"]["change"]["url"] == f"https://slipway.example.net/changes/{change.pk}/"
    assert asked.headers["webhook-id"] == f"msg_slipway_{pk}"
    assert asked.headers["content-type"] == "application/json"
    row = Delivery.objects.get()
    assert (row.outcome, row.attempts, row.last["status"]) == ("delivered", 1, 204)
    assert go(at) == 0


def test_with_two_secrets_both_are_believed(change: Change, at: Clock, serve: Callable[[Fake], Site]) -> None:
    endpoint(serve(receiver := Receiver()), at, old_secret="env:HOOK_OLD_SECRET")
    say(change, at)
    go(at)
    for secret in (SECRET, OLD_SECRET):
        Webhook(secret).verify(receiver.asked[0].body, receiver.asked[0].headers)


def test_each_gets_what_it_asked_for(change: Change, at: Clock, serve: Callable[[Fake], Site]) -> None:
    some, others = Receiver(), Receiver()
    endpoint(serve(some), at, "some", events=["change.*"])
    endpoint(serve(others), at, "others", events=["target.stuck"])
    say(change, at, "change comment")
    say(change, at, "step done")
    say(change, at, "target stuck")
    go(at)
    assert [json.loads(a.body)["type"] for a in some.asked] == ["change.comment"]
    assert [json.loads(a.body)["type"] for a in others.asked] == ["target.stuck"]


def test_no_secret_is_in_any_row(change: Change, at: Clock, serve: Callable[[Fake], Site]) -> None:
    endpoint(serve(Receiver(500)), at)
    say(change, at)
    go(at)
    dump = (
        str(list(Endpoint.objects.values()))
        + str(list(Delivery.objects.values()))
        + str(list(Message.objects.values()))
    )
    assert SECRET not in dump
    assert SECRET.removeprefix("whsec_") not in dump
    for secret in (SECRET, "hunter2"):
        with pytest.raises(ValidationError) as caught:
            endpoint(None, at, "wrong", secret=secret)
        assert secret not in str(caught.value)
    with pytest.raises(IntegrityError), transaction.atomic():
        Endpoint.objects.filter(name="chat").update(secret=SECRET)


def test_a_secret_that_cannot_be_had_holds_the_endpoint_and_says_why(change: Change, at: Clock) -> None:
    endpoint(None, at, secret="env:HOOK_NOT_SET")
    say(change, at)
    go(at)
    row = Endpoint.objects.get()
    assert "env:HOOK_NOT_SET" in row.problem
    assert row.closed_until is not None
    assert Delivery.objects.get().attempts == 0


# --- when nobody takes it ------------------------------------------------------------------------------------------


def test_retries_over_days_with_the_same_bytes_then_a_dead_letter_then_by_hand(
    change: Change, at: Clock, serve: Callable[[Fake], Site]
) -> None:
    endpoint(serve(receiver := Receiver(400)), at)
    say(change, at)
    began, gaps = at(), []
    for _ in range(len(backoff.MESSAGE_WAITS) + 1):
        go(at)
        row = Delivery.objects.get()
        if row.due_at is None:
            break
        gaps.append(row.due_at - at())
        at.now = row.due_at
    assert (row.outcome, row.attempts) == ("dead", 10)
    assert timedelta(days=2.8) < at() - began < timedelta(days=3.6)
    assert gaps == sorted(gaps)
    assert len(receiver.asked) == 10
    assert len({a.body for a in receiver.asked}) == len(set(receiver.ids)) == 1
    assert len({a.headers["webhook-timestamp"] for a in receiver.asked}) == 10
    receiver.status = 204
    assert deliver.resend(Delivery.objects.all(), "admin", at()) == 1
    assert go(at) == 1
    row.refresh_from_db()
    assert (row.outcome, row.resent_by) == ("delivered", "admin")


def test_one_message_that_is_refused_holds_up_no_other(
    change: Change, at: Clock, serve: Callable[[Fake], Site]
) -> None:
    receiver = Receiver()
    receiver.moods.append(failing(422, times=1))
    row = endpoint(serve(receiver), at)
    for n in range(5):
        say(change, at, text=str(n))
    assert go(at) == 4
    row.refresh_from_db()
    assert (row.failures, row.closed_until) == (0, None)
    at.on(seconds=7)
    assert go(at) == 1


def test_a_dead_endpoint_is_tried_with_one_message_and_less_and_less_often(
    change: Change, at: Clock, serve: Callable[[Fake], Site]
) -> None:
    site = serve(receiver := Receiver())
    row = endpoint(site, at)
    for n in range(50):
        say(change, at, text=str(n))
    site.stop()
    pauses = []
    for _ in range(8):
        go(at)
        row.refresh_from_db()
        assert row.closed_until is not None
        pauses.append(row.closed_until - at())
        at.now = row.closed_until
    assert sum(d.attempts for d in Delivery.objects.all()) == 8
    assert pauses[:6] == sorted(pauses[:6])
    assert timedelta(minutes=50) < pauses[-1] < timedelta(minutes=70)
    assert "connection refused" in row.problem
    site.start()
    assert go(at) == 50
    row.refresh_from_db()
    assert (row.failures, row.closed_until, row.problem) == (0, None, "")
    assert len(set(receiver.ids)) == 50


def test_retry_after_is_honoured(change: Change, at: Clock, serve: Callable[[Fake], Site]) -> None:
    receiver = Receiver()
    receiver.moods.append(failing(429, retry_after="1800", times=1))
    row = endpoint(serve(receiver), at)
    say(change, at)
    go(at)
    row.refresh_from_db()
    assert row.closed_until == at() + timedelta(seconds=1800)
    assert Delivery.objects.get().due_at == row.closed_until
    at.on(seconds=1790)
    assert go(at) == 0
    at.on(seconds=11)
    assert go(at) == 1


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("120", 120), ("999999999", 86400), ("Wed, 21 Oct 2065 07:28:00 GMT", 86400), ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
     ("", None), ("soon", None), ("-5", None), ("12:30", None)],
)  # fmt: skip
def test_what_retry_after_says(said: str, wanted: int | None, at: Clock) -> None:
    found = backoff.retry_after({"retry-after": said}, at())
    assert found == (None if wanted is None else timedelta(seconds=wanted))


def test_gone_switches_it_off(change: Change, at: Clock, serve: Callable[[Fake], Site]) -> None:
    row = endpoint(serve(Receiver(410)), at)
    say(change, at)
    go(at)
    row.refresh_from_db()
    assert not row.active
    assert "410" in row.problem


def test_a_redirect_is_a_failure_that_names_itself(change: Change, at: Clock, serve: Callable[[Fake], Site]) -> None:
    inside = Receiver()
    receiver = Receiver(302)
    receiver.headers = {"Location": serve(inside).url}
    row = endpoint(serve(receiver), at)
    say(change, at)
    go(at)
    row.refresh_from_db()
    assert "redirect" in row.problem
    assert inside.asked == []


def test_what_waited_for_days_behind_a_dead_endpoint_becomes_a_dead_letter(change: Change, at: Clock) -> None:
    endpoint(None, at)
    for n in range(3):
        say(change, at, text=str(n))
    go(at)
    at.on(hours=79)
    go(at)
    assert not Delivery.objects.filter(outcome="dead").exists()
    at.on(hours=2)
    rounds.prepare(at())
    assert Delivery.objects.filter(outcome="dead").count() == 3


def test_internal_addresses_are_refused_and_nothing_is_sent(
    change: Change, at: Clock, serve: Callable[[Fake], Site], settings: Any
) -> None:
    settings.SLIPWAY_OUTWARD_NETWORKS = ()
    row = endpoint(serve(receiver := Receiver()), at)
    say(change, at)
    go(at)
    row.refresh_from_db()
    assert "SLIPWAY_OUTWARD_NETWORKS" in row.problem
    assert receiver.asked == []


# --- two workers, dead workers -------------------------------------------------------------------------------------


def test_two_workers_never_serve_one_endpoint(change: Change, at: Clock, serve: Callable[[Fake], Site]) -> None:
    row = endpoint(serve(receiver := Receiver()), at)
    say(change, at)
    rounds.prepare(at())
    first, second = Endpoint.objects.get(), Endpoint.objects.get()
    assert deliver.claim(first, at())
    assert not deliver.claim(second, at())
    assert deliver.serve(row.pk, read_clock=at) == 0
    assert not Endpoint.objects.due(at()).exists()
    at.on(seconds=61)  # the worker was killed: its lease runs out
    assert go(at) == 1
    assert len(receiver.asked) == 1


def test_a_late_worker_writes_nothing(change: Change, at: Clock, serve: Callable[[Fake], Site]) -> None:
    endpoint(serve(Receiver()), at)
    say(change, at)
    rounds.prepare(at())
    late = Delivery.objects.select_related("message").get()
    go(at)
    deliver._record(late, deliver._Said(backoff.Meaning.DOWN, None, "late", 1), at())
    assert Delivery.objects.get().outcome == "delivered"


def test_a_round_asks_a_constant_number_of_queries(change: Change, at: Clock) -> None:
    from django.test.utils import CaptureQueriesContext

    def asked() -> int:
        with CaptureQueriesContext(connection) as context:
            rounds.prepare(at())
            rounds.due(at())
        return len(context)

    endpoint(None, at, "one")
    idle = asked()
    assert idle <= 5
    for n in range(20):
        endpoint(None, at, f"more{n}")
    for n in range(30):
        say(change, at, text=str(n))
    assert asked() <= 20  # 630 deliveries: SQLite takes 999 values at once
    assert asked() == idle


def test_with_celery_the_doubtful_have_a_lane_of_their_own(
    change: Change, at: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fleet.celery import app
    from fleet.outward import tasks

    endpoint(None, at, "new")
    well = endpoint(None, at, "well")
    Endpoint.objects.filter(pk=well.pk).update(ok_at=at())
    down = endpoint(None, at, "down")
    Endpoint.objects.filter(pk=down.pk).update(ok_at=at(), failures=1)
    say(change, at)
    sent: list[tuple[str, int]] = []
    for name in ("well", "doubtful"):
        task = getattr(tasks, name)
        monkeypatch.setattr(task, "apply_async", lambda args, expires, name=name: sent.append((name, args[1])))
        assert app.conf.task_routes[task.name]["queue"] == {"well": "outward", "doubtful": "doubtful"}[name]
    rounds.enqueue(at())
    names = dict(Endpoint.objects.values_list("pk", "name"))
    assert sorted((lane, names[pk]) for lane, pk in sent) == [
        ("doubtful", "down"),
        ("doubtful", "new"),
        ("well", "well"),
    ]
