"""Windows and freezes as calendar files: there and back, what others write, and what is refused."""

from datetime import UTC, date, datetime, time, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import icalendar
import pytest
import recurring_ical_events
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from fleet.changes import console, ical, windows
from fleet.changes.models import Freeze, Window
from fleet.core.windows import Period, occurrences
from tests.changes import builders

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 5, 20, 0, tzinfo=UTC)


def event(*lines: str, uid: str = "one@example.net") -> str:
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20260101T000000Z", *lines, "END:VEVENT"])


def document(*events: str) -> bytes:
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:test", *events, "END:VCALENDAR", ""]).encode()


FEBRUARY_30 = "recurrence FREQ=MONTHLY;BYMONTHDAY=30;BYMONTH=2"
NIGHTS = ("SUMMARY:nights", "DTSTART;TZID=Europe/London:20260301T013000", "DURATION:PT2H", "RRULE:FREQ=DAILY")


def test_there_and_back_says_the_same_and_other_calendars_see_the_same_starts(author: User) -> None:
    builders.fleet(["bly"])
    rows: list[Any] = []
    for name, recurrence, zone in (
        ("nights", "FREQ=DAILY", "Europe/London"),
        ("second tuesdays", "FREQ=MONTHLY;BYDAY=2TU", "Australia/Sydney"),
        ("last working days", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "America/New_York"),
        ("once", "", "UTC"),
    ):
        day = {"second tuesdays": date(2026, 9, 8), "last working days": date(2026, 9, 30)}.get(name, date(2026, 9, 1))
        wanted = windows.Wanted(
            name, day, time(1, 30), timedelta(hours=3), zone, recurrence, (date(2026, 10, 4),), ("site0",), ("edge",),
            ("nic-queues",), required=name == "once",
        )  # fmt: skip
        rows.append(windows.window_row(wanted, author, NOW))
    christmas = windows.Wanted(
        "christmas", date(2026, 12, 23), time(0), timedelta(days=11), "Europe/Berlin", why="rest"
    )
    rows.append(windows.freeze_row(christmas, author, NOW))
    for row in rows:
        builders.done(windows.add(row))
    written = ical.export(rows)
    again = ical.take_over(ical.read(written), author, NOW)
    assert again.reasons == ()
    assert [line.split(": ")[1] for line in again.lines] == ["unchanged"] * 5
    begin, end = datetime(2026, 9, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    theirs = recurring_ical_events.of(icalendar.Calendar.from_ical(written)).between(begin, end)
    for row in rows:
        period = row.period()
        assert isinstance(period, Period)
        mine = {s.start for s in occurrences(period, begin, end)}
        assert mine == {e["DTSTART"].dt.astimezone(UTC) for e in theirs if str(e["SUMMARY"]) == row.name}


def test_what_others_write_is_taken_over_replaced_and_withdrawn(author: User) -> None:
    first = ical.take_over(ical.read(document(event(*NIGHTS))), author, NOW)
    assert first.lines == ("nights: added: Sun 2026-03-01 01:30 for 2:00:00 Europe/London, FREQ=DAILY",)
    moved = event("SUMMARY:nights", "DTSTART;TZID=Europe/London:20260301T023000", "DURATION:PT2H")
    assert "replaced" in ical.take_over(ical.read(document(moved)), author, NOW).lines[0]
    assert Window.objects.standing().get().time == time(2, 30)
    assert Window.objects.count() == 2, "what was true before is kept"
    gone = event("SUMMARY:nights", "STATUS:CANCELLED", "DTSTART:20260301T023000Z")
    assert ical.take_over(ical.read(document(gone)), author, NOW).lines == ("nights: withdrawn",)
    assert not Window.objects.standing().exists()


def test_a_whole_day_is_a_freeze_by_the_wall_clock(author: User) -> None:
    said = document(event("SUMMARY:stocktaking", "DTSTART;VALUE=DATE:20261024", "DTEND;VALUE=DATE:20261026"))
    assert [r.subject for r in ical.read(said, freezes=True).reasons] == ["event 1 (stocktaking), zone"]
    builders.done(ical.take_over(ical.read(said, zone="Europe/London", freezes=True), author, NOW).reasons)
    period = Freeze.objects.get().period()
    assert isinstance(period, Period)
    (span,) = occurrences(period, NOW, NOW + timedelta(days=365))
    assert (span.start, span.end) == (datetime(2026, 10, 23, 23, tzinfo=UTC), datetime(2026, 10, 26, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("lines", "subjects"),
    [
        (("SUMMARY:x", "DTSTART;TZID=Europe/Atlantis:20260301T013000", "DURATION:PT2H"), ["zone"]),
        (("SUMMARY:x", "DTSTART:20260301T013000", "DURATION:PT2H"), ["zone"]),
        ((*NIGHTS, "RDATE;TZID=Europe/London:20260401T013000"), ["RDATE"]),
        ((*NIGHTS[:3], "RRULE:FREQ=BOGUS"), ["RRULE"]),
        ((*NIGHTS[:3], "RRULE:FREQ=HOURLY"), ["recurrence"]),
        ((*NIGHTS[:3], "RRULE:FREQ=MONTHLY;BYMONTHDAY=30;BYMONTH=2"), [FEBRUARY_30]),
        ((*NIGHTS[:3], "RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"), ["RRULE"]),
        ((*NIGHTS[:2], "DTEND;TZID=Europe/London:20260301T003000"), ["end"]),
        (("SUMMARY:x", "DURATION:PT2H"), ["DTSTART"]),
        (("DTSTART:20260301T013000Z", "DURATION:PT2H"), ["name"]),
        ((*NIGHTS, "X-SLIPWAY-SITES:nowhere"), ["site"]),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_and_nothing_is_written(
    lines: tuple[str, ...], subjects: list[str], author: User
) -> None:
    good = event(*NIGHTS, uid="good@example.net").replace("nights", "other nights")
    taken = ical.take_over(ical.read(document(good, event(*lines))), author, NOW)
    assert [r.subject.rpartition(", ")[2] for r in taken.reasons] == subjects, taken
    assert not Window.objects.exists()


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"\xff\xfe", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", b"x" * 6_000_000]
)
def test_what_is_no_calendar_is_refused(content: bytes) -> None:
    (reason,) = ical.read(content).reasons
    assert reason.subject == "file"


# --- the commands --------------------------------------------------------------------------------------------------


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, admin: User) -> Any:
    from rich.console import Console

    def run(*words: str) -> str:
        out = StringIO()
        monkeypatch.setattr(console, "console", Console(file=out, width=200))
        call_command(*words, *(() if words[1:2] in {(), ("list",), ("export",)} else ("--user", "admin")))
        return out.getvalue()

    return run


def test_the_commands(said: Any, tmp_path: Path) -> None:
    starts = ["--starts", "2099-11-28 01:00", "--zone", "Europe/London"]
    assert "2099-11-28 01:00" in said("windows", "add", "nights", *starts, "--length", "3h", "--required")
    assert Window.objects.get().required
    assert "christmas" in said("freeze", "add", "christmas", *starts, "--ends", "2099-12-03 01:00", "--why", "rest")
    assert Freeze.objects.get().length == timedelta(days=5)
    assert "nights" in said("windows")
    assert "2 windows and freezes" in said("windows", "export", str(tmp_path / "out.ics"))
    assert said("windows", "import", str(tmp_path / "out.ics")).count("unchanged") == 2
    assert "withdrawn" in said("freeze", "withdraw", "christmas")
    said("windows", "overrun", "nic-queues", "roll_back")
    with pytest.raises(CommandError, match="--starts: found 'tomorrow'"):
        said("windows", "add", "x", "--starts", "tomorrow", "--zone", "UTC", "--length", "1h")
    with pytest.raises(CommandError, match="end: found 1:00:00 before its start"):
        said("windows", "add", "x", "--starts", "2099-01-01 01:00", "--ends", "2099-01-01 00:00", "--zone", "UTC")
    with pytest.raises(CommandError, match="wanted one that stands"):
        said("freeze", "withdraw", "christmas")
