"""Go on after a pause."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from fleet import clock
from fleet.changes import console, lifecycle


class Command(BaseCommand):
    """./manage.py resume CHANGE."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        console.add_change(parser)
        parser.add_argument("--why", default="", help="a reason, kept with the change")
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        change, person = console.change(options["change"]), console.person(options["user"])
        console.refuse(lifecycle.resume(change, person, clock.now(), why=options["why"]))
        console.console.print(f"change {change.pk}: resume accepted")
