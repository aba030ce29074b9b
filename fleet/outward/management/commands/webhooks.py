"""Webhooks on the shell: make a secret, see who is told and whether they take it, send dead letters again."""

import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import clock
from fleet.changes import console
from fleet.outward import deliver, outbox, signing
from fleet.outward.models import Delivery, Endpoint


class Command(BaseCommand):
    """./manage.py webhooks secret | list | ping NAME | resend NAME."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["secret", "list", "ping", "resend"])
        parser.add_argument("endpoint", nargs="?", help="name of an endpoint, for ping and resend")
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        out = console.console
        match options["what"]:
            case "secret":
                self.stdout.write(signing.new_secret(secrets.token_bytes(32)))
            case "list":
                for row in Endpoint.objects.all():
                    waiting = Delivery.objects.filter(endpoint=row, outcome="").count()
                    dead = Delivery.objects.filter(endpoint=row, outcome=Delivery.DEAD).count()
                    words = "switched off" if not row.active else row.problem or "well"
                    out.print(f"{row.name}: {words}; {waiting} waiting, {dead} dead", markup=False)
            case "ping":
                delivery = outbox.ping(self._endpoint(options), options["user"], clock.now())
                out.print(f"{delivery.message.key} is on its way", markup=False)
            case "resend":
                rows = Delivery.objects.filter(endpoint=self._endpoint(options))
                person = console.person(options["user"])
                out.print(f"{deliver.resend(rows, person.get_username(), clock.now())} sent again", markup=False)

    def _endpoint(self, options: dict[str, Any]) -> Endpoint:
        found = Endpoint.objects.filter(name=options["endpoint"] or "").first()
        if found is None:
            raise CommandError(f"endpoint: found {options['endpoint']!r}, wanted one that exists. See webhooks list.")
        return found
