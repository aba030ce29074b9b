"""Customers are told of a change as it goes: one UID, rising sequence, only what is news; by mail and by feed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from circuit_maintenance_parser import NotificationData, init_provider
from django.contrib.auth.models import Permission, User
from django.core import mail
from django.test import Client

from fleet.changes import lifecycle, scheduling, transitions, windows
from fleet.changes.models import Change, Run
from fleet.changes.windows import Wanted
from fleet.core.states import ChangeState
from fleet.notices import announce, feeds, rounds, sending
from fleet.notices.models import Announced, MaintenanceNotice
from inventory.models import Customer, CustomerCircuit, External, Link, LinkEnd, Router
from tests.changes import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def told(settings: Any) -> None:
    settings.SLIPWAY_PROVIDER = "example.net"
    settings.EMAIL_HOST = "mail.example.net"
    settings.DEFAULT_FROM_EMAIL = "noc@example.net"


def link(router: str, external: str) -> Link:
    made = Link.objects.create(kind="customer", capacity_mbps=1000)
    LinkEnd.objects.create(link=made, side="a", router=Router.objects.get(name=router), interface=f"to-{external}")
    far, _ = External.objects.get_or_create(name=external)
    LinkEnd.objects.create(link=made, side="b", external=far)
    return made


def customer(name: str, *links: Link, email: str = "") -> Customer:
    row = Customer.objects.create(name=name, account=f"{name}-account", email=email)
    for number, one in enumerate(links):
        CustomerCircuit.objects.create(customer=row, link=one, circuit_id=f"{name}-{number}")
    return row


@pytest.fixture
def acme() -> Customer:
    """Behind two routers; a second customer hangs on one of them alone, a third on none of the plan."""
    builders.fleet(["bly", "aebi", "cow"])
    customer("lonely", link("bly", "lonely"), email="noc@lonely.example")
    customer("far", link("cow", "far"), email="noc@far.example")
    return customer("acme", link("bly", "acme"), link("aebi", "acme"), email="noc@acme.example")


@pytest.fixture
def change(acme: Customer, author: User) -> Change:
    return builders.submitted(author, builders.plan([["bly"]]), NOW)


def window(person: User, *, start: str = "2026-01-06T01:00:00", hours: int = 4) -> None:
    at = datetime.fromisoformat(start)
    wanted = Wanted("night", at.date(), at.time(), timedelta(hours=hours), "UTC", recurrence="FREQ=DAILY", uid="w@x")
    assert not windows.add(windows.window_row(wanted, person, NOW))


def approve(change: Change, approver: User, now: datetime = NOW) -> None:
    revision = change.revision
    assert revision is not None
    builders.done(lifecycle.decide_on(change, approver, now, approve=True, digest=revision.digest, comment="Yes."))


def of(name: str) -> list[tuple[str, int, str]]:
    rows = MaintenanceNotice.objects.filter(customer__name=name).order_by("pk")
    return [(row.status, row.sequence, row.uid) for row in rows]


def told_to(name: str) -> list[str]:
    return [status for status, _, _ in of(name)]


def test_the_whole_way_of_a_change(change: Change, author: User, approver: User) -> None:
    window(approver)
    assert rounds.look(NOW) == 4  # two notices, two mails
    approve(change, approver)
    rounds.look(NOW + MINUTE)
    builders.done(scheduling.schedule(change, approver, NOW + MINUTE))
    rounds.look(NOW + 2 * MINUTE)
    later = datetime(2026, 1, 6, 1, 0, tzinfo=UTC)
    builders.done(lifecycle.start(change, approver, later, by_schedule=True))
    rounds.look(later)
    run = Run.objects.select_related("revision__change").get(revision__change=change)
    builders.begin(run, ["bly"], later)
    end = builders.walk(run, "bly", later)
    rounds.look(end)
    builders.end(run, ChangeState.SUCCEEDED, "1 done", end)
    rounds.look(end + MINUTE)
    rounds.look(end + 2 * MINUTE)
    rows = of("acme")
    assert [status for status, _, _ in rows] == ["TENTATIVE", "CONFIRMED", "IN-PROCESS", "COMPLETED"]
    assert [sequence for _, sequence, _ in rows] == [0, 1, 2, 3]
    assert len({uid for _, _, uid in rows}) == 1
    assert told_to("far") == []
    confirmed = MaintenanceNotice.objects.get(customer__name="acme", status="CONFIRMED")
    assert (confirmed.start_at, confirmed.end_at) == (later, later + timedelta(hours=4))
    assert not Announced.objects.get(change=change).open


def test_the_impact_is_that_of_the_plan_on_the_customers_own_circuits(change: Change, approver: User) -> None:
    window(approver)
    announce.sync(NOW)
    told = {row.customer.name: row.objects_told for row in MaintenanceNotice.objects.select_related("customer")}
    assert told == {"acme": [["acme-0", "REDUCED-REDUNDANCY"]], "lonely": [["lonely-0", "OUTAGE"]]}


def test_the_mail_reads_back_with_the_parser_of_others(change: Change, approver: User) -> None:
    window(approver)
    rounds.look(NOW)
    sent = {m.to[0]: m for m in mail.outbox}
    assert sorted(sent) == ["noc@acme.example", "noc@lonely.example"]
    data = NotificationData.init_from_email_bytes(sent["noc@acme.example"].message().as_bytes())
    (found,) = init_provider("genericprovider").get_maintenances(data)
    assert (found.provider, found.account, found.status.value) == ("example.net", "acme-account", "TENTATIVE")
    assert [(c.circuit_id, c.impact.value) for c in found.circuits] == [("acme-0", "REDUCED-REDUNDANCY")]
    assert "acme-0: REDUCED-REDUNDANCY" in sent["noc@acme.example"].body
    assert MaintenanceNotice.objects.filter(sent_at=None).count() == 0


def test_nothing_is_told_twice_and_an_idle_round_is_cheap(
    change: Change, approver: User, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    window(approver)
    rounds.look(NOW)
    with django_assert_max_num_queries(8):
        assert rounds.look(NOW + MINUTE) == 0
    assert rounds.look(NOW + timedelta(hours=1)) == 0
    assert len(mail.outbox) == 2


def test_without_a_window_only_what_has_begun_is_told(change: Change, approver: User) -> None:
    assert announce.sync(NOW) == 0
    approve(change, approver)
    builders.done(lifecycle.start(change, approver, NOW))
    announce.sync(NOW)
    assert told_to("acme") == ["IN-PROCESS"]


def test_cancelled_and_what_goes_back_to_its_author(change: Change, author: User, approver: User) -> None:
    window(approver)
    announce.sync(NOW)
    approve(change, approver)
    builders.done(scheduling.schedule(change, approver, NOW))
    announce.sync(NOW)
    assert transitions.move_change(change, ChangeState.DRAFT, transitions.Note("author", "edited"), NOW)
    announce.sync(NOW)
    assert told_to("acme") == ["TENTATIVE", "CONFIRMED", "TENTATIVE"]
    builders.done(lifecycle.cancel(change, author, NOW))
    announce.sync(NOW)
    announce.sync(NOW)
    assert [(s, n) for s, n, _ in of("acme")][-1] == ("CANCELLED", 3)
    assert len({uid for _, _, uid in of("acme")}) == 1


def test_who_is_no_longer_affected_hears_that_it_is_off(change: Change, author: User, approver: User) -> None:
    window(approver)
    announce.sync(NOW)
    change.refresh_from_db()
    assert transitions.move_change(change, ChangeState.DRAFT, transitions.Note("author", "edited"), NOW)
    builders.revise(change, author, builders.plan([["aebi"]]), NOW)
    builders.done(lifecycle.submit(change, author, NOW))
    announce.sync(NOW)
    assert told_to("lonely") == ["TENTATIVE", "CANCELLED"]
    assert MaintenanceNotice.objects.filter(customer__name="acme").latest("pk").objects_told == [
        ["acme-1", "REDUCED-REDUNDANCY"]
    ]


def test_nobody_announces_without_a_name(change: Change, approver: User, settings: Any) -> None:
    window(approver)
    settings.SLIPWAY_PROVIDER = ""
    assert announce.sync(NOW) == 0


def test_a_mail_server_that_fails_is_tried_again_and_keeps_nothing_up(
    change: Change, approver: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    window(approver)
    announce.sync(NOW)

    def fail(*_: object, **__: object) -> None:
        raise OSError("connection refused")

    with monkeypatch.context() as broken:
        broken.setattr("django.core.mail.EmailMessage.send", fail)
        assert sending.send_due(NOW, read_clock=lambda: NOW) == 0
    row = MaintenanceNotice.objects.get(attempts=1)
    assert "connection refused" in row.error
    assert sending.send_due(NOW + timedelta(seconds=1), read_clock=lambda: NOW) == 1  # the one that was not tried
    assert sending.send_due(NOW + timedelta(minutes=10), read_clock=lambda: NOW) == 1
    assert len(mail.outbox) == 2


def test_feeds_are_secret_revocable_and_hold_the_newest_notice(
    change: Change, acme: Customer, approver: User, admin: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.clock.now", lambda: NOW)
    window(approver)
    announce.sync(NOW)
    approve(change, approver)
    builders.done(scheduling.schedule(change, approver, NOW))
    announce.sync(NOW)
    mine, token = feeds.make("acme", admin, NOW, customer=acme)
    _, everything = feeds.make("all", admin, NOW)
    content = client.get(f"/feeds/{token}.ics").content
    (found,) = init_provider("genericprovider").get_maintenances(NotificationData.init_from_raw("ical", content))
    assert (found.status.value, found.sequence) == ("CONFIRMED", 1)
    assert client.get(f"/feeds/{everything}.ics").content.count(b"BEGIN:VEVENT") == 2
    assert token not in str(list(type(mine).objects.values()))
    feeds.revoke(mine, NOW)
    assert client.get(f"/feeds/{token}.ics").status_code == 404
    assert client.get("/feeds/none.ics").status_code == 404


def test_the_page_makes_and_revokes_feeds_by_right(acme: Customer, admin: User, reader: User, client: Client) -> None:
    client.force_login(reader)
    assert client.get("/notices/").status_code == 200
    assert client.post("/notices/feeds", {"customer": "acme"}).status_code == 403
    reader.user_permissions.add(Permission.objects.get(codename="change_change"))
    page = client.post("/notices/feeds", {"customer": "acme"}).content.decode()
    address = page.partition("/feeds/")[2].partition("<")[0]
    assert client.get(f"/feeds/{address}").status_code == 200
    assert client.post("/notices/feeds", {"customer": "nobody"}).status_code == 409
    assert client.post("/notices/feeds/1/revoke").status_code in {302, 404}
    assert "/feeds/" not in client.get("/notices/").content.decode().replace("/notices/feeds", "")


def test_a_thousand_circuits_are_no_more_queries(
    change: Change, acme: Customer, approver: User, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    bly = link("bly", "many")
    CustomerCircuit.objects.bulk_create(
        CustomerCircuit(customer=acme, link=bly, circuit_id=f"c{n}") for n in range(1000)
    )
    revision = change.revision
    assert revision is not None
    with django_assert_max_num_queries(10):
        assert len(announce.affected_by(revision.read_plan())[acme]) == 1001
