"""Pages of endpoints, deliveries, dead letters and tickets: what they say, who may press what, constant queries."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from fleet.changes.models import Change
from fleet.outward import rounds, signing
from fleet.outward.models import Delivery, Endpoint, TicketLink
from lab.tickets.receiver import Receiver
from lab.tickets.server import Fake, Site
from lab.tickets.servicenow import ServiceNow
from tests.changes import builders
from tests.outward.conftest import Clock, make_system
from tests.outward.test_delivery import endpoint, go, say
from tests.outward.test_tickets_servicenow import submit

pytestmark = pytest.mark.django_db
FORM = {"name": "chat", "url": "https://chat.example.net/hook", "events": "change.*\ntarget.stuck",
        "secret": "env:HOOK_SECRET", "active": "on"}  # fmt: skip


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


@pytest.fixture
def change(author: User, at: Clock) -> Change:
    builders.fleet(["bly"])
    return builders.draft(author, builders.plan([["bly"]]), at())


def test_an_endpoint_is_added_pinged_and_edited_by_form(admin: User, at: Clock, serve: Callable[[Fake], Site]) -> None:
    site = serve(receiver := Receiver())
    client = signed_in(admin)
    assert "Nobody is told" in text(client, "/webhooks/")
    answer = client.post("/webhooks/add/", {**FORM, "url": f"{site.url}/hook"})
    row = Endpoint.objects.get()
    assert answer["Location"] == f"/webhooks/{row.pk}/"
    assert (row.events, row.created_by) == (["change.*", "target.stuck"], "admin")
    client.post(f"/webhooks/{row.pk}/ping")
    assert go(at) == 1
    assert receiver.asked[0].document()["type"] == "slipway.ping"
    assert "taken" in text(client, f"/webhooks/{row.pk}/")
    client.post(f"/webhooks/{row.pk}/edit/", {**FORM, "active": ""})
    row.refresh_from_db()
    assert not row.active
    assert "switched off" in text(client, "/webhooks/")


@pytest.mark.parametrize(
    ("field", "value"),
    [("secret", "hunter2hunter2"), ("url", "https://user:pw@h/"), ("events", "Change Approved"), ("events", ""),
     ("name", ""), ("url", "ftp://h/"), ("name", "a\x00b")],
)  # fmt: skip
def test_a_wrong_form_is_refused_with_its_reason_and_no_secret_stays(field: str, value: str, admin: User) -> None:
    answer = signed_in(admin).post("/webhooks/add/", {**FORM, field: value})
    assert answer.status_code == 409
    assert not Endpoint.objects.exists()


def test_who_may_not_is_refused(author: User, reader: User, at: Clock) -> None:
    row = endpoint(None, at)
    for user in (author, reader):
        client = signed_in(user)
        assert "outward.change_endpoint" in text(client, "/webhooks/")
        for address in ("/webhooks/add/", f"/webhooks/{row.pk}/edit/"):
            assert client.post(address, FORM).status_code == 403
        for address in (f"/webhooks/{row.pk}/ping", f"/webhooks/{row.pk}/try", "/webhooks/dead/resend"):
            assert client.post(address).status_code == 403
    assert Client().get("/webhooks/").status_code == 302
    assert not Delivery.objects.exists()


def test_dead_letters_are_listed_with_why_and_sent_again(change: Change, admin: User, at: Clock) -> None:
    row = endpoint(None, at)
    say(change, at, text="<script>x</script>")
    go(at)
    at.on(hours=81)
    rounds.prepare(at())
    client = signed_in(admin)
    assert "1 dead" in text(client, "/webhooks/")
    assert "0 waiting" in text(client, "/webhooks/")
    html = text(client, "/webhooks/dead/")
    assert "connection refused" in html
    assert "change.comment" in html
    client.post("/webhooks/dead/resend", {"delivery": [str(Delivery.objects.get().pk), "x", "9" * 30]})
    again = Delivery.objects.get()
    assert (again.outcome, again.attempts, again.resent_by) == ("", 0, "admin")
    Delivery.objects.update(outcome="dead", ended_at=at(), due_at=None)
    client.post("/webhooks/dead/resend", {"endpoint": str(row.pk)})
    assert Delivery.objects.get().outcome == ""
    client.post(f"/webhooks/{row.pk}/try")
    row.refresh_from_db()
    assert row.closed_until is None


def test_what_waits_and_what_is_dead_is_counted_of_each(change: Change, reader: User, at: Clock) -> None:
    rows = {name: endpoint(None, at, name) for name in ("chat", "erp", "idle")}
    rows["idle"].events = ["target.stuck"]
    rows["idle"].save()
    for n in range(7):
        say(change, at, text=str(n))
    rounds.prepare(at())
    dead = Delivery.objects.filter(endpoint=rows["erp"]).order_by("pk")[:3]
    Delivery.objects.filter(pk__in=list(dead.values_list("pk", flat=True))).update(outcome="dead", ended_at=at())
    found = re.findall(r"(\d+) waiting</td><td[^>]*>(\d+) dead", text(signed_in(reader), "/webhooks/"))
    assert found == [("7", "0"), ("4", "3"), ("0", "0")]


def test_pages_ask_a_constant_number_of_queries(change: Change, admin: User, at: Clock) -> None:
    client = signed_in(admin)
    row = endpoint(None, at, "one")

    def asked(address: str) -> int:
        with CaptureQueriesContext(connection) as context:
            text(client, address)
        return len(context)

    say(change, at)
    rounds.prepare(at())
    addresses = ("/webhooks/", f"/webhooks/{row.pk}/", "/webhooks/dead/", "/tickets/")
    few = [asked(a) for a in addresses]
    for n in range(30):
        endpoint(None, at, f"more{n}")
    for n in range(30):
        say(change, at, text=str(n))
    rounds.prepare(at())
    Delivery.objects.filter(endpoint=row).update(outcome="dead", ended_at=at())
    many = [asked(a) for a in addresses]
    assert all(m <= f + 1 for m, f in zip(many, few, strict=True))
    assert max(many) <= 12


def test_the_ticket_stands_on_the_page_of_its_change_and_can_be_looked_at(
    author: User, at: Clock, serve: Callable[[Fake], Site], change: Change
) -> None:
    site = serve(now_ := ServiceNow())
    make_system(site.url)
    number = now_.make()["number"]
    Change.objects.filter(pk=change.pk).update(ticket=number)
    change.refresh_from_db()
    submit(change, author, at)
    client = signed_in(author)
    html = text(client, f"/changes/{change.pk}/")
    assert f"{site.url}/nav_to.do" in html
    assert "not approved yet" in html
    site.stop()
    at.on(minutes=20)
    TicketLink.objects.update(problem="<b>gone</b>")
    html = text(client, f"/changes/{change.pk}/")
    assert "&lt;b&gt;gone" in html
    assert "wanted read within 10 minutes" in html
    row = TicketLink.objects.get()
    assert number in text(client, "/tickets/")
    client.post(f"/tickets/{row.pk}/look")
    row.refresh_from_db()
    assert row.due_at == at()


def test_the_command(at: Clock, admin: User, change: Change, capsys: pytest.CaptureFixture[str]) -> None:
    row = endpoint(None, at)
    call_command("webhooks", "secret")
    assert isinstance(signing.key_of(capsys.readouterr().out.strip()), bytes)
    say(change, at)
    rounds.prepare(at())
    call_command("webhooks", "list")
    call_command("webhooks", "ping", row.name, user="admin")
    Delivery.objects.update(outcome="dead", ended_at=at())
    call_command("webhooks", "resend", row.name, user="admin")
    assert Delivery.objects.filter(outcome="").count() == 2
    with pytest.raises(CommandError):
        call_command("webhooks", "ping", "nobody", user="admin")


def test_beside_the_engine_they_go_out_by_themselves(
    transactional_db: None, author: User, serve: Callable[[Fake], Site], settings: Any
) -> None:
    """The threads of the in-process engine: an event is committed, and it arrives."""
    import threading
    import time

    from fleet import clock
    from fleet.changes import beside

    site = serve(receiver := Receiver())
    builders.fleet(["bly"])
    made = builders.draft(author, builders.plan([["bly"]]), clock.now())
    values = {"secret": "env:HOOK_SECRET", "events": ["*"], "created_at": clock.now(), "created_by": "x"}
    Endpoint.objects.create(name="chat", url=site.url, **values)
    Endpoint.objects.create(name="dead", url="http://127.0.0.1:9/", **values)
    stop = threading.Event()
    with beside.running(stop.is_set):
        builders.events(made, 20, clock.now())
        ends = time.monotonic() + 30
        while len(receiver.asked) < 20 and time.monotonic() < ends:
            time.sleep(0.05)
        stop.set()
    assert len(set(receiver.ids)) == 20
    assert Endpoint.objects.get(name="dead").failures > 0
