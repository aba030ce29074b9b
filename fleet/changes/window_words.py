"""From what people write on the command line to a wanted window: days, times, lengths."""

import re
from argparse import ArgumentParser
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from fleet.changes.windows import Wanted
from fleet.core.model import Reason

_LENGTH = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?", re.ASCII)
_DIGITS = re.compile(r"[0-9 T:-]+")


def add_when(parser: ArgumentParser) -> None:
    """The arguments that say when, and for what."""
    parser.add_argument("name")
    parser.add_argument("--starts", required=True, metavar="'2026-11-28 01:00'", help="first start, local time")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--length", metavar="3h", help="for example 90m, 3h, 2h30m, 11d")
    length.add_argument("--ends", metavar="'2026-11-28 04:00'", help="end of the first one, local time")
    parser.add_argument("--zone", required=True, metavar="Europe/London", help="whose clock that is")
    parser.add_argument("--repeat", default="", metavar="RRULE", help="for example FREQ=WEEKLY;BYDAY=TU,TH")
    parser.add_argument("--without", nargs="*", default=[], metavar="DAY", help="start days that are left out")
    parser.add_argument("--site", nargs="*", default=[], help="only these sites (default: all)")
    parser.add_argument("--role", nargs="*", default=[], help="only these roles (default: all)")
    parser.add_argument("--recipe", nargs="*", default=[], help="only these kinds of change (default: all)")


def wanted(said: Mapping[str, Any]) -> Wanted | tuple[Reason, ...]:
    """What was written, or everything in it that cannot be read."""
    starts, reasons = _time("starts", said["starts"]), []
    ends = _time("ends", said["ends"]) if said["ends"] else None
    length = _length(said["length"]) if said["length"] else None
    without = [_day(text) for text in said["without"]]
    reasons = [r for r in (starts, ends, length, *without) if isinstance(r, Reason)]
    if isinstance(starts, Reason) or isinstance(ends, Reason) or isinstance(length, Reason) or reasons:
        return tuple(reasons)
    made = length if length is not None else (ends or starts) - starts
    return Wanted(
        said["name"],
        starts.date(),
        starts.time(),
        made,
        said["zone"],
        said["repeat"],
        tuple(d for d in without if isinstance(d, date)),
        tuple(said["site"]),
        tuple(said["role"]),
        tuple(said["recipe"]),
    )


def _time(what: str, text: str) -> datetime | Reason:
    """Local time, without a zone of its own."""
    try:
        if not _DIGITS.fullmatch(text):
            raise ValueError
        return datetime.fromisoformat(text).replace(tzinfo=UTC).replace(tzinfo=None)
    except ValueError:
        return Reason(f"--{what}", repr(text[:40]), "a local time such as 2026-11-28 01:00", "The zone is --zone.")


def _day(text: str) -> date | Reason:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return Reason("--without", repr(text[:40]), "a day such as 2026-12-24", "Write year-month-day.")


def _length(text: str) -> timedelta | Reason:
    found = _LENGTH.fullmatch(text)
    if not text or found is None:
        return Reason("--length", repr(text[:40]), "such as 90m, 3h, 2h30m, 11d", "Write days, hours, minutes.")
    return timedelta(days=int(found[1] or 0), hours=int(found[2] or 0), minutes=int(found[3] or 0))
