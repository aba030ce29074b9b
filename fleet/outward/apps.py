"""What goes out to others and comes in from them, as a Django app."""

from django.apps import AppConfig


class OutwardConfig(AppConfig):
    """Webhooks out and in, ticket systems."""

    name = "fleet.outward"
    label = "outward"
    verbose_name = "Webhooks and tickets"

    def ready(self) -> None:
        """Tell the engine what it may not import: the gate of tickets, and what goes on beside its loop."""
        from fleet.changes import beside, outside
        from fleet.outward import rounds
        from fleet.outward.tickets import gate

        outside.tell(gate.reasons)
        beside.tell(rounds.run)
