"""Recompute the hash chain over the events of one change, or of all."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet.changes import console, seals
from fleet.changes.models import Change


class Command(BaseCommand):
    """./manage.py verify_events [CHANGE]."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("change", type=int, nargs="?")

    def handle(self, **options: Any) -> None:
        number = options["change"]
        changes = [console.change(number)] if number is not None else list(Change.objects.order_by("id"))
        broken = []
        for change in changes:
            seals.seal(change.pk)
            verified = seals.verify(change)
            if verified.broken is not None:
                broken.append(str(verified.broken))
            else:
                console.console.print(f"change {change.pk}: {verified.links} events, the chain holds")
        if broken:
            raise CommandError("\n".join(broken))
