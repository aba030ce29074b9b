"""The calendar, and the forms and files of windows and freezes: what is shown and refused, nothing half kept."""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from fleet import clock
from fleet.changes import calendar, scheduling, windows
from fleet.changes.calendar import Entry, Kind
from fleet.changes.models import Freeze, Window
from fleet.changes.views import calendar_days
from fleet.changes.views.calendar_days import TRACK, View
from fleet.changes.windows import Wanted
from fleet.people.models import Grant
from inventory.models import Site
from tests.changes import builders
from tests.changes.test_views_pages import as_, page, words

pytestmark = pytest.mark.django_db
LONDON = ZoneInfo("Europe/London")
NIGHTS = {"name": "nights", "starts": "2026-12-01T01:00", "ends": "2026-12-01T04:00", "zone": "Europe/London"}


@pytest.fixture
def keeper() -> User:
    builders.fleet(["bly", "aebi", "dekker"])
    person = builders.person("keeper")
    Grant.objects.create(person=person, role="admin")
    return person


# --- days ------------------------------------------------------------------------------------------------------------


def entry(start: str, end: str, kind: Kind = Kind.WINDOW, title: str = "w") -> Entry:
    return Entry(kind, title, datetime.fromisoformat(start + "Z"), datetime.fromisoformat(end + "Z"))


def said(entries: list[Entry], days: list[date]) -> list[list[str]]:
    made = calendar_days.by_day(entries, days, LONDON, days[0])
    return [[f"{p.when} {p.entry.title}" for p in d.pieces] for d in made]


def test_a_page_shows_whole_weeks_around_a_month_and_steps_by_month() -> None:
    days = calendar_days.days_of(View.MONTH, date(2026, 11, 21))
    assert (days[0], days[-1], len(days)) == (date(2026, 10, 26), date(2026, 12, 6), 42)
    assert calendar_days.around(View.MONTH, date(2026, 12, 31)) == (date(2026, 11, 1), date(2027, 1, 1))
    assert [d.day for d in calendar_days.days_of(View.WEEK, date(2026, 11, 22))] == [16, 17, 18, 19, 20, 21, 22]


def test_what_spans_midnight_lies_on_both_days_and_what_ends_at_midnight_on_one() -> None:
    days = [date(2026, 7, 1), date(2026, 7, 2), date(2026, 7, 3)]  # London is at UTC+1
    over = entry("2026-07-01T22:00", "2026-07-02T02:00")
    assert said([over], days) == [["from 23:00 w"], ["until 03:00 w"], []]
    evening = entry("2026-07-01T20:00", "2026-07-01T23:00")
    assert said([evening], days) == [["21:00–24:00 w"], [], []]
    long = entry("2026-06-30T22:00", "2026-07-04T22:00", Kind.FREEZE)
    assert said([long], days) == [["all day w"]] * 3
    exactly = entry("2026-07-01T23:00", "2026-07-02T23:00")
    assert said([exactly], days) == [[], ["all day w"], []]


def test_days_of_23_and_25_hours_are_as_wide_as_others_and_bars_stay_in_them() -> None:
    days = [date(2026, 10, 24), date(2026, 10, 25), date(2026, 10, 26)]
    whole = [Entry(Kind.WINDOW, "w", calendar_days.midnight(days[1], LONDON), calendar_days.midnight(days[2], LONDON))]
    assert (whole[0].end - whole[0].start) == timedelta(hours=25)
    (bar,) = calendar_days.tracks(whole, days, LONDON)[0].bars
    assert bar.x == pytest.approx(TRACK / 3, abs=0.1)
    assert bar.width == pytest.approx(TRACK / 3, abs=0.1)
    assert calendar_days.now_at(datetime(2026, 10, 27, tzinfo=UTC), days, LONDON) is None


def test_a_change_of_a_minute_at_the_end_of_a_week_is_still_seen() -> None:
    days = calendar_days.days_of(View.WEEK, date(2026, 11, 21))
    short = [entry("2026-11-22T23:59", "2026-11-22T23:59", Kind.RUNNING)]
    (bar,) = calendar_days.tracks(short, days, ZoneInfo("UTC"))[0].bars
    assert bar.x + bar.width <= TRACK
    assert bar.width > 0


# --- page ------------------------------------------------------------------------------------------------------------


def test_the_calendar_shows_windows_freezes_and_a_scheduled_change(author: User, approver: User, keeper: User) -> None:
    now = clock.now()
    daily = Wanted("nights", now.date(), (now + timedelta(hours=1)).time(), timedelta(hours=3), "UTC", "FREQ=DAILY")
    builders.done(windows.add(windows.window_row(daily, keeper, now)))
    fair = Wanted("fair", now.date() + timedelta(days=1), now.time(), timedelta(days=2), "UTC", why="Customers look.")
    builders.done(windows.add(windows.freeze_row(fair, keeper, now)))
    change = builders.approved(author, approver, builders.plan([["bly"]]), now, title="Kernel of bly")
    builders.done(scheduling.schedule(change, approver, now))
    for view in View:
        day = now.date() + timedelta(days=view is View.DAY and (now + timedelta(hours=1)).date() != now.date())
        html = page(keeper, f"/calendar/?view={view}&day={day}")
        assert "nights" in html
        assert f"{change.pk} Kernel of bly" in html
        assert ("fair" in html) or view is not View.MONTH
    assert "starts by itself" in words(page(keeper, "/"))
    assert {e.kind for e in calendar.entries(now, now + timedelta(days=7), now)} >= {Kind.WINDOW, Kind.SCHEDULED}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("zone=Mars/Olympus", "wanted a time zone such as"),
        ("zone=../etc/passwd", "wanted a time zone such as"),
        ("view=year", "wanted one of month, week, day"),
        ("day=2026-02-30", "wanted a day such as"),
        ("day=9999-12-31&view=month", "wanted a day such as"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_and_today_is_shown(query: str, wanted: str, reader: User) -> None:
    response = as_(reader).get(f"/calendar/?{query}")
    assert response.status_code == 400
    assert wanted in words(response.content.decode())
    assert "Week" in response.content.decode()


# --- forms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "wanted"),
    [
        ({"ends": "2026-12-01T00:00"}, "before its start, wanted after its start"),
        ({"zone": "Mars/Olympus"}, "wanted a time zone such as Europe/London"),
        ({"repeat": "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"}, "wanted a day that comes"),
        ({"repeat": "FREQ=SOMETIMES"}, "SOMETIMES"),
        ({"repeat": "FREQ=WEEKLY;BYDAY=MO"}, "Begin on Mon 2026-12-07"),
        ({"starts": "soon"}, "wanted a local time such as"),
        ({"starts": "2026-12-01T01:00+02:00"}, "wanted a local time such as"),
        ({"without": "someday"}, "wanted days such as"),
        ({"sites": ["nowhere"]}, "nowhere"),
        ({"name": ""}, "required"),
        ({"name": "a\x00b"}, "Null characters"),
    ],
)
def test_a_wrong_window_is_refused_with_the_reason_and_what_was_typed(
    wrong: dict[str, object], wanted: str, keeper: User
) -> None:
    for verb in ("look", "save"):
        response = as_(keeper).post(reverse("window-add"), {**NIGHTS, **wrong, verb: ""})
        assert response.status_code in {400, 409}
        assert wanted in words(response.content.decode())
    assert "Europe/London" in response.content.decode()
    assert not Window.objects.exists()


def test_a_look_shows_the_next_ones_and_keeps_nothing(keeper: User) -> None:
    form = {**NIGHTS, "starts": "2027-03-27T01:30", "ends": "2027-03-27T02:30", "repeat": "FREQ=DAILY", "look": ""}
    text = words(as_(keeper).post(reverse("window-add"), form).content.decode())
    assert "Sat 2027-03-27 01:30 – 02:30 = 2027-03-27 01:30 to 2027-03-27 02:30 UTC" in text
    # On the 28th the clocks of London skip from 01:00 to 02:00.
    assert "Sun 2027-03-28 02:30 – 03:30 = 2027-03-28 01:30 to 2027-03-28 02:30 UTC" in text
    assert not Window.objects.exists()


def test_a_window_is_added_edited_and_withdrawn_and_the_old_ones_stay_on_record(keeper: User) -> None:
    client = as_(keeper)
    assert client.post(reverse("window-add"), {**NIGHTS, "repeat": "FREQ=DAILY", "sites": ["site0"]}).status_code == 302
    row = Window.objects.get()
    assert (row.sites, row.length, row.created_by) == (["site0"], timedelta(hours=3), keeper)
    form = client.get(reverse("window-edit", args=[row.pk])).content.decode()
    assert 'value="2026-12-01T04:00"' in form
    assert re.search(r'<option value="site0" selected', form)
    longer = {**NIGHTS, "ends": "2026-12-01T05:00", "required": "on"}
    assert client.post(reverse("window-edit", args=[row.pk]), longer).status_code == 302
    old, new = Window.objects.order_by("pk")
    assert old.withdrawn_by == keeper
    assert (new.length, new.required, new.withdrawn_at, new.uid) == (timedelta(hours=4), True, None, old.uid)
    stale = client.post(reverse("window-edit", args=[old.pk]), {**NIGHTS, "name": "other"})
    assert stale.status_code == 409
    assert "withdrawn already" in words(stale.content.decode())
    assert Window.objects.count() == 2, "nothing of the stale form was kept"
    assert client.post(reverse("window-withdraw", args=[new.pk])).status_code == 302
    assert client.post(reverse("window-withdraw", args=[new.pk])).status_code == 409
    assert not Window.objects.standing().exists()
    assert "keeper" in words(page(keeper, reverse("windows") + "?withdrawn=1"))


def test_an_edit_that_is_refused_leaves_the_old_one_standing(keeper: User) -> None:
    client = as_(keeper)
    for name in ("nights", "days"):
        client.post(reverse("window-add"), {**NIGHTS, "name": name})
    row = Window.objects.get(name="nights")
    said = client.post(reverse("window-edit", args=[row.pk]), {**NIGHTS, "name": "days"})
    assert said.status_code == 409
    assert "found taken" in words(said.content.decode())
    row.refresh_from_db()
    assert row.withdrawn_at is None


def test_a_freeze_wants_a_reason(keeper: User) -> None:
    client = as_(keeper)
    assert "wanted why nothing may start" in words(client.post(reverse("freeze-add"), NIGHTS).content.decode())
    assert client.post(reverse("freeze-add"), {**NIGHTS, "why": "The fair."}).status_code == 302
    row = Freeze.objects.get()
    assert client.post(reverse("freeze-withdraw", args=[row.pk])).status_code == 302


def test_a_grant_for_one_site_keeps_windows_of_that_site_only(keeper: User) -> None:
    small = builders.person("small")
    grant = Grant.objects.create(person=small, role="admin")
    grant.sites.set([Site.objects.get(name="site0")])
    client = as_(small)
    wide = client.post(reverse("window-add"), NIGHTS)
    assert wide.status_code == 409
    assert "it for every role at every site" in words(wide.content.decode())
    assert client.post(reverse("window-add"), {**NIGHTS, "sites": ["site0"]}).status_code == 302
    as_(keeper).post(reverse("freeze-add"), {**NIGHTS, "why": "The fair."})
    assert client.post(reverse("freeze-withdraw", args=[Freeze.objects.get().pk])).status_code == 409
    file = SimpleUploadedFile("x.ics", client.get(reverse("windows-export")).content)
    assert client.post(reverse("windows-import"), {"file": file}).status_code == 409


# --- files -----------------------------------------------------------------------------------------------------------


def test_a_file_that_was_written_is_read_again_after_a_look(keeper: User) -> None:
    client = as_(keeper)
    client.post(reverse("window-add"), {**NIGHTS, "repeat": "FREQ=DAILY"})
    written = client.get(reverse("windows-export"))
    assert written["Content-Type"].startswith("text/calendar")
    content = written.content
    Window.objects.update(withdrawn_at=clock.now())
    look = client.post(reverse("windows-import"), {"file": SimpleUploadedFile("x.ics", content), "look": ""})
    assert "nights: added" in words(look.content.decode())
    assert not Window.objects.standing().exists()
    assert client.post(reverse("windows-import"), {"file": SimpleUploadedFile("x.ics", content)}).status_code == 302
    assert Window.objects.standing().get().recurrence == "FREQ=DAILY"


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"])
def test_a_file_that_is_no_calendar_is_refused(content: bytes, keeper: User) -> None:
    response = as_(keeper).post(reverse("windows-import"), {"file": SimpleUploadedFile("x.ics", content)})
    assert response.status_code in {400, 409}
    assert "wanted" in words(response.content.decode())
    assert as_(keeper).post(reverse("windows-import")).status_code == 400
