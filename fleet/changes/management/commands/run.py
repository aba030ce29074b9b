"""Start an approved change and watch it to its end (inline: this process is the engine as well)."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.live import Live

from fleet import clock
from fleet.changes import console, lifecycle, loop, watch
from fleet.changes.models import Change
from fleet.core.states import ChangeState


class Command(BaseCommand):
    """./manage.py run CHANGE [--minutes 60] [--detach]."""

    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        console.add_change(parser)
        parser.add_argument("--minutes", type=float, help="length of the window: what does not fit is not started")
        parser.add_argument("--detach", action="store_true", help="start it and return; an engine must be running")
        parser.add_argument("--quiet", action="store_true", help="no live picture")
        console.add_person(parser)

    def handle(self, **options: Any) -> None:
        change, person = console.change(options["change"]), console.person(options["user"])
        now = clock.now()
        end = now + timedelta(minutes=options["minutes"]) if options["minutes"] else None
        console.refuse(lifecycle.start(change, person, now, window_end=end))
        if options["detach"]:
            console.console.print(f"change {change.pk}: started")
            return
        follow(change, quiet=options["quiet"])
        change.refresh_from_db()
        console.console.print(watch.picture(change, clock.now()))
        if change.state != ChangeState.SUCCEEDED:
            raise CommandError(f"change {change.pk} ended {change.state}: {change.in_words}")


def follow(change: Change, *, quiet: bool) -> None:
    """Be the engine (inline) or just look (celery) until the change has ended; Ctrl-C only stops looking."""

    def picture_again(live: Live | None) -> bool:
        change.refresh_from_db()
        if live is not None:
            live.update(watch.picture(change, clock.now()), refresh=True)
        return change.ended

    if quiet:
        _drive(lambda: picture_again(None))
        return
    with Live(console=console.console, auto_refresh=False) as live:
        _drive(lambda: picture_again(live))


def _drive(ended: Any) -> None:
    if settings.SLIPWAY_DISPATCH == "inline":
        loop.run(ended)
        return
    import time

    while not ended():
        time.sleep(1)
