"""A system that is not asked: it hears of the change by signed webhooks and says approved or rejected by a callback.

What a callback said stands in the row (inbound.py wrote it); there is nothing to poll. Options: bind.
"""

from fleet.core.tickets import Stage, TicketApproval
from fleet.outward.tickets.base import Closing, Subject, Ticket

OPTIONS = frozenset({"bind"})


class Generic:
    """A ticket that only its callbacks tell about. `approval`: what the last of them said."""

    def __init__(self, approval: TicketApproval, words: str) -> None:
        self.approval, self.words = approval, words

    def find(self, subject: Subject) -> Ticket | None:
        return self._ticket(subject.number, self.approval)

    def open(self, subject: Subject) -> Ticket:
        return self._ticket(subject.number, self.approval)

    def offer(self, subject: Subject, ticket: Ticket) -> Ticket:
        return self._ticket(ticket.number, TicketApproval.REQUESTED)  # an older callback was about an older plan

    def decide(self, ticket: Ticket, *, approve: bool, words: str) -> None:
        """It hears `change.approved` like everybody."""

    def has_note(self, ticket: Ticket, mark: str) -> bool:
        return True  # events are its notes; each is delivered by its own webhook

    def note(self, ticket: Ticket, text: str) -> None:
        """Events are its notes."""

    def conflicts(self, ticket: Ticket, sentences: tuple[str, ...]) -> None:
        """It hears `change.holds`."""

    def move(self, ticket: Ticket, to: Stage, closing: Closing | None) -> Ticket:
        return Ticket(ticket.remote_id, ticket.number, to, ticket.approval, to.value)

    def attach(self, ticket: Ticket, name: str, content: bytes) -> None:
        """It fetches the evidence by the API."""

    def _ticket(self, number: str, approval: TicketApproval) -> Ticket:
        stage = Stage.SCHEDULED if approval is TicketApproval.APPROVED else Stage.ASSESS
        return Ticket(number, number, stage, approval, self.words or approval.value)
