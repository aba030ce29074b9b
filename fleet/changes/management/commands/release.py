"""Let go of stuck devices that a person has put right."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from fleet import clock
from fleet.changes import console, lifecycle


class Command(BaseCommand):
    """./manage.py release CHANGE ROUTER... --why "replaced the power supply, undrained by hand"."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        console.add_change(parser)
        parser.add_argument("routers", nargs="+")
        parser.add_argument("--why", default="", help="what was done; kept with the change")
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        change, person = console.change(options["change"]), console.person(options["user"])
        console.refuse(lifecycle.release(change, person, clock.now(), names=options["routers"], why=options["why"]))
        console.console.print(f"change {change.pk}: released {', '.join(options['routers'])}")
