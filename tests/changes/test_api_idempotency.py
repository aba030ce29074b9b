"""A request that is sent twice acts once: the same answer, other requests refused, two at once, a dying process."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from fleet import clock
from fleet.api import idempotency
from fleet.api.models import KeptAnswer
from fleet.changes import lifecycle
from fleet.changes.models import Approval, Change, Event
from tests.changes import builders
from tests.changes.api_client import Program


@pytest.fixture
def change(author: User) -> Change:
    builders.fleet(["bly"])
    return builders.submitted(author, builders.plan([["bly"]]), clock.now())


def say(change: Change, comment: str = "hello") -> tuple[str, dict[str, Any]]:
    return f"/changes/{change.pk}/comment", {"comment": comment}


def comments(change: Change) -> int:
    return Approval.objects.filter(revision__change=change, decision=Approval.COMMENTED).count()


@pytest.mark.django_db
def test_the_same_key_is_the_same_answer(change: Change, reader: User) -> None:
    program = Program(reader)
    first = program.post(*say(change), key="k1")
    again = program.post(*say(change), key='"k1"')
    assert first.status_code == again.status_code == 200
    assert first.content == again.content
    assert first["ETag"] == again["ETag"]
    assert again["Idempotency-Replayed"] == "true"
    assert first["Idempotency-Expires"] == again["Idempotency-Expires"]
    assert comments(change) == 1
    assert program.post(*say(change), key="k2").status_code == 200
    assert comments(change) == 2


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\u00e9", '""', "a\tb"])
def test_without_a_key_nothing_is_done(change: Change, reader: User, key: str) -> None:
    program = Program(reader)
    address, said = say(change)
    answer = program.send("POST", address, said, headers={"Idempotency-Key": key} if key else {})
    assert answer.status_code == 400
    assert answer.json()["code"] == "idempotency_key"
    assert comments(change) == 0


@pytest.mark.django_db
def test_the_key_of_another_request_is_refused(change: Change, reader: User, approver: User) -> None:
    program = Program(reader)
    assert program.post(*say(change), key="k1").status_code == 200
    answers = [
        program.post(*say(change, "something else"), key="k1"),
        program.post(f"/changes/{change.pk}/submit", key="k1"),
        program.post(*say(change), key="k1", **{"If-Match": "*"}),
    ]
    assert [a.status_code for a in answers] == [422] * 3
    assert comments(change) == 1
    assert Program(approver).post(*say(change), key="k1").status_code == 200, "a key is one person's"


@pytest.mark.django_db
def test_the_order_of_fields_means_nothing(change: Change, approver: User) -> None:
    program = Program(approver)
    digest = change.revision.digest  # type: ignore[union-attr]
    address = f"/changes/{change.pk}/approve"
    assert program.post(address, {"digest": digest, "comment": "x"}, key="k").status_code == 200
    assert program.post(address, {"comment": "x", "digest": digest}, key="k").status_code == 200


@pytest.mark.django_db
def test_a_refusal_is_kept_and_what_was_not_tried_is_not(change: Change, author: User, approver: User) -> None:
    program = Program(approver)
    refused = program.post(f"/changes/{change.pk}/pause", key="k")
    assert refused.status_code == 409
    assert refused.json()["reasons"][0]["found"] == "submitted"
    again = program.post(f"/changes/{change.pk}/pause", key="k")
    assert again.content == refused.content
    assert again["Content-Type"] == "application/problem+json"
    assert again["Idempotency-Replayed"] == "true"
    assert program.post(f"/changes/{change.pk}/comment", {"comment": 7, "x": 1}, key="new").status_code == 400
    assert program.post("/changes/999/comment", {"comment": "x"}, key="new").status_code == 404
    theirs = program.post(f"/changes/{change.pk}/cancel", key="new")
    assert theirs.status_code == 403
    assert program.post(*say(change), key="new").status_code == 200, "the key was still free"


@pytest.mark.django_db
def test_what_a_refusal_wrote_stays_written(change: Change, approver: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that finds facts moved voids the approval and refuses: a rollback would lose that."""

    def refuse(row: Change, who: User, now: Any, **_: Any) -> Any:
        lifecycle.comment_on(row, who, now, comment="written on the way")
        return (lifecycle.Reason("facts", "moved", "as approved"),)

    monkeypatch.setattr(lifecycle, "start", refuse)
    assert Program(approver).post(f"/changes/{change.pk}/start").status_code == 409
    assert comments(change) == 1


@pytest.mark.django_db
def test_a_key_runs_out(change: Change, reader: User) -> None:
    program = Program(reader)
    program.post(*say(change), key="k")
    assert KeptAnswer.objects.get().expires_at - clock.now() > timedelta(days=6, hours=23)
    KeptAnswer.objects.update(expires_at=clock.now())
    assert program.post(*say(change), key="k").status_code == 200
    assert comments(change) == 2
    assert KeptAnswer.objects.count() == 1


@pytest.mark.django_db
def test_a_fault_leaves_nothing_and_frees_the_key(
    change: Change, reader: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = lifecycle.comment_on

    def then_fails(*a: Any, **k: Any) -> Any:
        real(*a, **k)
        raise RuntimeError("a fault")

    program = Program(reader)
    monkeypatch.setattr(lifecycle, "comment_on", then_fails)
    answer = program.post(*say(change), key="k")
    assert answer.status_code == 500
    assert answer["Content-Type"] == "application/problem+json"
    assert "a fault of its own" in answer.json()["detail"]
    assert comments(change) == 0
    monkeypatch.setattr(lifecycle, "comment_on", real)
    assert program.post(*say(change), key="k").status_code == 200
    assert comments(change) == 1


# --- two at once, and a process that dies ----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_at_once_act_once(change: Change, reader: User) -> None:
    program = Program(reader)
    gate = threading.Barrier(4)
    answers: list[Any] = []

    def ask() -> None:
        gate.wait()
        mine = Program(reader, text=program.text)
        answers.append(mine.post(*say(change), key="k"))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted({a.status_code for a in answers}) in ([200], [200, 409])
    assert all(a.json()["code"] == "idempotency_key_running" for a in answers if a.status_code == 409)
    assert all("Retry-After" in a for a in answers if a.status_code == 409)
    assert comments(change) == 1
    assert program.post(*say(change), key="k").status_code == 200
    assert comments(change) == 1


class Killed(BaseException):
    """Stands for SIGKILL: nothing that would tidy up is run."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["after the claim", "before the commit", "after the commit"])
def test_a_process_that_dies_acts_once_in_the_end(
    change: Change, reader: User, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    program = Program(reader)
    real_once, real_answer, real_claimed = idempotency.once, idempotency._answer, idempotency._claimed

    def claimed(*a: Any) -> KeptAnswer:
        real_claimed(*a)
        raise Killed

    def answer(response: Any) -> Any:
        real_answer(response)
        raise Killed

    def once(*a: Any) -> Any:
        real_once(*a)
        raise Killed

    with monkeypatch.context() as patch:
        # The tidying after a fault would not run in a process that is gone.
        patch.setattr(KeptAnswer.objects.none().__class__, "delete", lambda _: (0, {}))
        target, name = {
            "after the claim": (claimed, "_claimed"),
            "before the commit": (answer, "_answer"),
            "after the commit": (once, "once"),
        }[when]
        patch.setattr(idempotency, name, target)
        with pytest.raises(Killed):
            program.post(*say(change), key="k")
    done = comments(change)
    assert done == (1 if when == "after the commit" else 0)
    soon = program.post(*say(change), key="k")
    if when == "after the commit":
        assert soon.status_code == 200
        assert soon["Idempotency-Replayed"] == "true"
    else:
        assert soon.status_code == 409
        assert soon.json()["code"] == "idempotency_key_running"
        KeptAnswer.objects.update(claimed_until=clock.now())  # 30 s later
        assert program.post(*say(change), key="k").status_code == 200
    assert comments(change) == 1
    assert Event.objects.filter(change=change, kind="change comment").count() == 1


@pytest.mark.django_db(transaction=True)
def test_who_was_overtaken_writes_nothing(change: Change, reader: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that slept longer than its claim finds that another has it."""
    program = Program(reader)
    real = idempotency._claimed

    def slow(*a: Any) -> KeptAnswer:
        row = real(*a)
        if row.claim == 1:
            KeptAnswer.objects.filter(pk=row.pk).update(claimed_until=clock.now())
            with monkeypatch.context() as patch:
                patch.setattr(idempotency, "_claimed", real)
                assert Program(reader, text=program.text).post(*say(change), key="k").status_code == 200
        return row

    monkeypatch.setattr(idempotency, "_claimed", slow)
    assert program.post(*say(change), key="k").status_code == 409
    assert comments(change) == 1
    with transaction.atomic():
        assert KeptAnswer.objects.get().claim == 2
