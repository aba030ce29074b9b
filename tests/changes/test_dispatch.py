"""How due targets reach a worker: after the commit, once, by their ids alone."""

import json
import threading
from collections.abc import Iterator

import pytest
from django.db import transaction

from fleet.changes import dispatch, legs, tasks


class Shards:
    """In the place of legs.run_shard: waits where it is told to, and remembers."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, ids: list[int], *, worker: str, ended: object = None) -> None:
        self.seen.append(sorted(ids))
        assert self.go.wait(10)


@pytest.fixture
def shards(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shards]:
    made = Shards()
    monkeypatch.setattr(legs, "run_shard", made)
    yield made
    made.go.set()
    dispatch.wait_idle()


@pytest.fixture
def celery(monkeypatch: pytest.MonkeyPatch, settings: object) -> list[tuple[list[int], ...]]:
    sent: list[tuple[list[int], ...]] = []
    settings.SLIPWAY_DISPATCH = "celery"  # type: ignore[attr-defined]
    monkeypatch.setattr(tasks.run_shard, "delay", lambda *args: sent.append(args))
    return sent


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_before_the_commit_or_after_a_rollback(shards: Shards) -> None:
    with transaction.atomic():
        dispatch.send([1, 2])
        assert shards.seen == []
    dispatch.wait_idle()
    assert shards.seen == [[1, 2]]
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        dispatch.send([3])
        raise ZeroDivisionError
    dispatch.wait_idle()
    assert shards.seen == [[1, 2]]


@pytest.mark.django_db(transaction=True)
def test_a_target_is_not_walked_twice_at_once_by_one_process(shards: Shards) -> None:
    shards.go.clear()
    dispatch.send([1, 2])
    dispatch.send([2, 3])
    shards.go.set()
    dispatch.wait_idle()
    assert sorted(shards.seen) == [[1, 2], [3]]
    dispatch.send([2])
    dispatch.wait_idle()
    assert sorted(shards.seen) == [[1, 2], [2], [3]], "once it has ended, again"


@pytest.mark.django_db(transaction=True)
def test_the_loop_is_woken_when_a_shard_has_ended(shards: Shards) -> None:
    dispatch.doorbell.clear()
    dispatch.send([1])
    assert dispatch.doorbell.wait(10)


@pytest.mark.django_db(transaction=True)
def test_a_task_carries_ids_and_is_sent_on_commit(celery: list[tuple[list[int], ...]], shards: Shards) -> None:
    with transaction.atomic():
        dispatch.send([1, 2])
        assert celery == []
    assert celery == [([1, 2],)]
    assert json.loads(json.dumps(celery[0])) == [[1, 2]]
    assert shards.seen == [], "a process that sends to Celery works on nothing itself"
