"""Chat and mail are told once of what they listen to; pages come again until it is over; a dead chat waits alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from fleet.changes import emergencies, lifecycle, transitions
from fleet.changes.models import Run
from fleet.notices import messages, rounds, sending
from fleet.notices.kinds import KINDS, kinds_of
from fleet.notices.models import Channel, Message
from tests.changes import builders
from tests.client.fake import Answer, Fake, serving

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def fleet(settings: Any) -> None:
    from ipaddress import ip_network

    settings.SLIPWAY_OUTWARD_NETWORKS = (ip_network("127.0.0.0/8"),)
    settings.SLIPWAY_URL = "https://slipway.example.net"
    settings.EMAIL_HOST = "mail.example.net"
    builders.fleet(["bly", "aebi"])


def chat(fake: Fake, monkeypatch: pytest.MonkeyPatch, *kinds: str, name: str = "noc", **more: Any) -> Channel:
    variable = f"SLIPWAY_TEST_CHAT_{name.upper()}"
    monkeypatch.setenv(variable, f"{fake.url}/services/T0/B0/secret")
    row = Channel(name=name, kind="chat", reference=f"env:{variable}", kinds=list(kinds or KINDS), **more)
    row.full_clean()
    row.save()
    messages.make(NOW - MINUTE)  # from here on it is told
    return row


def running(author: User, approver: User) -> Run:
    return builders.running(author, approver, builders.plan([["bly"], ["aebi"]]), NOW)


def texts(fake: Fake) -> list[str]:
    import json

    return [json.loads(body)["text"] for _, _, _, body in fake.asked]


def test_a_chat_is_told_of_everything_it_listens_to_once(
    author: User, approver: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Answer(body=b"ok")) as fake:
        chat(fake, monkeypatch)
        running(author, approver)
        rounds.look(NOW + MINUTE)
        rounds.look(NOW + 2 * MINUTE)
        said = texts(fake)
    assert [method for method, _, _, _ in fake.asked] == ["POST"] * len(said)
    assert sorted(Message.objects.values_list("kind", flat=True)) == ["decided", "scheduled", "started", "submitted"]
    assert len(said) == 4
    assert any("started revision 1: 2 targets" in text for text in said)
    assert all("Eight queues on the edge, change " in text for text in said)
    assert all(text.endswith("/changes/1/") or "https://slipway.example.net/changes/" in text for text in said)
    assert [m.error for m in Message.objects.filter(sent_at=None)] == []


def test_only_what_it_listens_to(author: User, approver: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Answer(body=b"ok")) as fake:
        chat(fake, monkeypatch, "ended")
        run = running(author, approver)
        rounds.look(NOW + MINUTE)
        assert texts(fake) == []
        builders.end(run, builders.ChangeState.FAILED, "1 stuck", NOW + MINUTE)
        rounds.look(NOW + 2 * MINUTE)
        assert len(texts(fake)) == 1


def test_nobody_is_told_of_what_was_before(author: User, approver: User, monkeypatch: pytest.MonkeyPatch) -> None:
    running(author, approver)
    with serving(Answer(body=b"ok")) as fake:
        monkeypatch.setenv("X_CHAT", f"{fake.url}/x")
        Channel.objects.create(name="late", kind="chat", reference="env:X_CHAT", kinds=list(KINDS))
        rounds.look(NOW + timedelta(hours=1))
        assert texts(fake) == []


def test_stuck_pages_again_until_somebody_takes_over(author: User, approver: User) -> None:
    Channel.objects.create(name="pager", kind="mail", email="pager@example.net", kinds=["stuck"], repeat_minutes=15)
    messages.make(NOW - MINUTE)
    run = running(author, approver)
    builders.begin(run, ["bly"], NOW)
    builders.stuck(run, "bly", NOW)
    at = NOW + 5 * MINUTE
    rounds.look(at)
    assert len(mail.outbox) == 1
    assert mail.outbox[0].to == ["pager@example.net"]
    assert "bly" in mail.outbox[0].body
    for minute in range(1, 40):
        rounds.look(at + minute * MINUTE)
    assert len(mail.outbox) == 3
    assert "still stuck: bly" in mail.outbox[-1].body
    builders.done(lifecycle.release(run.change, approver, at + 41 * MINUTE, names=["bly"], why="rebooted by hand"))
    for minute in range(42, 80):
        rounds.look(at + minute * MINUTE)
    assert len(mail.outbox) == 3


def test_break_glass_pages_until_it_is_reviewed_and_is_told_as_no_approval(
    author: User, approver: User, admin: User
) -> None:
    Channel.objects.create(
        name="pager", kind="mail", email="p@example.net", kinds=["break-glass", "decided"], repeat_minutes=30
    )
    messages.make(NOW - MINUTE)
    change = builders.submitted(author, builders.plan([["bly"]]), NOW)
    revision = change.revision
    assert revision is not None
    builders.done(emergencies.break_glass(change, admin, NOW, why="fire", digest=revision.digest))
    mail.outbox.clear()
    rounds.look(NOW + MINUTE)
    assert list(Message.objects.values_list("kind", flat=True)) == ["break-glass"]
    assert "BREAK-GLASS by admin" in mail.outbox[0].body
    rounds.look(NOW + 31 * MINUTE)
    assert "not reviewed: fire" in mail.outbox[1].body
    glass = revision.break_glass
    builders.done(emergencies.review(glass, approver, NOW + 32 * MINUTE, comment="It did burn."))
    rounds.look(NOW + 90 * MINUTE)
    assert len(mail.outbox) == 2


def test_a_chat_that_does_not_answer_waits_alone_and_its_address_is_in_no_row(
    author: User, approver: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Answer(status=500, body=b"no")) as dead, serving(Answer(body=b"ok")) as well:
        chat(dead, monkeypatch, name="dead")
        chat(well, monkeypatch, name="well")
        running(author, approver)
        messages.make(NOW + MINUTE)
        assert sending.send_due(NOW + MINUTE, read_clock=lambda: NOW + MINUTE) == 4
        assert len(dead.asked) == 1, "one that does not answer costs one attempt a round"
        failed = Message.objects.get(channel__name="dead", attempts=1)
        assert "found status 500" in failed.error and failed.due_at is not None and failed.due_at > NOW + MINUTE
        dead.answers = [Answer(body=b"ok")]
        later = NOW + timedelta(hours=1)
        assert sending.send_due(later, read_clock=lambda: later) == 4
    assert "secret" not in str(list(Message.objects.values())) + str(list(Channel.objects.values()))


def test_addresses_inside_are_refused_unless_allowed(
    author: User, approver: User, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    with serving(Answer(body=b"ok")) as fake:
        chat(fake, monkeypatch)
        settings.SLIPWAY_OUTWARD_NETWORKS = ()
        running(author, approver)
        rounds.look(NOW + MINUTE)
        assert fake.asked == []
    row = Message.objects.exclude(error="").get()
    assert "127.0.0.1" in row.error and "secret" not in row.error


def test_a_secret_in_an_event_reaches_no_chat(author: User, approver: User, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Answer(body=b"ok")) as fake:
        chat(fake, monkeypatch, "aborted")
        run = running(author, approver)
        transitions.note(run.change.pk, "run abort", transitions.Note("a", "abort: password=hunter2hunter2"), NOW)
        rounds.look(NOW + MINUTE)
        (text,) = texts(fake)
    assert "hunter2" not in text and "[left-out]" in text


def test_a_channel_holds_no_address_and_no_unknown_kind() -> None:
    with pytest.raises(ValidationError, match="do not begin with file"):
        Channel(name="x", kind="chat", reference="https://hooks.example.net/secret", kinds=["stuck"]).full_clean()
    with pytest.raises(ValidationError, match="wanted a list of some of"):
        Channel(name="x", kind="mail", email="a@b.example", kinds=["stuckk"]).full_clean()
    with pytest.raises(ValidationError, match="the address that the mails go to"):
        Channel(name="x", kind="mail", kinds=["stuck"]).full_clean()
    with pytest.raises(IntegrityError), transaction.atomic():
        Channel.objects.create(name="x", kind="chat", reference="https://hooks.example.net/secret", kinds=["stuck"])


def test_kinds_of_events() -> None:
    assert kinds_of("change approved", {}) == ("decided",)
    assert kinds_of("change approved", {"break_glass": True}) == ("break-glass",)
    assert kinds_of("change override", {"override": True}) == ("break-glass",)
    assert kinds_of("step done", {}) == ()


def test_queries_do_not_grow_with_events(
    author: User, approver: User, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    Channel.objects.create(name="pager", kind="mail", email="p@example.net", kinds=list(KINDS), repeat_minutes=5)
    messages.make(NOW - MINUTE)
    run = running(author, approver)
    for number in range(300):
        transitions.note(run.change.pk, "target stuck", transitions.Note("w", f"n{number}"), NOW)
    with django_assert_max_num_queries(12):
        assert messages.make(NOW + MINUTE) == 304


def test_a_receiver_that_closes_after_each_answer_is_read_to_its_end() -> None:
    import socket
    import threading
    import time
    from ipaddress import ip_network

    from fleet.outward.wire import Line

    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            asked = b""
            while not asked.endswith(b"{}"):  # what is left unread would cut the connection at its end
                asked += connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            time.sleep(0.05)  # http.client has seen by now that this connection will end
            connection.sendall(b"the body")

    thread = threading.Thread(target=answer)
    thread.start()
    with server, Line((ip_network("127.0.0.0/8"),)) as line:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert line.ask("POST", url, headers={}, body=b"{}").body == b"the body"
    thread.join()
