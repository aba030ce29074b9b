"""What a provider announces is kept on our circuits, and nobody drains the other leg meanwhile."""

import email.message
import email.policy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from fleet.changes import drafts, orchestrate, scheduled
from fleet.changes.models import Run, TargetRun
from fleet.core.model import Impact
from fleet.core.states import TargetState
from fleet.notices import inbound, maintnote
from fleet.notices.maintnote import Note, Status
from inventory.models import (
    External,
    Link,
    LinkEnd,
    ProviderCircuit,
    ProviderImpact,
    ProviderMaintenance,
    Router,
)
from inventory.providers import load as load_providers
from tests.changes import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def join(router: str, external: str, circuit: str = "") -> Link:
    made = Link.objects.create(kind="transit", capacity_mbps=1000)
    LinkEnd.objects.create(link=made, side="a", router=Router.objects.get(name=router), interface=f"to-{external}")
    far, _ = External.objects.get_or_create(name=external)
    LinkEnd.objects.create(link=made, side="b", external=far)
    if circuit:
        ProviderCircuit.objects.create(provider="Example Telecom", circuit_id=circuit, link=made)
    return made


@pytest.fixture(autouse=True)
def legs() -> None:
    """Two routers, each with a line to the same exchange, and a link between them."""
    builders.fleet(["bly", "aebi"])
    join("bly", "exchange", "ET-1")
    join("aebi", "exchange", "ET-2")
    between = Link.objects.create(kind="core", capacity_mbps=1000)
    for side, name in zip("ab", ("bly", "aebi"), strict=True):
        LinkEnd.objects.create(link=between, side=side, router=Router.objects.get(name=name), interface="core0")


def notice(
    *circuits: str, status: Status = Status.CONFIRMED, sequence: int = 1, begins: datetime = NOW - HOUR
) -> bytes:
    note = Note(
        uid="et-1", sequence=sequence, status=status, provider="Example Telecom", account="us", maintenance_id="WO-1",
        organizer="noc@telecom.example", start=begins, end=begins + 5 * HOUR, stamp=NOW + sequence * HOUR,
        summary="Splice", objects=tuple((c, Impact.OUTAGE) for c in circuits),
    )  # fmt: skip
    return maintnote.calendar([note])


def mail(calendar: bytes, sender: str = "noc@telecom.example") -> bytes:
    message = email.message.EmailMessage(policy=email.policy.SMTP)
    message["From"], message["To"], message["Subject"] = sender, "noc@example.net", "Maintenance"
    message["Date"] = "Mon, 05 Jan 2026 05:00:00 +0000"
    message.set_content("See the calendar.")
    message.add_attachment(calendar.decode(), subtype="calendar", filename="maintenance.ics")
    return message.as_bytes()


@pytest.mark.parametrize("as_mail", [False, True])
def test_a_notice_is_kept_on_our_circuits(as_mail: bool) -> None:
    content = notice("et-1", "ET-9")
    kept = inbound.read(mail(content) if as_mail else content, "somebody", NOW)
    assert kept.reasons == ()
    assert kept.lines == (
        "Example Telecom WO-1: CONFIRMED, 2026-01-05 04:00 to 2026-01-05 09:00 UTC, 1 links of ours; "
        "not in the inventory: ET-9",
    )
    linked = {row.circuit_id: row.link_id is not None for row in ProviderImpact.objects.all()}
    assert linked == {"et-1": True, "ET-9": False}
    assert [(o.a, o.b) for o in load_providers(NOW).outages] == [("bly", "exchange")]


def test_the_newest_notice_counts_and_an_older_one_is_left_alone() -> None:
    inbound.read(notice("ET-1", sequence=2), "a", NOW)
    kept = inbound.read(notice("ET-1", sequence=1, status=Status.TENTATIVE), "a", NOW)
    assert "older than what is known" in kept.lines[0]
    assert ProviderMaintenance.objects.get().status == "CONFIRMED"
    inbound.read(notice("ET-1", sequence=3, status=Status.CANCELLED), "a", NOW)
    assert ProviderMaintenance.objects.get().status == "CANCELLED"
    assert load_providers(NOW).outages == ()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff" * 50,
        b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
        b"From: a@b.example\r\nSubject: hello\r\n\r\nNothing about maintenance.\r\n",
        mail(b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"),
        notice("ET-1").replace(b"DTEND", b"X-END"),
        notice("ET-1").replace(b"20260105T090000Z", b"20260105T010000Z"),
        notice("ET-1").replace(b":OUTAGE", b":APOCALYPSE").replace(b"=OUTAGE", b"=APOCALYPSE"),
    ],
    ids=["empty", "binary", "no event", "poor event", "chatter", "empty attachment", "no end", "ends first", "impact"],
)
def test_what_is_no_notice_is_refused_in_words(content: bytes) -> None:
    kept = inbound.read(content, "somebody", NOW)
    assert kept.lines == () and kept.reasons
    assert not ProviderMaintenance.objects.exists()


def test_an_unknown_format_is_named() -> None:
    (reason,) = inbound.read(notice("ET-1"), "a", NOW, provider="nobody").reasons
    assert "genericprovider" in reason.wanted and "lumen" in reason.wanted


def running(author: User, approver: User, name: str) -> Run:
    return builders.running(author, approver, builders.plan([[name]]), NOW)


def states(run: Run) -> set[str]:
    return set(TargetRun.objects.filter(run=run).values_list("state", flat=True))


def test_the_other_leg_is_held_and_goes_on_when_the_provider_is_done(author: User, approver: User) -> None:
    inbound.read(notice("ET-1"), "somebody", NOW)
    run = running(author, approver, "aebi")
    orchestrate.tick(NOW)
    run.refresh_from_db()
    (hold,) = run.holds
    assert "draining aebi: found bly and exchange left without a way to each other while a provider works" in hold
    assert "Example Telecom WO-1, CONFIRMED" in hold
    assert states(run) == {TargetState.PENDING}
    inbound.read(notice("ET-1", status=Status.COMPLETED, sequence=2), "somebody", NOW + HOUR)
    orchestrate.tick(NOW + HOUR)
    assert states(run) == {TargetState.BASELINING}


def test_the_router_with_the_dead_line_goes_on(author: User, approver: User) -> None:
    inbound.read(notice("ET-1"), "somebody", NOW)
    run = running(author, approver, "bly")
    orchestrate.tick(NOW)
    assert states(run) == {TargetState.BASELINING}


def test_why_not_now_says_so_before_the_start(author: User, approver: User) -> None:
    inbound.read(notice("ET-1"), "somebody", NOW)
    change = builders.approved(author, approver, builders.plan([["aebi"]]), NOW)
    assert "while a provider works" in " ".join(scheduled.ahead(change, NOW).holds)
    assert scheduled.ahead(change, NOW + 5 * HOUR).holds == ()


def test_an_approver_is_told(author: User) -> None:
    inbound.read(notice("ET-1", begins=NOW + 48 * HOUR), "somebody", NOW)
    request = drafts.Request("router-restart", {}, ("aebi", "bly"))
    plan, _ = drafts.make_plan(request, now=NOW)
    (finding,) = [f for f in plan.findings if f.code == "other-leg"]
    assert finding.reason.subject == "draining aebi"
    assert [f for f in drafts.make_plan(request, now=NOW + 72 * HOUR)[0].findings if f.code == "other-leg"] == []


def test_the_command_reads_a_file_and_says_what_it_kept(tmp_path: Path) -> None:
    path, out = tmp_path / "notice.eml", StringIO()
    path.write_bytes(mail(notice("ET-1")))
    call_command("provider_notice", str(path), stdout=out)
    assert "1 links of ours" in out.getvalue()
    path.write_bytes(b"nothing")
    with pytest.raises(CommandError, match="notice"):
        call_command("provider_notice", str(path))
    with pytest.raises(CommandError, match="No such file"):
        call_command("provider_notice", str(tmp_path / "none"))


def test_the_page_reads_a_file_by_right(reader: User, client: Client) -> None:
    client.force_login(reader)

    def send(content: bytes) -> int:
        return client.post("/notices/provider", {"file": SimpleUploadedFile("n.ics", content)}).status_code

    assert send(notice("ET-1")) == 403
    reader.user_permissions.add(Permission.objects.get(codename="add_window"))
    assert send(notice("ET-1")) == 302
    assert send(b"nothing") == 409
    page = client.get("/notices/").content.decode()
    assert ProviderMaintenance.objects.count() == 1 and "<h1>Notices</h1>" in page


def test_announcements_cost_no_query_more_however_many(django_assert_num_queries: Callable[[int], object]) -> None:
    with django_assert_num_queries(1):  # type: ignore[attr-defined]
        load_providers(NOW)
    inbound.read(notice(*(f"ET-{n}" for n in range(1, 500))), "somebody", NOW)
    with django_assert_num_queries(3):  # type: ignore[attr-defined]
        assert len(load_providers(NOW).outages) == 2
