"""Let an approved change start by itself in its windows, or in one of them only."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet import clock
from fleet.changes import console, lifecycle, scheduled
from fleet.changes.models import Window


class Command(BaseCommand):
    """./manage.py schedule CHANGE [--window NAME]."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        console.add_change(parser)
        parser.add_argument("--window", help="only this window (default: any that covers its devices)")
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        change, person = console.change(options["change"]), console.person(options["user"])
        window, name = None, options["window"]
        if name and (window := Window.objects.standing().filter(name=name).first()) is None:
            raise CommandError(f"window: found {name!r}, wanted one that stands. See ./manage.py windows.")
        now = clock.now()
        console.refuse(lifecycle.schedule(change, person, now, window=window))
        ahead = scheduled.ahead(change, now)
        then = f"{ahead.at:%Y-%m-%d %H:%M} UTC" if ahead.at else "400 days from now"
        console.console.print(f"change {change.pk}: scheduled, not before {then}")
