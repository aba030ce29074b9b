"""Maintenance notices as iCalendar with X-MAINTNOTE-* (draft-gunter-calext-maintenance-notifications, NANOG BCOP)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import icalendar

from fleet.core.link_impact import worst
from fleet.core.model import Impact


class Status(StrEnum):
    """Where a maintenance stands, in the words of the draft. It only moves on; COMPLETED and CANCELLED are ends."""

    TENTATIVE = "TENTATIVE"
    CONFIRMED = "CONFIRMED"
    IN_PROCESS = "IN-PROCESS"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


ENDED = frozenset({Status.COMPLETED, Status.CANCELLED})


@dataclass(frozen=True)
class Note:
    """One notice to one customer. `objects`: circuit as the customer calls it -> what happens to it. Times: instants;
    what is shorter than a second is cut off, because iCalendar has none."""

    uid: str
    sequence: int
    status: Status
    provider: str
    account: str
    maintenance_id: str
    organizer: str  # mail address
    start: datetime
    end: datetime
    stamp: datetime
    summary: str
    objects: tuple[tuple[str, Impact], ...]

    @property
    def impact(self) -> Impact:
        """The gravest of its objects."""
        return worst(impact for _, impact in self.objects)


# What calendars know of it (RFC 5545): they have no words for in process or completed.
_EVENT_STATUS = {Status.TENTATIVE: "TENTATIVE", Status.CANCELLED: "CANCELLED"}


def calendar(notes: Iterable[Note]) -> bytes:
    """One calendar with an event for each notice. Deterministic: the same notices, the same bytes."""
    made = icalendar.Calendar()
    made.add("prodid", "-//Slipway//maintenance notices//EN")
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    for note in notes:
        made.add_component(_event(note))
    return bytes(made.to_ical())


def _event(note: Note) -> icalendar.Event:
    event = icalendar.Event()
    event.add("uid", note.uid)
    event.add("sequence", note.sequence)
    event.add("dtstamp", _instant(note.stamp))
    event.add("dtstart", _instant(note.start))
    event.add("dtend", _instant(note.end))
    event.add("summary", one_line(note.summary))
    event.add("status", _EVENT_STATUS.get(note.status, "CONFIRMED"))
    event.add("transp", "TRANSPARENT")
    organizer = icalendar.vCalAddress(f"mailto:{note.organizer}")
    event.add("organizer", organizer)
    event.add("x-maintnote-provider", one_line(note.provider))
    event.add("x-maintnote-account", one_line(note.account))
    event.add("x-maintnote-maintenance-id", one_line(note.maintenance_id))
    for name, impact in note.objects:
        event.add("x-maintnote-object-id", one_line(name), parameters={"X-MAINTNOTE-OBJECT-IMPACT": impact.value})
    event.add("x-maintnote-impact", note.impact.value)
    event.add("x-maintnote-status", note.status.value)
    return event


def _instant(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


def one_line(text: str) -> str:
    """Text for one property: printable, blanks for line ends. (Commas and the like are escaped by the library.)"""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
