"""What an adapter of a ticket system can do, and the values it is asked with and answers with."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from fleet.core.model import Reason
from fleet.core.tickets import Stage, TicketApproval


class Unreadable(Exception):
    """The system does not answer, or answers what cannot be understood: try again. `wait`: as it asked."""

    def __init__(self, reason: Reason, wait: timedelta | None = None) -> None:
        super().__init__(str(reason))
        self.reason, self.wait = reason, wait


class NotAllowed(Exception):
    """The system understood and said no: a person must look, and it is tried again later."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True)
class Subject:
    """What a ticket is about. `mark`: by which a ticket that we opened is found again."""

    change: int
    revision: int
    number: str
    remote_id: str
    mark: str
    title: str
    text: str
    digest: str
    url: str


@dataclass(frozen=True)
class Ticket:
    """A ticket as the system shows it now. `stage`: None when its state is none that we know; `words`: its own word."""

    remote_id: str
    number: str
    stage: Stage | None
    approval: TicketApproval
    words: str
    page: str = ""
    approved_by: str = ""


@dataclass(frozen=True)
class Closing:
    """How it ended. `code`: successful, successful_issues or unsuccessful, as ServiceNow has them."""

    code: str
    notes: str
    evidence: str = field(default="")


class Adapter(Protocol):
    """One ticket of one system. Every method may be called again after it was done: it looks first.

    Raises Unreadable and NotAllowed, nothing else.
    """

    def find(self, subject: Subject) -> Ticket | None:
        """The ticket by its number, or the one that carries our mark; None when there is none."""

    def open(self, subject: Subject) -> Ticket:
        """Open a ticket that carries our mark."""

    def offer(self, subject: Subject, ticket: Ticket) -> Ticket:
        """Show this plan in the ticket and ask for its approval; what was approved before counts no longer."""

    def decide(self, ticket: Ticket, *, approve: bool, words: str) -> None:
        """What was decided in Slipway, as our own approval there. Nothing where we are no approver."""

    def has_note(self, ticket: Ticket, mark: str) -> bool:
        """Does a note carry this mark?"""

    def note(self, ticket: Ticket, text: str) -> None:
        """Say something in the ticket."""

    def conflicts(self, ticket: Ticket, sentences: tuple[str, ...]) -> None:
        """Why the change cannot start, where the system has a place for it; empty: nothing stands against it."""

    def move(self, ticket: Ticket, to: Stage, closing: Closing | None) -> Ticket:
        """Take the ticket on by one state or more; what it shows afterwards. Never back."""

    def attach(self, ticket: Ticket, name: str, content: bytes) -> None:
        """Attach a file, unless one of this name is there."""
