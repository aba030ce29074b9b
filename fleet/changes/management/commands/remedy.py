"""Show what can be done about a verification that does not pass, or have it done."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from fleet import clock
from fleet.changes import console, remedy_asks
from fleet.changes.models import TargetRun


class Command(BaseCommand):
    """./manage.py remedy CHANGE [--target NAME --on NEIGHBOUR]."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        console.add_change(parser)
        parser.add_argument("--target", default="", help="the device whose verification does not pass")
        parser.add_argument("--on", default="", help="the neighbour on which it is to be done")
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        change = console.change(options["change"])
        if options["target"] and options["on"]:
            person = console.person(options["user"])
            console.refuse(
                remedy_asks.ask(change, person, clock.now(), target=options["target"], neighbour=options["on"])
            )
            console.console.print(f"change {change.pk}: remedy on {options['on']} asked for")
            return
        rows = TargetRun.objects.filter(run__revision__change=change).in_flight().with_steps()
        lines = [(t.name, offer) for t in rows for offer in remedy_asks.offered(t)]
        for name, offer in lines:
            console.console.print(f"--target {name} --on {offer.neighbour}: {offer.words}")
        if not lines:
            console.console.print("no remedy is offered now")
