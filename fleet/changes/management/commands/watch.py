"""Watch a change live: waves, targets in flight, why nothing more happens."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.live import Live

from fleet import clock
from fleet.changes import console, watch


class Command(BaseCommand):
    """./manage.py watch CHANGE [--once]."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        console.add_change(parser)
        parser.add_argument("--once", action="store_true", help="print it once")

    def handle(self, **options: Any) -> None:
        change = console.change(options["change"])
        if options["once"]:
            console.console.print(watch.picture(change, clock.now()))
            return
        with Live(console=console.console, auto_refresh=False) as live:
            while True:
                change.refresh_from_db()
                live.update(watch.picture(change, clock.now()), refresh=True)
                if change.ended:
                    return
                time.sleep(1)
