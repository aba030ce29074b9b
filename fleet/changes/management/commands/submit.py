"""Put a draft before approvers."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from fleet import clock
from fleet.changes import console, lifecycle


class Command(BaseCommand):
    """./manage.py submit CHANGE."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        console.add_change(parser)
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        change, person = console.change(options["change"]), console.person(options["user"])
        console.refuse(lifecycle.submit(change, person, clock.now()))
        console.console.print(f"change {change.pk}: submit accepted")
