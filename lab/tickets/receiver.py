"""Somebody who is told by webhooks: keeps what came, answers as told."""

from lab.tickets.server import Asked, Fake, Said


class Receiver(Fake):
    """Takes everything with 204, unless `status` says otherwise."""

    def __init__(self, status: int = 204) -> None:
        super().__init__()
        self.status = status
        self.headers: dict[str, str] = {}

    def answer(self, asked: Asked) -> Said:
        return Said(self.status, b"", self.headers)

    @property
    def ids(self) -> list[str]:
        """The webhook-ids in the order in which they came."""
        return [a.headers.get("webhook-id", "") for a in self.asked]
