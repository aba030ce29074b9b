"""Our notices, read by circuit-maintenance-parser: what comes out is what went in, whatever stands in the texts."""

import email
import email.policy
from datetime import UTC, datetime, timedelta

import icalendar
import pytest
from circuit_maintenance_parser import NotificationData, init_provider
from hypothesis import given
from hypothesis import strategies as st

from fleet.core.model import Impact
from fleet.notices import maintnote
from fleet.notices.maintnote import Note, Status

NOW = datetime(2026, 1, 5, 5, 0, tzinfo=UTC)


def note(**more: object) -> Note:
    values: dict[str, object] = {
        "uid": "change-7-1@example.net",
        "sequence": 3,
        "status": Status.CONFIRMED,
        "provider": "example.net",
        "account": "137.035999173",
        "maintenance_id": "slipway-7",
        "organizer": "noc@example.net",
        "start": NOW,
        "end": NOW + timedelta(hours=4),
        "stamp": NOW - timedelta(days=2),
        "summary": "Maintenance 7 by example.net",
        "objects": (("acme-widgets-as-a-service", Impact.OUTAGE), ("acme-2", Impact.REDUCED_REDUNDANCY)),
    }
    return Note(**{**values, **more})  # type: ignore[arg-type]


def read(content: bytes) -> list[object]:
    return list(init_provider("genericprovider").get_maintenances(NotificationData.init_from_raw("ical", content)))


def same(found: object, wanted: Note) -> None:
    assert found.uid == wanted.uid  # type: ignore[attr-defined]
    assert found.sequence == wanted.sequence  # type: ignore[attr-defined]
    assert found.status.value == wanted.status.value  # type: ignore[attr-defined]
    assert (found.provider, found.account) == (wanted.provider, wanted.account)  # type: ignore[attr-defined]
    assert found.maintenance_id == wanted.maintenance_id  # type: ignore[attr-defined]
    assert found.organizer == f"mailto:{wanted.organizer}"  # type: ignore[attr-defined]
    times = (wanted.start, wanted.end, wanted.stamp)
    assert (found.start, found.end, found.stamp) == tuple(int(t.timestamp()) for t in times)  # type: ignore[attr-defined]
    assert found.summary == wanted.summary  # type: ignore[attr-defined]
    circuits = [(c.circuit_id, c.impact.value) for c in found.circuits]  # type: ignore[attr-defined]
    assert circuits == [(name, impact.value) for name, impact in wanted.objects]


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("impact", Impact)
def test_every_status_and_impact_comes_back(status: Status, impact: Impact) -> None:
    for objects in ((("one", impact),), (("one", impact), ("two", Impact.NO_IMPACT))):
        wanted = note(status=status, objects=objects)
        (found,) = read(maintnote.calendar([wanted]))
        same(found, wanted)


# The library itself strips nothing and knows no empty texts; ours has one line and no other blanks.
words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=120).map(
    maintnote.one_line
)
words = words.filter(lambda text: text not in {"", "None"})


@given(st.tuples(words, words, words, words, words), st.integers(0, 10_000), st.integers(1, 200))
def test_whatever_stands_in_the_texts(texts: tuple[str, ...], sequence: int, length: int) -> None:
    account, name, summary, provider, circuit = texts
    wanted = note(
        account=account,
        maintenance_id=name,
        summary=summary,
        provider=provider,
        sequence=sequence,
        objects=((circuit, Impact.OUTAGE), ("x" * length, Impact.DEGRADED)),
    )
    (found,) = read(maintnote.calendar([wanted]))
    same(found, wanted)


def test_a_line_end_in_a_text_adds_no_property() -> None:
    content = maintnote.calendar([note(summary="quiet\r\nX-MAINTNOTE-STATUS:CANCELLED", account="1\nBEGIN:VEVENT")])
    (event,) = icalendar.Calendar.from_ical(content).walk("VEVENT")
    assert str(event["X-MAINTNOTE-STATUS"]) == "CONFIRMED"
    assert str(event["SUMMARY"]) == "quiet X-MAINTNOTE-STATUS:CANCELLED"


def test_several_notices_in_one_calendar_and_the_same_bytes_again() -> None:
    some = [note(uid=f"u{n}@example.net", sequence=n) for n in range(3)]
    content = maintnote.calendar(some)
    assert content == maintnote.calendar(some)
    assert [m.uid for m in read(content)] == ["u0@example.net", "u1@example.net", "u2@example.net"]  # type: ignore[attr-defined]


def test_as_an_attachment_of_a_mail() -> None:
    wanted = note()
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    mail["From"], mail["To"], mail["Subject"] = "noc@example.net", "noc@example.com", "x"
    mail["Date"] = "Mon, 05 Jan 2026 05:00:00 +0000"
    mail.set_content("See the calendar.")
    mail.add_attachment(maintnote.calendar([wanted]).decode(), subtype="calendar", filename="maintenance.ics")
    data = NotificationData.init_from_email_bytes(mail.as_bytes())
    (found,) = init_provider("genericprovider").get_maintenances(data)
    same(found, wanted)
