"""Legs of a worker process leave their connections to those after them; never a broken one, none for long."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections, transaction

from fleet.changes import kept_connections
from fleet.changes.models import Pulse

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def keeps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(kept_connections, "_keeps", False)
    monkeypatch.setattr(kept_connections, "KEPT_OF", frozenset({"postgresql", "sqlite"}))
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 60)  # as production has it
    kept_connections.keep()
    yield
    kept_connections.close_idle(-1.0)


def leg(work: Callable[[], object] = lambda: Pulse.objects.count()) -> Any:
    """One leg on a thread of its own: its connection, or what it raised."""
    found: list[Any] = []

    def walk() -> None:
        try:
            with kept_connections.lent():
                work()
                found.append((connections["default"], connections["default"].connection))
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=walk)
    thread.start()
    thread.join()
    return found[0]


def test_the_next_leg_goes_on_with_the_connection_of_the_last() -> None:
    first, second = leg(), leg()
    assert second == first
    assert first[0] is not connections["default"]


def test_two_legs_at_once_never_share_one() -> None:
    leg()
    inner: list[Any] = []
    outer = leg(lambda: inner.append(leg()))
    assert inner[0][0] is not outer[0]


def test_one_that_the_server_has_closed_is_closed_here_and_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper, closed = leg()[0], list[int]()
    monkeypatch.setattr(wrapper, "is_usable", lambda: False)
    monkeypatch.setattr(wrapper, "close", lambda: closed.append(1))
    assert leg()[0] is wrapper
    assert closed == [1]


def test_one_on_which_something_went_wrong_is_not_kept() -> None:
    def wrong() -> None:
        with transaction.atomic():
            Pulse.objects.count()
            raise DatabaseError("away")

    assert isinstance(leg(wrong), DatabaseError)
    assert kept_connections.close_idle(-1.0) == 0


def test_what_no_leg_asks_for_is_closed() -> None:
    wrapper, _ = leg()
    assert kept_connections.close_idle(60.0) == 0
    assert kept_connections.close_idle(-1.0) == 1
    assert wrapper.connection is None or connection.vendor == "sqlite"  # one in memory is never closed
    assert leg()[0] is not wrapper


def test_a_process_that_is_no_worker_keeps_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_connections, "_keeps", False)
    leg()
    assert kept_connections.close_idle(-1.0) == 0
