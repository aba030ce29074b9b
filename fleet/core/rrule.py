"""Which days a recurrence rule means: the part of RFC 5545 (RRULE) that whole days need, over local dates.

Time of day and zone are no part of it: windows.py puts them on each day. Refused: parts below a day (BYHOUR ...), what
maintenance calendars do not write (BYWEEKNO, BYYEARDAY), and a first day that the rule itself does not mean:
RFC 5545 3.8.5.3 leaves undefined what that would be. Why this is not python-dateutil: docs/decisions/006-windows.md.
"""

import calendar
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import count, islice

from fleet.core.model import Reason

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# A rule that means no day in this time never will, for people: 29 February on one weekday comes back within 40 years.
NEVER_YEARS = 50
MOST_COUNT = 10_000  # daily for 27 years; each look at a counted rule walks from its beginning
MOST_INTERVAL = 1_000


class Freq(StrEnum):
    """How often."""

    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"


@dataclass(frozen=True)
class ByDay:
    """A weekday (0 = Monday), or its nth in the month or year: 2 = second, -1 = last, 0 = each."""

    weekday: int
    nth: int = 0


@dataclass(frozen=True)
class Rule:
    """A rule that was read. `until`: a date or naive time as the wall clock shows it, or an instant in UTC."""

    freq: Freq
    interval: int = 1
    by_day: tuple[ByDay, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_month: tuple[int, ...] = ()
    by_set_pos: tuple[int, ...] = ()
    count: int | None = None
    until: date | datetime | None = None
    week_start: int = 0

    def __str__(self) -> str:
        parts = [f"FREQ={self.freq}"]
        if self.interval != 1:
            parts.append(f"INTERVAL={self.interval}")
        days = (f"{d.nth or ''}{DAYS[d.weekday]}" for d in self.by_day)
        lists: Mapping[str, Iterable[object]] = {
            "BYMONTH": self.by_month,
            "BYMONTHDAY": self.by_month_day,
            "BYDAY": tuple(days),
            "BYSETPOS": self.by_set_pos,
        }
        parts += [f"{name}={','.join(str(v) for v in values)}" for name, values in lists.items() if values]
        if self.count is not None:
            parts.append(f"COUNT={self.count}")
        if self.until is not None:
            parts.append(f"UNTIL={_until_text(self.until)}")
        if self.week_start:
            parts.append(f"WKST={DAYS[self.week_start]}")
        return ";".join(parts)


def _until_text(until: date | datetime) -> str:
    if not isinstance(until, datetime):
        return f"{until:%Y%m%d}"
    return f"{until:%Y%m%dT%H%M%S}" + ("Z" if until.tzinfo else "")


# --- reading -------------------------------------------------------------------------------------------------------


def parse(text: str) -> Rule | tuple[Reason, ...]:
    """The rule that a text such as `FREQ=MONTHLY;BYDAY=2TU` means, or everything that is wrong with it."""
    parts: dict[str, str] = {}
    wrong: list[Reason] = []
    for part in text.strip().removeprefix("RRULE:").split(";"):
        key, equals, value = part.strip().upper().partition("=")
        if not equals or not value:
            wrong.append(_no(repr(part[:40]), "NAME=VALUE parts with ';' between them", "For example FREQ=DAILY."))
        elif key in parts:
            wrong.append(_no(f"{key} twice", "each part once", "Join them with ','."))
        elif key not in _READERS:
            wrong.append(_no(key[:40], f"one of {', '.join(_READERS)}", "Write it with whole days, or as two windows."))
        else:
            parts[key] = value
    values: dict[str, object] = {}
    for key, value in parts.items():
        field, read = _READERS[key]
        try:
            values[field] = read(value)
        except ValueError as error:
            wrong.append(_no(f"{key}={value[:40]}", str(error), "Mend this part."))
    if "FREQ" not in parts and not wrong:
        wrong.append(_no("no FREQ", f"FREQ={'|'.join(Freq)}", "Say how often."))
    if wrong:
        return tuple(wrong)
    rule = Rule(**values)  # type: ignore[arg-type]  # each reader returns what its field takes
    return tuple(_fits_together(rule)) or rule


def _no(found: str, wanted: str, remedy: str) -> Reason:
    return Reason("recurrence", found, wanted, remedy)


def _freq(value: str) -> Freq:
    if value not in set(Freq):
        raise ValueError(f"one of {', '.join(Freq)}")
    return Freq(value)


def _number(value: str, least: int, most: int, *, signed: bool = False) -> int:
    wanted = f"a number from {least} to {most}" + (", or counted from the end with '-'" if signed else "")
    digits = value[1:] if signed and value[:1] in {"-", "+"} else value
    if not (digits.isascii() and digits.isdigit() and len(digits) < 8 and least <= int(digits) <= most):
        raise ValueError(wanted)
    return -int(digits) if value.startswith("-") else int(digits)


def _numbers(value: str, most: int, *, signed: bool = False) -> tuple[int, ...]:
    return tuple(sorted({_number(v, 1, most, signed=signed) for v in value.split(",")}))


def _weekday(value: str) -> int:
    if value not in DAYS:
        raise ValueError(f"one of {', '.join(DAYS)}")
    return DAYS.index(value)


def _by_day(value: str) -> tuple[ByDay, ...]:
    made = []
    for item in value.split(","):
        nth = _number(item[:-2], 1, 53, signed=True) if item[:-2] else 0
        made.append(ByDay(_weekday(item[-2:]), nth))
    return tuple(sorted(set(made), key=lambda d: (d.weekday, d.nth)))


def _until(value: str) -> date | datetime:
    wanted = "a date 20261231 or a time 20261231T235959Z"
    if not (value.isascii() and value.replace("T", "", 1).removesuffix("Z").isdigit()):
        raise ValueError(wanted)
    try:
        if len(value) == 8:
            return datetime.strptime(value, "%Y%m%d").replace(tzinfo=UTC).date()
        made = datetime.strptime(value.removesuffix("Z"), "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise ValueError(wanted) from None
    return made if value.endswith("Z") else made.replace(tzinfo=None)


_READERS = {
    "FREQ": ("freq", _freq),
    "INTERVAL": ("interval", lambda v: _number(v, 1, MOST_INTERVAL)),
    "BYDAY": ("by_day", _by_day),
    "BYMONTHDAY": ("by_month_day", lambda v: _numbers(v, 31, signed=True)),
    "BYMONTH": ("by_month", lambda v: _numbers(v, 12)),
    "BYSETPOS": ("by_set_pos", lambda v: _numbers(v, 366, signed=True)),
    "COUNT": ("count", lambda v: _number(v, 1, MOST_COUNT)),
    "UNTIL": ("until", _until),
    "WKST": ("week_start", _weekday),
}


def _fits_together(rule: Rule) -> Iterator[Reason]:
    if rule.count is not None and rule.until is not None:
        yield _no("COUNT and UNTIL", "one of them", "Leave one out.")
    if rule.freq in {Freq.DAILY, Freq.WEEKLY} and any(d.nth for d in rule.by_day):
        yield _no(f"the nth weekday with FREQ={rule.freq}", "FREQ=MONTHLY or YEARLY", "Nth of what? Say MONTHLY.")
    if rule.freq is Freq.WEEKLY and rule.by_month_day:
        yield _no("BYMONTHDAY with FREQ=WEEKLY", "BYDAY", "Use FREQ=MONTHLY for days of the month.")
    if rule.by_set_pos and not (rule.by_day or rule.by_month_day or rule.by_month):
        yield _no("BYSETPOS alone", "BYDAY, BYMONTHDAY or BYMONTH beside it", "Say out of which days it picks.")


# --- which days ----------------------------------------------------------------------------------------------------


def days(rule: Rule, first: date, after: date | None = None) -> Iterator[date]:
    """The days of a rule that begins on `first`, in order, from `after` on. May be endless; ends at 31 December 9999.

    `until` is not looked at: as an instant it can only be compared once the time of day and the zone are known.
    """
    if rule.count is not None:
        counted = islice(_endless(rule, first, first), rule.count)
        return counted if after is None else (d for d in counted if d >= after)
    return _endless(rule, first, first if after is None else max(first, after))


def next_day(rule: Rule, first: date, after: date) -> date | None:
    """The first day from `after` on, or None when there is none within NEVER_YEARS."""
    limit = date(min(after.year + NEVER_YEARS, date.max.year), after.month, min(after.day, 28))
    for period in _periods(rule, first, after):
        if period.begins > limit:
            return None
        for day in period.days:
            if day >= after:
                return day
    return None


@dataclass(frozen=True)
class _Period:
    begins: date
    days: tuple[date, ...]


def _endless(rule: Rule, first: date, after: date) -> Iterator[date]:
    for period in _periods(rule, first, after):
        yield from (d for d in period.days if d >= after)


def _periods(rule: Rule, first: date, after: date) -> Iterator[_Period]:
    """The days, weeks, months or years of a rule, from the one that `after` lies in (or just before) on."""
    begins = _period_begin(rule, first)
    for number in count(max(0, _steps_to(rule, begins, after))):
        begin = _nth_period(rule, begins, number)
        if begin is None:
            return
        picked = _picked(rule, sorted(_candidates(rule, begin, first)))
        yield _Period(begin, tuple(d for d in picked if d >= first))


def _period_begin(rule: Rule, day: date) -> date:
    match rule.freq:
        case Freq.DAILY:
            return day
        case Freq.WEEKLY:
            back = (day.weekday() - rule.week_start) % 7
            return day - timedelta(days=back) if day.toordinal() > back else day
        case Freq.MONTHLY:
            return day.replace(day=1)
        case Freq.YEARLY:
            return day.replace(month=1, day=1)


def _steps_to(rule: Rule, begins: date, after: date) -> int:
    """How many periods of the rule may be skipped without missing `after`."""
    match rule.freq:
        case Freq.DAILY:
            units = (after - begins).days
        case Freq.WEEKLY:
            units = (after - begins).days // 7
        case Freq.MONTHLY:
            units = (after.year - begins.year) * 12 + after.month - begins.month
        case Freq.YEARLY:
            units = after.year - begins.year
    return units // rule.interval


def _nth_period(rule: Rule, begins: date, number: int) -> date | None:
    steps = number * rule.interval
    try:
        match rule.freq:
            case Freq.DAILY:
                return begins + timedelta(days=steps)
            case Freq.WEEKLY:
                return begins + timedelta(weeks=steps)
            case Freq.MONTHLY:
                months = begins.month - 1 + steps
                return begins.replace(year=begins.year + months // 12, month=months % 12 + 1)
            case Freq.YEARLY:
                return begins.replace(year=begins.year + steps)
    except (OverflowError, ValueError):
        return None  # the calendar of Python ends


def _candidates(rule: Rule, begin: date, first: date) -> Iterable[date]:
    """The days of one period before BYSETPOS picks (RFC 5545, table of 3.3.10)."""
    match rule.freq:
        case Freq.DAILY:
            return (d for d in (begin,) if _in_lists(rule, d))
        case Freq.WEEKLY:
            wanted = {d.weekday for d in rule.by_day} or {first.weekday()}
            week = (date.fromordinal(n) for n in range(begin.toordinal(), min(begin.toordinal() + 7, _LAST)))
            return (d for d in week if d.weekday() in wanted and d.month in (rule.by_month or _ALL_MONTHS))
        case Freq.MONTHLY:
            return _in_month(rule, begin, first) if begin.month in (rule.by_month or _ALL_MONTHS) else ()
        case Freq.YEARLY:
            return _in_year(rule, begin, first)


_ALL_MONTHS = range(1, 13)
_LAST = date.max.toordinal() + 1


def _in_lists(rule: Rule, day: date) -> bool:
    return (
        day.month in (rule.by_month or _ALL_MONTHS)
        and (not rule.by_month_day or bool({day.day, day.day - _length(day) - 1} & set(rule.by_month_day)))
        and (not rule.by_day or day.weekday() in {d.weekday for d in rule.by_day})
    )


def _length(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def _in_month(rule: Rule, begin: date, first: date) -> list[date]:
    month = [begin.replace(day=n) for n in range(1, _length(begin) + 1)]
    by_month_day = rule.by_month_day or (() if rule.by_day else (first.day,))
    if by_month_day:
        month_days = {n if n > 0 else len(month) + 1 + n for n in by_month_day}
        return [d for d in month if d.day in month_days and _on_weekday(rule, d, month)]
    return [d for d in month if _on_weekday(rule, d, month)]


def _in_year(rule: Rule, begin: date, first: date) -> list[date]:
    if rule.by_month or rule.by_month_day or not rule.by_day:
        # Days of the month, in the months that are named; in each when only days are, in the first day's own otherwise.
        months = rule.by_month or (tuple(_ALL_MONTHS) if rule.by_month_day else (first.month,))
        found = [d for m in months for d in _in_month(rule, begin.replace(month=m), first)]
        if rule.by_month or not any(d.nth for d in rule.by_day):
            return found
        year = _year(begin)
        plain = Rule(rule.freq, by_month_day=rule.by_month_day)
        found = [d for m in months for d in _in_month(plain, begin.replace(month=m), first)]
        return [d for d in found if _on_weekday(rule, d, year)]
    year = _year(begin)
    return [d for d in year if _on_weekday(rule, d, year)]


def _year(begin: date) -> list[date]:
    length = 366 if calendar.isleap(begin.year) else 365
    return [date.fromordinal(begin.toordinal() + n) for n in range(length)]


def _on_weekday(rule: Rule, day: date, span: list[date]) -> bool:
    """Is it one of BYDAY, the nth counted within `span` (a whole month or year)?"""
    if not rule.by_day:
        return True
    at = day.toordinal() - span[0].toordinal()
    nth, nth_last = at // 7 + 1, -((len(span) - 1 - at) // 7 + 1)
    return any(d.weekday == day.weekday() and d.nth in {0, nth, nth_last} for d in rule.by_day)


def _picked(rule: Rule, candidates: list[date]) -> list[date]:
    if not rule.by_set_pos:
        return candidates
    size = len(candidates)
    places = {p - 1 if p > 0 else size + p for p in rule.by_set_pos}
    return [d for n, d in enumerate(candidates) if n in places]
