"""The chain of events, tried on every row of it: each column altered, each row removed, one put in."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from fleet.changes import seals
from fleet.changes.models import Change, Event, EventSeal
from tests.changes import builders
from tests.changes.test_seals import tamper

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
OTHERWISE = {
    "at": "'2020-01-01 00:00:00+00'", "actor": "'nobody'", "kind": "'x'", "text": "'never happened'",
    "data": "'{\"a\": 1}'", "target_id": "NULL", "step_id": "NULL",
}  # fmt: skip


@pytest.fixture
def change(author: User, approver: User) -> Change:
    builders.fleet(["bly"])
    run = builders.running(author, approver, builders.plan([["bly"]]), NOW)
    builders.begin(run, ["bly"], NOW)
    builders.walk(run, "bly", NOW)
    seals.seal_all()
    made = Change.objects.get(pk=run.revision.change_id)
    assert seals.verify(made).broken is None
    return made


def found_after(sql: str, table: str, change: Change) -> bool:
    """Whether the chain says so after this; everything is as before afterwards."""
    mark = transaction.savepoint()
    try:
        tamper(sql, table)
        return seals.verify(change).broken is not None
    finally:
        transaction.savepoint_rollback(mark)


@pytest.mark.parametrize("column", [f.column for f in Event._meta.concrete_fields if f.name not in {"id", "change"}])
def test_whatever_is_altered_in_any_event_is_found(change: Change, column: str, record_property) -> None:  # type: ignore[no-untyped-def]
    missed, tried = [], 0
    for row in Event.objects.filter(change=change).values("id", column):
        if row[column] is None and OTHERWISE[column] == "NULL":
            continue
        tried += 1
        sql = f"UPDATE changes_event SET {column} = {OTHERWISE[column]} WHERE id = {row['id']}"
        if not found_after(sql, "changes_event", change):
            missed.append(row["id"])
    record_property("altered", tried)
    assert not missed
    assert tried > 5


@pytest.mark.parametrize("column", ["hash", "number"])
def test_whatever_is_altered_in_any_link_is_found(change: Change, column: str) -> None:
    for row in EventSeal.objects.filter(change=change):
        value = "'0000'" if column == "hash" else "number + 1000"
        assert found_after(
            f"UPDATE changes_eventseal SET {column} = {value} WHERE event_id = {row.pk}", "changes_eventseal", change
        )


def test_every_event_that_is_removed_is_found(change: Change) -> None:
    """With its link, so that nothing dangles; the last one too."""
    for row in EventSeal.objects.filter(change=change).order_by("number"):
        mark = transaction.savepoint()
        tamper(f"DELETE FROM changes_eventseal WHERE event_id = {row.pk}", "changes_eventseal")
        tamper(f"DELETE FROM changes_event WHERE id = {row.event_id}", "changes_event")
        assert seals.verify(change).broken is not None, f"link {row.number} of {EventSeal.objects.count() + 1}"
        transaction.savepoint_rollback(mark)


def test_what_is_put_in_is_found(change: Change) -> None:
    builders.events(change, 1, NOW - timedelta(hours=1))
    broken = seals.verify(change).broken
    assert broken is not None and broken.found == "1 events without a seal"
