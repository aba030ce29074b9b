"""The tables of what goes out and comes in; imported from here."""

from fleet.outward.models.inbound import InboundSource, Scheme, SeenMessage
from fleet.outward.models.tickets import TicketKind, TicketLink, TicketSystem
from fleet.outward.models.webhooks import Delivery, Endpoint, Listening, Message, Outbox

__all__ = [
    "Delivery",
    "Endpoint",
    "InboundSource",
    "Listening",
    "Message",
    "Outbox",
    "Scheme",
    "SeenMessage",
    "TicketKind",
    "TicketLink",
    "TicketSystem",
]
