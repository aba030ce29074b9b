"""Events cannot be changed; and if somebody changes them all the same, the chain says where."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, transaction

from fleet.changes import seals
from fleet.changes.models import Approval, Change, Event, EventSeal, Run
from tests.changes import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
TABLES = ("changes_event", "changes_eventseal", "changes_approval")


@pytest.fixture
def run(author: User, approver: User) -> Run:
    builders.fleet(["bly"])
    made = builders.running(author, approver, builders.plan([["bly"]]), NOW)
    builders.begin(made, ["bly"], NOW)
    builders.walk(made, "bly", NOW)
    return made


@pytest.fixture
def change(run: Run) -> Change:
    seals.seal_all()
    return Change.objects.get(pk=run.revision.change_id)


def tamper(sql: str, table: str) -> None:
    """What somebody with the rights of the database's owner could do."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for verb in ("update", "delete"):
                cursor.execute(f"DROP TRIGGER {table}_no_{verb}")
        else:
            cursor.execute(f"DROP TRIGGER {table}_append_only ON {table}")
        cursor.execute(sql)


def test_every_event_is_sealed_and_the_chain_holds(change: Change) -> None:
    count = Event.objects.filter(change=change).count()
    assert count > 20
    assert seals.verify(change) == seals.Verified(count)


def test_new_events_continue_the_chain(change: Change) -> None:
    before = EventSeal.objects.count()
    builders.events(change, 3, NOW + timedelta(hours=1))
    broken = seals.verify(change).broken
    assert broken is not None
    assert broken.found == "3 events without a seal"
    assert seals.seal(change.pk) == 3
    assert seals.seal(change.pk) == 0
    assert seals.verify(change) == seals.Verified(before + 3)


def test_the_chains_of_two_changes_do_not_mix(change: Change, author: User) -> None:
    other = builders.draft(author, builders.plan([["bly"]]), NOW)
    builders.events(other, 5, NOW)
    builders.events(change, 5, NOW)
    seals.seal_all()
    assert seals.verify(other) == seals.Verified(5)
    assert seals.verify(change).broken is None


@pytest.mark.parametrize(
    "values", ["text = 'never happened'", "actor = 'nobody'", "at = '2020-01-01 00:00:00'", "kind = 'x'", "data = '{}'"]
)
def test_an_altered_event_is_found(change: Change, values: str) -> None:
    victim = Event.objects.filter(change=change, kind="step done").earliest("id")
    place = EventSeal.objects.get(event=victim).number
    tamper(f"UPDATE changes_event SET {values} WHERE id = {victim.pk}", "changes_event")
    verified = seals.verify(change)
    assert verified.links == place - 1, "everything before it still holds"
    assert verified.broken is not None
    assert verified.broken.subject == f"event {victim.pk} of change {change.pk}"


def test_a_removed_event_is_found(change: Change) -> None:
    victim = Event.objects.filter(change=change, kind="step done").earliest("id")
    place = EventSeal.objects.get(event=victim).number
    tamper(f"DELETE FROM changes_eventseal WHERE event_id = {victim.pk}", "changes_eventseal")
    tamper(f"DELETE FROM changes_event WHERE id = {victim.pk}", "changes_event")
    verified = seals.verify(change)
    assert verified.links == place - 1
    assert verified.broken is not None
    assert f"link {place + 1} " in verified.broken.found


def test_events_that_changed_places_are_found(change: Change) -> None:
    one, two = Event.objects.filter(change=change).order_by("id")[3:5]
    tamper(f"UPDATE changes_event SET text = '{two.text}' WHERE id = {one.pk}", "changes_event")
    assert seals.verify(change).broken is not None


def test_the_command_says_it_and_fails(change: Change, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("verify_events", str(change.pk))
    victim = Event.objects.filter(change=change).latest("id")
    tamper(f"UPDATE changes_event SET text = 'x' WHERE id = {victim.pk}", "changes_event")
    with pytest.raises((CommandError, SystemExit)):
        call_command("verify_events", str(change.pk))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}"])
def test_the_database_refuses_to_alter_or_remove(change: Change, table: str, statement: str) -> None:
    columns = {"changes_event": "text", "changes_eventseal": "hash", "changes_approval": "comment"}
    counts = [m.objects.count() for m in (Event, EventSeal, Approval)]
    assert all(counts), "there is something to refuse"
    sql = statement.format(table=table, column=columns[table])
    with pytest.raises(DatabaseError, match=f"{table} is append-only"), transaction.atomic():
        connection.cursor().execute(sql)
    assert [m.objects.count() for m in (Event, EventSeal, Approval)] == counts
