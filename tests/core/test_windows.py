"""When windows are open, as tables that an operator can read: tests/core/windows/*.txt.

`window: DAY TIME LENGTH ZONE [RULE [without=DAYS]]` and `freeze:` alike, in local time; `look: FROM TO` and
`open: FROM TO` in UTC. `refused:` is what is said to one that may not be kept.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fleet.core import rrule, windows, windows_refuse
from fleet.core.model import Reason
from fleet.core.windows import Calendar, Freeze, Period, Place, Scope, Span, Terms, Window

FOLDER = Path(__file__).parent / "windows"
Case = dict[str, list[str]]


def cases() -> Iterator[tuple[str, Case]]:
    for path in sorted(FOLDER.glob("*.txt")):
        for block in path.read_text().split("\n\n"):
            lines = [line for line in block.splitlines() if line and not line.startswith("#")]
            said: Case = {}
            for line in lines:
                key, _, value = line.partition(": ")
                said.setdefault(key, []).append(value)
            if said:
                yield f"{path.stem}: {said['case'][0]}", said


CASES = dict(cases())


def length_of(text: str) -> timedelta:
    sign, days, hours, minutes = re.fullmatch(r"(-?)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?", text).groups()  # type: ignore[union-attr]
    made = timedelta(days=int(days or 0), hours=int(hours or 0), minutes=int(minutes or 0))
    return -made if sign else made


def period(text: str, *, by_clock: bool = False) -> Period | tuple[Reason, ...]:
    day, time, length, zone, *rest = text.split()
    rule = rrule.parse(rest[0]) if rest else None
    if isinstance(rule, tuple):
        return rule
    without = frozenset(date.fromisoformat(d) for d in rest[1].removeprefix("without=").split(",")) if rest[1:] else ()
    starts = datetime.fromisoformat(f"{day}T{time}")
    return Period(starts, length_of(length), ZoneInfo(zone), rule, frozenset(without), by_clock)


def read(text: str, *, by_clock: bool = False) -> Period:
    made = period(text, by_clock=by_clock)
    assert isinstance(made, Period), made
    return made


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def instants(value: str) -> tuple[datetime, datetime]:
    found = re.findall(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d)?", value)
    return utc(found[0]), utc(found[1])


@pytest.mark.parametrize("name", [n for n, said in CASES.items() if "open" in said])
def test_open(name: str) -> None:
    said = CASES[name]
    calendar = Calendar(
        tuple(Window(f"w{n}", read(w)) for n, w in enumerate(said.get("window", []))),
        tuple(Freeze(f"f{n}", read(f, by_clock=True)) for n, f in enumerate(said.get("freeze", []))),
    )
    got = windows.openings(calendar, Place(), Terms(windowed=True), *instants(said["look"][0]))
    wanted = [] if said["open"] == ["never"] else [instants(o) for o in said["open"]]
    assert [(s.start, s.end) for s in got] == wanted
    for text in [*said.get("window", []), *said.get("freeze", [])]:
        assert windows_refuse.refuse(read(text)) == (), "a table shows what may be kept"


@pytest.mark.parametrize("name", [n for n, said in CASES.items() if "refused" in said])
def test_refused(name: str) -> None:
    said = CASES[name]
    made = period(said["window"][0])
    reasons = windows_refuse.refuse(made) if isinstance(made, Period) else made
    assert [f"{r.subject}: found {r.found}" for r in reasons] == said["refused"]
    assert all(r.wanted and r.remedy for r in reasons)


def test_there_are_enough_cases() -> None:
    assert sum("open" in said for said in CASES.values()) >= 60
    assert sum("refused" in said for said in CASES.values()) >= 15


def test_the_start_day_owns_the_night() -> None:
    thursdays = read("2026-01-01 23:00 5h UTC FREQ=WEEKLY;BYDAY=TH")
    (span,) = windows.occurrences(thursdays, utc("2026-01-02 02:00"), utc("2026-01-02 03:00"))
    assert span == Span(utc("2026-01-01 23:00"), utc("2026-01-02 04:00"))
    assert span.day == date(2026, 1, 1)


def test_a_scope_is_all_where_it_says_nothing() -> None:
    scope = Scope(sites=frozenset({"ma1"}), recipes=frozenset({"kernel", "reboot"}))
    assert scope.covers(Place("ma1", "edge", "kernel"))
    assert not scope.covers(Place("ma2", "edge", "kernel"))
    assert not scope.covers(Place("ma1", "edge", "nic-queues"))
    assert Scope().covers(Place())


def test_free_slots_are_long_enough_for_the_worst_case_on_all_places_at_once() -> None:
    night, evening = read("2026-01-01 00:00 6h UTC FREQ=DAILY"), read("2026-01-01 21:00 5h UTC FREQ=DAILY")
    here = Window("here", night, Scope(sites=frozenset({"ma1"})))
    there = Window("there", evening, Scope(sites=frozenset({"ma2"})))
    horizon = Span(utc("2026-01-02 12:00"), utc("2026-01-04 12:00"))
    places = [Place("ma1"), Place("ma2")]
    slots = windows.fits(timedelta(hours=2), [here, there], [], horizon, places)
    assert [(s.start, s.latest, s.end) for s in slots] == [
        (utc(f"2026-01-0{d} 00:00"), utc(f"2026-01-0{d} 00:00"), utc(f"2026-01-0{d} 02:00")) for d in (3, 4)
    ]
    assert windows.fits(timedelta(hours=2, seconds=1), [here, there], [], horizon, places) == ()
    stop = Freeze("stop", read("2026-01-03 01:00 1h UTC", by_clock=True), Scope(sites=frozenset({"ma2"})))
    (slot,) = windows.fits(timedelta(hours=2), [here, there], [stop], horizon, places)
    assert slot.start == utc("2026-01-04 00:00")


def test_when_the_rules_of_a_zone_change_the_wall_clock_stays_and_the_instant_moves() -> None:
    kept = read("2027-07-01 02:00 2h Europe/London")
    without_summer_time = Period(kept.starts, kept.length, timezone(timedelta(0)))
    assert windows.span_of(kept, date(2027, 7, 1)).start == utc("2027-07-01 01:00")
    assert windows.span_of(without_summer_time, date(2027, 7, 1)).start == utc("2027-07-01 02:00")
